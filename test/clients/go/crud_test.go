// Every built-in kind through its typed client: protobuf in both directions.
package clients

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	eventsv1 "k8s.io/api/events/v1"
	netv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/retry"
)

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
			// controllers write to it as well
			var a, b runtime.Object
			var raw []byte
			var err error
			eventually(t, "both answers are of one version", func() bool {
				a, b = fresh(), fresh()
				no(t, pb.Get().NamespaceIfScoped(n, o.ns).Resource(res).Name(name).Do(ctx).Into(a))
				asJSON := js.Get().NamespaceIfScoped(n, o.ns).Resource(res).Name(name).Do(ctx)
				no(t, asJSON.Into(b))
				raw, err = asJSON.Raw()
				no(t, err)
				return a.(metav1.Object).GetResourceVersion() == b.(metav1.Object).GetResourceVersion()
			})
			aj, _ := json.Marshal(a)
			bj, _ := json.Marshal(b)
			if !apiequality.Semantic.DeepEqual(a, b) || string(aj) != string(bj) {
				t.Errorf("protobuf and JSON differ\n%s\n%s", aj, bj)
			}
			// client decode of the raw JSON must be strict-clean
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

// What is said in protobuf, and answered in it or in JSON as the server likes.
func TestTypedClientsSpeakProtobuf(t *testing.T) {
	from := sent.soFar()
	c := cs.CoreV1().ConfigMaps(ns)
	made, err := c.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "spoken"}, BinaryData: map[string][]byte{"b": {0, 255}}}, metav1.CreateOptions{})
	no(t, err)
	made.Data = map[string]string{"a": "b"}
	_, err = c.Update(ctx, made, metav1.UpdateOptions{})
	no(t, err)
	no(t, c.Delete(ctx, "spoken", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &made.UID}}))
	for _, method := range []string{"POST", "PUT", "DELETE"} {
		spoken := sent.that(from, func(one sentRequest) bool {
			return one.method == method && strings.HasPrefix(one.contentType, "application/vnd.kubernetes.protobuf") && strings.HasPrefix(one.accept, "application/vnd.kubernetes.protobuf")
		})
		if spoken == 0 {
			t.Errorf("no %s in protobuf", method)
		}
	}
}
