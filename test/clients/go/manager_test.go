// A controller-runtime manager as operators have it: a kind of its own in two versions, a reconciler that owns objects,
// mutating, validating and conversion webhooks that this process serves, leader election, and a cache that it reads from.
package clients

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apiextv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiext "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/conversion"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

const group = "clients.example.com"

// Greeting is the stored version, v1.
type Greeting struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              GreetingSpec   `json:"spec,omitempty"`
	Status            GreetingStatus `json:"status,omitempty"`
}
type GreetingSpec struct {
	Words  []string `json:"words,omitempty"`
	Colour string   `json:"colour,omitempty"`
}
type GreetingStatus struct {
	Said       string             `json:"said,omitempty"`
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}
type GreetingList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Greeting `json:"items"`
}

func (*Greeting) Hub() {}

// OldGreeting is v1alpha1, which has its words in one text.
type OldGreeting struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              OldGreetingSpec `json:"spec,omitempty"`
}
type OldGreetingSpec struct {
	Text   string `json:"text,omitempty"`
	Colour string `json:"colour,omitempty"`
}

func (o *OldGreeting) ConvertTo(hub conversion.Hub) error {
	to := hub.(*Greeting)
	to.ObjectMeta = o.ObjectMeta
	to.Spec = GreetingSpec{Words: strings.Fields(o.Spec.Text), Colour: o.Spec.Colour}
	return nil
}
func (o *OldGreeting) ConvertFrom(hub conversion.Hub) error {
	from := hub.(*Greeting)
	o.ObjectMeta = from.ObjectMeta
	o.Spec = OldGreetingSpec{Text: strings.Join(from.Spec.Words, " "), Colour: from.Spec.Colour}
	return nil
}

func copied[T any](from *T) *T {
	bytes, err := json.Marshal(from)
	if err != nil {
		panic(err)
	}
	to := new(T)
	if err := json.Unmarshal(bytes, to); err != nil {
		panic(err)
	}
	return to
}
func (o *Greeting) DeepCopyObject() runtime.Object     { return copied(o) }
func (o *GreetingList) DeepCopyObject() runtime.Object { return copied(o) }
func (o *OldGreeting) DeepCopyObject() runtime.Object  { return copied(o) }

// The defaulter and the validator are what the admission webhooks call.
type greetingWebhooks struct{}

func (greetingWebhooks) Default(_ context.Context, o *Greeting) error {
	if o.Spec.Colour == "" {
		o.Spec.Colour = "blue"
	}
	return nil
}
func (greetingWebhooks) ValidateCreate(_ context.Context, o *Greeting) (admission.Warnings, error) {
	if len(o.Spec.Words) == 0 {
		return nil, fmt.Errorf("a greeting needs words")
	}
	return admission.Warnings{"greetings are loud"}, nil
}
func (w greetingWebhooks) ValidateUpdate(ctx context.Context, _, o *Greeting) (admission.Warnings, error) {
	return w.ValidateCreate(ctx, o)
}
func (greetingWebhooks) ValidateDelete(context.Context, *Greeting) (admission.Warnings, error) {
	return nil, nil
}

// A greeting makes a ConfigMap that says it.
type greeter struct{ client.Client }

func (r *greeter) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	greeting := &Greeting{}
	if err := r.Get(ctx, request.NamespacedName, greeting); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	const finalizer = group + "/goodbye"
	if !greeting.DeletionTimestamp.IsZero() {
		if controllerutil.RemoveFinalizer(greeting, finalizer) {
			return ctrl.Result{}, r.Update(ctx, greeting)
		}
		return ctrl.Result{}, nil
	}
	if controllerutil.AddFinalizer(greeting, finalizer) {
		if err := r.Update(ctx, greeting); err != nil {
			return ctrl.Result{}, err
		}
	}
	said := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: greeting.Name, Namespace: greeting.Namespace}}
	text := strings.Join(greeting.Spec.Words, " ") + " in " + greeting.Spec.Colour
	_, err := controllerutil.CreateOrUpdate(ctx, r.Client, said, func() error {
		said.Data = map[string]string{"said": text}
		return controllerutil.SetControllerReference(greeting, said, r.Scheme())
	})
	if err != nil {
		return ctrl.Result{}, err
	}
	before := greeting.DeepCopyObject().(*Greeting)
	greeting.Status.Said = text
	meta.SetStatusCondition(&greeting.Status.Conditions, metav1.Condition{
		Type: "Ready", Status: metav1.ConditionTrue, Reason: "Said", ObservedGeneration: greeting.Generation,
	})
	return ctrl.Result{}, r.Status().Patch(ctx, greeting, client.MergeFrom(before))
}

