package tiering

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

const terabyte = 1 << 40

// farm makes nodes with disks each, in zones turn by turn.
func farm(zones, nodes, disksPerNode int, weight func(disk int) int64) []Disk {
	var disks []Disk
	for n := range nodes {
		for range disksPerNode {
			i := len(disks)
			disks = append(disks, Disk{
				ID: fmt.Sprintf("disk-%03d", i), Node: fmt.Sprintf("node-%02d", n), Zone: fmt.Sprintf("zone-%d", n%zones),
				Tier: "hot", Weight: weight(i),
			})
		}
	}
	return disks
}

func equal(int) int64 { return 4 * terabyte }

// mixed is what bare metal looks like after some years.
func mixed(i int) int64 { return []int64{4, 8, 16, 4, 4, 12}[i%6] * terabyte }

func topology(t testing.TB, disks []Disk) *Topology {
	t.Helper()
	top, err := NewTopology(disks, "hot")
	if err != nil {
		t.Fatal(err)
	}
	return top
}

// newGroups places n groups of a scheme.
func newGroups(t testing.TB, top *Topology, s Scheme, n int) []Group {
	t.Helper()
	groups := make([]Group, n)
	for i := range groups {
		groups[i] = Group{ID: uint64(i + 1), Scheme: s, Bytes: 1 << 30}
		slots, err := top.Place(groups[i])
		if err != nil {
			t.Fatal(err)
		}
		groups[i].Slots = slots
	}
	return groups
}

// apply carries moves out.
func apply(groups []Group, moves []Move) []Group {
	after := make([]Group, len(groups))
	for i, g := range groups {
		g.Slots = append(slices.Clone(g.Slots), make([]string, g.Scheme.Width()-len(g.Slots))...)
		for _, m := range moves {
			if m.Group == g.ID {
				g.Slots[m.Slot] = m.To
			}
		}
		after[i] = g
	}
	return after
}

// settle rebalances until there is nothing to do, and returns how many moves
// that took.
func settle(t testing.TB, top *Topology, groups []Group, most int) ([]Group, int) {
	t.Helper()
	total := 0
	for range 1000 {
		moves := top.Rebalance(groups, most)
		if len(moves) == 0 {
			return groups, total
		}
		if len(moves) > most {
			t.Fatalf("%d moves; want at most %d", len(moves), most)
		}
		total += len(moves)
		groups = apply(groups, moves)
	}
	t.Fatal("rebalancing does not end")
	return nil, 0
}

func fills(disks []Disk, groups []Group) map[string]float64 {
	fill, weight := map[string]float64{}, map[string]int64{}
	for _, d := range disks {
		fill[d.ID], weight[d.ID] = 0, d.Weight
	}
	for _, g := range groups {
		for _, d := range g.Slots {
			fill[d] += float64(g.Bytes) / float64(weight[d])
		}
	}
	return fill
}

// uneven returns by how much the fullest and the emptiest disk are off the mean.
func uneven(fill map[string]float64) float64 {
	low, high, sum := math.Inf(1), 0.0, 0.0
	for _, f := range fill {
		low, high, sum = min(low, f), max(high, f), sum+f
	}
	mean := sum / float64(len(fill))
	return max(high-mean, mean-low) / mean
}

func (t *Topology) mustBeDistinct(tb rapid.TB, g Group) {
	tb.Helper()
	seen := map[string]bool{}
	for slot, d := range g.Slots {
		if seen[d] {
			tb.Fatalf("group %d: disk %s is in it twice: %v", g.ID, d, g.Slots)
		}
		if _, ok := t.index[d]; !ok {
			tb.Fatalf("group %d: slot %d is on %q, which is not there", g.ID, slot, d)
		}
		seen[d] = true
	}
}

