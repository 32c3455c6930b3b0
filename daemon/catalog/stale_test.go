package catalog

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// notStale wants a read to fail, or to have what was acknowledged before it.
func notStale(t *testing.T, m *member, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if s, err := m.Read(ctx); err == nil && s.EpochOf(name) == 0 {
		t.Errorf("a stale read: node %s shows state %d without %s, which was acknowledged before", m.cfg.Node, s.Index(), name)
	}
}

// TestALeaderThatHangsIsNotBelieved: the log of a leader hangs, and with it all
// by which raft would notice that others do not hear it any more. So it goes on
// to say that it leads while the others have chosen another and go on without it.
func TestALeaderThatHangsIsNotBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, l := newCluster(t, 3), newLedger()
		old := c.leader()
		rest := c.others(old)
		hang := make(chan struct{})
		old.mem.stall(hang)
		var under sync.WaitGroup
		under.Go(func() { l.propose(t, t.Context(), old.Catalog) })
		synctest.Wait() // its log hangs
		c.net.bothWays(true, []*member{old}, rest)
		name, ok := l.propose(t, t.Context(), c.leader(rest...).Catalog)
		if !ok {
			t.Fatalf("%s was not done by the majority", name)
		}
		if !old.Leads() {
			t.Fatal("the old leader knows already that it does not lead: there is nothing to be seen here")
		}
		notStale(t, old, name)
		old.mem.stall(nil)
		close(hang)
		c.net.mend()
		under.Wait()
		c.same()
		l.check(t, old.View())
	})
}

// TestANewLeaderCatchesUp: what the last leader has acknowledged is in the log of
// the next one, which does not know yet that it was agreed on, and cannot find out
// as long as its own log hangs.
func TestANewLeaderCatchesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, l := newCluster(t, 3), newLedger()
		old := c.leader()
		rest := c.others(old)
		name := ""
		for heard := true; heard; {
			c.net.mend()
			ok := false
			if name, ok = l.propose(t, t.Context(), old.Catalog); !ok {
				t.Fatalf("%s was not done", name)
			}
			c.net.bothWays(true, []*member{old}, rest) // before the others hear of the commit, but for bad luck
			heard = slices.ContainsFunc(rest, func(m *member) bool { return m.View().EpochOf(name) != 0 })
		}
		hang := make(chan struct{})
		for _, m := range rest {
			m.mem.stall(hang)
		}
		notStale(t, c.leader(rest...), name)
		for _, m := range rest {
			m.mem.stall(nil)
		}
		close(hang)
		c.net.mend()
		c.same()
		l.check(t, old.View())
	})
}
