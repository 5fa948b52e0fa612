// status, scale, binding, eviction and the others that a pod has.
package clients

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	cacheddisc "k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/scale"
	"k8s.io/client-go/util/retry"
)

func TestSubresources(t *testing.T) {
	l := map[string]string{"app": "sub"}
	d := cs.AppsV1().Deployments(ns)
	dep, err := d.Create(ctx, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "sub"}, Spec: appsv1.DeploymentSpec{Replicas: ptr(int32(2)), Selector: sel(l), Template: template(l)}, Status: appsv1.DeploymentStatus{Replicas: 9}}, metav1.CreateOptions{})
	no(t, err)
	if dep.Status.Replicas != 0 || dep.Generation != 1 {
		t.Error(dep.Status, dep.Generation)
	}
	sc, err := d.GetScale(ctx, "sub", metav1.GetOptions{})
	no(t, err)
	if sc.Spec.Replicas != 2 || sc.Status.Selector != "app=sub" || sc.UID != dep.UID {
		t.Errorf("%+v", sc)
	}
	sc.Spec.Replicas = 1
	sc.ResourceVersion = ""
	sc, err = d.UpdateScale(ctx, "sub", sc, metav1.UpdateOptions{})
	no(t, err)
	sc.ResourceVersion = "1"
	_, err = d.UpdateScale(ctx, "sub", sc, metav1.UpdateOptions{})
	wantErr(t, err, 409, "Conflict", "")
	sc.ResourceVersion = ""
	sc.Spec.Replicas = -1
	_, err = d.UpdateScale(ctx, "sub", sc, metav1.UpdateOptions{})
	wantErr(t, err, 422, "Invalid", `Scale.autoscaling "sub" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0`)
	_, err = d.GetScale(ctx, "none", metav1.GetOptions{})
	wantErr(t, err, 404, "NotFound", `deployments.apps "none" not found`)
	// polymorphic scale client
	dc := cacheddisc.NewMemCacheClient(cs.Discovery())
	rm := restmapper.NewDeferredDiscoveryRESTMapper(dc)
	sg, err := scale.NewForConfig(cfg, rm, dynamic.LegacyAPIPathResolverFunc, scale.NewDiscoveryScaleKindResolver(cs.Discovery()))
	no(t, err)
	psc, err := sg.Scales(ns).Get(ctx, schema.GroupResource{Group: "apps", Resource: "deployments"}, "sub", metav1.GetOptions{})
	no(t, err)
	psc.Spec.Replicas = 3
	psc.ResourceVersion = ""
	_, err = sg.Scales(ns).Update(ctx, schema.GroupResource{Group: "apps", Resource: "deployments"}, psc, metav1.UpdateOptions{})
	no(t, err)
	_, err = sg.Scales(ns).Patch(ctx, appsv1.SchemeGroupVersion.WithResource("deployments"), "sub", types.MergePatchType, []byte(`{"spec":{"replicas":1}}`), metav1.PatchOptions{})
	no(t, err)
	// status
	no(t, retry.RetryOnConflict(retry.DefaultRetry, func() error {
		dep, err = d.Get(ctx, "sub", metav1.GetOptions{})
		no(t, err)
		dep.Status.CollisionCount = ptr(int32(3))
		dep.Spec.Replicas = ptr(int32(7))
		dep, err = d.UpdateStatus(ctx, dep, metav1.UpdateOptions{})
		return err
	}))
	if *dep.Spec.Replicas != 1 {
		t.Error(*dep.Spec.Replicas)
	}
	// pods
	p := cs.CoreV1().Pods(ns)
	unbound := podSpec()
	unbound.SchedulerName = "nobody" // it is bound below
	pod, err := p.Create(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "sub", Labels: map[string]string{"z": "1"}}, Spec: unbound}, metav1.CreateOptions{})
	no(t, err)
	pod.Status.Phase = corev1.PodRunning
	pod.Status.Conditions = []corev1.PodCondition{{Type: "Ready", Status: "True"}}
	pod, err = p.UpdateStatus(ctx, pod, metav1.UpdateOptions{})
	if apierrors.IsConflict(err) {
		pod, _ = p.Get(ctx, "sub", metav1.GetOptions{})
		pod.Status.Phase = corev1.PodRunning
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{Type: "Ready", Status: "True"})
		pod, err = p.UpdateStatus(ctx, pod, metav1.UpdateOptions{})
	}
	no(t, err)
	_, err = cs.CoreV1().Nodes().Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "bindme"}}, metav1.CreateOptions{})
	no(t, err)
	defer cs.CoreV1().Nodes().Delete(ctx, "bindme", metav1.DeleteOptions{})
	_, err = cs.CoreV1().Nodes().Patch(ctx, "bindme", types.MergePatchType, []byte(`{"status":{"allocatable":{"cpu":"4","memory":"4Gi","pods":"10"}}}`), metav1.PatchOptions{}, "status")
	no(t, err)
	no(t, p.Bind(ctx, &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: "sub", Namespace: ns}, Target: corev1.ObjectReference{Kind: "Node", Name: "bindme"}}, metav1.CreateOptions{}))
	err = p.Bind(ctx, &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: "sub", Namespace: ns}, Target: corev1.ObjectReference{Kind: "Node", Name: "bindme2"}}, metav1.CreateOptions{})
	wantErr(t, err, 409, "Conflict", `Operation cannot be fulfilled on pods/binding "sub": pod sub is already assigned to node "bindme"`)
	pod, _ = p.Get(ctx, "sub", metav1.GetOptions{})
	if pod.Spec.NodeName != "bindme" {
		t.Error(pod.Spec.NodeName)
	}
	// immutable
	upd := pod.DeepCopy()
	upd.Spec.Hostname = "x"
	_, err = p.Update(ctx, upd, metav1.UpdateOptions{})
	if err == nil || !strings.HasPrefix(err.Error()+"\n", "Pod \"sub\" is invalid: spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n") {
		t.Error(err)
	}
	// ephemeral
	ep := pod.DeepCopy()
	ep.Spec.EphemeralContainers = append(ep.Spec.EphemeralContainers, corev1.EphemeralContainer{EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "dbg", Image: "x"}})
	_, err = p.UpdateEphemeralContainers(ctx, "sub", ep, metav1.UpdateOptions{})
	if err != nil {
		t.Error("ephemeral", err)
	}
	// resize
	_, err = p.Patch(ctx, "sub", types.StrategicMergePatchType, []byte(`{"spec":{"containers":[{"name":"c","resources":{"requests":{"cpu":"1"}}}]}}`), metav1.PatchOptions{}, "resize")
	if err != nil {
		t.Error("resize", err)
	}
	// eviction & pdb
	_, err = cs.PolicyV1().PodDisruptionBudgets(ns).Create(ctx, &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Spec: policyv1.PodDisruptionBudgetSpec{Selector: sel(map[string]string{"z": "1"}), MaxUnavailable: ptr(intstr.FromInt32(0))}}, metav1.CreateOptions{})
	no(t, err)
	no(t, retry.RetryOnConflict(retry.DefaultRetry, func() error {
		pdb, err := cs.PolicyV1().PodDisruptionBudgets(ns).Get(ctx, "p", metav1.GetOptions{})
		no(t, err)
		pdb.Status.ObservedGeneration, pdb.Status.CurrentHealthy, pdb.Status.DesiredHealthy, pdb.Status.ExpectedPods = pdb.Generation, 1, 1, 1
		_, err = cs.PolicyV1().PodDisruptionBudgets(ns).UpdateStatus(ctx, pdb, metav1.UpdateOptions{})
		return err
	}))
	pod, _ = p.Get(ctx, "sub", metav1.GetOptions{})
	err = cs.PolicyV1().Evictions(ns).Evict(ctx, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: "sub", Namespace: ns}})
	if !apierrors.IsTooManyRequests(err) {
		t.Error(err)
	} else if err.Error() != "Cannot evict pod as it would violate the pod's disruption budget." {
		t.Error(err)
	}
	no(t, cs.PolicyV1().PodDisruptionBudgets(ns).Delete(ctx, "p", metav1.DeleteOptions{}))
	err = cs.PolicyV1().Evictions(ns).Evict(ctx, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: "sub", Namespace: ns}, DeleteOptions: &metav1.DeleteOptions{GracePeriodSeconds: ptr(int64(7))}})
	no(t, err)
	pod, err = p.Get(ctx, "sub", metav1.GetOptions{})
	no(t, err)
	if pod.DeletionTimestamp == nil || *pod.DeletionGracePeriodSeconds != 7 {
		t.Error(pod.DeletionTimestamp)
	}
	found := false
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.DisruptionTarget {
			found = true
			if c.Reason != "EvictionByEvictionAPI" || c.Message != "Eviction API: evicting" {
				t.Error(c)
			}
		}
	}
	if !found {
		t.Error("no DisruptionTarget")
	}
	no(t, p.Delete(ctx, "sub", *metav1.NewDeleteOptions(0)))
	err = cs.PolicyV1().Evictions(ns).Evict(ctx, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: "sub", Namespace: ns}})
	wantErr(t, err, 404, "NotFound", `pods "sub" not found`)
	// foreground
	no(t, d.Delete(ctx, "sub", metav1.DeleteOptions{PropagationPolicy: ptr(metav1.DeletePropagationForeground)}))
	dep, err = d.Get(ctx, "sub", metav1.GetOptions{})
	if err == nil && (len(dep.Finalizers) != 1 || dep.Finalizers[0] != "foregroundDeletion") {
		t.Error(dep.Finalizers)
	}
	eventually(t, "the foreground deletion ends", func() bool {
		_, err = d.Get(ctx, "sub", metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})
}
