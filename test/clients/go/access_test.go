// Who one is and what one may do: tokens, reviews, certificates.
package clients

import (
	"sort"
	"strings"
	"testing"

	authnv1 "k8s.io/api/authentication/v1"
	authzv1 "k8s.io/api/authorization/v1"
	certv1 "k8s.io/api/certificates/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

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
	wantErr(t, err, 403, "Forbidden", `pods is forbidden: User "system:serviceaccount:`+ns+`:default" cannot impersonate-on:user-info:list resource "pods" in API group "" in the namespace "`+ns+`"`)
	c5 := rest.AnonymousClientConfig(cfg)
	c5.BearerToken = "nonsense"
	_, err = kubernetes.NewForConfigOrDie(c5).CoreV1().Pods(ns).List(ctx, metav1.ListOptions{})
	wantErr(t, err, 401, "Unauthorized", "Unauthorized")
}

func TestCSR(t *testing.T) {
	_, err := cs.CertificatesV1().CertificateSigningRequests().Create(ctx, &certv1.CertificateSigningRequest{ObjectMeta: metav1.ObjectMeta{Name: "wire-bad"}, Spec: certv1.CertificateSigningRequestSpec{Request: []byte("nope"), SignerName: "a.b/c", Usages: []certv1.KeyUsage{"client auth"}}}, metav1.CreateOptions{})
	wantErr(t, err, 422, "Invalid", `CertificateSigningRequest.certificates.k8s.io "wire-bad" is invalid: spec.request: Invalid value: "bm9wZQ==": PEM block type must be CERTIFICATE REQUEST`)
}