func TestManager(t *testing.T) {
	authority, folder := servingCertificate(t)
	port := freePort(t)
	address := fmt.Sprintf("https://127.0.0.1:%d", port)
	defineGreetings(t, address, authority)

	types := runtime.NewScheme()
	no(t, scheme.AddToScheme(types))
	hub := schema.GroupVersion{Group: group, Version: "v1"}
	old := schema.GroupVersion{Group: group, Version: "v1alpha1"}
	types.AddKnownTypes(hub, &Greeting{}, &GreetingList{})
	types.AddKnownTypeWithName(old.WithKind("Greeting"), &OldGreeting{})
	metav1.AddToGroupVersion(types, hub)
	metav1.AddToGroupVersion(types, old)

	manager, err := ctrl.NewManager(cfg, ctrl.Options{
		Scheme:                  types,
		Cache:                   cache.Options{DefaultNamespaces: map[string]cache.Config{ns: {}}},
		Metrics:                 server.Options{BindAddress: "0"},
		LeaderElection:          true,
		LeaderElectionID:        "greeter",
		LeaderElectionNamespace: ns,
		WebhookServer:           webhook.NewServer(webhook.Options{Host: "127.0.0.1", Port: port, CertDir: folder}),
	})
	no(t, err)
	no(t, ctrl.NewControllerManagedBy(manager).For(&Greeting{}).Owns(&corev1.ConfigMap{}).Complete(&greeter{manager.GetClient()}))
	no(t, ctrl.NewWebhookManagedBy(manager, &Greeting{}).
		WithDefaulter(greetingWebhooks{}).WithValidator(greetingWebhooks{}).Complete())
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- manager.Start(running) }()
	defer func() {
		stop()
		no(t, <-ended)
	}()
	<-manager.Elected()
	eventually(t, "the webhooks are served", func() bool { return manager.GetWebhookServer().StartedChecker()(&http.Request{}) == nil })
	callGreetingWebhooks(t, address, authority)

	direct, err := client.New(cfg, client.Options{Scheme: types})
	no(t, err)
	hello := &Greeting{ObjectMeta: metav1.ObjectMeta{Name: "hello", Namespace: ns}, Spec: GreetingSpec{Words: []string{"hello", "world"}}}
	eventually(t, "the webhooks are called", func() bool {
		tried := hello.DeepCopyObject().(*Greeting)
		mute := &Greeting{ObjectMeta: metav1.ObjectMeta{Name: "mute", Namespace: ns}}
		isCalled := direct.Create(ctx, tried, client.DryRunAll) == nil && tried.Spec.Colour == "blue"
		return isCalled && direct.Create(ctx, mute, client.DryRunAll) != nil
	})
	eventually(t, "a greeting can be made", func() bool { return direct.Create(ctx, hello.DeepCopyObject().(*Greeting)) == nil })
	key := client.ObjectKeyFromObject(hello)

	eventually(t, "it is said", func() bool {
		return direct.Get(ctx, key, hello) == nil && hello.Status.Said == "hello world in blue" && meta.IsStatusConditionTrue(hello.Status.Conditions, "Ready")
	})
	said := &corev1.ConfigMap{}
	no(t, direct.Get(ctx, key, said))
	if said.Data["said"] != "hello world in blue" || !metav1.IsControlledBy(said, hello) {
		t.Errorf("said %v, owned by %v", said.Data, said.OwnerReferences)
	}
	no(t, direct.Delete(ctx, said))
	eventually(t, "it is said again", func() bool { return direct.Get(ctx, key, &corev1.ConfigMap{}) == nil })

	err = direct.Create(ctx, &Greeting{ObjectMeta: metav1.ObjectMeta{Name: "mute", Namespace: ns}})
	wantErr(t, err, 403, metav1.StatusReasonForbidden, `admission webhook "validate.`+group+`" denied the request: a greeting needs words`)

	t.Run("conversion", func(t *testing.T) {
		before := &OldGreeting{}
		no(t, direct.Get(ctx, key, before))
		if before.Spec.Text != "hello world" || before.APIVersion != group+"/v1alpha1" && before.APIVersion != "" {
			t.Errorf("as v1alpha1 it is %+v", before)
		}
		no(t, direct.Create(ctx, &OldGreeting{ObjectMeta: metav1.ObjectMeta{Name: "old", Namespace: ns}, Spec: OldGreetingSpec{Text: "good old times", Colour: "sepia"}}))
		eventually(t, "the old form is said too", func() bool {
			stored := &Greeting{}
			return direct.Get(ctx, client.ObjectKey{Namespace: ns, Name: "old"}, stored) == nil && stored.Status.Said == "good old times in sepia"
		})
	})

	no(t, direct.Delete(ctx, hello))
	eventually(t, "it is gone", func() bool {
		return client.IgnoreNotFound(direct.Get(ctx, key, &Greeting{})) == nil && direct.Get(ctx, key, &Greeting{}) != nil
	})
}

