package daemon

import "testing"

// TestRepairRate: what moves goes by the fastest disk of the node, unless the
// operator says how fast.
func TestRepairRate(t *testing.T) {
	for _, c := range []struct {
		given int64
		tiers []string
		want  int64
	}{
		{0, []string{"hot"}, 256 << 20},
		{0, []string{"archive", "warm", "cold"}, 128 << 20},
		{0, []string{"archive"}, 32 << 20},
		{1000, []string{"hot"}, 1000},
	} {
		n := &Node{cfg: Config{RepairRate: c.given}}
		for _, tier := range c.tiers {
			n.id.Disks = append(n.id.Disks, diskPlace{Tier: tier})
		}
		if got := n.repairRate(); got != c.want {
			t.Errorf("%v with %d given: got %d; want %d", c.tiers, c.given, got, c.want)
		}
	}
	for _, tier := range Tiers {
		if RepairRates[tier] == 0 {
			t.Errorf("tier %s has no rate", tier)
		}
	}
}

// TestRepairPace: what is lost does not wait unless the operator says how fast.
func TestRepairPace(t *testing.T) {
	pace := (&Node{id: identity{Disks: []diskPlace{{Tier: "archive"}}}}).repairPace()
	if err := pace(t.Context(), true, 1<<60); err != nil { // a thousand years, if it waited
		t.Error(err)
	}
}
