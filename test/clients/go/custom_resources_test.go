// Kinds that are made while the server runs, through the dynamic client.
package clients

import (
	"context"
	"testing"
	"time"

	apiextv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiext "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic/dynamicinformer"
)

func TestDynamicCRD(t *testing.T) {
	ac := apiext.NewForConfigOrDie(cfg)
	pt := true
	crd := &apiextv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: "widgets.wire.example.com"}, Spec: apiextv1.CustomResourceDefinitionSpec{Group: "wire.example.com", Scope: "Namespaced",
		Names: apiextv1.CustomResourceDefinitionNames{Plural: "widgets", Kind: "Widget", ShortNames: []string{"wg"}},
		Versions: []apiextv1.CustomResourceDefinitionVersion{{Name: "v1", Served: true, Storage: true,
			Subresources:             &apiextv1.CustomResourceSubresources{Status: &apiextv1.CustomResourceSubresourceStatus{}, Scale: &apiextv1.CustomResourceSubresourceScale{SpecReplicasPath: ".spec.replicas", StatusReplicasPath: ".status.replicas", LabelSelectorPath: ptr(".status.selector")}},
			AdditionalPrinterColumns: []apiextv1.CustomResourceColumnDefinition{{Name: "Size", Type: "integer", JSONPath: ".spec.size"}},
			SelectableFields:         []apiextv1.SelectableField{{JSONPath: ".spec.color"}},
			Schema: &apiextv1.CustomResourceValidation{OpenAPIV3Schema: &apiextv1.JSONSchemaProps{Type: "object", Properties: map[string]apiextv1.JSONSchemaProps{
				"spec":   {Type: "object", Required: []string{"size"}, Properties: map[string]apiextv1.JSONSchemaProps{"size": {Type: "integer", Minimum: ptr(1.0)}, "replicas": {Type: "integer"}, "color": {Type: "string", Default: &apiextv1.JSON{Raw: []byte(`"red"`)}}, "any": {Type: "object", XPreserveUnknownFields: &pt}}},
				"status": {Type: "object", Properties: map[string]apiextv1.JSONSchemaProps{"replicas": {Type: "integer"}, "selector": {Type: "string"}}}}}}}}}}
	_, err := ac.ApiextensionsV1().CustomResourceDefinitions().Create(ctx, crd, metav1.CreateOptions{})
	no(t, err)
	defer ac.ApiextensionsV1().CustomResourceDefinitions().Delete(ctx, crd.Name, metav1.DeleteOptions{})
	eventually(t, "the definition is established", func() bool {
		c, err := ac.ApiextensionsV1().CustomResourceDefinitions().Get(ctx, crd.Name, metav1.GetOptions{})
		no(t, err)
		return apiextEstablished(c)
	})
	gvr := schema.GroupVersionResource{Group: "wire.example.com", Version: "v1", Resource: "widgets"}
	c := dyn.Resource(gvr).Namespace(ns)
	eventually(t, "the kind is served", func() bool {
		_, err := c.List(ctx, metav1.ListOptions{})
		return err == nil
	})
	mk := func(name string, spec map[string]any) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{"apiVersion": "wire.example.com/v1", "kind": "Widget", "metadata": map[string]any{"name": name}, "spec": spec, "status": map[string]any{"replicas": int64(4)}}}
	}
	w, err := c.Create(ctx, mk("a", map[string]any{"size": int64(3), "replicas": int64(2), "color": "red", "any": map[string]any{"k": "v"}}), metav1.CreateOptions{})
	no(t, err)
	sp := w.Object["spec"].(map[string]any)
	if sp["color"] != "red" || sp["any"].(map[string]any)["k"] != "v" || w.Object["status"] != nil {
		t.Error(w.Object)
	}
	w.Object["status"] = map[string]any{"replicas": int64(1), "selector": "a=b"}
	w.Object["spec"].(map[string]any)["size"] = int64(9)
	w, err = c.UpdateStatus(ctx, w, metav1.UpdateOptions{})
	no(t, err)
	if w.Object["spec"].(map[string]any)["size"] != int64(3) || w.GetGeneration() != 1 {
		t.Error(w.Object)
	}
	s, err := c.Get(ctx, "a", metav1.GetOptions{}, "scale")
	no(t, err)
	if s.GetKind() != "Scale" {
		t.Error(s.Object)
	}
	_, err = c.Patch(ctx, "a", types.MergePatchType, []byte(`{"spec":{"replicas":5}}`), metav1.PatchOptions{}, "scale")
	no(t, err)
	w, _ = c.Get(ctx, "a", metav1.GetOptions{})
	if w.Object["spec"].(map[string]any)["replicas"] != int64(5) || w.GetGeneration() != 2 {
		t.Error(w.Object)
	}
	_, err = c.Patch(ctx, "a", types.StrategicMergePatchType, []byte(`{}`), metav1.PatchOptions{})
	wantErr(t, err, 415, "UnsupportedMediaType", "")
	l, err := c.List(ctx, metav1.ListOptions{FieldSelector: "spec.color=red"})
	no(t, err)
	if len(l.Items) != 1 || l.GetKind() != "WidgetList" {
		t.Error(l)
	}
	stop := make(chan struct{})
	f := dynamicinformer.NewDynamicSharedInformerFactory(dyn, 0)
	i := f.ForResource(gvr)
	i.Informer()
	f.Start(stop)
	tctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for k, ok := range f.WaitForCacheSync(tctx.Done()) {
		if !ok {
			t.Error("no sync", k)
		}
	}
	close(stop)
	eventually(t, "it is in discovery", func() bool {
		rl, err := cs.Discovery().ServerResourcesForGroupVersion("wire.example.com/v1")
		if err != nil {
			return false
		}
		for _, r := range rl.APIResources {
			if r.Name == "widgets" && r.SingularName == "widget" && len(r.ShortNames) == 1 {
				return true
			}
		}
		return false
	})
	// protobuf on CR
	resp, err := rawDo("POST", "/apis/wire.example.com/v1/namespaces/"+ns+"/widgets", map[string]string{"Content-Type": "application/vnd.kubernetes.protobuf"}, "k8s\x00")
	no(t, err)
	if resp.StatusCode != 415 {
		t.Error(resp.StatusCode)
	}
	resp, err = rawDo("GET", "/apis/wire.example.com/v1/namespaces/"+ns+"/widgets", map[string]string{"Accept": "application/vnd.kubernetes.protobuf"}, "")
	no(t, err)
	if resp.StatusCode != 406 {
		t.Error(resp.StatusCode)
	}
	no(t, ac.ApiextensionsV1().CustomResourceDefinitions().Delete(ctx, crd.Name, metav1.DeleteOptions{}))
	eventually(t, "the kind is not served any more", func() bool {
		_, err = c.List(ctx, metav1.ListOptions{})
		return apierrors.IsNotFound(err)
	})
	if err.Error() != "the server could not find the requested resource" {
		t.Error(err)
	}
}
