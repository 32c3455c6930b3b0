package catalog

import (
	"slices"
	"strings"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/plant"
	"github.com/tidwall/btree"
)

// checkStripes refuses stripes that do not hold exactly the commit's segments.
func (c CommitSegments) checkStripes() error {
	segments := map[SegmentID]Segment{}
	for _, seg := range c.Segments {
		segments[seg.ID] = seg
	}
	for _, st := range c.Stripes {
		if len(st.Data) == 0 || st.ID != st.Data[0].Segment {
			return wire.Errorf(wire.InvalidArgument, "stripe %s does not begin with the segment of its name", st.ID)
		}
		for _, m := range st.Data {
			seg, ok := segments[m.Segment]
			if !ok || seg.Bytes != m.Bytes || seg.Hash != m.Hash {
				return wire.Errorf(wire.InvalidArgument, "stripe %s: member %s is not a segment of the commit", st.ID, m.Segment)
			}
			delete(segments, m.Segment)
		}
		for _, m := range st.Parity {
			if m.Segment != 0 || m.Bytes < 0 {
				return wire.Errorf(wire.InvalidArgument, "stripe %s has parity that is a segment", st.ID)
			}
		}
	}
	if len(segments) > 0 {
		return wire.Errorf(wire.InvalidArgument, "%s of the commit are in no stripe", plural(len(segments), "segment"))
	}
	return nil
}

// admitStripes refuses stripes that the groups cannot take, or that are not
// durable on enough disks to be acknowledged.
func (s *State) admitStripes(c CommitSegments) error {
	for _, st := range c.Stripes {
		g, ok := s.groups.Get(st.Group)
		if !ok {
			return wire.Errorf(wire.Conflict, "stripe %s: there is no placement group %d", st.ID, st.Group)
		}
		parity := g.Scheme.Parity
		if g.Scheme.Copies() {
			parity = 0 // equals data
		}
		fits := len(st.Data) <= g.Scheme.Data && (g.Scheme.Copies() || len(st.Data) > 1)
		if !fits || len(st.Parity) != parity || len(st.Placed) > len(g.Slots) {
			return wire.Errorf(wire.Conflict, "stripe %s does not fit the scheme %s of group %d", st.ID, g.Scheme, st.Group)
		}
		if err := s.checkDurable(g, st); err != nil {
			return err
		}
	}
	return nil
}

// checkDurable asks for two copies, on two nodes, as far as the group has
// disks that are not lost; and for every member of a stripe with parity, since
// what it replaces is dropped.
func (s *State) checkDurable(g *group, st NewStripe) error {
	durable, nodes := s.durable(g, st)
	want, wantNodes := st.used(g.Scheme).Len(), 1
	if g.Scheme.Copies() {
		want = s.CopiesNeeded(g.ID)
		_, on := s.holding(g)
		wantNodes = min(2, on)
	}
	if plant.On(plant.AckOneCopy) {
		want, wantNodes = 1, 1
	}
	if durable.Len() < want || nodes < wantNodes {
		return wire.Errorf(wire.Conflict, "stripe %s is durable on %s of %s; want %d on %d", st.ID,
			plural(durable.Len(), "disk"), plural(nodes, "node"), want, wantNodes)
	}
	return nil
}

// CopiesNeeded returns on how many disks of a group of copies a segment must
// be durable before a commit takes it.
func (s *State) CopiesNeeded(id GroupID) int {
	g, ok := s.groups.Get(id)
	if !ok {
		return 1
	}
	disks, _ := s.holding(g)
	return min(2, max(1, disks))
}

// durable returns the slots whose member is where the state will look for it,
// and on how many nodes they are.
func (s *State) durable(g *group, st NewStripe) (slots Slots, nodes int) {
	on := map[string]bool{}
	used := st.used(g.Scheme)
	for i, disk := range st.Placed {
		if disk == "" || !used.Has(i) || disk != g.Slots[i].Disk && disk != g.Slots[i].From || !s.diskHolds(disk) {
			continue
		}
		d, _ := s.disks.Get(disk)
		slots |= slotBit(i)
		on[d.Node] = true
	}
	return slots, len(on)
}

// holding counts the disks of a group that are not lost, and their nodes.
func (s *State) holding(g *group) (disks, nodes int) {
	on := map[string]bool{}
	for _, slot := range g.Slots {
		if d, ok := s.disks.Get(slot.Disk); ok && d.State != DiskLost {
			disks++
			on[d.Node] = true
		}
	}
	return disks, len(on)
}

