package members_test

import (
	"testing"

	"github.com/tarnlake/tarn/daemon/members/memberstest"
	"github.com/tarnlake/tarn/tiering"
)

// TestAloneIsNotSlower: with all copies on disks of this node a read allocates
// nothing, and a write no more than the disk's own.
func TestAloneIsNotSlower(t *testing.T) {
	r := memberstest.New(t, 1, 1)
	at := r.Stripe(r.Group(tiering.Scheme{Data: 1}, "n1d1"), content(1, 1000))
	seg, err := r.Store("n1").Open(r.State(), at.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 100)
	read := func() {
		if _, err := seg.ReadAt(p, 7); err != nil {
			t.Fatal(err)
		}
	}
	if got := testing.AllocsPerRun(100, read); got != 0 {
		t.Errorf("a read makes %v allocations; want 0", got)
	}
	w, err := r.Store("n1").Create(r.State(), r.NewID("n1"))
	if err != nil {
		t.Fatal(err)
	}
	write := func() {
		if _, err := w.Write(p[:0]); err != nil {
			t.Fatal(err)
		}
	}
	if got := testing.AllocsPerRun(100, write); got != 0 {
		t.Errorf("a write of nothing makes %v allocations; want 0", got)
	}
	if err := w.Abort(); err != nil {
		t.Error(err)
	}
}
