package catalog

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tarnlake/tarn/client/wire"
)

// TestServersComeAndGo: a leader that is demoted or removed is followed by
// another, and one that was removed comes back.
func TestServersComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, l := newCluster(t, 4), newLedger()
		stop := c.keepProposing(l)
		first := c.leader()
		c.must(first.Demote(t.Context(), first.cfg.Node))
		second := c.leader()
		if second == first || len(second.Servers()) != 4 || slices.Contains(second.Servers(), Server{first.cfg.Node, true}) {
			t.Errorf("%s was demoted; %s leads %v", first.cfg.Node, second.cfg.Node, second.Servers())
		}
		c.must(second.Remove(t.Context(), second.cfg.Node))
		rest := c.others(second)
		third := c.leader(rest...)
		if len(third.Servers()) != 3 {
			t.Errorf("removed: the servers are %v", third.Servers())
		}
		c.must(third.AddNode(t.Context(), second.cfg.Node))
		c.ready(second)
		c.must(third.Promote(t.Context(), second.cfg.Node))
		c.must(third.Promote(t.Context(), first.cfg.Node))
		c.settled(4)
		time.Sleep(2 * time.Second)
		stop()
		c.same()
		l.check(t, third.View())
		if len(l.done) == 0 {
			t.Error("nothing was done")
		}
	})
}

func TestOnlyTheLeaderChangesServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		leader := c.leader()
		follower := c.others(leader)[0]
		for name, change := range map[string]func(context.Context, string) error{
			"add": follower.AddNode, "promote": follower.Promote, "demote": follower.Demote, "remove": follower.Remove,
			"transfer": func(ctx context.Context, _ string) error { return follower.TransferLeadership(ctx) },
		} {
			var not *NotLeader
			if err := change(t.Context(), "n2"); !errors.As(err, &not) || not.Leader != leader.cfg.Node {
				t.Errorf("%s on a follower: got %v; want the leader's name", name, err)
			}
		}
		for name, err := range map[string]error{
			"promote nobody": leader.Promote(t.Context(), "n9"), "demote nobody": leader.Demote(t.Context(), "n9"), "add nobody": leader.AddNode(t.Context(), ""),
		} {
			if !wire.IsCode(err, wire.InvalidArgument) {
				t.Errorf("%s: got %v; want INVALID_ARGUMENT", name, err)
			}
		}
		for _, m := range c.others(leader) {
			c.must(leader.Demote(t.Context(), m.cfg.Node))
		}
		if err := leader.Demote(t.Context(), leader.cfg.Node); !wire.IsCode(err, wire.InvalidArgument) {
			t.Errorf("the last vote: got %v; want INVALID_ARGUMENT", err)
		}
		c.must(leader.AddNode(t.Context(), follower.cfg.Node)) // again
		if got := len(leader.Servers()); got != 3 {
			t.Errorf("%d servers; want 3", got)
		}
	})
}

// TestLeadershipIsHandedOver while all nodes propose: nobody notices.
func TestLeadershipIsHandedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, l := newCluster(t, 3), newLedger()
		stop := c.keepProposing(l)
		for range 5 {
			old := c.leader()
			changed := old.LeaderChanged()
			c.must(old.TransferLeadership(t.Context()))
			<-changed
			if old.Leads() {
				t.Errorf("%s still leads", old.cfg.Node)
			}
			time.Sleep(300 * time.Millisecond)
		}
		_, unknown := l.totals()
		stop()
		c.same()
		l.check(t, c.nodes[0].View())
		if unknown > 0 {
			t.Errorf("%d outcomes are unknown", unknown)
		}
	})
}

// TestAJoinerWaitsToBeAdded: until then it knows nothing, and it may be
// started again before.
func TestAJoinerWaitsToBeAdded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1)
		m := c.joiner()
		ctx, cancel := context.WithTimeout(t.Context(), leaderless-time.Second)
		defer cancel()
		if err := m.Ready(ctx); !wire.IsCode(err, wire.DeadlineExceeded) || len(m.Servers()) != 0 {
			t.Errorf("not added: got %v and servers %v; want DEADLINE_EXCEEDED and none", err, m.Servers())
		}
		c.stop(m)
		c.start(m)
		c.must(c.nodes[0].AddNode(t.Context(), m.cfg.Node))
		c.same()
		c.stop(m)
		c.start(m)
		c.same()
	})
}

func TestJoinNeedsANetworkAndNoClusterOfItsOwn(t *testing.T) {
	for _, change := range []func(*Config){func(c *Config) { c.Bootstrap = false }, func(*Config) {}} {
		cfg := testConfig(t.TempDir())
		cfg.Join = true
		change(&cfg)
		if _, err := Open(cfg); !wire.IsCode(err, wire.InvalidArgument) {
			t.Errorf("got %v; want INVALID_ARGUMENT", err)
		}
	}
}