// addStripes takes the stripes of a commit. What was not placed on the slot's
// disk is missing from the start.
func (s *State) addStripes(c CommitSegments) {
	for _, ns := range c.Stripes {
		g := s.editGroup(ns.Group)
		st := &stripe{Stripe: ns.Stripe, live: len(ns.Data)}
		g.stripes.Insert(st.ID)
		g.bytes, g.data = g.bytes+st.slotBytes(), g.data+st.dataBytes()
		s.change(g, st, func(st *stripe) {
			for i, slot := range g.Slots {
				if !st.used(g.Scheme).Has(i) {
					continue
				}
				if (!ns.placedOn(i, slot.Disk) || !s.diskHolds(slot.Disk)) && !plant.On(plant.IgnoreLate) {
					st.missing |= slotBit(i)
				}
				if slot.From != "" && !ns.placedOn(i, slot.From) {
					st.gone |= slotBit(i)
				}
			}
		})
		for _, m := range ns.Data {
			edit(&s.members).Set(m.Segment, st.ID)
		}
	}
}

func (ns NewStripe) placedOn(slot int, disk string) bool {
	return slot < len(ns.Placed) && ns.Placed[slot] == disk
}

// change replaces a stripe of g by a changed copy and keeps count of what is
// missing. g is a copy that nobody else knows yet.
func (s *State) change(g *group, st *stripe, change func(*stripe)) {
	next := *st
	change(&next)
	before := Slots(0)
	if old, ok := s.stripes.Get(st.ID); ok {
		before = old.missing
	}
	for i := range g.missing {
		g.missing[i] += btoi(next.missing.Has(i)) - btoi(before.Has(i))
	}
	next.parked = slices.DeleteFunc(slices.Clone(next.parked), func(p Parked) bool { return !next.missing.Has(p.Slot) })
	edit(&s.stripes).Set(next.ID, &next)
	switch {
	case next.missing != 0 && before == 0:
		editSet(&s.incomplete).Insert(next.ID)
	case next.missing == 0 && before != 0:
		editSet(&s.incomplete).Delete(next.ID)
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// editGroup replaces a group by a copy that may be changed until the state is
// published.
func (s *State) editGroup(id GroupID) *group {
	g, _ := s.groups.Get(id)
	next := *g
	next.stripes, next.Slots, next.missing = g.stripes.Copy(), slices.Clone(g.Slots), slices.Clone(g.missing)
	edit(&s.groups).Set(id, &next)
	return &next
}

func editSet[K SegmentID](m **btree.Set[K]) *btree.Set[K] {
	*m = (*m).Copy()
	return *m
}

// placeMembers notes members that were rebuilt, or found whole, on the disk
// of their slot. What does not fit any more is passed over: the slot has moved
// on, or the stripe is gone.
func (s *State) placeMembers(c PlaceMembers) (Result, error) {
	for _, m := range c.Members {
		st, g := s.memberAt(m)
		if st == nil || !st.missing.Has(m.Slot) || g.Slots[m.Slot].Disk != m.Disk || !s.diskHolds(m.Disk) {
			continue
		}
		g = s.editGroup(g.ID)
		s.change(g, st, func(st *stripe) { st.missing &^= slotBit(m.Slot) })
		s.settleSlot(g, m.Slot)
	}
	return Result{}, nil
}

// missMembers notes members that were found damaged or gone on a disk.
func (s *State) missMembers(c MissMembers) (Result, error) {
	for _, m := range c.Members {
		st, g := s.memberAt(m)
		if st == nil {
			continue
		}
		g = s.editGroup(g.ID)
		s.change(g, st, func(st *stripe) {
			switch m.Disk {
			case g.Slots[m.Slot].Disk:
				st.missing |= slotBit(m.Slot)
			case g.Slots[m.Slot].From:
				st.gone |= slotBit(m.Slot)
			}
		})
	}
	return Result{}, nil
}

// memberAt returns the stripe and the group of a member, or nil when there is
// no such member.
func (s *State) memberAt(m MemberAt) (*stripe, *group) {
	st, ok := s.stripes.Get(m.Stripe)
	if !ok || m.Slot < 0 || m.Slot >= maxWidth || m.Disk == "" {
		return nil, nil
	}
	g, _ := s.groups.Get(st.Group)
	if !st.used(g.Scheme).Has(m.Slot) {
		return nil, nil
	}
	return st, g
}

// parkMember sets a missing member aside that could not be rebuilt.
func (s *State) parkMember(c ParkMember) (Result, error) {
	st, ok := s.stripes.Get(c.Stripe)
	if !ok || c.Slot < 0 || c.Slot >= maxWidth || !st.missing.Has(c.Slot) {
		return Result{}, wire.Errorf(wire.Conflict, "member %d of stripe %s is not missing", c.Slot, c.Stripe)
	}
	if len(c.Reason) > maxKeyBytes {
		c.Reason = strings.ToValidUTF8(c.Reason[:maxKeyBytes], "")
	}
	next := *st
	next.parked = slices.DeleteFunc(slices.Clone(st.parked), func(p Parked) bool { return p.Slot == c.Slot })
	next.parked = append(next.parked, Parked{Slot: c.Slot, Reason: c.Reason, Since: s.time})
	edit(&s.stripes).Set(next.ID, &next)
	return Result{}, nil
}

// unpark lets everything of a group be tried again.
func (s *State) unpark(g *group) {
	g.stripes.Scan(func(id SegmentID) bool {
		if st, _ := s.stripes.Get(id); len(st.parked) > 0 {
			next := *st
			next.parked = nil
			edit(&s.stripes).Set(id, &next)
		}
		return true
	})
}

// unparkMembers lets everything be tried again.
func (s *State) unparkMembers() (Result, error) {
	s.unparkIncomplete()
	return Result{}, nil
}

// unparkIncomplete lets everything be tried again: only what is missing can be
// set aside.
func (s *State) unparkIncomplete() {
	s.incomplete.Scan(func(id SegmentID) bool {
		if st, _ := s.stripes.Get(id); len(st.parked) > 0 {
			next := *st
			next.parked = nil
			edit(&s.stripes).Set(id, &next)
		}
		return true
	})
}

// release takes note that no version refers to a segment any more. When it
// was the last of its stripe, the stripe is garbage.
func (s *State) release(id SegmentID) {
	at, _ := s.members.Get(id)
	old, _ := s.stripes.Get(at)
	if old.live > 1 {
		next := *old
		next.live--
		edit(&s.stripes).Set(at, &next)
		return
	}
	g := s.editGroup(old.Group)
	s.change(g, old, func(st *stripe) { st.missing, st.gone = 0, 0 })
	g.stripes.Delete(at)
	g.bytes, g.data = g.bytes-old.slotBytes(), g.data-old.dataBytes()
	edit(&s.stripes).Delete(at)
	for i := range g.Slots {
		s.settleSlot(g, i)
	}
	edit(&s.garbage).Set(at, &dead{old.Stripe, old.used(g.Scheme)})
	s.forget(at, s.lostSlots(g))
}

// lostSlots returns the slots of a group whose disk is lost: there is nothing
// to delete there.
func (s *State) lostSlots(g *group) Slots {
	var lost Slots
	for i, slot := range g.Slots {
		if !s.diskHolds(slot.Disk) {
			lost |= slotBit(i)
		}
	}
	return lost
}

// forgetMembers notes that files of garbage are in the trash. Ids that are not
// garbage are passed over: a sweep that was cut off is repeated.
func (s *State) forgetMembers(c ForgetMembers) (Result, error) {
	for _, m := range c.Members {
		s.forget(m.Stripe, m.Slots)
	}
	return Result{}, nil
}

func (s *State) forget(id SegmentID, slots Slots) {
	d, ok := s.garbage.Get(id)
	if !ok {
		return
	}
	left := *d
	if left.slots &^= slots; left.slots != 0 {
		edit(&s.garbage).Set(id, &left)
		return
	}
	edit(&s.garbage).Delete(id)
	for _, m := range left.Data {
		edit(&s.members).Delete(m.Segment)
	}
}

// dropDead forgets the garbage on a disk that is lost.
func (s *State) dropDead(disk string) {
	for _, d := range values(s.garbage) {
		g, ok := s.groups.Get(d.Group)
		if !ok {
			continue
		}
		for i, slot := range g.Slots {
			if slot.Disk == disk {
				s.forget(d.ID, slotBit(i))
			}
		}
	}
}
