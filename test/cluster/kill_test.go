package cluster

import (
	"context"
	"testing"
	"time"
)

// TestKills kills one node, the one that leads, and all, while rows are
// appended and read.
func TestKills(t *testing.T) {
	c := newCluster(t, 3)
	w := newWorkload(c, "log")
	w.run(3, 2)
	w.more(20)

	leader := c.leader()
	follower := c.without(leader)[0]
	follower.kill()
	w.more(20)
	c.restart(follower)

	leader = c.leader()
	leader.kill()
	w.more(20)
	c.restart(leader)

	for _, n := range c.nodes {
		n.kill()
	}
	c.restart(c.nodes...)
	w.more(20)

	w.halt()
	c.untilWhole()
	w.check()
	c.verify(c.nodes[1], "log")
}

// TestKillsAgainAndAgain kills nodes at moments of no choice, one after
// another, two of five at a time.
func TestKillsAgainAndAgain(t *testing.T) {
	long(t)
	c := newCluster(t, 5)
	w := newWorkload(c, "log")
	w.run(4, 2)
	for round := range 10 {
		a, b := c.nodes[round%5], c.nodes[(round*2+1)%5]
		a.kill()
		w.more(5)
		if b != a {
			b.kill()
			w.more(5)
			c.restart(a, b)
		} else {
			c.restart(a)
		}
		w.more(5)
	}
	w.halt()
	c.untilWhole()
	w.check()
	c.verify(c.nodes[0], "log")
}

// TestFrozenLeader stops the process of the leader as a machine that hangs
// would: others take over, and when it goes on it has nothing to say.
func TestFrozenLeader(t *testing.T) {
	c := newCluster(t, 3)
	w := newWorkload(c, "log")
	w.run(3, 2)
	w.more(20)

	leader := c.leader()
	others := c.without(leader)
	cl := c.dialAt(others[0].addr + "," + others[1].addr)
	begin := time.Now()
	leader.freeze()
	c.until("another leader", func(ctx context.Context) bool {
		next := c.leaderAt(ctx, cl)
		return next != nil && next != leader
	})
	t.Logf("another leader after %v", time.Since(begin).Round(time.Millisecond))
	w.more(20)
	leader.thaw()
	w.more(20)

	w.halt()
	c.untilWhole()
	w.check()
	c.verify(leader, "log")
}