// What small clusters get, and what it survives there.
func TestPlaceByClusterSize(t *testing.T) {
	for _, c := range []struct{ zones, nodes, disks int }{
		{1, 1, 1}, {1, 1, 2}, {1, 1, 3}, {1, 1, 4}, {1, 1, 5}, {1, 1, 6}, {1, 1, 12},
		{1, 2, 1}, {1, 2, 6}, {1, 3, 1}, {1, 3, 2}, {1, 3, 8}, {1, 4, 1}, {1, 4, 2}, {1, 4, 5}, {1, 5, 1}, {1, 5, 3},
		{1, 6, 2}, {3, 6, 2}, {1, 7, 1}, {7, 7, 1}, {3, 9, 4}, {1, 12, 4}, {3, 12, 4}, {4, 12, 4}, {1, 20, 2}, {5, 20, 2},
	} {
		disks := farm(c.zones, c.nodes, c.disks, mixed)
		top, shape := topology(t, disks), ShapeOf(disks)
		schemes := DefaultSchemes(shape)
		for _, s := range []Scheme{schemes.L0, schemes.Merged} {
			want := s.Survives(shape)
			groups := newGroups(t, top, s, top.Groups(s))
			settled, _ := settle(t, top, groups, 2000)
			for _, g := range append(groups, settled...) {
				top.mustBeDistinct(t, g)
				got := top.Survives(g)
				if got.Disks != want.Disks || got.Nodes < want.Nodes || got.Zones < want.Zones {
					t.Errorf("%+v: %v on %v survives %+v; want %+v", c, s, g.Slots, got, want)
				}
			}
		}
	}
}

func TestGroups(t *testing.T) {
	for _, c := range []struct {
		nodes, disks int
		scheme       string
		want         int
	}{
		{1, 1, "1+0", 4}, {1, 1, "1+1", 0}, {3, 1, "1+2", 12}, {5, 1, "3+2", 20}, {6, 1, "4+2", 24}, {6, 4, "4+2", 256}, {1000, 24, "10+4", 109715},
	} {
		s, _ := ParseScheme(c.scheme)
		if got := topology(t, farm(1, c.nodes, c.disks, equal)).Groups(s); got != c.want {
			t.Errorf("%+v: got %d", c, got)
		}
	}
}

func TestPlaceKeepsSlots(t *testing.T) {
	disks := farm(1, 7, 3, mixed)
	top := topology(t, disks)
	for _, g := range newGroups(t, top, Scheme{4, 2}, 50) {
		again, err := top.Place(g)
		if err != nil || !slices.Equal(again, g.Slots) {
			t.Errorf("got %v, %v; want %v as it was", again, err, g.Slots)
		}
		lost := slices.DeleteFunc(slices.Clone(disks), func(d Disk) bool { return d.ID == g.Slots[2] })
		less := topology(t, lost)
		after, err := less.Place(g)
		if err != nil {
			t.Fatal(err)
		}
		for slot := range after {
			if (after[slot] != g.Slots[slot]) != (slot == 2) {
				t.Errorf("without the disk of slot 2: got %v; was %v", after, g.Slots)
			}
		}
		if got := less.Survives(Group{Scheme: g.Scheme, Slots: after}); got.Nodes != 2 {
			t.Errorf("after repair it survives %+v; want 2 nodes", got)
		}
	}
}

func TestTooFewDisks(t *testing.T) {
	top := topology(t, farm(1, 3, 1, equal))
	slots, err := top.Place(Group{ID: 1, Scheme: Scheme{4, 2}})
	if !errors.Is(err, ErrTooFewDisks) || len(slots) != 6 {
		t.Errorf("got %v, %v; want ErrTooFewDisks", slots, err)
	}
	if n := missing(top.resolve(Group{Scheme: Scheme{4, 2}, Slots: slots})); n != 3 {
		t.Errorf("%d slots are empty; want 3 in %v", n, slots)
	}
	if moves := top.Rebalance([]Group{{ID: 1, Scheme: Scheme{4, 2}, Slots: slots, Bytes: 1}}, 10); len(moves) != 0 {
		t.Errorf("moves %v; want none", moves)
	}
}

func TestTopologyRefuses(t *testing.T) {
	for name, disks := range map[string][]Disk{
		"twice":     {{ID: "a", Weight: 1}, {ID: "a", Weight: 1}},
		"no id":     {{Weight: 1}},
		"no weight": {{ID: "a"}},
		"two zones": {{ID: "a", Node: "n", Zone: "x", Weight: 1}, {ID: "b", Node: "n", Zone: "y", Weight: 1}},
	} {
		if _, err := NewTopology(disks, ""); err == nil {
			t.Errorf("%s: want an error", name)
		}
	}
	if top, err := NewTopology([]Disk{{ID: "a", Tier: "cold", Weight: 1}}, "hot"); err != nil || top.Groups(Scheme{1, 0}) != 0 {
		t.Errorf("disks of another tier: got %v", err)
	}
}

