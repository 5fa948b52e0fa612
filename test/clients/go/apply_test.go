// Server-side apply with the typed apply configurations: owners of fields, conflicts, and extracting what one owns.
package clients

import (
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	appsapply "k8s.io/client-go/applyconfigurations/apps/v1"
	coreapply "k8s.io/client-go/applyconfigurations/core/v1"
	metaapply "k8s.io/client-go/applyconfigurations/meta/v1"
)

func webConfiguration(image string) *appsapply.DeploymentApplyConfiguration {
	labels := map[string]string{"app": "applied"}
	return appsapply.Deployment("applied", ns).
		WithLabels(labels).
		WithSpec(appsapply.DeploymentSpec().
			WithReplicas(2).
			WithSelector(metaapply.LabelSelector().WithMatchLabels(labels)).
			WithTemplate(coreapply.PodTemplateSpec().
				WithLabels(labels).
				WithSpec(coreapply.PodSpec().
					WithContainers(coreapply.Container().WithName("main").WithImage(image).
						WithPorts(coreapply.ContainerPort().WithContainerPort(80))))))
}

func TestApply(t *testing.T) {
	deployments := cs.AppsV1().Deployments(ns)
	mine := metav1.ApplyOptions{FieldManager: "first"}
	made, err := deployments.Apply(ctx, webConfiguration("a:1"), mine)
	no(t, err)
	if *made.Spec.Replicas != 2 || made.Generation != 1 {
		t.Errorf("applied %d replicas at generation %d", *made.Spec.Replicas, made.Generation)
	}
	again, err := deployments.Apply(ctx, webConfiguration("a:1"), mine)
	no(t, err)
	if again.Generation != made.Generation {
		t.Errorf("the same apply made generation %d", again.Generation)
	}

	other := appsapply.Deployment("applied", ns).WithSpec(appsapply.DeploymentSpec().WithReplicas(5))
	_, err = deployments.Apply(ctx, other, metav1.ApplyOptions{FieldManager: "second"})
	wantErr(t, err, 409, metav1.StatusReasonConflict, `Apply failed with 1 conflict: conflict with "first": .spec.replicas`)
	if cause, ok := apierrors.StatusCause(err, metav1.CauseTypeFieldManagerConflict); !ok || cause.Field != ".spec.replicas" {
		t.Errorf("the conflict names %+v", cause)
	}
	forced, err := deployments.Apply(ctx, other, metav1.ApplyOptions{FieldManager: "second", Force: true})
	no(t, err)
	if *forced.Spec.Replicas != 5 {
		t.Errorf("forced to %d replicas", *forced.Spec.Replicas)
	}

	owned, err := appsapply.ExtractDeployment(forced, "first")
	no(t, err)
	if owned.Spec.Replicas != nil || *owned.Spec.Template.Spec.Containers[0].Image != "a:1" {
		t.Errorf("the first manager owns %+v", owned.Spec)
	}
	// What one does not apply any more goes; what others own stays.
	withoutLabels := webConfiguration("a:2")
	withoutLabels.Labels = nil
	withoutLabels.Spec.Replicas = nil
	gone, err := deployments.Apply(ctx, withoutLabels, mine)
	no(t, err)
	if len(gone.Labels) != 0 || *gone.Spec.Replicas != 5 || gone.Spec.Template.Spec.Containers[0].Image != "a:2" {
		t.Errorf("after the last apply: labels %v, %d replicas", gone.Labels, *gone.Spec.Replicas)
	}

	status := appsapply.Deployment("applied", ns).WithStatus(appsapply.DeploymentStatus().WithCollisionCount(3))
	told, err := deployments.ApplyStatus(ctx, status, metav1.ApplyOptions{FieldManager: "teller", Force: true})
	no(t, err)
	if told.Status.CollisionCount == nil || *told.Status.CollisionCount != 3 {
		t.Errorf("the status is %+v", told.Status)
	}
	no(t, deployments.Delete(ctx, "applied", metav1.DeleteOptions{}))

	settings := coreapply.ConfigMap("applied", ns).WithData(map[string]string{"a": "b"})
	kept, err := cs.CoreV1().ConfigMaps(ns).Apply(ctx, settings, mine)
	no(t, err)
	if kept.Data["a"] != "b" || kept.ManagedFields[0].Operation != metav1.ManagedFieldsOperationApply {
		t.Errorf("applied %+v", kept)
	}
	same, err := cs.CoreV1().ConfigMaps(ns).Apply(ctx, settings, mine)
	no(t, err)
	if same.ResourceVersion != kept.ResourceVersion {
		t.Errorf("the same apply made a new version: %s after %s", same.ResourceVersion, kept.ResourceVersion)
	}
}
