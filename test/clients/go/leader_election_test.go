// Two candidates and one Lease.
package clients

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

func TestLeaderElection(t *testing.T) {
	got := make(chan string, 3)
	var leading atomic.Int32
	for _, id := range []string{"a", "b"} {
		c, cancel := context.WithCancel(ctx)
		lock := &resourcelock.LeaseLock{LeaseMeta: metav1.ObjectMeta{Name: "le", Namespace: ns}, Client: cs.CoordinationV1(), LockConfig: resourcelock.ResourceLockConfig{Identity: id}}
		go leaderelection.RunOrDie(c, leaderelection.LeaderElectionConfig{Lock: lock, ReleaseOnCancel: true, LeaseDuration: 3 * time.Second, RenewDeadline: 2 * time.Second, RetryPeriod: 300 * time.Millisecond,
			Callbacks: leaderelection.LeaderCallbacks{OnStartedLeading: func(context.Context) {
				if leading.Add(1) > 1 {
					t.Error("two lead at once")
				}
				got <- id
				time.Sleep(600 * time.Millisecond)
				leading.Add(-1)
				cancel()
			}, OnStoppedLeading: func() {}}})
	}
	led := map[string]bool{}
	for i := 0; i < 2; i++ {
		select {
		case id := <-got:
			led[id] = true
		case <-time.After(time.Minute):
			t.Fatal("no leader")
		}
	}
	if !led["a"] || !led["b"] {
		t.Errorf("led: %v", led)
	}
}