// A disk that comes takes about its share, from all others, and nothing else moves.
func TestAddedDiskTakesItsShare(t *testing.T) {
	disks := farm(1, 10, 2, equal)
	s := Scheme{4, 2}
	before := topology(t, disks)
	more := topology(t, append(disks, Disk{ID: "disk-new", Node: "node-10", Zone: "zone-0", Tier: "hot", Weight: 8 * terabyte}))
	share := 8.0 / 88

	groups := newGroups(t, before, s, 2000)
	moved := 0
	for i, g := range newGroups(t, more, s, 2000) {
		for _, d := range g.Slots {
			if !slices.Contains(groups[i].Slots, d) {
				moved++
				if d != "disk-new" && !slices.Contains(g.Slots, "disk-new") {
					t.Errorf("group %d drew %s, though nothing came there", g.ID, d)
				}
			}
		}
	}
	if got := float64(moved) / float64(6*len(groups)); got < 0.7*share || got > 1.2*share {
		t.Errorf("drawn anew, %.3f of the slots moved; want about %.3f", got, share)
	}

	groups, _ = settle(t, before, newGroups(t, before, s, before.Groups(s)), 1000)
	_, n := settle(t, more, groups, 10)
	if got := float64(n) / float64(6*len(groups)); got < 0.8*share || got > 1.1*share {
		t.Errorf("rebalanced, %.3f of the slots moved; want about %.3f", got, share)
	}
}

func TestLostDiskMovesOnlyItsSlots(t *testing.T) {
	disks := farm(3, 9, 4, mixed)
	s := Scheme{4, 2}
	top := topology(t, disks)
	groups, _ := settle(t, top, newGroups(t, top, s, top.Groups(s)), 1000)
	for _, leaving := range []bool{false, true} {
		left := slices.Clone(disks)
		if leaving {
			left[5].State = DiskLeaving
		} else {
			left = slices.Delete(left, 5, 6)
		}
		after, n := settle(t, topology(t, left), groups, 7)
		held := 0
		for _, g := range groups {
			if slices.Contains(g.Slots, "disk-005") {
				held++
			}
		}
		if n < held || n > held+held/5 {
			t.Errorf("leaving %v: %d moves; want about the %d slots that the disk had", leaving, n, held)
		}
		for _, g := range after {
			if slices.Contains(g.Slots, "disk-005") {
				t.Errorf("leaving %v: group %d is still on the disk", leaving, g.ID)
			}
			if got := topology(t, left).Survives(g); got.Zones < 1 || got.Nodes < 1 || got.Disks != 2 {
				t.Errorf("leaving %v: group %d survives %+v", leaving, g.ID, got)
			}
		}
	}
}

// Those with most to lose come first.
func TestRebalanceOrder(t *testing.T) {
	disks := farm(1, 8, 1, equal)
	top := topology(t, disks)
	s := Scheme{4, 2}
	groups := newGroups(t, top, s, 3)
	groups[1].Slots[0], groups[1].Slots[5] = "", "gone"
	groups[2].Slots[3] = "gone"
	var got []uint64
	for _, m := range top.Rebalance(groups, 3) {
		got = append(got, m.Group)
	}
	if want := []uint64{2, 2, 3}; !slices.Equal(got, want) {
		t.Errorf("moves of groups %v; want %v", got, want)
	}
}

// Moves take their time, and others are planned meanwhile: that must come to
// an end, however few groups have anything in them.
func TestRebalanceComesToRest(t *testing.T) {
	for seed := range uint64(5) {
		rng := rand.New(rand.NewPCG(seed, 0))
		top := topology(t, farm(1, 5, 3, equal))
		groups := newGroups(t, top, Scheme{1, 2}, 150)
		for i := range groups {
			groups[i].Bytes = int64(rng.IntN(5) / 4 * (1000 + rng.IntN(2000)))
		}
		rounds, under := 0, 0
		for ; rounds < 1000; rounds++ {
			moves := top.Rebalance(groups, 16-under)
			if len(moves) == 0 && under == 0 {
				break
			}
			for _, m := range moves {
				i := slices.IndexFunc(groups, func(g Group) bool { return g.ID == m.Group })
				groups[i].Slots[m.Slot], groups[i].Moving = m.To, true
			}
			under = 0
			for i := range groups {
				groups[i].Moving = groups[i].Moving && rng.IntN(3) > 0
				if groups[i].Moving {
					under++
				}
			}
		}
		if rounds == 1000 {
			t.Errorf("seed %d: groups move for ever", seed)
		}
	}
}

