// Stock client-go 0.36 and controller-runtime against a running cluster: KUBECONFIG names it.
package clients

import (
	"context"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

var (
	cfg *rest.Config
	cs  *kubernetes.Clientset
	dyn *dynamic.DynamicClient
	ctx = context.Background()
	ns  string
)

// sent is what the clients have asked so far.
var sent = &requests{}

type requests struct {
	mu   sync.Mutex
	seen []sentRequest
}

type sentRequest struct {
	method, path, query, contentType, accept string
}

type roundTrip func(*http.Request) (*http.Response, error)

func (ask roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return ask(r) }

func (all *requests) through(next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		all.mu.Lock()
		all.seen = append(all.seen, sentRequest{r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Get("Content-Type"), r.Header.Get("Accept")})
		all.mu.Unlock()
		return next.RoundTrip(r)
	})
}

// that counts those that fit, from the given one on.
func (all *requests) that(from int, fits func(sentRequest) bool) (count int) {
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, one := range all.seen[from:] {
		if fits(one) {
			count++
		}
	}
	return count
}

func (all *requests) soFar() int {
	all.mu.Lock()
	defer all.mu.Unlock()
	return len(all.seen)
}

func ptr[T any](v T) *T { return &v }

func TestMain(m *testing.M) {
	var err error
	cfg, err = clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		panic(err)
	}
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper { return sent.through(next) })
	cfg.QPS = 1000
	cfg.Burst = 2000
	cs = kubernetes.NewForConfigOrDie(cfg)
	dyn = dynamic.NewForConfigOrDie(cfg)
	n, err := cs.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "wire-"}}, metav1.CreateOptions{})
	if err != nil {
		panic(err)
	}
	ns = n.Name
	for i := 0; i < 1200; i++ {
		if _, err := cs.CoreV1().ServiceAccounts(ns).Get(ctx, "default", metav1.GetOptions{}); err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	code := m.Run()
	cs.CoreV1().Namespaces().Delete(ctx, ns, metav1.DeleteOptions{})
	os.Exit(code)
}

// eventually asks until it is so: others have a part in it, and the machine may be slow.
func eventually(t *testing.T, what string, check func() bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, 2*time.Minute, true, func(context.Context) (bool, error) { return check(), nil })
	if err != nil {
		t.Fatalf("not within two minutes: %s", what)
	}
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
