// Reflectors with WatchList, shared informers, and watches by hand.
package clients

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"
)

func TestInformers(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	from := sent.soFar()
	f := informers.NewSharedInformerFactoryWithOptions(cs, 0)
	var mu sync.Mutex
	seen := map[string]int{}
	h := cache.ResourceEventHandlerFuncs{
		AddFunc: func(o any) { mu.Lock(); seen["add"]++; mu.Unlock() }, UpdateFunc: func(a, b any) { mu.Lock(); seen["upd"]++; mu.Unlock() }, DeleteFunc: func(o any) { mu.Lock(); seen["del"]++; mu.Unlock() }}
	f.Core().V1().ConfigMaps().Informer().AddEventHandler(h)
	f.Core().V1().Pods().Informer()
	f.Core().V1().Nodes().Informer()
	f.Core().V1().Services().Informer()
	f.Core().V1().Namespaces().Informer()
	f.Core().V1().Secrets().Informer()
	f.Apps().V1().Deployments().Informer()
	f.Apps().V1().ReplicaSets().Informer()
	f.Discovery().V1().EndpointSlices().Informer()
	f.Rbac().V1().ClusterRoles().Informer()
	f.Storage().V1().StorageClasses().Informer()
	f.Resource().V1().ResourceClaims().Informer()
	f.Flowcontrol().V1().FlowSchemas().Informer()
	f.Certificates().V1().CertificateSigningRequests().Informer()
	f.Admissionregistration().V1().ValidatingWebhookConfigurations().Informer()
	f.Start(stop)
	tctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for typ, ok := range f.WaitForCacheSync(tctx.Done()) {
		if !ok {
			t.Errorf("%v did not sync", typ)
		}
	}
	// Had the server refused to begin a watch with what is there, they would have listed, and nobody would have noticed.
	isWatch := func(one sentRequest) bool { return strings.Contains(one.query, "watch=true") }
	if n := sent.that(from, func(one sentRequest) bool {
		return isWatch(one) && strings.Contains(one.query, "sendInitialEvents=true")
	}); n < 15 {
		t.Errorf("%d of 15 informers began by a watch", n)
	}
	if n := sent.that(from, func(one sentRequest) bool { return one.method == "GET" && !isWatch(one) }); n > 0 {
		t.Errorf("%d lists", n)
	}
	c := cs.CoreV1().ConfigMaps(ns)
	mu.Lock()
	before := seen["add"]
	mu.Unlock()
	cm, err := c.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "inf"}}, metav1.CreateOptions{})
	no(t, err)
	cm.Data = map[string]string{"a": "b"}
	cm, err = c.Update(ctx, cm, metav1.UpdateOptions{})
	no(t, err)
	no(t, c.Delete(ctx, "inf", metav1.DeleteOptions{}))
	eventually(t, "the informer has heard of it", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return seen["add"] == before+1 && seen["upd"] >= 1 && seen["del"] >= 1
	})
}

func TestWatch(t *testing.T) {
	c := cs.CoreV1().ConfigMaps(ns)
	l, err := c.List(ctx, metav1.ListOptions{})
	no(t, err)
	w, err := c.Watch(ctx, metav1.ListOptions{ResourceVersion: l.ResourceVersion, LabelSelector: "w=1", AllowWatchBookmarks: true})
	no(t, err)
	cm, _ := c.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "w"}}, metav1.CreateOptions{})
	cm.Labels = map[string]string{"w": "1"}
	cm, err = c.Update(ctx, cm, metav1.UpdateOptions{})
	no(t, err)
	cm.Labels = nil
	cm2, err := c.Update(ctx, cm, metav1.UpdateOptions{})
	no(t, err)
	no(t, c.Delete(ctx, "w", metav1.DeleteOptions{}))
	next := func() watch.Event {
		select {
		case e := <-w.ResultChan():
			return e
		case <-time.After(time.Minute):
			t.Fatal("no event")
			return watch.Event{}
		}
	}
	e := next()
	if e.Type != watch.Added {
		t.Error(e)
	}
	e = next()
	if e.Type != watch.Deleted || e.Object.(*corev1.ConfigMap).ResourceVersion != cm2.ResourceVersion || e.Object.(*corev1.ConfigMap).Labels["w"] != "1" {
		t.Errorf("%v %v", e.Type, e.Object)
	}
	w.Stop()
	w, err = c.Watch(ctx, metav1.ListOptions{TimeoutSeconds: ptr(int64(1)), AllowWatchBookmarks: true})
	no(t, err)
	for range w.ResultChan() {
	}
	// single name
	w, err = c.Watch(ctx, metav1.SingleObject(metav1.ObjectMeta{Name: "kube-root-ca.crt"}))
	no(t, err)
	if e := <-w.ResultChan(); e.Type != watch.Added {
		t.Error(e)
	}
	w.Stop()
	// Table & metadata watch
	req := cs.CoreV1().RESTClient().Get().Namespace(ns).Resource("configmaps").SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").VersionedParams(&metav1.ListOptions{Watch: true, TimeoutSeconds: ptr(int64(1))}, scheme.ParameterCodec)
	st, err := req.Stream(ctx)
	no(t, err)
	d := json.NewDecoder(st)
	for {
		var ev struct {
			Type   string
			Object metav1.Table
		}
		if d.Decode(&ev) != nil {
			break
		}
		if ev.Object.Kind != "Table" {
			t.Error(ev)
		}
	}
	mc := metadata.NewForConfigOrDie(cfg)
	ml, err := mc.Resource(corev1.SchemeGroupVersion.WithResource("configmaps")).Namespace(ns).List(ctx, metav1.ListOptions{})
	no(t, err)
	if len(ml.Items) == 0 || ml.Items[0].Name == "" {
		t.Error(ml)
	}
	w, err = mc.Resource(corev1.SchemeGroupVersion.WithResource("configmaps")).Namespace(ns).Watch(ctx, metav1.ListOptions{})
	no(t, err)
	e = <-w.ResultChan()
	if _, ok := e.Object.(*metav1.PartialObjectMetadata); !ok {
		t.Errorf("%T %v", e.Object, e.Object)
	}
	w.Stop()
}