// A disk has one slot of a group at any time, also while another one leaves it.
func TestRebalanceOneSlotADisk(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 0))
		top := topology(t, farm(1, 3, 2, equal))
		groups := newGroups(t, top, Scheme{1, 2}, 30)
		for i := range groups {
			for slot, d := range rng.Perm(6)[:3] { // two on one node, perhaps
				groups[i].Slots[slot] = fmt.Sprintf("disk-%03d", d)
			}
			groups[i].Bytes = int64(rng.IntN(5) / 3 * (1 + rng.IntN(5000)))
		}
		rounds := 0
		for moves := top.Rebalance(groups, 16); len(moves) > 0; moves = top.Rebalance(groups, 16) {
			for _, m := range moves {
				if slices.Contains(groups[m.Group-1].Slots, m.To) {
					t.Fatalf("seed %d: %+v, while the group is on %v", seed, m, groups[m.Group-1].Slots)
				}
			}
			for _, m := range moves {
				groups[m.Group-1].Slots[m.Slot] = m.To
			}
			if rounds++; rounds > 100 {
				t.Fatalf("seed %d: groups move for ever", seed)
			}
		}
	}
}

// A drained disk keeps what it has until there is room for it: the only spare
// disk goes to the slot that is lost.
func TestLostSlotBeforeDrained(t *testing.T) {
	disks := farm(1, 3, 1, equal)
	disks[0].State = DiskLeaving
	top := topology(t, disks)
	for id := range uint64(20) {
		g := Group{ID: id, Scheme: Scheme{1, 2}, Slots: []string{disks[0].ID, disks[1].ID, "gone"}}
		want := []Move{{Group: id, Slot: 2, From: "gone", To: disks[2].ID}}
		if got := top.Rebalance([]Group{g}, 5); !slices.Equal(got, want) {
			t.Errorf("got %v; want %v", got, want)
		}
	}
}

// New zones are used to stand further apart.
func TestRebalanceSpreadsOut(t *testing.T) {
	s := Scheme{4, 2}
	groups := newGroups(t, topology(t, farm(1, 3, 4, equal)), s, 24)
	disks := farm(1, 8, 4, equal) // the same three nodes, and five more
	top := topology(t, disks)
	after, _ := settle(t, top, groups, 5)
	for _, g := range after {
		if got := top.Survives(g); got.Nodes != 2 {
			t.Errorf("group %d survives %+v; want 2 nodes", g.ID, got)
		}
	}
	if got := uneven(fills(disks, after)); got > 0.2 {
		t.Errorf("disks are off the mean by up to %.2f", got)
	}
}

func TestFullDiskTakesNothing(t *testing.T) {
	disks := farm(1, 7, 1, equal)
	disks[0].State = DiskFull
	top := topology(t, disks)
	for _, g := range newGroups(t, top, Scheme{4, 2}, 20) {
		if slices.Contains(g.Slots, disks[0].ID) {
			t.Errorf("group %d was put on a full disk", g.ID)
		}
		g.Slots[0] = disks[0].ID
		for _, m := range top.Rebalance([]Group{g}, 10) {
			if m.To == disks[0].ID {
				t.Errorf("group %d was moved to a full disk", g.ID)
			}
		}
		if kept, err := top.Place(g); err != nil || kept[0] != disks[0].ID {
			t.Errorf("got %v, %v; want slot 0 on the full disk, as it was", kept, err)
		}
	}
}

