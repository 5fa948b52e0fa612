// Stock client-go 0.36 against a running cluster: KUBECONFIG names it. What belongs to later parts (server-side apply, schemas of
// custom kinds) is left out.
package wire

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authnv1 "k8s.io/api/authentication/v1"
	authzv1 "k8s.io/api/authorization/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	certv1 "k8s.io/api/certificates/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	eventsv1 "k8s.io/api/events/v1"
	netv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	apiextv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiext "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/discovery"
	cacheddisc "k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/scale"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/tools/pager"
	"k8s.io/client-go/util/retry"
)

var (
	cfg *rest.Config
	cs  *kubernetes.Clientset
	dyn *dynamic.DynamicClient
	ctx = context.Background()
	ns  string
)

func ptr[T any](v T) *T { return &v }

func TestMain(m *testing.M) {
	var err error
	cfg, err = clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		panic(err)
	}
	cfg.QPS = 1000
	cfg.Burst = 2000
	cs = kubernetes.NewForConfigOrDie(cfg)
	dyn = dynamic.NewForConfigOrDie(cfg)
	n, err := cs.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "wire-"}}, metav1.CreateOptions{})
	if err != nil {
		panic(err)
	}
	ns = n.Name
	for i := 0; i < 50; i++ {
		if _, err := cs.CoreV1().ServiceAccounts(ns).Get(ctx, "default", metav1.GetOptions{}); err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	code := m.Run()
	cs.CoreV1().Namespaces().Delete(ctx, ns, metav1.DeleteOptions{})
	os.Exit(code)
}

func no(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected: %T %v", err, err)
	}
}
func wantErr(t *testing.T, err error, code int32, reason metav1.StatusReason, msg string) {
	t.Helper()
	if err == nil {
		t.Errorf("want %d %s, got no error", code, reason)
		return
	}
	s, ok := err.(apierrors.APIStatus)
	if !ok {
		t.Errorf("not a status: %T %v", err, err)
		return
	}
	st := s.Status()
	if st.Code != code || st.Reason != reason || (msg != "" && st.Message != msg) {
		t.Errorf("\n got %d %s %q %+v\nwant %d %s %q", st.Code, st.Reason, st.Message, st.Details, code, reason, msg)
	}
}

func podSpec() corev1.PodSpec {
	return corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "busybox:1",
		Ports:         []corev1.ContainerPort{{ContainerPort: 80, Name: "http"}},
		Env:           []corev1.EnvVar{{Name: "A", Value: "1"}, {Name: "P", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}}},
		Resources:     corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse("1500m"), "memory": resource.MustParse("64Mi")}, Limits: corev1.ResourceList{"cpu": resource.MustParse("2")}},
		LivenessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Port: intstr.FromString("http")}}},
	}},
		NodeSelector: map[string]string{"none": "such"},
		Volumes:      []corev1.Volume{{Name: "e", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: ptr(resource.MustParse("1Gi"))}}}}}
}
func template(l map[string]string) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: l}, Spec: podSpec()}
}
func sel(l map[string]string) *metav1.LabelSelector { return &metav1.LabelSelector{MatchLabels: l} }

