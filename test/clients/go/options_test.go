// What creates, updates and lists can be asked for besides the object.
package clients

import (
	"context"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/pager"
)

func TestGenerateName(t *testing.T) {
	c := cs.CoreV1().ConfigMaps(ns)
	a, err := c.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "gen-"}}, metav1.CreateOptions{})
	no(t, err)
	if len(a.Name) != 9 || a.GenerateName != "gen-" {
		t.Error(a.Name)
	}
	long := strings.Repeat("a", 100)
	b, err := c.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: long}}, metav1.CreateOptions{})
	no(t, err)
	if len(b.Name) != 63 {
		t.Error(len(b.Name))
	}
	_, err = c.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{}}, metav1.CreateOptions{})
	wantErr(t, err, 422, "Invalid", `ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required`)
	_, err = c.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: a.Name}}, metav1.CreateOptions{})
	wantErr(t, err, 409, "AlreadyExists", `configmaps "`+a.Name+`" already exists`)
	_, err = c.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "x", ResourceVersion: "5"}}, metav1.CreateOptions{})
	wantErr(t, err, 500, "", "resourceVersion should not be set on objects to be created")
	_, err = c.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "x", Namespace: "other"}}, metav1.CreateOptions{})
	wantErr(t, err, 400, "BadRequest", "the namespace of the provided object does not match the namespace sent on the request")
	_, err = cs.CoreV1().ConfigMaps("nonesuch").Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "x"}}, metav1.CreateOptions{})
	wantErr(t, err, 404, "NotFound", `namespaces "nonesuch" not found`)
}

func TestDryRunAndOptions(t *testing.T) {
	c := cs.CoreV1().ConfigMaps(ns)
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "dry"}, Data: map[string]string{"a": "1"}}
	got, err := c.Create(ctx, cm, metav1.CreateOptions{DryRun: []string{"All"}})
	no(t, err)
	if got.UID == "" {
		t.Error("dry run has no uid")
	}
	_, err = c.Get(ctx, "dry", metav1.GetOptions{})
	wantErr(t, err, 404, "NotFound", "")
	_, err = c.Create(ctx, cm, metav1.CreateOptions{DryRun: []string{"Some"}})
	wantErr(t, err, 422, "Invalid", `CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["Some"]: supported values: "All"`)
	_, err = c.Create(ctx, cm, metav1.CreateOptions{FieldValidation: "Bad"})
	wantErr(t, err, 422, "Invalid", `CreateOptions.meta.k8s.io "" is invalid: fieldValidation: Unsupported value: "Bad": supported values: "", "Ignore", "Strict", "Warn"`)
	_, err = c.Create(ctx, cm, metav1.CreateOptions{FieldManager: strings.Repeat("a", 129)})
	wantErr(t, err, 422, "Invalid", "")
	_, err = c.Create(ctx, cm, metav1.CreateOptions{FieldManager: "m"})
	no(t, err)
	x, err := c.Patch(ctx, "dry", types.MergePatchType, []byte(`{"data":{"a":"2"}}`), metav1.PatchOptions{DryRun: []string{"All"}})
	no(t, err)
	if x.Data["a"] != "2" {
		t.Error(x.Data)
	}
	y, _ := c.Get(ctx, "dry", metav1.GetOptions{})
	if y.Data["a"] != "1" {
		t.Error(y.Data)
	}
	no(t, c.Delete(ctx, "dry", metav1.DeleteOptions{DryRun: []string{"All"}}))
	_, err = c.Get(ctx, "dry", metav1.GetOptions{})
	no(t, err)
	err = c.Delete(ctx, "dry", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: ptr(types.UID("nope"))}})
	wantErr(t, err, 409, "Conflict", fmt.Sprintf(`Operation cannot be fulfilled on ConfigMap "dry": the UID in the precondition (nope) does not match the UID in record (%s). The object might have been deleted and then recreated`, y.UID))
	err = c.Delete(ctx, "dry", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{ResourceVersion: ptr("1")}})
	wantErr(t, err, 409, "Conflict", fmt.Sprintf(`Operation cannot be fulfilled on ConfigMap "dry": the ResourceVersion in the precondition (1) does not match the ResourceVersion in record (%s). The object might have been modified`, y.ResourceVersion))
	err = c.Delete(ctx, "dry", metav1.DeleteOptions{PropagationPolicy: ptr(metav1.DeletionPropagation("Bad"))})
	wantErr(t, err, 422, "Invalid", `DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "Bad": supported values: "Background", "Foreground", "Orphan", "nil"`)
	err = c.Delete(ctx, "dry", metav1.DeleteOptions{PropagationPolicy: ptr(metav1.DeletePropagationOrphan), OrphanDependents: ptr(true)})
	wantErr(t, err, 422, "Invalid", `DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Invalid value: "Orphan": orphanDependents and deletionPropagation cannot be both set`)
	no(t, c.Delete(ctx, "dry", metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(y.UID))}))
	// resource version
	_, err = c.Get(ctx, "kube-root-ca.crt", metav1.GetOptions{ResourceVersion: "abc"})
	_, err = c.List(ctx, metav1.ListOptions{ResourceVersion: "abc"})
	_, err = c.List(ctx, metav1.ListOptions{ResourceVersionMatch: "Exact"})
	wantErr(t, err, 422, "Invalid", `ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided`)
	_, err = c.List(ctx, metav1.ListOptions{ResourceVersionMatch: "Exact", ResourceVersion: "0"})
	wantErr(t, err, 422, "Invalid", `ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"`)
	_, err = c.List(ctx, metav1.ListOptions{ResourceVersionMatch: "Bad", ResourceVersion: "1"})
	wantErr(t, err, 422, "Invalid", `ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Unsupported value: "Bad": supported values: "Exact", "NotOlderThan", ""`)
	_, err = c.List(ctx, metav1.ListOptions{Continue: "abc"})
	_, err = c.List(ctx, metav1.ListOptions{LabelSelector: "a in"})
	wantErr(t, err, 400, "BadRequest", "")
	_, err = c.List(ctx, metav1.ListOptions{FieldSelector: "a"})
	wantErr(t, err, 400, "BadRequest", "")
	_, err = c.List(ctx, metav1.ListOptions{FieldSelector: "spec.x=1"})
	wantErr(t, err, 400, "BadRequest", `"spec.x" is not a known field selector: only "metadata.name", "metadata.namespace"`)
	_, err = c.List(ctx, metav1.ListOptions{SendInitialEvents: ptr(true)})
	wantErr(t, err, 422, "Invalid", `ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list`)
	_, err = c.Watch(ctx, metav1.ListOptions{SendInitialEvents: ptr(true)})
	wantErr(t, err, 422, "Invalid", `ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan`)
}

