package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
)

// slotsOn counts the slots of groups that are on a disk, or move off it.
func slotsOn(view *catalog.State, disk string) (n int) {
	for _, g := range view.Groups() {
		for _, s := range g.Slots {
			if s.Disk == disk || s.From == disk {
				n++
			}
		}
	}
	return n
}

// TestDiskReplaced: a disk gives its places to an empty directory, without a
// restart, and only to that; until it is empty it cannot be removed.
func TestDiskReplaced(t *testing.T) {
	r := newRackNode(t, 3)
	makeTable(t, r.c)
	r.append(0, 100)
	old, others := r.disk(r.disks[1].Path), []wire.Disk{r.disk(r.disks[0].Path), r.disk(r.disks[2].Path)}
	err := r.c.SetDisk(t.Context(), old.ID, wire.DiskRemove)
	if !wire.IsCode(err, wire.Conflict) || !strings.Contains(err.Error(), "still has places in") {
		t.Errorf("removing a disk in use: %v; want CONFLICT with what is left", err)
	}
	fresh := filepath.Join(t.TempDir(), "fresh")
	if err := r.c.ReplaceDisk(t.Context(), wire.ReplaceDisk{ID: old.ID, By: fresh}); !wire.IsCode(err, wire.InvalidArgument) {
		t.Errorf("by a directory that is not there: %v; want INVALID_ARGUMENT", err)
	}
	fresh = t.TempDir()
	if err := r.c.ReplaceDisk(t.Context(), wire.ReplaceDisk{ID: old.ID, By: fresh}); err != nil {
		t.Fatal(err)
	}
	if err := r.c.ReplaceDisk(t.Context(), wire.ReplaceDisk{ID: old.ID, By: fresh}); err != nil { // again: no harm
		t.Fatal(err)
	}
	r.append(100, 200)
	by := r.disk(fresh)
	r.until("nothing on the old disk", func(view *catalog.State) bool { return slotsOn(view, old.ID) == 0 && complete(view) })
	if now := r.disk(fresh); now.Slots != old.Slots {
		t.Errorf("the new disk has %d slots; want the %d of the old one", now.Slots, old.Slots)
	}
	for _, d := range others {
		if now := r.disk(d.Path); now.Slots != d.Slots {
			t.Errorf("disk %s has %d slots; want %d as before", d.Path, now.Slots, d.Slots)
		}
	}
	r.checkRows(200)
	if err := r.c.SetDisk(t.Context(), old.ID, wire.DiskRemove); err != nil {
		t.Error(err)
	}
	r.until("the node has let it go", func(*catalog.State) bool {
		r.node.plugging.Lock()
		defer r.node.plugging.Unlock()
		return !slices.ContainsFunc(r.node.id.Disks, func(d diskPlace) bool { return d.ID == old.ID })
	})
	r.stop()
	r.disks = slices.Delete(r.disks, 1, 2)
	r.start()
	if list, err := r.c.Disks(t.Context()); err != nil || len(list) != 3 {
		t.Errorf("after a restart there are %d disks, %v; want 3 without the old one", len(list), err)
	}
	if got := r.disk(fresh); got.ID != by.ID || got.State != "up" {
		t.Errorf("after a restart the new disk is %+v; want %s, up", got, by.ID)
	}
	r.checkRows(200)
}

// TestDiskAdded: a directory becomes a disk without a restart, gets its part,
// stays the node's own, and what cannot be one is refused.
func TestDiskAdded(t *testing.T) {
	r := newRackNode(t, 2)
	makeTable(t, r.c)
	r.append(0, 100)
	refused := map[string]wire.AddDisk{
		"relative":   {Path: "disk"},
		"no tier":    {Path: t.TempDir(), Tier: "tepid"},
		"not empty":  {Path: r.dir},
		"no node":    {Path: t.TempDir(), Node: "n9"},
		"not a path": {Path: ""},
		"not there":  {Path: filepath.Join(t.TempDir(), "mistyped")},
	}
	for name, req := range refused {
		if id, err := r.c.AddDisk(t.Context(), req); err == nil {
			t.Errorf("%s: became disk %s", name, id)
		}
	}
	fresh := t.TempDir()
	id, err := r.c.AddDisk(t.Context(), wire.AddDisk{Path: fresh})
	if err != nil {
		t.Fatal(err)
	}
	if again, err := r.c.AddDisk(t.Context(), wire.AddDisk{Path: fresh}); err != nil || again != id {
		t.Errorf("again: disk %s, %v; want %s", again, err, id)
	}
	r.until("places on the new disk", func(view *catalog.State) bool { return slotsOn(view, id) > 0 && complete(view) })
	r.append(100, 200)
	r.checkRows(200)
	if err := r.c.SetDisk(t.Context(), id, wire.DiskLose); err != nil {
		t.Fatal(err)
	}
	if _, err := r.c.AddDisk(t.Context(), wire.AddDisk{Path: fresh}); !wire.IsCode(err, wire.Conflict) || !strings.Contains(err.Error(), "disk use") {
		t.Errorf("a disk that was given up: %v; want CONFLICT and how to take it back", err)
	}
	if err := r.c.SetDisk(t.Context(), id, wire.DiskUse); err != nil {
		t.Fatal(err)
	}
	r.stop()
	r.start()
	if got := r.disk(fresh); got.ID != id || got.State != "up" {
		t.Errorf("after a restart it is %+v; want %s, up", got, id)
	}
	r.checkRows(200)
}