func defineGreetings(t *testing.T, address string, authority []byte) {
	t.Helper()
	anything := &apiextv1.CustomResourceValidation{OpenAPIV3Schema: &apiextv1.JSONSchemaProps{
		Type: "object",
		Properties: map[string]apiextv1.JSONSchemaProps{
			"spec":   {Type: "object", XPreserveUnknownFields: ptr(true)},
			"status": {Type: "object", XPreserveUnknownFields: ptr(true)},
		},
	}}
	status := &apiextv1.CustomResourceSubresources{Status: &apiextv1.CustomResourceSubresourceStatus{}}
	definition := &apiextv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "greetings." + group},
		Spec: apiextv1.CustomResourceDefinitionSpec{
			Group: group,
			Scope: apiextv1.NamespaceScoped,
			Names: apiextv1.CustomResourceDefinitionNames{Plural: "greetings", Singular: "greeting", Kind: "Greeting", ListKind: "GreetingList"},
			Versions: []apiextv1.CustomResourceDefinitionVersion{
				{Name: "v1", Served: true, Storage: true, Schema: anything, Subresources: status},
				{Name: "v1alpha1", Served: true, Schema: anything, Subresources: status},
			},
			Conversion: &apiextv1.CustomResourceConversion{
				Strategy: apiextv1.WebhookConverter,
				Webhook: &apiextv1.WebhookConversion{
					ConversionReviewVersions: []string{"v1"},
					ClientConfig:             &apiextv1.WebhookClientConfig{URL: ptr(address + "/convert"), CABundle: authority},
				},
			},
		},
	}
	definitions := apiext.NewForConfigOrDie(cfg).ApiextensionsV1().CustomResourceDefinitions()
	_, err := definitions.Create(ctx, definition, metav1.CreateOptions{})
	no(t, err)
	t.Cleanup(func() { no(t, definitions.Delete(ctx, definition.Name, metav1.DeleteOptions{})) })
	eventually(t, "the definition is established", func() bool {
		found, err := definitions.Get(ctx, definition.Name, metav1.GetOptions{})
		return err == nil && apiextEstablished(found)
	})
}

func apiextEstablished(definition *apiextv1.CustomResourceDefinition) bool {
	for _, condition := range definition.Status.Conditions {
		if condition.Type == apiextv1.Established {
			return condition.Status == apiextv1.ConditionTrue
		}
	}
	return false
}

func callGreetingWebhooks(t *testing.T, address string, authority []byte) {
	t.Helper()
	rules := []admissionregistrationv1.RuleWithOperations{{
		Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create, admissionregistrationv1.Update},
		Rule:       admissionregistrationv1.Rule{APIGroups: []string{group}, APIVersions: []string{"v1"}, Resources: []string{"greetings"}},
	}}
	at := func(path string) admissionregistrationv1.WebhookClientConfig {
		return admissionregistrationv1.WebhookClientConfig{URL: ptr(address + path), CABundle: authority}
	}
	none := admissionregistrationv1.SideEffectClassNone
	path := strings.ReplaceAll(group, ".", "-") + "-v1-greeting"
	mutating := cs.AdmissionregistrationV1().MutatingWebhookConfigurations()
	_, err := mutating.Create(ctx, &admissionregistrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "greetings"},
		Webhooks: []admissionregistrationv1.MutatingWebhook{{
			Name: "default." + group, ClientConfig: at("/mutate-" + path), Rules: rules, SideEffects: &none, AdmissionReviewVersions: []string{"v1"},
		}},
	}, metav1.CreateOptions{})
	no(t, err)
	validating := cs.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	_, err = validating.Create(ctx, &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "greetings"},
		Webhooks: []admissionregistrationv1.ValidatingWebhook{{
			Name: "validate." + group, ClientConfig: at("/validate-" + path), Rules: rules, SideEffects: &none, AdmissionReviewVersions: []string{"v1"},
		}},
	}, metav1.CreateOptions{})
	no(t, err)
	t.Cleanup(func() {
		no(t, mutating.Delete(ctx, "greetings", metav1.DeleteOptions{}))
		no(t, validating.Delete(ctx, "greetings", metav1.DeleteOptions{}))
	})
}

// A certificate for 127.0.0.1 that is its own authority, and the folder in which the webhook server looks for it.
func servingCertificate(t *testing.T) (authority []byte, folder string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	no(t, err)
	certificate := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "webhooks"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, certificate, certificate, &key.PublicKey, key)
	no(t, err)
	private, err := x509.MarshalECPrivateKey(key)
	no(t, err)
	authority = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	folder = t.TempDir()
	no(t, os.WriteFile(filepath.Join(folder, "tls.crt"), authority, 0o600))
	no(t, os.WriteFile(filepath.Join(folder, "tls.key"), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}), 0o600))
	return authority, folder
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	no(t, err)
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}
