package repair

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/tiering"
)

// cluster is a state to which commands are applied.
type cluster struct {
	t    *testing.T
	view *catalog.State
	fill func(disk string) tiering.Fill
}

func (c *cluster) apply(cmd catalog.Command) {
	c.t.Helper()
	next, r := c.view.Apply(cmd, c.view.Index()+1)
	if r.Err != nil {
		c.t.Fatal(r.Err)
	}
	c.view = next
}

func (c *cluster) node(name, tier string, disks int) {
	c.t.Helper()
	reg := &catalog.RegisterNode{Node: name, Name: name}
	for i := range disks {
		reg.Disks = append(reg.Disks, catalog.DiskFacts{ID: fmt.Sprint(name, "-", i), Tier: tier, Bytes: 1 << 40})
	}
	c.apply(catalog.Command{RegisterNode: reg})
}

// place carries plans out until there is nothing left to do.
func (c *cluster) place() {
	c.t.Helper()
	for range 50 {
		plan, err := Placement(c.view, 16, c.fill)
		if err != nil {
			c.t.Fatal(err)
		}
		if len(plan) == 0 {
			return
		}
		for _, cmd := range plan {
			c.apply(cmd)
		}
	}
	c.t.Fatal("plans do not end")
}

// schemes counts the groups of a tier by their scheme.
func (c *cluster) schemes(tier string) map[tiering.Scheme]int {
	all := map[tiering.Scheme]int{}
	for _, g := range c.view.Groups() {
		if g.Tier == tier {
			all[g.Scheme]++
		}
	}
	return all
}

// TestPlacementOfMerged: there are groups for fresh segments and for merged
// ones, as the cluster calls for; when it calls for others, empty ones go.
func TestPlacementOfMerged(t *testing.T) {
	c := &cluster{t: t, view: catalog.NewState()}
	for _, step := range []struct {
		disks  int
		merged tiering.Scheme
	}{
		{3, tiering.Scheme{Data: 1, Parity: 2}}, {4, tiering.Scheme{Data: 2, Parity: 2}}, {5, tiering.Scheme{Data: 3, Parity: 2}},
		{6, tiering.Scheme{Data: 4, Parity: 2}}, {8, tiering.Scheme{Data: 4, Parity: 2}},
	} {
		c.node("n", "hot", step.disks)
		c.place()
		got := c.schemes("hot")
		copies := tiering.Scheme{Data: 1, Parity: 2}
		if got[copies] == 0 || got[step.merged] == 0 || len(got) > 2 || step.merged != copies && len(got) != 2 {
			t.Errorf("%d disks: groups of %v; want %s and %s", step.disks, got, copies, step.merged)
		}
		if want := MergedScheme(c.view, "hot"); want != step.merged {
			t.Errorf("%d disks: merged segments are to be kept as %s; want %s", step.disks, want, step.merged)
		}
	}
}

// TestPlacementDrained: a disk leaves the groups that it is in, also where the
// others are too few for the scheme that there was.
func TestPlacementDrained(t *testing.T) {
	c := &cluster{t: t, view: catalog.NewState()}
	c.node("n", "hot", 4)
	c.place()
	c.apply(catalog.Command{SetDiskState: &catalog.SetDiskState{Disk: "n-2", State: catalog.DiskDraining}})
	c.place()
	for _, g := range c.view.Groups() {
		for _, slot := range g.Slots {
			if slot.Disk == "n-2" || slot.From == "n-2" {
				t.Errorf("group %+v is still on the disk", g)
			}
		}
	}
}

// TestPlacementTiers: tiers have groups of their own, of ids of their own.
func TestPlacementTiers(t *testing.T) {
	c := &cluster{t: t, view: catalog.NewState()}
	c.node("a", "hot", 2)
	c.node("b", "warm", 6)
	c.place()
	for tier, n := range map[string]int{"hot": 1, "warm": 2} {
		if got := c.schemes(tier); len(got) != n {
			t.Errorf("tier %s: groups of %v", tier, got)
		}
	}
}

// TestPlacementFromAnywhere: wherever outages have brought the slots to, plans
// are such that the catalog takes them, and come to an end.
func TestPlacementFromAnywhere(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 0))
		c := &cluster{t: t, view: catalog.NewState()}
		var disks []string
		for n := range 3 {
			c.node(fmt.Sprint("n", n), "hot", 2)
			disks = append(disks, fmt.Sprintf("n%d-0", n), fmt.Sprintf("n%d-1", n))
		}
		c.place()
		for _, g := range c.view.Groups() {
			rng.Shuffle(len(disks), func(i, k int) { disks[i], disks[k] = disks[k], disks[i] })
			if g.Scheme.Copies() && !slices.ContainsFunc(disks[:3], func(d string) bool {
				return slices.ContainsFunc(g.Slots, func(s catalog.Slot) bool { return s.Disk == d })
			}) {
				c.apply(catalog.Command{SetGroup: &catalog.SetGroup{ID: g.ID, IfIndex: g.Index, Tier: g.Tier, Scheme: g.Scheme, Disks: slices.Clone(disks[:3])}})
			}
		}
		c.place()
	}
}

// TestPlacementHeedsFill: a disk that is rather full gets slots only of disks
// that leave, and one that is fuller none.
func TestPlacementHeedsFill(t *testing.T) {
	fills := map[string]tiering.Fill{}
	c := &cluster{t: t, view: catalog.NewState(), fill: func(disk string) tiering.Fill { return fills[disk] }}
	c.node("n", "hot", 3)
	c.place()
	c.node("n", "hot", 4)
	fills["n-3"] = tiering.FillNoGroups
	c.place()
	if got := c.on("n-3"); got != 0 {
		t.Errorf("a disk that takes no groups has %d slots; want 0", got)
	}
	fills["n-3"] = tiering.FillNoRepair
	c.apply(catalog.Command{SetDiskState: &catalog.SetDiskState{Disk: "n-1", State: catalog.DiskLost}})
	c.place()
	if got := c.on("n-3"); got != 0 {
		t.Errorf("a disk that takes no repair has %d slots of a lost one; want 0", got)
	}
	fills["n-3"] = tiering.FillNoMerges
	c.place()
	if lost, got := c.on("n-1"), c.on("n-3"); lost != 0 || got == 0 {
		t.Errorf("%d slots are left on the lost disk and %d went to the one with room for repair; want 0, and some", lost, got)
	}
}

// on counts the slots of a disk.
func (c *cluster) on(disk string) (n int) {
	for _, g := range c.view.Groups() {
		for _, s := range g.Slots {
			if s.Disk == disk {
				n++
			}
		}
	}
	return n
}