func TestPagination(t *testing.T) {
	c := cs.CoreV1().ConfigMaps(ns)
	for i := 0; i < 12; i++ {
		_, err := c.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("page-%02d", i), Labels: map[string]string{"page": "y"}}}, metav1.CreateOptions{})
		no(t, err)
	}
	p1, err := c.List(ctx, metav1.ListOptions{Limit: 5})
	no(t, err)
	if len(p1.Items) != 5 || p1.Continue == "" || p1.RemainingItemCount == nil {
		t.Errorf("%d %q %v", len(p1.Items), p1.Continue, p1.RemainingItemCount)
	}
	_, err = c.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "page-99", Labels: map[string]string{"page": "y"}}}, metav1.CreateOptions{})
	no(t, err)
	p2, err := c.List(ctx, metav1.ListOptions{Limit: 100, Continue: p1.Continue})
	no(t, err)
	for _, x := range p2.Items {
		if x.Name == "page-99" {
			t.Error("page 2 shows later object")
		}
	}
	if p2.ResourceVersion != p1.ResourceVersion {
		t.Errorf("rv %s %s", p1.ResourceVersion, p2.ResourceVersion)
	}
	s1, err := c.List(ctx, metav1.ListOptions{Limit: 5, LabelSelector: "page=y"})
	no(t, err)
	if s1.RemainingItemCount != nil {
		t.Error("remaining with selector")
	}
	_, err = c.List(ctx, metav1.ListOptions{Limit: 5, Continue: p1.Continue, ResourceVersion: "5"})
	wantErr(t, err, 400, "BadRequest", "specifying resource version is not allowed when using continue")
	_, err = c.List(ctx, metav1.ListOptions{Limit: -5})
	n := 0
	no(t, pager.New(func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return c.List(ctx, o) }).EachListItem(ctx, metav1.ListOptions{LabelSelector: "page=y", Limit: 3}, func(runtime.Object) error { n++; return nil }))
	if n != 13 {
		t.Error(n)
	}
	no(t, c.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "page=y", FieldSelector: "metadata.name!=page-03"}))
	l, _ := c.List(ctx, metav1.ListOptions{LabelSelector: "page"})
	if len(l.Items) != 1 || l.Items[0].Name != "page-03" {
		t.Error(l.Items)
	}
}
