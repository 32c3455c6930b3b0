package repair

import (
	"context"
	"testing"

	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/members/memberstest"
	"github.com/tarnlake/tarn/tiering"
)

// TestSlotComesBackWhileItsDiskIsCleared: a disk is compared with a state in
// which a slot has moved away; before its file goes, or as it goes, the slot is
// back and the file is counted on.
func TestSlotComesBackWhileItsDiskIsCleared(t *testing.T) {
	for name, early := range map[string]int{"before": 0, "during": 1} {
		t.Run(name, func(t *testing.T) {
			r := memberstest.New(t, 3, 1)
			at := r.Stripe(r.Group(tiering.Scheme{Data: 1, Parity: 1}, "n1d1", "n2d1"), content(1, 1000))
			r.Apply(move(r, 1, "n3d1", "n2d1"))
			if placed, err := bench(r, "n3").Pass(t.Context(), r.State()); placed != 1 || err != nil {
				t.Fatalf("placed %d, %v; want 1", placed, err)
			}
			moved := r.State()
			r.Apply(move(r, 1, "n1d1", "n2d1"))
			if placed, err := bench(r, "n1").Pass(t.Context(), r.State()); placed != 1 || err != nil {
				t.Fatalf("placed %d, %v; want 1: it is there", placed, err)
			}
			s := reconciler(r, "n1")
			s.Read = func(context.Context) (*catalog.State, error) { return moved, nil }
			asked := 0
			s.View = func() *catalog.State {
				if asked++; asked <= early {
					return moved
				}
				return r.State()
			}
			if _, err := s.Reconcile(t.Context(), r.Store("n1").Media()...); err != nil {
				t.Fatal(err)
			}
			whole(t, r, at.ID, "n1d1")
		})
	}
}

// TestWhatWaitedIsCleared: a file in the wrong place stays while its stripe can
// lose nothing more, and goes when it is whole.
func TestWhatWaitedIsCleared(t *testing.T) {
	r := memberstest.New(t, 4, 1)
	at := r.Stripe(r.Group(tiering.Scheme{Data: 1, Parity: 1}, "n1d1", "n2d1"), content(1, 1000))
	r.Apply(setNode("n1", catalog.NodeLost))
	r.Apply(move(r, 1, "n3d1", "n2d1"))
	comeBack(r, "n1")
	s, file := reconciler(r, "n1"), catalog.SegmentFile(at.ID)
	if _, err := s.Reconcile(t.Context(), r.Store("n1").Media()...); err != nil {
		t.Fatal(err)
	}
	s.Sweep(t.Context(), r.State())
	if _, err := r.Content("n1d1", file); err != nil {
		t.Fatalf("while a copy is missing: %v; want it there", err)
	}
	if placed, err := bench(r, "n3").Pass(t.Context(), r.State()); placed != 1 || err != nil {
		t.Fatalf("placed %d, %v; want 1", placed, err)
	}
	s.Sweep(t.Context(), r.State())
	if _, err := r.Content("n1d1", file); !tiering.IsNotExist(err) {
		t.Errorf("when all are there: %v; want it gone", err)
	}
}
