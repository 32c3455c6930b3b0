package tiering

import (
	"cmp"
	"slices"
)

// Move takes a slot of a group to another disk.
type Move struct {
	Group    uint64
	Slot     int
	From, To string // From is empty or not of this tier where the slot is lost
}

// Rebalance returns what to move, at most so many moves and in the order in
// which they matter: first the slots that have no disk or one that is drained,
// groups with most of them before others; then those that stand too close
// together; then from the disks that are fullest, in percent, to the ones that
// are emptiest, until they are within a twentieth of the mean. No slot is
// moved twice, and of each group one at most from a disk that could keep it:
// another slot could be planned to where it was, and would be in its way. No group survives less after a move than before, except that
// a lost slot goes to a disk too close to others when there is no better.
//
// A slot for which there is no disk is not in the list. Groups are all that
// have slots on these disks, those under way too: without them the disks that
// they go to would seem empty, and what was moved there would go on for ever.
func (t *Topology) Rebalance(groups []Group, most int) []Move {
	b := t.newBalance(groups, most)
	b.rehouse()
	b.spreadOut()
	b.even()
	return b.moves
}

// balance is one Rebalance under way: where everything is after the moves.
type balance struct {
	*Topology
	most   int
	moves  []Move
	groups []placed
	limits map[Scheme]limits
	used   []float64  // bytes of each disk
	on     [][]slotID // what is on each disk
	order  []int      // disks that stay, the emptiest first
}

type placed struct {
	Group
	slots []int
	moved []bool
}

// slotID is a slot of the group with that index.
type slotID struct{ group, slot int }

func (t *Topology) newBalance(groups []Group, most int) *balance {
	b := &balance{Topology: t, most: most, limits: map[Scheme]limits{}, used: make([]float64, len(t.disks)), on: make([][]slotID, len(t.disks))}
	for _, g := range groups {
		b.groups = append(b.groups, placed{g, t.stay(g), slices.Repeat([]bool{g.Moving}, g.Scheme.Width())})
		if _, ok := b.limits[g.Scheme]; !ok {
			b.limits[g.Scheme] = t.limitsFor(g.Scheme)
		}
	}
	slices.SortFunc(b.groups, func(x, y placed) int {
		return cmp.Or(cmp.Compare(missing(y.slots), missing(x.slots)), cmp.Compare(x.ID, y.ID))
	})
	for g, p := range b.groups {
		for slot, d := range p.slots {
			if d != none {
				b.put(slotID{g, slot}, d)
			}
		}
	}
	for d := range t.disks {
		if t.disks[d].State != DiskLeaving {
			b.order = append(b.order, d)
		}
	}
	slices.SortFunc(b.order, b.byFill)
	return b
}

func (b *balance) full() bool { return len(b.moves) >= b.most }

func (b *balance) fill(d int) float64 { return b.used[d] / float64(b.disks[d].Weight) }

func (b *balance) byFill(x, y int) int {
	return cmp.Or(cmp.Compare(b.fill(x), b.fill(y)), cmp.Compare(x, y))
}

func (b *balance) put(s slotID, d int) {
	b.groups[s.group].slots[s.slot] = d
	b.used[d] += float64(b.groups[s.group].Bytes)
	b.on[d] = append(b.on[d], s)
}

func (b *balance) take(s slotID, d int) {
	b.groups[s.group].slots[s.slot] = none
	b.used[d] -= float64(b.groups[s.group].Bytes)
	b.on[d] = slices.DeleteFunc(b.on[d], func(x slotID) bool { return x == s })
}

// move notes a move and carries it out.
func (b *balance) move(s slotID, to int) {
	g := &b.groups[s.group]
	m := Move{Group: g.ID, Slot: s.slot, To: b.disks[to].ID}
	if s.slot < len(g.Slots) {
		m.From = g.Slots[s.slot]
	}
	if from := g.slots[s.slot]; from != none {
		b.refill(from, func() { b.take(s, from) })
		g.moved = slices.Repeat([]bool{true}, len(g.moved))
	}
	b.refill(to, func() { b.put(s, to) })
	g.moved[s.slot] = true
	b.moves = append(b.moves, m)
}

// refill keeps the order while change changes the fill of a disk.
func (b *balance) refill(d int, change func()) {
	i, _ := slices.BinarySearchFunc(b.order, d, b.byFill)
	b.order = slices.Delete(b.order, i, i+1)
	change()
	i, _ = slices.BinarySearchFunc(b.order, d, b.byFill)
	b.order = slices.Insert(b.order, i, d)
}

// rehouse finds disks for the slots that have none, and then for those whose
// disk is drained: these have their members as long as they wait, so of two
// slots of a group the lost one gets the only disk that there is.
func (b *balance) rehouse() {
	b.rehouseThose(func(p *placed, slot int) bool { return !b.leaving(p, slot) })
	b.rehouseThose(b.leaving)
}

