package daemon

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
)

func yes(s Survivor) (string, error) { return s.Cluster, nil }

// TestRecoverLostMajority: of three voters two are gone. The one that is left
// goes on alone with all rows; one that comes back with its old catalog is not
// let in, is told so, and comes back as a follower with its data.
func TestRecoverLostMajority(t *testing.T) {
	c := newLoadedCluster(t, 3)
	c.until("all replicas", func() bool {
		for _, n := range c.nodes {
			if n.catalog.View().Index() < c.nodes[0].catalog.View().Index() {
				return false
			}
		}
		return true
	})
	old := make([]Config, 3)
	for i := range old {
		old[i] = c.config(i)
		old[i].Listen, old[i].Gossip = c.nodes[i].Addr(), c.nodes[i].network.gossip.Addr()
	}
	if _, err := Recover(c.dirs[0], yes); !wire.IsCode(err, wire.Conflict) {
		t.Errorf("of a node that runs: %v; want a conflict", err)
	}
	for i := range c.nodes {
		c.stop(i)
	}
	wrong := func(Survivor) (string, error) { return "yes", nil }
	if _, err := Recover(c.dirs[0], wrong); !wire.IsCode(err, wire.InvalidArgument) {
		t.Errorf("with the wrong id: %v; want a refusal", err)
	}
	var seen Survivor
	done, err := Recover(c.dirs[0], func(s Survivor) (string, error) { seen = s; return s.Cluster, nil })
	if err != nil || done.Number != 1 || done.Before == "" {
		t.Fatalf("recovery: %+v, %v", done, err)
	}
	if len(seen.Others) != 2 || seen.Catalog.Rows != 100 || seen.Catalog.LastTerm == 0 || len(seen.Catalog.Voters) != 3 {
		t.Errorf("shown was %+v; want 100 rows, 2 others, 3 voters", seen)
	}
	if problems := fsck(t, c.dirs[0]).Problems; len(problems) > 0 {
		t.Errorf("after the recovery: %+v", problems)
	}

	c.startWith(0, old[0])
	if rows, sum := c.sums(0); rows != 100 || sum != 99*100/2 {
		t.Errorf("%d rows of sum %d; want 100 of %d", rows, sum, 99*100/2)
	}
	if got := c.voters(); got != 1 {
		t.Errorf("%d voters; want 1", got)
	}

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if n, err := Start(ctx, old[1]); !wire.IsCode(err, wire.Conflict) {
		t.Errorf("the node that was left behind starts: %v, %v; want that the cluster was recovered without it", n, err)
	}
	if _, err := Rejoin(c.dirs[0], yes); !wire.IsCode(err, wire.Conflict) {
		t.Errorf("the survivor rejoins: %v; want a refusal", err)
	}
	if _, err := Rejoin(c.dirs[1], wrong); !wire.IsCode(err, wire.InvalidArgument) {
		t.Errorf("with the wrong id: %v; want a refusal", err)
	}
	if _, err := Rejoin(c.dirs[1], yes); err != nil {
		t.Fatal(err)
	}
	c.startWith(1, old[1])
	if rows, sum := c.sums(1); rows != 100 || sum != 99*100/2 {
		t.Errorf("the node that is back sees %d rows of sum %d; want 100 of %d", rows, sum, 99*100/2)
	}
	if err := c.append(1, 100, 100); err != nil {
		t.Fatal(err)
	}
	if rows, _ := c.sums(0); rows != 200 {
		t.Errorf("%d rows; want 200", rows)
	}
}

// TestRecoveredNodeHasNoPartInTheOldCluster: two voters that a recovery left behind are a
// majority of the old cluster. They may find each other, but never the node that
// was recovered.
func TestRecoveredNodeHasNoPartInTheOldCluster(t *testing.T) {
	c := newLoadedCluster(t, 3)
	cfg := c.config(0)
	cfg.Listen, cfg.Gossip = c.nodes[0].Addr(), c.nodes[0].network.gossip.Addr()
	c.stop(0)
	c.leader() // of the other two
	c.createdElsewhere()
	if _, err := Recover(c.dirs[0], yes); err != nil {
		t.Fatal(err)
	}
	c.startWith(0, cfg)
	if _, err := c.nodes[0].catalog.View().Table("elsewhere"); !wire.IsCode(err, wire.TableNotFound) {
		t.Errorf("a table of the other line: %v; want that it is not there", err)
	}
	if c.nodes[0].catalog.Leader() != c.nodes[0].id.Node {
		t.Errorf("the recovered node follows %q; want itself", c.nodes[0].catalog.Leader())
	}
	for i := 1; i < 3; i++ { // they meet a later recovery, and stop
		n := c.nodes[i]
		c.nodes[i] = nil
		if err := n.Wait(); !wire.IsCode(err, wire.Conflict) {
			t.Errorf("node %d ended with %v; want that it was left behind", i, err)
		}
	}
}

// createdElsewhere makes a table through a node that runs.
func (c *testCluster) createdElsewhere() {
	c.t.Helper()
	n := c.running()
	_, err := n.propose(c.t.Context(), catalog.Command{CreateTable: &wire.CreateTable{Name: "elsewhere", Fields: n.catalog.View().Tables()[0].Schema.Fields}})
	if err != nil {
		c.t.Fatal(err)
	}
}

func TestRecoverRefuses(t *testing.T) {
	if _, err := Recover(t.TempDir(), yes); !wire.IsCode(err, wire.InvalidArgument) {
		t.Errorf("an empty directory: %v; want a refusal", err)
	}
	dir := stoppedNode(t)
	stop := errors.New("no")
	if _, err := Recover(dir, func(Survivor) (string, error) { return "", stop }); !errors.Is(err, stop) {
		t.Errorf("not confirmed: %v; want %v", err, stop)
	}
}
