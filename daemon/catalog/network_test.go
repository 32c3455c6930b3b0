package catalog

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tarnlake/tarn/client/wire"
)

func TestProposeOnAnyNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, l := newCluster(t, 3), newLedger()
		var wg sync.WaitGroup
		for _, m := range c.nodes {
			for range 20 {
				wg.Go(func() {
					name, ok := l.propose(t, t.Context(), m.Catalog)
					if !ok {
						t.Errorf("%s: not done", name)
					}
					s, err := c.nodes[rand.IntN(3)].Read(t.Context())
					if err != nil || s.EpochOf(name) == 0 {
						t.Errorf("%s was acknowledged and is not read elsewhere: %v", name, err)
					}
				})
			}
		}
		wg.Wait()
		c.same()
		l.check(t, c.nodes[0].View())
	})
}

// TestOneNodeLeadsAtOnce: also with a network and its longer timeouts.
func TestOneNodeLeadsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		c := newCluster(t, 1)
		if took := time.Since(start); took > heartbeatTimeout { // of the fake clock
			t.Errorf("took %v; want at most %v", took, heartbeatTimeout)
		}
		if !c.nodes[0].Leads() || c.nodes[0].Leader() != "n1" {
			t.Error("it does not lead")
		}
	})
}

// TestLostAnswers: what the leader answers may get lost, and requests may
// arrive twice; each proposal has one effect, and its proposer learns of it.
func TestLostAnswers(t *testing.T) {
	for name, what := range map[string]mishap{"lost": lost, "doubled": doubled} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, l := newCluster(t, 3), newLedger()
				c.net.befall(func(string, string) mishap { return what })
				for range 10 {
					for _, m := range c.nodes {
						if name, ok := l.propose(t, t.Context(), m.Catalog); !ok {
							t.Errorf("%s: not done", name)
						}
					}
				}
				c.net.befall(func(string, string) mishap { return none })
				c.same()
				l.check(t, c.nodes[0].View())
			})
		})
	}
}

// TestLeadersStop stops one leader after the other in the middle of proposals
// from all nodes.
func TestLeadersStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, l := newCluster(t, 5), newLedger()
		stop := c.keepProposing(l)
		for range 4 {
			old := c.leader()
			time.Sleep(200 * time.Millisecond) // in the middle
			c.stop(old)
			c.leader(c.others(old)...)
			time.Sleep(200 * time.Millisecond)
			c.start(old)
			c.ready(old)
		}
		stop()
		c.same()
		l.check(t, c.nodes[0].View())
		if len(l.done) == 0 {
			t.Error("nothing was done")
		}
	})
}

// keepProposing proposes on all nodes, one after the other on each, and reads what
// was acknowledged on some other, until stop.
func (c *cluster) keepProposing(l *ledger) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for i, m := range c.nodes {
		rng := rand.New(rand.NewPCG(1, uint64(i)))
		wg.Go(func() {
			for ctx.Err() == nil {
				name, ok := l.propose(c.t, ctx, c.catalogOf(m))
				if ok {
					c.sees(ctx, c.nodes[rng.IntN(len(c.nodes))], name)
				}
				time.Sleep(time.Duration(rng.IntN(30)) * time.Millisecond)
			}
		})
	}
	return func() {
		cancel()
		wg.Wait()
	}
}

// catalogOf returns that of a node which may be started again meanwhile.
func (c *cluster) catalogOf(m *member) *Catalog {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	return m.Catalog
}

// sees wants a node that can be read to show what was acknowledged before.
func (c *cluster) sees(ctx context.Context, m *member, name string) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	s, err := c.catalogOf(m).Read(ctx)
	if err == nil && s.EpochOf(name) == 0 {
		c.t.Errorf("node %s: %s was acknowledged before the read, and is not in it", m.cfg.Node, name)
	}
	if err != nil && !slices.Contains([]wire.Code{wire.Unavailable, wire.DeadlineExceeded, wire.Canceled}, wire.FromError(err).Code) {
		c.t.Errorf("node %s: read: %v", m.cfg.Node, err)
	}
}

// TestPartitions cuts the network at random, one way and both ways, while all
// nodes propose and read.
func TestPartitions(t *testing.T) {
	for seed := range uint64(4) {
		synctest.Test(t, func(t *testing.T) {
			c, l, rng := newCluster(t, 3+2*int(seed%2)), newLedger(), rand.New(rand.NewPCG(seed, 2))
			luck := rand.New(rand.NewPCG(seed, 3)) // of the network, which is asked under its lock
			c.net.befall(func(string, string) mishap { return mishap(max(0, luck.IntN(12)-9)) })
			stop := c.keepProposing(l)
			for range 8 {
				some := c.nodes[rng.IntN(len(c.nodes)):]
				some = some[:1+rng.IntN(min(2, len(some)))]
				if rng.IntN(2) == 0 {
					c.net.bothWays(true, some, c.others(some...))
				} else {
					c.net.oneWay(true, some, c.others(some...))
				}
				time.Sleep(time.Duration(rng.IntN(4000)) * time.Millisecond)
				if rng.IntN(3) > 0 {
					c.net.mend()
					time.Sleep(time.Duration(rng.IntN(2000)) * time.Millisecond)
				}
			}
			c.net.mend()
			c.leader()
			time.Sleep(time.Second)
			stop()
			c.same()
			l.check(t, c.nodes[0].View())
			if len(l.done) == 0 {
				t.Errorf("seed %d: nothing was done", seed)
			}
		})
	}
}