func (b *balance) leaving(p *placed, slot int) bool {
	if slot >= len(p.Slots) {
		return false
	}
	d, ok := b.index[p.Slots[slot]]
	return ok && b.disks[d].State == DiskLeaving
}

func (b *balance) rehouseThose(which func(p *placed, slot int) bool) {
	for g := range b.groups {
		p := &b.groups[g]
		for slot, d := range p.slots {
			if d != none || p.moved[slot] || b.full() || !which(p, slot) {
				continue
			}
			if to := b.best(p.slots, b.limits[p.Scheme], b.emptier(p.Group)); to != none {
				b.move(slotID{g, slot}, to)
			}
		}
	}
}

// emptier says which of two disks will be emptier with one more slot of a
// group; of equals it draws.
func (b *balance) emptier(g Group) func(x, y int) bool {
	with := func(d int) float64 { return (b.used[d] + float64(g.Bytes)) / float64(b.disks[d].Weight) }
	return func(x, y int) bool {
		fx, fy := with(x), with(y)
		return fx < fy || fx == fy && b.score(g.ID, x) < b.score(g.ID, y)
	}
}

// spreadOut moves members of which a node or a zone has too many.
func (b *balance) spreadOut() {
	for g := range b.groups {
		for !b.full() && b.spreadOne(g) {
		}
	}
}

// spreadOne makes the one move that brings a group nearest to its limits.
func (b *balance) spreadOne(g int) bool {
	p := &b.groups[g]
	l := b.limits[p.Scheme]
	best, bestSlot, bestTo := b.spreadOf(p.Scheme, p.slots, l), none, none
	if best.excess == 0 {
		return false
	}
	for slot, from := range p.slots {
		if from == none || p.moved[slot] {
			continue
		}
		p.slots[slot] = none
		to := b.best(p.slots, l, b.emptier(p.Group))
		if to != none {
			p.slots[slot] = to
			if s := b.spreadOf(p.Scheme, p.slots, l); s.excess < best.excess && !s.worse(best) {
				best, bestSlot, bestTo = s, slot, to
			}
		}
		p.slots[slot] = from
	}
	if bestSlot == none {
		return false
	}
	b.move(slotID{g, bestSlot}, bestTo)
	return true
}

// How far even goes: up to which difference of fill, as a part of the mean,
// and how many of the emptiest disks are looked at for one that is full.
const (
	evenEnough = 0.05
	evenTries  = 64
)

// even moves slots from the fullest disk to the emptiest that may have it.
func (b *balance) even() {
	enough := evenEnough * b.mean()
	stuck := make([]bool, len(b.disks))
	for i := len(b.order) - 1; i >= 0 && !b.full(); i-- {
		if from := b.order[i]; !stuck[from] {
			if stuck[from] = !b.relieve(from, enough); !stuck[from] {
				i = len(b.order) // another one may be the fullest now
			}
		}
	}
}

// mean returns the fill that all disks would have.
func (b *balance) mean() float64 {
	used, weight := 0.0, 0.0
	for _, d := range b.order {
		used += b.used[d]
		weight += float64(b.disks[d].Weight)
	}
	return used / weight
}

// relieve moves the slot off a disk by which it helps most, if that disk is
// fuller by more than enough.
func (b *balance) relieve(from int, enough float64) bool {
	tries := 0
	for _, to := range b.order {
		if tries == evenTries || b.fill(from)-b.fill(to) <= enough {
			return false
		}
		if !b.takes(to) {
			continue
		}
		tries++
		if s, ok := b.choose(from, to); ok {
			b.move(s, to)
			return true
		}
	}
	return false
}

// choose picks the slot whose move from one disk to another evens out most.
func (b *balance) choose(from, to int) (best slotID, ok bool) {
	most := 0.0
	for _, s := range b.on[from] {
		p := &b.groups[s.group]
		if gain := b.gain(float64(p.Bytes), from, to); gain > most && !p.moved[s.slot] && b.mayMove(s, to) {
			best, most, ok = s, gain, true
		}
	}
	return best, ok
}

// gain is by how much a move makes the sum of weight × fill² smaller, and so
// finds an end. A move that brings two disks less than a tenth nearer to each
// other gains nothing: it would be for the sake of rounding.
func (b *balance) gain(bytes float64, from, to int) float64 {
	apart := b.fill(from) - b.fill(to)
	closer := bytes/float64(b.disks[from].Weight) + bytes/float64(b.disks[to].Weight)
	if closer > 1.9*apart {
		return 0
	}
	return bytes * (2*apart - closer)
}

// mayMove reports whether a group is as well spread with a slot elsewhere.
func (b *balance) mayMove(s slotID, to int) bool {
	p := &b.groups[s.group]
	if slices.Contains(p.slots, to) {
		return false
	}
	l, from := b.limits[p.Scheme], p.slots[s.slot]
	before := b.spreadOf(p.Scheme, p.slots, l)
	p.slots[s.slot] = to
	after := b.spreadOf(p.Scheme, p.slots, l)
	p.slots[s.slot] = from
	return !after.worse(before)
}