// TestDisksOfOthersAreRefused: a node that is told to take a disk which another
// one has, or a copy of it, refuses, at a start and later, and goes on as if it
// had not been told.
func TestDisksOfOthersAreRefused(t *testing.T) {
	c := newTestCluster(t, 2)
	theirs, mine := c.nodes[0].members.Media()[0], c.nodes[1].members.Media()[0]
	clone := t.TempDir()
	if err := os.CopyFS(clone, os.DirFS(theirs.Dir())); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{theirs.Dir(), clone} {
		to := c.dial(1)
		_, err := to.AddDisk(t.Context(), wire.AddDisk{Path: path})
		if !wire.IsCode(err, wire.Conflict) {
			t.Errorf("adding %s: %v; want CONFLICT", path, err)
		}
		if err := to.ReplaceDisk(t.Context(), wire.ReplaceDisk{ID: mine.ID(), By: path}); !wire.IsCode(err, wire.Conflict) {
			t.Errorf("replacing a disk by %s: %v; want CONFLICT", path, err)
		}
		c.stop(1)
		cfg := c.config(1)
		cfg.Disks = append(cfg.Disks, DiskConfig{Path: path, Tier: "hot"})
		if n, err := Start(t.Context(), cfg); !wire.IsCode(err, wire.Conflict) {
			t.Errorf("with %s it started: %v, %v; want CONFLICT", path, n, err)
		}
		c.start(1)
		if media := c.nodes[1].members.Media(); len(media) != 1 || media[0].ID() != mine.ID() {
			t.Errorf("after %s node n2 has %d disks; want its own", path, len(media))
		}
	}
}

// TestNodeReplaced: a node that is gone is replaced by one that has joined: its
// places go there, and nobody else's move.
func TestNodeReplaced(t *testing.T) {
	c := newTestCluster(t, 3)
	c.createTable(0)
	for i := range int64(10) {
		if err := c.append(0, 10*i, 10); err != nil {
			t.Fatal(err)
		}
	}
	gone := (c.leader() + 1) % 3
	at := (gone + 1) % 3
	id := c.nodes[gone].id.Node
	c.stop(gone)
	c.leader()
	cl := c.dial(at)
	if err := cl.RemoveNode(t.Context(), id); !wire.IsCode(err, wire.Conflict) || !strings.Contains(fmt.Sprint(err), "placement groups") {
		t.Errorf("removing a node in use: %v; want CONFLICT with what is left", err)
	}
	c.join(3)
	if err := cl.ReplaceNode(t.Context(), id, "node3"); err != nil {
		t.Fatal(err)
	}
	c.until("nothing on the node that is gone", func() bool {
		view := c.nodes[at].catalog.View()
		for _, d := range disksBySize(view, id) {
			if slotsOn(view, d.ID) > 0 {
				return false
			}
		}
		return complete(view)
	})
	if rows, sum := c.sums(3); rows != 100 || sum != 99*100/2 {
		t.Errorf("%d rows of sum %d; want 100 of %d", rows, sum, 99*100/2)
	}
	if err := cl.RemoveNode(t.Context(), id); err != nil {
		t.Error(err)
	}
}

// TestPairDisks: each disk of a node gets one of its tier on the other, the
// largest the largest; where one is lacking nothing begins.
func TestPairDisks(t *testing.T) {
	s, index := catalog.NewState(), uint64(0)
	register := func(node string, disks ...catalog.DiskFacts) {
		index++
		next, r := s.Apply(catalog.Command{RegisterNode: &catalog.RegisterNode{Node: node, Name: node, Disks: disks}}, index)
		if s = next; r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	register("old", catalog.DiskFacts{ID: "a", Tier: "hot", Bytes: 10}, catalog.DiskFacts{ID: "b", Tier: "hot", Bytes: 30}, catalog.DiskFacts{ID: "c", Tier: "hot", Bytes: 20})
	register("new", catalog.DiskFacts{ID: "x", Tier: "hot", Bytes: 40}, catalog.DiskFacts{ID: "y", Tier: "hot", Bytes: 50})
	register("cold", catalog.DiskFacts{ID: "z", Tier: "cold", Bytes: 40})
	node := func(id string) *catalog.Node { n, _ := s.Node(id); return n }
	pairs, err := pairDisks(s, node("old"), node("new"))
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, p := range pairs {
		got += p.Disk + p.By.ID + " "
	}
	if want := "by cx ay "; got != want {
		t.Errorf("got %q; want %q", got, want)
	}
	if _, err := pairDisks(s, node("old"), node("cold")); !wire.IsCode(err, wire.Conflict) {
		t.Errorf("got %v for a node without hot disks; want CONFLICT", err)
	}
}

// TestLoseCostsRows: a disk that rows would go with is not given up by mistake.
func TestLoseCostsRows(t *testing.T) {
	r := newRackNode(t, 2)
	makeTable(t, r.c)
	r.append(0, 50)
	r.until("both copies", complete)
	a, b := r.disk(r.disks[0].Path), r.disk(r.disks[1].Path)
	if err := r.c.SetDisk(t.Context(), a.ID, wire.DiskLose); err != nil {
		t.Fatal(err)
	}
	if err := r.c.SetDisk(t.Context(), b.ID, wire.DiskLose); !wire.IsCode(err, wire.Conflict) || !strings.Contains(err.Error(), "5 stripes would have lost") {
		t.Errorf("losing the last copies: %v; want CONFLICT", err)
	}
	r.checkRows(50)
	if err := r.c.LoseDiskAnyway(t.Context(), b.ID); err != nil {
		t.Fatal(err)
	}
	if got := r.redundancy(); !strings.HasPrefix(got, "ROWS ARE OUT OF REACH") {
		t.Errorf("got %q; want that rows are out of reach", got)
	}
}