// every kind: create (protobuf), get, list, update, patches, delete; answers of protobuf and JSON are the same object
func TestCrud(t *testing.T) {
	l := map[string]string{"app": "x"}
	om := func(n string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Name: n, Labels: map[string]string{"wire": "1"}}
	}
	hp := netv1.PathTypePrefix
	objs := []struct {
		r   string
		ns  bool
		obj runtime.Object
	}{
		{"v1/configmaps", true, &corev1.ConfigMap{ObjectMeta: om("a"), Data: map[string]string{"k": "v"}, BinaryData: map[string][]byte{"b": {0, 255}}}},
		{"v1/secrets", true, &corev1.Secret{ObjectMeta: om("a"), StringData: map[string]string{"k": "v"}}},
		{"v1/services", true, &corev1.Service{ObjectMeta: om("a"), Spec: corev1.ServiceSpec{Selector: l, Ports: []corev1.ServicePort{{Port: 80}}}}},
		{"v1/endpoints", true, &corev1.Endpoints{ObjectMeta: om("ep"), Subsets: []corev1.EndpointSubset{{Addresses: []corev1.EndpointAddress{{IP: "10.1.1.1"}}, Ports: []corev1.EndpointPort{{Port: 1}}}}}},
		{"v1/pods", true, &corev1.Pod{ObjectMeta: om("a"), Spec: podSpec()}},
		{"v1/podtemplates", true, &corev1.PodTemplate{ObjectMeta: om("a"), Template: template(l)}},
		{"v1/replicationcontrollers", true, &corev1.ReplicationController{ObjectMeta: om("a"), Spec: corev1.ReplicationControllerSpec{Replicas: ptr(int32(0)), Selector: l, Template: ptr(template(l))}}},
		{"v1/resourcequotas", true, &corev1.ResourceQuota{ObjectMeta: om("a"), Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"pods": resource.MustParse("1k")}}}},
		{"v1/limitranges", true, &corev1.LimitRange{ObjectMeta: om("a"), Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{Type: "PersistentVolumeClaim", Max: corev1.ResourceList{"storage": resource.MustParse("10Gi")}}}}}},
		{"v1/serviceaccounts", true, &corev1.ServiceAccount{ObjectMeta: om("a")}},
		{"v1/persistentvolumeclaims", true, &corev1.PersistentVolumeClaim{ObjectMeta: om("a"), Spec: corev1.PersistentVolumeClaimSpec{AccessModes: []corev1.PersistentVolumeAccessMode{"ReadWriteOnce"}, Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{"storage": resource.MustParse("1Gi")}}}}},
		{"v1/persistentvolumes", false, &corev1.PersistentVolume{ObjectMeta: om("wire-a"), Spec: corev1.PersistentVolumeSpec{Capacity: corev1.ResourceList{"storage": resource.MustParse("1Gi")}, AccessModes: []corev1.PersistentVolumeAccessMode{"ReadWriteOnce"}, PersistentVolumeSource: corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/tmp"}}}}},
		{"v1/nodes", false, &corev1.Node{ObjectMeta: om("wire-n"), Spec: corev1.NodeSpec{Unschedulable: true}}},
		{"v1/events", true, &corev1.Event{ObjectMeta: om("a"), InvolvedObject: corev1.ObjectReference{Kind: "Pod", Name: "a", Namespace: "NS"}, Reason: "R", Message: "m", Type: "Normal"}},
		{"apps/v1/deployments", true, &appsv1.Deployment{ObjectMeta: om("a"), Spec: appsv1.DeploymentSpec{Replicas: ptr(int32(0)), Selector: sel(l), Template: template(l)}}},
		{"apps/v1/replicasets", true, &appsv1.ReplicaSet{ObjectMeta: om("a"), Spec: appsv1.ReplicaSetSpec{Replicas: ptr(int32(0)), Selector: sel(l), Template: template(l)}}},
		{"apps/v1/statefulsets", true, &appsv1.StatefulSet{ObjectMeta: om("a"), Spec: appsv1.StatefulSetSpec{Replicas: ptr(int32(0)), Selector: sel(l), Template: template(l), ServiceName: "a"}}},
		{"apps/v1/daemonsets", true, &appsv1.DaemonSet{ObjectMeta: om("a"), Spec: appsv1.DaemonSetSpec{Selector: sel(l), Template: template(l)}}},
		{"apps/v1/controllerrevisions", true, &appsv1.ControllerRevision{ObjectMeta: om("a"), Revision: 1, Data: runtime.RawExtension{Raw: []byte(`{"a":1}`)}}},
		{"batch/v1/jobs", true, &batchv1.Job{ObjectMeta: om("a"), Spec: batchv1.JobSpec{Suspend: ptr(true), Template: func() corev1.PodTemplateSpec { x := template(nil); x.Spec.RestartPolicy = "Never"; return x }()}}},
		{"batch/v1/cronjobs", true, &batchv1.CronJob{ObjectMeta: om("a"), Spec: batchv1.CronJobSpec{Schedule: "* * * * *", Suspend: ptr(true), JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: func() corev1.PodTemplateSpec { x := template(nil); x.Spec.RestartPolicy = "Never"; return x }()}}}}},
		{"autoscaling/v2/horizontalpodautoscalers", true, &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: om("a"), Spec: autoscalingv2.HorizontalPodAutoscalerSpec{MaxReplicas: 3, ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{Kind: "Deployment", Name: "a", APIVersion: "apps/v1"}, Metrics: []autoscalingv2.MetricSpec{{Type: "Resource", Resource: &autoscalingv2.ResourceMetricSource{Name: "cpu", Target: autoscalingv2.MetricTarget{Type: "Utilization", AverageUtilization: ptr(int32(50))}}}}}}},
		{"autoscaling/v1/horizontalpodautoscalers", true, &autoscalingv1.HorizontalPodAutoscaler{ObjectMeta: om("b"), Spec: autoscalingv1.HorizontalPodAutoscalerSpec{MaxReplicas: 3, ScaleTargetRef: autoscalingv1.CrossVersionObjectReference{Kind: "Deployment", Name: "a", APIVersion: "apps/v1"}}}},
		{"networking.k8s.io/v1/ingresses", true, &netv1.Ingress{ObjectMeta: om("a"), Spec: netv1.IngressSpec{Rules: []netv1.IngressRule{{Host: "a.b", IngressRuleValue: netv1.IngressRuleValue{HTTP: &netv1.HTTPIngressRuleValue{Paths: []netv1.HTTPIngressPath{{Path: "/", PathType: &hp, Backend: netv1.IngressBackend{Service: &netv1.IngressServiceBackend{Name: "a", Port: netv1.ServiceBackendPort{Number: 80}}}}}}}}}}}},
		{"networking.k8s.io/v1/ingressclasses", false, &netv1.IngressClass{ObjectMeta: om("wire"), Spec: netv1.IngressClassSpec{Controller: "a.b/c"}}},
		{"networking.k8s.io/v1/networkpolicies", true, &netv1.NetworkPolicy{ObjectMeta: om("a"), Spec: netv1.NetworkPolicySpec{PolicyTypes: []netv1.PolicyType{"Ingress"}}}},
		{"discovery.k8s.io/v1/endpointslices", true, &discoveryv1.EndpointSlice{ObjectMeta: om("a"), AddressType: "IPv4", Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"10.0.0.9"}}}}},
		{"events.k8s.io/v1/events", true, &eventsv1.Event{ObjectMeta: om("b"), EventTime: metav1.NowMicro(), ReportingController: "a.b/c", ReportingInstance: "i", Action: "A", Reason: "R", Type: "Normal", Regarding: corev1.ObjectReference{Kind: "Pod", Name: "a", Namespace: "NS"}}},
		{"policy/v1/poddisruptionbudgets", true, &policyv1.PodDisruptionBudget{ObjectMeta: om("a"), Spec: policyv1.PodDisruptionBudgetSpec{Selector: sel(map[string]string{"none": "1"}), MinAvailable: ptr(intstr.FromString("50%"))}}},
		{"coordination.k8s.io/v1/leases", true, &coordinationv1.Lease{ObjectMeta: om("a"), Spec: coordinationv1.LeaseSpec{HolderIdentity: ptr("me"), RenewTime: ptr(metav1.NowMicro())}}},
		{"rbac.authorization.k8s.io/v1/roles", true, &rbacv1.Role{ObjectMeta: om("a"), Rules: []rbacv1.PolicyRule{{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"pods"}}}}},
		{"rbac.authorization.k8s.io/v1/rolebindings", true, &rbacv1.RoleBinding{ObjectMeta: om("a"), RoleRef: rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "Role", Name: "a"}, Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: "a", Namespace: "NS"}}}},
		{"rbac.authorization.k8s.io/v1/clusterroles", false, &rbacv1.ClusterRole{ObjectMeta: om("wire"), Rules: []rbacv1.PolicyRule{{Verbs: []string{"get"}, NonResourceURLs: []string{"/x"}}}}},
		{"rbac.authorization.k8s.io/v1/clusterrolebindings", false, &rbacv1.ClusterRoleBinding{ObjectMeta: om("wire"), RoleRef: rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "ClusterRole", Name: "wire"}}},
		{"storage.k8s.io/v1/storageclasses", false, &storagev1.StorageClass{ObjectMeta: om("wire"), Provisioner: "a.b/c"}},
		{"storage.k8s.io/v1/csidrivers", false, &storagev1.CSIDriver{ObjectMeta: om("wire.b.c")}},
		{"storage.k8s.io/v1/csinodes", false, &storagev1.CSINode{ObjectMeta: om("wire"), Spec: storagev1.CSINodeSpec{Drivers: []storagev1.CSINodeDriver{{Name: "d", NodeID: "1"}}}}},
		{"scheduling.k8s.io/v1/priorityclasses", false, &schedulingv1.PriorityClass{ObjectMeta: om("wire"), Value: 10}},
	}
	for _, o := range objs {
		t.Run(o.r, func(t *testing.T) {
			p := strings.Split(o.r, "/")
			gv := schema.GroupVersion{Version: "v1"}
			if len(p) == 3 {
				gv = schema.GroupVersion{Group: p[0], Version: p[1]}
			}
			res := p[len(p)-1]
			if ev, ok := o.obj.(*corev1.Event); ok {
				ev.InvolvedObject.Namespace = ns
			}
			if ev, ok := o.obj.(*eventsv1.Event); ok {
				ev.Regarding.Namespace = ns
			}
			if rb, ok := o.obj.(*rbacv1.RoleBinding); ok {
				rb.Subjects[0].Namespace = ns
			}
			mk := func(ct string) *rest.RESTClient {
				c := rest.CopyConfig(cfg)
				c.GroupVersion = &gv
				c.APIPath = "/apis"
				if gv.Group == "" {
					c.APIPath = "/api"
				}
				c.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
				c.ContentType = ct
				if ct == runtime.ContentTypeProtobuf {
					c.AcceptContentTypes = ct + ",application/json"
				}
				rc, err := rest.RESTClientFor(c)
				no(t, err)
				return rc
			}
			pb, js := mk(runtime.ContentTypeProtobuf), mk("application/json")
			acc, _ := o.obj.(metav1.Object)
			name := acc.GetName()
			n := ""
			if o.ns {
				n = ns
			}
			kinds, _, _ := scheme.Scheme.ObjectKinds(o.obj)
			fresh := func() runtime.Object { x, _ := scheme.Scheme.New(gv.WithKind(kinds[0].Kind)); return x }
			created := fresh()
			r := pb.Post().NamespaceIfScoped(n, o.ns).Resource(res).Body(o.obj).Do(ctx)
			var ct string
			r.ContentType(&ct)
			no(t, r.Into(created))
			_ = ct
			defer pb.Delete().NamespaceIfScoped(n, o.ns).Resource(res).Name(name).Body(&metav1.DeleteOptions{GracePeriodSeconds: ptr(int64(0))}).Do(ctx)
			time.Sleep(150 * time.Millisecond)
			a, b := fresh(), fresh()
			no(t, pb.Get().NamespaceIfScoped(n, o.ns).Resource(res).Name(name).Do(ctx).Into(a))
			no(t, js.Get().NamespaceIfScoped(n, o.ns).Resource(res).Name(name).Do(ctx).Into(b))
			aj, _ := json.Marshal(a)
			bj, _ := json.Marshal(b)
			if !apiequality.Semantic.DeepEqual(a, b) || string(aj) != string(bj) {
				t.Errorf("protobuf and JSON differ\n%s\n%s", aj, bj)
			}
			// client decode of the raw JSON must be strict-clean
			raw, err := js.Get().NamespaceIfScoped(n, o.ns).Resource(res).Name(name).Do(ctx).Raw()
			no(t, err)
			var rawm, am map[string]any
			json.Unmarshal(raw, &rawm)
			json.Unmarshal(bj, &am)
			r1, _ := json.Marshal(pruned(rawm))
			if am["kind"] == nil {
				am["kind"] = rawm["kind"]
				am["apiVersion"] = rawm["apiVersion"]
			}
			if st, ok := rawm["status"]; !ok && am["status"] != nil {
				t.Logf("raw lacks status %v, Go has %v", st, am["status"])
			}
			r2, _ := json.Marshal(pruned(am))
			if string(r1) != string(r2) {
				t.Errorf("server JSON is not what Go would print\nserver %s\ngo     %s", r1, r2)
			}
			ac, _ := a.(metav1.Object)
			ac.SetAnnotations(map[string]string{"x": "y"})
			up := fresh()
			no(t, retry.RetryOnConflict(retry.DefaultRetry, func() error {
				a = fresh()
				no(t, pb.Get().NamespaceIfScoped(n, o.ns).Resource(res).Name(name).Do(ctx).Into(a))
				a.(metav1.Object).SetAnnotations(map[string]string{"x": "y"})
				return pb.Put().NamespaceIfScoped(n, o.ns).Resource(res).Name(name).Body(a).Do(ctx).Into(up)
			}))
			// conflict
			err = pb.Put().NamespaceIfScoped(n, o.ns).Resource(res).Name(name).Body(b).Do(ctx).Error()
			if res == "nodes" || res == "pods" || !strings.Contains("events", res) {
				if err == nil || !apierrors.IsConflict(err) {
					t.Errorf("stale update: %v", err)
				} else {
					gr := res
					if gv.Group != "" {
						gr += "." + gv.Group
					}
					want := fmt.Sprintf(`Operation cannot be fulfilled on %s "%s": the object has been modified; please apply your changes to the latest version and try again`, gr, name)
					if err.Error() != want {
						t.Errorf("conflict text %q want %q", err, want)
					}
				}
			}
			for _, pt := range []types.PatchType{types.MergePatchType, types.StrategicMergePatchType} {
				x := fresh()
				no(t, pb.Patch(pt).NamespaceIfScoped(n, o.ns).Resource(res).Name(name).Body([]byte(`{"metadata":{"labels":{"p":"`+strings.ReplaceAll(string(pt)[12:], "+", "-")+`"}}}`)).Do(ctx).Into(x))
			}
			no(t, pb.Patch(types.JSONPatchType).NamespaceIfScoped(n, o.ns).Resource(res).Name(name).Body([]byte(`[{"op":"test","path":"/metadata/name","value":"`+name+`"},{"op":"add","path":"/metadata/labels/j","value":"1"}]`)).Do(ctx).Error())
			lo := &metav1.ListOptions{LabelSelector: "j=1,wire in (1)"}
			lst, err := pb.Get().NamespaceIfScoped(n, o.ns).Resource(res).VersionedParams(lo, scheme.ParameterCodec).Do(ctx).Get()
			no(t, err)
			d := reflectItems(lst)
			if d != 1 {
				t.Errorf("listed %d", d)
			}
			// Table
			tb, err := js.Get().NamespaceIfScoped(n, o.ns).Resource(res).SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").Do(ctx).Raw()
			no(t, err)
			var table metav1.Table
			no(t, json.Unmarshal(tb, &table))
			if len(table.Rows) == 0 || len(table.Rows[0].Cells) != len(table.ColumnDefinitions) {
				t.Errorf("table %s", tb)
			}
			del := pb.Delete().NamespaceIfScoped(n, o.ns).Resource(res).Name(name).Body(&metav1.DeleteOptions{GracePeriodSeconds: ptr(int64(0))}).Do(ctx)
			no(t, del.Error())
			err = pb.Get().NamespaceIfScoped(n, o.ns).Resource(res).Name(name).Do(ctx).Error()
			if res != "jobs" && res != "replicationcontrollers" && res != "persistentvolumeclaims" && res != "persistentvolumes" {
				gr := res
				if gv.Group != "" {
					gr += "." + gv.Group
				}
				wantErr(t, err, 404, "NotFound", fmt.Sprintf(`%s "%s" not found`, gr, name))
			}
		})
	}
}