// TestAStaleLeaderDoesNotRead: one that was cut off does not know that others
// have chosen another.
func TestAStaleLeaderDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, l := newCluster(t, 3), newLedger()
		old := c.leader()
		rest := c.others(old)
		c.net.bothWays(true, []*member{old}, rest)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if s, err := old.Read(ctx); !wire.IsCode(err, wire.Unavailable) {
			t.Errorf("cut off: got %v, %v; want UNAVAILABLE, before the caller gives up", s, err)
		}
		if _, err := old.ReadIndex(t.Context()); !errors.As(err, new(*NotLeader)) || !wire.IsCode(err, wire.Unavailable) {
			t.Errorf("ReadIndex: got %v; want that it does not lead", err)
		}
		name, ok := l.propose(t, t.Context(), c.leader(rest...).Catalog)
		if !ok {
			t.Fatalf("%s was not done by the majority", name)
		}
		c.net.mend()
		if s, err := old.Read(t.Context()); err != nil || s.EpochOf(name) == 0 {
			t.Errorf("mended: got %v; want what was acknowledged", err)
		}
	})
}

// TestNoMajorityNoAnswer: proposals end as unknown, and reads as unavailable.
func TestNoMajorityNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, l := newCluster(t, 3), newLedger()
		left := c.leader()
		for _, m := range c.others(left) {
			c.stop(m)
		}
		if name, ok := l.propose(t, t.Context(), left.Catalog); ok {
			t.Errorf("%s was done by one of three", name)
		}
		if _, err := left.Read(t.Context()); !wire.IsCode(err, wire.Unavailable) {
			t.Errorf("read: got %v; want UNAVAILABLE", err)
		}
		for _, m := range c.others(left) {
			c.start(m)
		}
		c.same()
		l.check(t, left.View())
	})
}

func TestEntriesOfPeersAreJudged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		leader := c.leader()
		last := leader.raft.LastIndex()
		whole, err := proposed(openEpoch("n"), "p-1", last).encode()
		c.must(err)
		torn := slices.Clone(whole)
		torn[len(torn)-2] ^= 1
		empty, err := proposed(Command{}, "p-2", last).encode()
		c.must(err)
		nameless, err := openEpoch("n").encode()
		c.must(err)
		for _, bad := range [][]byte{nil, {1}, torn, empty, nameless, make([]byte, MaxCommandBytes+1)} {
			if _, err := leader.ApplyEntry(t.Context(), bad); !wire.IsCode(err, wire.InvalidArgument) {
				t.Errorf("entry of %d bytes: got %v; want INVALID_ARGUMENT", len(bad), err)
			}
		}
		if got := leader.raft.LastIndex(); got != last {
			t.Errorf("the log grew from %d to %d by what was refused", last, got)
		}
		follower := c.others(leader)[0]
		var not *NotLeader
		if _, err := follower.ApplyEntry(t.Context(), whole); !errors.As(err, &not) || not.Leader != leader.cfg.Node {
			t.Errorf("on a follower: got %v; want the leader's name", err)
		}
		first, err := leader.ApplyEntry(t.Context(), whole)
		c.must(err)
		if again, err := leader.ApplyEntry(t.Context(), whole); err != nil || again != first {
			t.Errorf("again: got %d, %v; want %d", again, err, first)
		}
	})
}

// TestSnapshotForAFollowerFarBehind: what it has missed is not in any log.
func TestSnapshotForAFollowerFarBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, l := newCluster(t, 3), newLedger()
		leader := c.leader()
		behind := c.others(leader)[0]
		c.net.bothWays(true, []*member{behind}, c.others(behind))
		for range 50 {
			l.propose(t, t.Context(), leader.Catalog)
		}
		for _, m := range c.others(behind) {
			c.ready(m)
			takeSnapshot(t, m.Catalog)
		}
		c.net.mend()
		c.same()
		if got := behind.raft.Stats()["last_snapshot_index"]; got == "0" {
			t.Error("it has not got a snapshot")
		}
		if name, ok := l.propose(t, t.Context(), behind.Catalog); !ok {
			t.Errorf("%s: not done", name)
		}
		l.check(t, behind.View())
	})
}

func TestRestartOfAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, l := newCluster(t, 5), newLedger()
		for round := range 3 {
			for _, m := range c.nodes {
				l.propose(t, t.Context(), m.Catalog)
			}
			if round == 1 {
				takeSnapshot(t, c.leader().Catalog)
			}
			for _, m := range c.nodes {
				c.stop(m)
			}
			for _, m := range c.nodes {
				c.start(m)
			}
			c.same()
			l.check(t, c.nodes[round].View())
		}
		if l.unknown > 0 {
			t.Errorf("%d outcomes are unknown", l.unknown)
		}
	})
}

// TestWrongClockOfAProposer: what the clock of one node says does not become
// everybody's time: the leader knows better.
func TestWrongClockOfAProposer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		wrong := c.others(c.leader())[0]
		for _, years := range []int{10, -10} {
			wrong.Catalog.cfg.Now = func() time.Time { return time.Now().AddDate(years, 0, 0) }
			before := wrong.View().Time()
			time.Sleep(10 * time.Second)
			r, err := wrong.Propose(t.Context(), Command{RegisterNode: &RegisterNode{Node: fmt.Sprint("x", years), Name: fmt.Sprint("x", years)}})
			if err != nil || r.Err != nil {
				t.Fatal(err, r.Err)
			}
			if after := wrong.View().Time(); time.Until(after).Abs() > time.Second || !after.After(before) {
				t.Errorf("%d years off: the state's time went from %v to %v; want %v", years, before, after, time.Now())
			}
		}
	})
}