func TestMixedSizesFillEvenly(t *testing.T) {
	for _, c := range []struct{ zones, nodes, disks int }{{1, 1, 12}, {1, 4, 6}, {4, 8, 4}, {1, 12, 3}} {
		disks := farm(c.zones, c.nodes, c.disks, mixed)
		top := topology(t, disks)
		s := DefaultSchemes(ShapeOf(disks)).Merged
		groups := newGroups(t, top, s, top.Groups(s))
		for i := range groups {
			groups[i].Bytes = (1 + int64(i)%5) << 30
		}
		after, _ := settle(t, top, groups, 100)
		if got := uneven(fills(disks, after)); got > 0.08 {
			t.Errorf("%+v: disks are off the mean by up to %.3f, from %.3f", c, got, uneven(fills(disks, groups)))
		}
	}
}

// anyFarm draws clusters of all shapes.
func anyFarm(t *rapid.T) []Disk {
	var disks []Disk
	zones := rapid.IntRange(1, 5).Draw(t, "zones")
	for n := range rapid.IntRange(1, 9).Draw(t, "nodes") {
		zone := rapid.IntRange(0, zones-1).Draw(t, "zone")
		for range rapid.IntRange(1, 4).Draw(t, "disks") {
			disks = append(disks, Disk{
				ID: fmt.Sprintf("d%d", len(disks)), Node: fmt.Sprintf("n%d", n), Zone: fmt.Sprintf("z%d", zone), Tier: "hot",
				Weight: rapid.Int64Range(1, 20).Draw(t, "weight") * terabyte,
				State:  DiskState(rapid.SampledFrom([]int{0, 0, 0, 0, 0, 0, 1, 2}).Draw(t, "state")),
			})
		}
	}
	return disks
}

func anyGroups(t *rapid.T, disks []Disk) []Group {
	var groups []Group
	for i := range rapid.IntRange(1, 12).Draw(t, "groups") {
		g := Group{ID: uint64(i), Scheme: rapid.SampledFrom(shipped).Draw(t, "scheme"), Bytes: rapid.Int64Range(0, 100).Draw(t, "bytes") << 30}
		for range g.Scheme.Width() {
			g.Slots = append(g.Slots, rapid.SampledFrom(disks).Draw(t, "slot").ID)
		}
		groups = append(groups, g)
	}
	return groups
}

// bestLoss finds by trying what the most zones and then nodes are that a
// stripe can survive: the definition, of which limitsFor is the short cut.
func bestLoss(disks []Disk, s Scheme) (zones, nodes int) {
	for f := s.Parity; f > 0; f-- {
		if placeable(disks, s, s.Parity/f, maxWidth) {
			zones = f
			break
		}
	}
	perZone := maxWidth
	if zones > 0 {
		perZone = s.Parity / zones
	}
	for f := s.Parity; f > 0; f-- {
		if placeable(disks, s, perZone, s.Parity/f) {
			return zones, f
		}
	}
	return zones, 0
}

// placeable asks whether a stripe fits, counting zone by zone.
func placeable(disks []Disk, s Scheme, perZone, perNode int) bool {
	perZoneNode := map[string]map[string]int{}
	for _, d := range disks {
		if perZoneNode[d.Zone] == nil {
			perZoneNode[d.Zone] = map[string]int{}
		}
		perZoneNode[d.Zone][d.Node]++
	}
	sum := 0
	for _, nodes := range perZoneNode {
		inZone := 0
		for _, n := range nodes {
			inZone += min(n, perNode)
		}
		sum += min(inZone, perZone)
	}
	return sum >= s.Width()
}

func TestPlaceProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		disks := anyFarm(t)
		for i := range disks {
			disks[i].State = DiskOpen
		}
		top, err := NewTopology(disks, "hot")
		if err != nil {
			t.Fatal(err)
		}
		g := Group{ID: rapid.Uint64().Draw(t, "id"), Scheme: rapid.SampledFrom(shipped).Draw(t, "scheme")}
		g.Slots, err = top.Place(g)
		if few := len(disks) < g.Scheme.Width(); few != errors.Is(err, ErrTooFewDisks) || !few && err != nil {
			t.Fatalf("%d disks for %v: got %v", len(disks), g.Scheme, err)
		}
		if err != nil {
			return
		}
		top.mustBeDistinct(t, g)
		zones, nodes := bestLoss(disks, g.Scheme)
		if got := top.Survives(g); got.Zones < zones || got.Nodes < nodes || got.Disks != g.Scheme.Parity {
			t.Fatalf("%v on %v survives %+v; want %d zones and %d nodes", g.Scheme, g.Slots, got, zones, nodes)
		}
		rand.Shuffle(len(disks), func(i, j int) { disks[i], disks[j] = disks[j], disks[i] })
		other, _ := NewTopology(disks, "hot")
		if again, _ := other.Place(Group{ID: g.ID, Scheme: g.Scheme}); !slices.Equal(again, g.Slots) {
			t.Fatalf("got %v; with the disks in another order %v", g.Slots, again)
		}
	})
}