// Go prints zero times as null and empty structs as {}; the server leaves some of them out.
func pruned(v any) any {
	switch x := v.(type) {
	case map[string]any:
		for k, e := range x {
			p := pruned(e)
			m, isMap := p.(map[string]any)
			if p == nil || isMap && len(m) == 0 {
				delete(x, k)
			} else {
				x[k] = p
			}
		}
	case []any:
		for i := range x {
			x[i] = pruned(x[i])
		}
	}
	return v
}

func reflectItems(o runtime.Object) int {
	b, _ := json.Marshal(o)
	var x struct{ Items []any }
	json.Unmarshal(b, &x)
	return len(x.Items)
}

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

func TestInformers(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
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
	tctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for typ, ok := range f.WaitForCacheSync(tctx.Done()) {
		if !ok {
			t.Errorf("%v did not sync", typ)
		}
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
	time.Sleep(500 * time.Millisecond)
	mu.Lock()
	if seen["add"] != before+1 || seen["upd"] < 1 || seen["del"] < 1 {
		t.Error(seen, before)
	}
	mu.Unlock()
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
		case <-time.After(3 * time.Second):
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
	pod, err := p.Create(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "sub", Labels: map[string]string{"z": "1"}}, Spec: podSpec()}, metav1.CreateOptions{})
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
	pdb, err := cs.PolicyV1().PodDisruptionBudgets(ns).Get(ctx, "p", metav1.GetOptions{})
	no(t, err)
	pdb.Status.ObservedGeneration, pdb.Status.CurrentHealthy, pdb.Status.DesiredHealthy, pdb.Status.ExpectedPods = pdb.Generation, 1, 1, 1
	_, err = cs.PolicyV1().PodDisruptionBudgets(ns).UpdateStatus(ctx, pdb, metav1.UpdateOptions{})
	no(t, err)
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
	no2 := false
	for i := 0; i < 100; i++ {
		if _, err = d.Get(ctx, "sub", metav1.GetOptions{}); apierrors.IsNotFound(err) {
			no2 = true
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if !no2 {
		t.Error("foreground deletion does not end")
	}
}

func TestAuth(t *testing.T) {
	r, err := cs.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authzv1.SelfSubjectAccessReview{Spec: authzv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authzv1.ResourceAttributes{Verb: "create", Resource: "pods", Namespace: ns}}}, metav1.CreateOptions{})
	no(t, err)
	if !r.Status.Allowed {
		t.Error(r)
	}
	_, err = cs.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authzv1.SelfSubjectAccessReview{}, metav1.CreateOptions{})
	wantErr(t, err, 422, "Invalid", "")
	sr, err := cs.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authzv1.SubjectAccessReview{Spec: authzv1.SubjectAccessReviewSpec{User: "joe", ResourceAttributes: &authzv1.ResourceAttributes{Verb: "get", Resource: "pods"}}}, metav1.CreateOptions{})
	no(t, err)
	if sr.Status.Allowed {
		t.Error(sr)
	}
	rr, err := cs.AuthorizationV1().SelfSubjectRulesReviews().Create(ctx, &authzv1.SelfSubjectRulesReview{Spec: authzv1.SelfSubjectRulesReviewSpec{Namespace: ns}}, metav1.CreateOptions{})
	no(t, err)
	if len(rr.Status.ResourceRules) == 0 {
		t.Error(rr)
	}
	who, err := cs.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authnv1.SelfSubjectReview{}, metav1.CreateOptions{})
	no(t, err)
	tr, err := cs.CoreV1().ServiceAccounts(ns).CreateToken(ctx, "default", &authnv1.TokenRequest{Spec: authnv1.TokenRequestSpec{ExpirationSeconds: ptr(int64(600))}}, metav1.CreateOptions{})
	no(t, err)
	_, err = cs.CoreV1().ServiceAccounts(ns).CreateToken(ctx, "default", &authnv1.TokenRequest{Spec: authnv1.TokenRequestSpec{ExpirationSeconds: ptr(int64(60))}}, metav1.CreateOptions{})
	wantErr(t, err, 422, "Invalid", `TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes`)
	tv, err := cs.AuthenticationV1().TokenReviews().Create(ctx, &authnv1.TokenReview{Spec: authnv1.TokenReviewSpec{Token: tr.Status.Token}}, metav1.CreateOptions{})
	no(t, err)
	if !tv.Status.Authenticated || tv.Status.User.Username != "system:serviceaccount:"+ns+":default" {
		t.Errorf("%+v", tv.Status)
	}
	c2 := rest.AnonymousClientConfig(cfg)
	c2.BearerToken = tr.Status.Token
	sa := kubernetes.NewForConfigOrDie(c2)
	_, err = sa.CoreV1().Pods(ns).List(ctx, metav1.ListOptions{})
	wantErr(t, err, 403, "Forbidden", `pods is forbidden: User "system:serviceaccount:`+ns+`:default" cannot list resource "pods" in API group "" in the namespace "`+ns+`"`)
	_, err = sa.CoreV1().Nodes().Get(ctx, "x", metav1.GetOptions{})
	wantErr(t, err, 403, "Forbidden", `nodes "x" is forbidden: User "system:serviceaccount:`+ns+`:default" cannot get resource "nodes" in API group "" at the cluster scope`)
	c3 := rest.CopyConfig(cfg)
	c3.Impersonate = rest.ImpersonationConfig{UserName: "jane", Groups: []string{"g"}, Extra: map[string][]string{"a/b": {"c"}}, UID: "u1"}
	im := kubernetes.NewForConfigOrDie(c3)
	who, err = im.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authnv1.SelfSubjectReview{}, metav1.CreateOptions{})
	no(t, err)
	ui := who.Status.UserInfo
	sort.Strings(ui.Groups)
	if ui.Username != "jane" || ui.UID != "u1" || strings.Join(ui.Groups, ",") != "g,system:authenticated" || ui.Extra["a/b"][0] != "c" {
		t.Errorf("%+v", ui)
	}
	c4 := rest.CopyConfig(c2)
	c4.Impersonate = rest.ImpersonationConfig{UserName: "jane"}
	_, err = kubernetes.NewForConfigOrDie(c4).CoreV1().Pods(ns).List(ctx, metav1.ListOptions{})
	wantErr(t, err, 403, "Forbidden", `users "jane" is forbidden: User "system:serviceaccount:`+ns+`:default" cannot impersonate resource "users" in API group "" at the cluster scope`)
	c5 := rest.AnonymousClientConfig(cfg)
	c5.BearerToken = "nonsense"
	_, err = kubernetes.NewForConfigOrDie(c5).CoreV1().Pods(ns).List(ctx, metav1.ListOptions{})
	wantErr(t, err, 401, "Unauthorized", "Unauthorized")
}

