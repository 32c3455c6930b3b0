package daemon

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/cluster/clock"
)

// fakeClock is off by as much as it is told, and time passes as it is told.
type fakeClock struct{ off, passed atomic.Int64 }

func (f *fakeClock) config() clock.Config {
	began := time.Now()
	elapsed := func() time.Duration { return time.Duration(f.passed.Load()) }
	return clock.Config{
		Wall:    func() time.Time { return began.Add(elapsed() + time.Duration(f.off.Load())) },
		Elapsed: elapsed,
	}
}

// TestJumpLetsNothingGo: a clock that jumps ten years ahead makes no end of old
// versions, and of nothing else; one that stays there is believed after a while.
func TestJumpLetsNothingGo(t *testing.T) {
	f := &fakeClock{}
	r := &rackNode{t: t, dir: t.TempDir(), clock: f.config()}
	r.addDisks(1)
	r.start()
	makeTable(t, r.c)
	if _, err := r.c.AlterTable(t.Context(), wire.AlterTable{Name: "t", Options: &wire.TableOptions{RetainVersions: 1, RetainFor: time.Hour}}); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		r.append(10*i, 10*i+10)
	}
	versions := func() int {
		t.Helper()
		r.node.expire(t.Context())
		h, err := r.c.History(t.Context(), "t")
		if err != nil {
			t.Fatal(err)
		}
		return len(h)
	}
	all := versions()
	f.off.Store(int64(10 * 365 * 24 * time.Hour))
	if got := versions(); got != all || r.node.clockReport() == "" {
		t.Errorf("after the jump there are %d versions (%s); want %d", got, r.node.clockReport(), all)
	}
	r.append(50, 60)
	if at := r.node.catalog.View().Time(); time.Until(at).Abs() > 24*time.Hour {
		t.Errorf("the catalog's time is %v", at)
	}
	f.passed.Store(int64(clock.Doubt + time.Second))
	if got := versions(); got != 1 || r.node.clockReport() != "" {
		t.Errorf("after %v there are %d versions (%s); want 1", clock.Doubt, got, r.node.clockReport())
	}
}

// TestClockOfOneNode: the others say that it is wrong, on that node and in the
// list of nodes, and their time stays what it is.
func TestClockOfOneNode(t *testing.T) {
	c := newTestCluster(t, 3)
	c.createTable(0)
	c.stop(2)
	cfg := c.config(2)
	began := time.Now()
	cfg.Clock = clock.Config{
		Wall:    func() time.Time { return time.Now().Add(2 * time.Hour) },
		Elapsed: func() time.Duration { return time.Since(began) },
	}
	c.startWith(2, cfg)
	c.until("the others to see the clock", func() bool {
		nodes, err := c.dial(0).Nodes(t.Context())
		if err != nil {
			return false
		}
		for _, n := range nodes {
			if n.Name == "node2" {
				return strings.Contains(n.Reason, "ahead of the other nodes'")
			}
		}
		return false
	})
	if err := c.append(2, 0, 10); err != nil {
		t.Fatal(err)
	}
	if at := c.nodes[0].catalog.View().Time(); time.Until(at).Abs() > time.Hour {
		t.Errorf("the catalog's time is %v", at)
	}
}

// TestTwoNodesAckTwoCopies: from the first append on, in a cluster of two nodes
// that has only just formed.
func TestTwoNodesAckTwoCopies(t *testing.T) {
	c := newTestCluster(t, 2)
	c.createTable(0)
	for i := range 4 {
		if err := c.append(i%2, int64(10*i), 10); err != nil {
			t.Fatal(err)
		}
		view := c.nodes[0].catalog.View()
		for _, table := range view.Tables() {
			for _, s := range table.Segments {
				at, _ := view.Locate(s.ID)
				nodes := map[string]bool{}
				for slot, place := range at.Group.Slots {
					if d, ok := view.Disk(place.Disk); ok && !at.Missing.Has(slot) {
						nodes[d.Node] = true
					}
				}
				if len(nodes) < 2 {
					t.Errorf("append %d: segment %s is on %d nodes; want 2", i, s.ID, len(nodes))
				}
			}
		}
	}
}