// From any mess, rebalancing ends, and each move of it is one for the better.
func TestRebalanceProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		disks := anyFarm(t)
		groups := anyGroups(t, disks)
		lost := rapid.IntRange(0, min(2, len(disks)-1)).Draw(t, "lost")
		top, err := NewTopology(disks[lost:], "hot")
		if err != nil {
			t.Fatal(err)
		}
		most := rapid.IntRange(1, 20).Draw(t, "most")
		for round := 0; ; round++ {
			moves := top.Rebalance(groups, most)
			if again := top.Rebalance(groups, most); !slices.Equal(again, moves) {
				t.Fatalf("got %v, and again %v", moves, again)
			}
			if len(moves) == 0 {
				break
			}
			if len(moves) > most || round > 500 {
				t.Fatalf("round %d: %d moves; want at most %d, and an end", round, len(moves), most)
			}
			groups = checkMoves(t, top, groups, moves)
		}
		for _, g := range groups {
			checkSettled(t, top, g)
		}
	})
}

// checkMoves applies moves one by one and looks at each.
func checkMoves(t *rapid.T, top *Topology, groups []Group, moves []Move) []Group {
	seen := map[string]bool{}
	for _, m := range moves {
		if key := fmt.Sprint(m.Group, m.Slot); seen[key] {
			t.Fatalf("slot %s is moved twice", key)
		} else {
			seen[key] = true
		}
		before := groups[m.Group]
		if m.From != before.Slots[m.Slot] {
			t.Fatalf("%+v: the slot is on %q", m, before.Slots[m.Slot])
		}
		to, ok := top.index[m.To]
		if !ok || !top.takes(to) {
			t.Fatalf("%+v: the disk takes nothing", m)
		}
		if slices.Contains(top.stay(before), to) {
			t.Fatalf("%+v: the disk has a member already: %v", m, before.Slots)
		}
		groups = apply(groups, []Move{m})
		was, is := top.measure(before), top.measure(groups[m.Group])
		if homeless := top.stay(before)[m.Slot] == none; !homeless && is.worse(was) {
			t.Fatalf("%+v: from %+v to %+v", m, was, is)
		}
	}
	return groups
}

func (t *Topology) measure(g Group) spread {
	return t.spreadOf(g.Scheme, t.stay(g), t.limitsFor(g.Scheme))
}

// checkSettled expects a slot to be without a good disk only if there is none.
func checkSettled(t *rapid.T, top *Topology, g Group) {
	slots := top.stay(g)
	if missing(slots) == 0 {
		return
	}
	for d := range top.disks {
		if top.takes(d) && !slices.Contains(slots, d) {
			t.Fatalf("group %d: slots %v, though %s is there", g.ID, slots, top.disks[d].ID)
		}
	}
}

// The distribution that draws are taken from, against the standard library's.
func TestExponential(t *testing.T) {
	for range 10000 {
		h := rand.Uint64() >> rand.IntN(64)
		u := float64(h>>11|1) / (1 << 53)
		if got, want := exponential(h), -math.Log(u); math.Abs(got-want) > 1e-13*(1+want) {
			t.Fatalf("-ln(%v): got %v; want %v", u, got, want)
		}
	}
	if got := exponential(math.MaxUint64); got <= 0 || got > 1e-15 {
		t.Errorf("of the largest hash: got %v; want a little above 0", got)
	}
}

func BenchmarkPlace(b *testing.B) {
	for _, nodes := range []int{10, 100, 1000} {
		b.Run(fmt.Sprint(nodes*24), func(b *testing.B) {
			top := topology(b, farm(10, nodes, 24, equal))
			id := uint64(0)
			for b.Loop() {
				id++
				if _, err := top.Place(Group{ID: id, Scheme: Scheme{6, 3}}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
