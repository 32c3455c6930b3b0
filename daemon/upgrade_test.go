package daemon

import (
	"context"
	"testing"
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
)

var (
	olderBuild = catalog.Speaks{Oldest: 1, Newest: 1}
	newerBuild = catalog.Speaks{Oldest: 1, Newest: 2}
)

// restartAs restarts a node with another build, where it was.
func (c *testCluster) restartAs(i int, speaks catalog.Speaks) {
	c.t.Helper()
	cfg := c.again(i, speaks)
	c.stop(i)
	c.startWith(i, cfg)
}

// again is how a node that runs is started with another build, where it was.
func (c *testCluster) again(i int, speaks catalog.Speaks) Config {
	cfg := c.config(i)
	cfg.Listen, cfg.Gossip, cfg.speaks = c.nodes[i].Addr(), c.nodes[i].network.gossip.Addr(), speaks
	return cfg
}

// TestUpgradeOneByOne: three nodes get a newer build one after the other, and
// rows come in all the time. The cluster speaks the newer protocol once the last
// one does; from then on older builds are refused, told why, and lose nothing.
func TestUpgradeOneByOne(t *testing.T) {
	c := newTestCluster(t, 3)
	c.createTable(0)
	rows := int64(0)
	for i := range 3 {
		if got := c.nodes[i].catalog.View().Protocol(); got != 1 {
			t.Errorf("protocol %d before node %d is upgraded; want 1", got, i)
		}
		c.restartAs(i, newerBuild)
		c.leader()
		if err := c.append(i, rows, 10); err != nil {
			t.Fatal(err)
		}
		rows += 10
	}
	c.until("the newer protocol on all nodes", func() bool {
		for _, n := range c.nodes {
			if n.catalog.View().Protocol() != 2 {
				return false
			}
		}
		return true
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	back := c.again(2, olderBuild)
	c.stop(2)
	if n, err := Start(ctx, back); !wire.IsCode(err, wire.Unsupported) {
		t.Errorf("an older build starts: %v, %v; want that it is too old", n, err)
	}
	joiner := c.config(3)
	joiner.Join, joiner.speaks = Join{Address: c.running().Addr(), Token: c.token()}, olderBuild
	if n, err := Start(ctx, joiner); !wire.IsCode(err, wire.Unsupported) {
		t.Errorf("an older build joins: %v, %v; want that it is too old", n, err)
	}
	back.speaks = newerBuild
	c.startWith(2, back)
	if got, _ := c.sums(2); got != rows {
		t.Errorf("%d rows; want %d", got, rows)
	}
}
