// Two candidates and one Lease.
package clients

import (
	"context"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

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
		case <-time.After(time.Minute):
			t.Fatal("no leader")
		}
	}
}
