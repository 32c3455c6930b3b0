package repair

import (
	"context"
	"testing"

	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/members/memberstest"
	"github.com/tarnlake/tarn/tiering"
)

// comeBack starts a node that was given up, with its disk.
func comeBack(r *memberstest.Rack, node string) {
	r.Apply(catalog.Command{RegisterNode: &catalog.RegisterNode{Node: node, Name: node, Address: node + ":1", Disks: []catalog.DiskFacts{{ID: node + "d1", Tier: "hot", Bytes: 1 << 40}}}})
	r.Apply(catalog.Command{OpenEpoch: &catalog.OpenEpoch{Node: node}})
}

// reconciler compares the disks of a node with the catalog.
func reconciler(r *memberstest.Rack, node string) *Sweeper {
	b := bench(r, node)
	return &Sweeper{
		Members: r.Store(node), Logger: b.Logger, Propose: b.Propose, Forget: func(catalog.SegmentID) {},
		Read: func(context.Context) (*catalog.State, error) { return r.State(), nil }, View: r.State,
	}
}

// TestGivenUpDisksComeBack: nodes with all copies of a segment, or with more
// members of a stripe than it can lose, are given up, and the slots get other
// disks, on which nothing can be rebuilt. When the first of the nodes comes back,
// what its disk has is all there is: it is kept, and found.
func TestGivenUpDisksComeBack(t *testing.T) {
	for _, c := range []struct {
		name   string
		scheme tiering.Scheme
		slots  []string // before
		lost   []string // nodes
		then   []string // slots after
		rows   [][]byte
	}{
		{"copies", tiering.Scheme{Data: 1, Parity: 1}, []string{"n1d1", "n2d1"}, []string{"n1", "n2"}, []string{"n3d1", "n4d1"}, contents()[:1]},
		{"parity", tiering.Scheme{Data: 2, Parity: 2}, []string{"n1d1", "n2d1", "n3d1", "n4d1"}, []string{"n1", "n2", "n3"}, []string{"n5d1", "n6d1", "n7d1", "n4d1"}, contents()[:2]},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := memberstest.New(t, 7, 1)
			at := r.Stripe(r.Group(c.scheme, c.slots...), c.rows...)
			for _, node := range c.lost {
				r.Apply(setNode(node, catalog.NodeLost))
			}
			r.Apply(move(r, 1, c.then...))
			rebuilt := bench(r, c.then[0][:2])
			if placed, err := rebuilt.Pass(t.Context(), r.State()); placed != 0 || err != nil {
				t.Fatalf("placed %d, %v; want none: there is nothing to rebuild it from", placed, err)
			}
			if at, _ := r.State().Locate(at.ID); len(at.Parked) == 0 {
				t.Fatal("want it set aside")
			}
			comeBack(r, "n1")
			if _, err := reconciler(r, "n1").Reconcile(t.Context(), r.Store("n1").Media()...); err != nil {
				t.Fatal(err)
			}
			if placed, err := rebuilt.Pass(t.Context(), r.State()); placed != 1 || err != nil {
				t.Fatalf("placed %d, %v; want 1, from the disk that is back", placed, err)
			}
			now, _ := r.State().Locate(at.ID)
			if now.Missing.Has(0) {
				t.Fatal("the catalog misses what was placed")
			}
			got, err := r.Content(c.then[0], catalog.SegmentFile(at.ID))
			if err != nil || memberstest.Hash(got) != at.Data[0].Hash {
				t.Errorf("got hash %s, %v; want %s", memberstest.Hash(got), err, at.Data[0].Hash)
			}
		})
	}
}

// TestTheLastCopyIsDamaged: two of three copies are given up with their nodes,
// and the third has a bit turned over. What comes back with a node makes up for it.
func TestTheLastCopyIsDamaged(t *testing.T) {
	r := memberstest.New(t, 5, 1)
	at := r.Stripe(r.Group(tiering.Scheme{Data: 1, Parity: 2}, "n1d1", "n2d1", "n3d1"), content(1, 1000))
	r.Flip("n1d1", catalog.SegmentFile(at.ID), 77)
	r.Apply(setNode("n2", catalog.NodeLost))
	r.Apply(setNode("n3", catalog.NodeLost))
	r.Apply(move(r, 1, "n1d1", "n4d1", "n5d1"))
	if placed, err := bench(r, "n4").Pass(t.Context(), r.State()); placed != 0 || err != nil {
		t.Fatalf("placed %d, %v; want none: the copy that is left is wrong", placed, err)
	}
	comeBack(r, "n2")
	if _, err := reconciler(r, "n2").Reconcile(t.Context(), r.Store("n2").Media()...); err != nil {
		t.Fatal(err)
	}
	if placed, err := bench(r, "n4").Pass(t.Context(), r.State()); placed != 1 || err != nil {
		t.Fatalf("placed %d, %v; want 1, from the disk that is back", placed, err)
	}
	got, err := r.Content("n4d1", catalog.SegmentFile(at.ID))
	if err != nil || memberstest.Hash(got) != at.Data[0].Hash {
		t.Errorf("got hash %s, %v; want %s", memberstest.Hash(got), err, at.Data[0].Hash)
	}
}

// TestWrongBytesAreNotFound: a file of that name and size on some disk is not
// the member unless it has its hash.
func TestWrongBytesAreNotFound(t *testing.T) {
	r := memberstest.New(t, 4, 1)
	at := r.Stripe(r.Group(tiering.Scheme{Data: 1, Parity: 1}, "n1d1", "n2d1"), content(1, 1000))
	r.Flip("n1d1", catalog.SegmentFile(at.ID), 77)
	r.Apply(setNode("n1", catalog.NodeLost))
	r.Apply(setNode("n2", catalog.NodeLost))
	r.Apply(move(r, 1, "n3d1", "n4d1"))
	comeBack(r, "n1")
	if placed, err := bench(r, "n3").Pass(t.Context(), r.State()); placed != 0 || err != nil {
		t.Errorf("placed %d, %v; want none", placed, err)
	}
}