func TestCSR(t *testing.T) {
	_, err := cs.CertificatesV1().CertificateSigningRequests().Create(ctx, &certv1.CertificateSigningRequest{ObjectMeta: metav1.ObjectMeta{Name: "wire-bad"}, Spec: certv1.CertificateSigningRequestSpec{Request: []byte("nope"), SignerName: "a.b/c", Usages: []certv1.KeyUsage{"client auth"}}}, metav1.CreateOptions{})
	wantErr(t, err, 422, "Invalid", `CertificateSigningRequest.certificates.k8s.io "wire-bad" is invalid: spec.request: Invalid value: "bm9wZQ==": PEM block type must be CERTIFICATE REQUEST`)
}

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
	est := false
	for i := 0; i < 100 && !est; i++ {
		c, err := ac.ApiextensionsV1().CustomResourceDefinitions().Get(ctx, crd.Name, metav1.GetOptions{})
		no(t, err)
		for _, x := range c.Status.Conditions {
			if x.Type == "Established" && x.Status == "True" {
				est = true
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	if !est {
		t.Fatal("not established")
	}
	gvr := schema.GroupVersionResource{Group: "wire.example.com", Version: "v1", Resource: "widgets"}
	c := dyn.Resource(gvr).Namespace(ns)
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
	tctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for k, ok := range f.WaitForCacheSync(tctx.Done()) {
		if !ok {
			t.Error("no sync", k)
		}
	}
	close(stop)
	ok := false
	for j := 0; j < 50 && !ok; j++ {
		rl, err := cs.Discovery().ServerResourcesForGroupVersion("wire.example.com/v1")
		if err == nil {
			for _, r := range rl.APIResources {
				if r.Name == "widgets" && r.SingularName == "widget" && len(r.ShortNames) == 1 {
					ok = true
				}
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	if !ok {
		t.Error("not in discovery")
	}
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
	gone := false
	for j := 0; j < 100 && !gone; j++ {
		_, err = c.List(ctx, metav1.ListOptions{})
		gone = apierrors.IsNotFound(err)
		time.Sleep(50 * time.Millisecond)
	}
	if !gone {
		t.Error("CRD does not go", err)
	} else if err.Error() != "the server could not find the requested resource" {
		t.Error(err)
	}
}
func rawDo(m, p string, h map[string]string, body string) (*http.Response, error) {
	tr, err := rest.TransportFor(cfg)
	if err != nil {
		return nil, err
	}
	req, _ := http.NewRequest(m, strings.TrimSuffix(cfg.Host, "/")+p, strings.NewReader(body))
	for k, v := range h {
		req.Header.Set(k, v)
	}
	return (&http.Client{Transport: tr}).Do(req)
}

func TestDiscovery(t *testing.T) {
	d := cs.Discovery()
	groups, lists, err := d.ServerGroupsAndResources()
	no(t, err)
	dl := discovery.NewDiscoveryClientForConfigOrDie(cfg)
	dl.UseLegacyDiscovery = true
	_, l2, err := dl.ServerGroupsAndResources()
	no(t, err)
	if len(lists) != len(l2) || len(groups) == 0 {
		t.Errorf("aggregated discovery has %d versions, legacy %d", len(lists), len(l2))
	}
	v, err := d.ServerVersion()
	no(t, err)
	if v.Major != "1" || v.Minor != "36" {
		t.Error(v)
	}
	o, err := d.OpenAPISchema()
	no(t, err)
	if len(o.Definitions.AdditionalProperties) < 500 {
		t.Error(len(o.Definitions.AdditionalProperties))
	}
	p, err := d.OpenAPIV3().Paths()
	no(t, err)
	for k, gv := range p {
		b, err := gv.Schema("application/json")
		if err != nil {
			t.Error(k, err)
		}
		var x map[string]any
		if err := json.Unmarshal(b, &x); err != nil || x["openapi"] != "3.0.0" {
			t.Error(k, err, x["openapi"])
		}
	}
}

func TestLeaderElection(t *testing.T) {
	got := make(chan string, 3)
	for _, id := range []string{"a", "b"} {
		c, cancel := context.WithCancel(ctx)
		lock := &resourcelock.LeaseLock{LeaseMeta: metav1.ObjectMeta{Name: "le", Namespace: ns}, Client: cs.CoordinationV1(), LockConfig: resourcelock.ResourceLockConfig{Identity: id}}
		go leaderelection.RunOrDie(c, leaderelection.LeaderElectionConfig{Lock: lock, ReleaseOnCancel: true, LeaseDuration: 3 * time.Second, RenewDeadline: 2 * time.Second, RetryPeriod: 300 * time.Millisecond,
			Callbacks: leaderelection.LeaderCallbacks{OnStartedLeading: func(context.Context) { got <- id; time.Sleep(600 * time.Millisecond); cancel() }, OnStoppedLeading: func() {}}})
	}
	for i := 0; i < 2; i++ {
		select {
		case <-got:
		case <-time.After(8 * time.Second):
			t.Fatal("no leader")
		}
	}
}
