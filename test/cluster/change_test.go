package cluster

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/tarnlake/tarn/client/wire"
)

// TestReplacedNode loses a machine, and puts a new one in its place under the
// same name and address.
func TestReplacedNode(t *testing.T) {
	long(t)
	c := newCluster(t, 4)
	w := newWorkload(c, "log")
	w.run(3, 2)
	w.more(20)

	gone := c.without(c.leader())[0]
	old := c.nodeInfo(gone.name)
	gone.kill()
	w.more(20)
	for _, dir := range append(gone.disks, gone.dir) {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	cl := c.dial()
	if err := cl.LoseNode(t.Context(), old.ID); err != nil {
		t.Fatal(err)
	}
	c.join(gone)
	w.more(20)
	c.untilEmpty(old.ID)
	if err := cl.RemoveNode(t.Context(), old.ID); err != nil {
		t.Fatal(err)
	}
	if now := c.nodeInfo(gone.name); now.ID == old.ID {
		t.Errorf("the new node %s has the old one's id", now.ID)
	}
	w.more(5)

	w.halt()
	c.untilWhole()
	w.check()
	c.verify(gone, "log")
}

func (c *cluster) nodeInfo(name string) (info wire.Node) {
	c.t.Helper()
	nodes, err := c.dial().Nodes(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	for _, n := range nodes {
		if n.Name == name {
			info = n
		}
	}
	return info
}

// untilEmpty waits until the disks of a node have no slots of placement
// groups any more.
func (c *cluster) untilEmpty(node string) {
	c.t.Helper()
	cl, name := c.dial(), node
	nodes, err := cl.Nodes(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	for _, n := range nodes {
		if n.ID == node {
			name = n.Name
		}
	}
	c.until("an empty node", func(ctx context.Context) bool {
		disks, err := cl.Disks(ctx)
		for _, d := range disks {
			if d.Node == name && (d.State == "lost" || d.State == "draining") && d.Slots > 0 {
				return false
			}
		}
		return err == nil
	})
}

// TestAddAndDrain adds a node and drains another one, which is then removed,
// while rows are appended and read.
func TestAddAndDrain(t *testing.T) {
	long(t)
	c := newCluster(t, 3)
	w := newWorkload(c, "log")
	w.run(3, 2)
	w.more(20)

	c.join(c.add())
	w.more(20)
	leaves := c.leader()
	id := c.nodeInfo(leaves.name).ID
	stays := c.without(leaves)
	cl := c.dialAt(stays[0].addr + "," + stays[1].addr)
	if err := cl.DrainNode(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	c.untilEmpty(id)
	w.more(20)
	leaves.kill()
	if err := cl.RemoveNode(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	w.more(20)

	w.halt()
	w.check()
	c.verify(stays[2], "log")
}

// TestRollingRestart stops and starts each node in turn, as an upgrade does.
func TestRollingRestart(t *testing.T) {
	long(t)
	c := newCluster(t, 3)
	w := newWorkload(c, "log")
	w.run(3, 2)
	w.more(20)
	for _, n := range c.nodes {
		n.stop()
		w.more(10)
		c.restart(n)
		c.untilWhole()
		w.more(10)
	}
	w.check()
	c.verify(c.nodes[2], "log")
}

// TestGrowsFromOne writes to a node that is alone in its cluster, adds two
// more, and loses the first one with all that it had, once the cluster says
// that it can.
func TestGrowsFromOne(t *testing.T) {
	c := newCluster(t, 1)
	w := newWorkload(c, "log")
	for range 10 {
		if err := w.append(c.dial(), patience); err != nil {
			t.Fatal(err)
		}
	}
	c.join(c.add())
	c.join(c.add())
	c.untilSettled()
	c.untilRedundant()
	first := c.nodes[0]
	first.kill()
	for _, dir := range append(first.disks, first.dir) {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.append(c.dial(), patience); err != nil {
		t.Fatal(err)
	}
	w.check()
}

// untilRedundant waits until the cluster says that a node may be lost.
func (c *cluster) untilRedundant() {
	c.t.Helper()
	cl, says := c.dial(), ""
	c.t.Cleanup(func() { c.t.Logf("the cluster said last: %s", says) })
	c.until("redundancy", func(ctx context.Context) bool {
		s, err := cl.Status(ctx)
		says = s.Redundancy
		return err == nil && strings.Contains(says, "node") && strings.HasSuffix(says, "may be lost")
	})
}
