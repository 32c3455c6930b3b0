package repair

import (
	"slices"
	"testing"

	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/members/memberstest"
)

func replaceBy(disk, by string) catalog.Command {
	return catalog.Command{ReplaceDisk: &catalog.ReplaceDisk{Disk: disk, By: catalog.DiskFacts{ID: by}}}
}

// place plans and carries out until nothing more is planned, and returns how
// many slots got another disk.
func place(t *testing.T, r *memberstest.Rack, nodes ...string) (moved int) {
	t.Helper()
	for range 100 {
		plan, err := Placement(r.State(), 2, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, cmd := range plan {
			if cmd.SetGroup != nil && cmd.SetGroup.IfIndex != 0 {
				moved++
			}
			r.Apply(cmd)
		}
		done := 0
		for _, node := range nodes {
			placed, err := bench(r, node).Pass(t.Context(), r.State())
			if err != nil {
				t.Fatal(err)
			}
			done += placed
		}
		if len(plan) == 0 && done == 0 {
			return moved
		}
	}
	t.Fatal("it does not come to an end")
	return 0
}

// TestReplace: a disk that is replaced gives each of its slots to the disk in
// its place, once, whether it is there, away or lost.
func TestReplace(t *testing.T) {
	for name, before := range map[string]catalog.Command{
		"up":   setDisk("n1d1", catalog.DiskUp),
		"down": setDisk("n1d1", catalog.DiskDown),
		"lost": setDisk("n1d1", catalog.DiskLost),
	} {
		t.Run(name, func(t *testing.T) {
			r := memberstest.New(t, 4, 1)
			for i := range 5 {
				r.Stripe(r.Group(copies3, three...), content(uint64(i), 100+i))
			}
			if name != "up" {
				r.Wipe("n1d1")
			}
			r.Apply(before)
			r.Apply(replaceBy("n1d1", "n4d1"))
			if got := place(t, r, "n1", "n2", "n3", "n4"); name != "lost" && got < 5 {
				t.Errorf("%d slots moved; want those of 5 groups", got)
			}
			for _, g := range r.State().Groups()[:5] {
				if got, want := slotsOf(g), []string{"n4d1", "n2d1", "n3d1"}; !slices.Equal(got, want) || movingSlots(g) > 0 {
					t.Errorf("group %d is on %v; want %v", g.ID, g.Slots, want)
				}
			}
			h := HealthOf(r.State())
			if h.Missing != 0 || h.Held["n1d1"] != (Held{}) || h.Classes[0].Spare != 2 {
				t.Errorf("got %+v; want all of it whole and nothing on the old disk", h)
			}
			r.Apply(catalog.Command{RemoveDisk: &catalog.RemoveDisk{Disk: "n1d1"}})
		})
	}
}

// TestReplacementThatCannot: where the new disk would not do, or is gone, other
// disks take over; to use the old one again ends it.
func TestReplacementThatCannot(t *testing.T) {
	r := memberstest.New(t, 4, 1)
	r.Stripe(r.Group(copies3, three...), content(1, 100))
	r.Apply(replaceBy("n1d1", "n2d1")) // which has a slot already
	place(t, r, "n1", "n2", "n3", "n4")
	if got := slotsOf(r.State().Groups()[0]); got[0] != "n4d1" {
		t.Errorf("the group is on %v; want the other disk in the place of n1d1", got)
	}
	r.Apply(setDisk("n1d1", catalog.DiskUp))
	if d, _ := r.State().Disk("n1d1"); d.ReplacedBy != "" || d.State != catalog.DiskUp {
		t.Errorf("got %+v; want a disk that is up and stays", d)
	}
	for _, c := range []catalog.ReplaceDisk{
		{Disk: "n1d1", By: catalog.DiskFacts{ID: "n1d1"}},
		{Disk: "n1d1", By: catalog.DiskFacts{ID: "n9d1"}},
		{Disk: "n9d1", By: catalog.DiskFacts{ID: "n1d1"}},
		{Disk: "n1d1", By: catalog.DiskFacts{ID: "new", Tier: "cold"}, Node: "n1"},
		{Disk: "n1d1", By: catalog.DiskFacts{ID: "new", Tier: "hot"}, Node: "n9"},
		{Disk: "n1d1", By: catalog.DiskFacts{ID: "n2d1", Tier: "hot"}, Node: "n1"},
		{Disk: "n1d1", By: catalog.DiskFacts{}, Node: "n1"},
	} {
		if err := r.Try(catalog.Command{ReplaceDisk: &c}); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
	r.Apply(setDisk("n4d1", catalog.DiskLost))
	if err := r.Try(replaceBy("n1d1", "n4d1")); err == nil {
		t.Error("a lost disk may replace another")
	}
}

// TestReplacedDiskComesBack: a disk that is replaced while it is away is read
// again when it is back, and takes nothing.
func TestReplacedDiskComesBack(t *testing.T) {
	r := memberstest.New(t, 4, 1)
	r.Stripe(r.Group(copies3, three...), content(1, 100))
	r.Apply(setDisk("n1d1", catalog.DiskDown))
	r.Apply(replaceBy("n1d1", "n4d1"))
	r.Apply(catalog.Command{RegisterNode: &catalog.RegisterNode{Node: "n1", Name: "n1", Address: "n1:1", Disks: []catalog.DiskFacts{{ID: "n1d1", Tier: "hot", Bytes: 1 << 40}}}})
	if d, _ := r.State().Disk("n1d1"); d.State != catalog.DiskDraining || d.ReplacedBy != "n4d1" {
		t.Errorf("got %+v; want it to drain", d)
	}
}
