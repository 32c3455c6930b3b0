package catalog

import (
	"slices"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/plant"
	"github.com/tarnlake/tarn/tiering"
	"github.com/tidwall/btree"
)

// setGroup makes a placement group, or gives it other disks. What lies on the
// old disk of a slot is missing on the new one until it is placed there.
func (s *State) setGroup(c SetGroup) (Result, error) {
	old, there := s.groups.Get(c.ID)
	if err := s.checkGroup(c, old); err != nil {
		return Result{}, err
	}
	var g *group
	if there {
		g = s.editGroup(c.ID)
	} else {
		g = &group{Group: Group{ID: c.ID, Tier: c.Tier}, stripes: new(btree.Set[SegmentID])}
		edit(&s.groups).Set(g.ID, g)
	}
	g.Scheme, g.Index = c.Scheme, s.index
	for i, disk := range c.Disks {
		switch {
		case i == len(g.Slots):
			g.Slots, g.missing = append(g.Slots, Slot{Disk: disk}), append(g.missing, 0)
			s.missSlot(g, i)
		case disk == g.Slots[i].From:
			s.revertSlot(g, i)
		case disk != g.Slots[i].Disk:
			s.moveSlot(g, i, disk)
		}
	}
	s.unpark(g)
	return Result{}, nil
}

// removeGroup forgets a group that nothing is in, nor will be: a commit that
// has chosen it is rejected.
func (s *State) removeGroup(c RemoveGroup) (Result, error) {
	g, ok := s.groups.Get(c.ID)
	if !ok || g.Index != c.IfIndex {
		return Result{}, wire.Errorf(wire.Conflict, "group %d has changed since index %d", c.ID, c.IfIndex)
	}
	if g.stripes.Len() > 0 || s.HasGarbage(c.ID) {
		return Result{}, wire.Errorf(wire.Conflict, "group %d has stripes", c.ID)
	}
	edit(&s.groups).Delete(c.ID)
	return Result{}, nil
}

// checkGroup refuses a group that could not keep its stripes; old is nil for
// a new one.
func (s *State) checkGroup(c SetGroup, old *group) error {
	if err := checkScheme(c.Scheme); err != nil {
		return err
	}
	switch {
	case c.ID == 0 || len(c.Disks) != c.Scheme.Width():
		return wire.Errorf(wire.InvalidArgument, "group %d of scheme %s has %d disks", c.ID, c.Scheme, len(c.Disks))
	case (old == nil) != (c.IfIndex == 0), old != nil && old.Index != c.IfIndex:
		return wire.Errorf(wire.Conflict, "group %d has changed since index %d", c.ID, c.IfIndex)
	case old != nil && (c.Tier != old.Tier || !grows(old.Scheme, c.Scheme)):
		return wire.Errorf(wire.InvalidArgument, "group %d, %s on %s, cannot become %s on %s", c.ID, old.Scheme, old.Tier, c.Scheme, c.Tier)
	}
	return s.checkSlots(c, old)
}

func (s *State) checkSlots(c SetGroup, old *group) error {
	seen := map[string]bool{}
	for i, id := range c.Disks {
		if seen[id] {
			return wire.Errorf(wire.InvalidArgument, "group %d has disk %s twice", c.ID, id)
		}
		if id == "" { // which is also where a slot comes from that does not move
			return wire.Errorf(wire.InvalidArgument, "slot %d of group %d has no disk", i, c.ID)
		}
		seen[id] = true
		if old != nil && i < len(old.Slots) && (id == old.Slots[i].Disk || id == old.Slots[i].From) {
			continue
		}
		if d, ok := s.disks.Get(id); !ok || d.State != DiskUp || d.Tier != c.Tier {
			return wire.Errorf(wire.Conflict, "group %d: disk %s is not there, not up or not of tier %s", c.ID, id, c.Tier)
		}
		if old != nil && i < len(old.Slots) && old.Slots[i].From != "" {
			return wire.Errorf(wire.Conflict, "group %d: slot %d is still moving from disk %s", c.ID, i, old.Slots[i].From)
		}
		if old != nil && slices.ContainsFunc(old.Slots, func(s Slot) bool { return s.Disk == id || s.From == id }) {
			return wire.Errorf(wire.Conflict, "group %d: disk %s has another slot", c.ID, id)
		}
	}
	return nil
}

// grows reports whether a group may go from one scheme to the other in place:
// copies may become more.
func grows(from, to tiering.Scheme) bool {
	return from == to || from.Data == 1 && to.Data == 1 && to.Parity > from.Parity
}

func checkScheme(sc tiering.Scheme) error {
	if err := sc.Check(); err != nil {
		return invalid(err)
	}
	return nil
}

// moveSlot gives a slot to another disk. The old one keeps what it has until
// all of it has moved.
func (s *State) moveSlot(g *group, i int, disk string) {
	old := g.Slots[i].Disk
	g.Slots[i] = Slot{Disk: disk}
	if s.diskHolds(old) {
		g.Slots[i].From = old
	}
	s.eachStripe(g, i, func(st *stripe) {
		if g.Slots[i].From != "" {
			st.gone |= st.missing & slotBit(i)
		}
		st.missing |= slotBit(i)
	})
	s.settleSlot(g, i)
}

// revertSlot gives a move up: members belong again where they were.
func (s *State) revertSlot(g *group, i int) {
	g.Slots[i] = Slot{Disk: g.Slots[i].From}
	s.eachStripe(g, i, func(st *stripe) {
		st.missing = st.missing&^slotBit(i) | st.gone&slotBit(i)
		st.gone &^= slotBit(i)
	})
}

// missSlot makes a slot missing in all stripes of the group.
func (s *State) missSlot(g *group, i int) {
	s.eachStripe(g, i, func(st *stripe) { st.missing |= slotBit(i) })
}

// endMove ends a move: the old disk is not needed any more, or is lost.
func (s *State) endMove(g *group, i int) {
	g.Slots[i].From = ""
	s.eachStripe(g, i, func(st *stripe) { st.gone &^= slotBit(i) })
}

// settleSlot ends the move of a slot that misses nothing any more.
func (s *State) settleSlot(g *group, i int) {
	if g.missing[i] == 0 && g.Slots[i].From != "" {
		s.endMove(g, i)
	}
}

// eachStripe changes every stripe of the group that uses the slot.
func (s *State) eachStripe(g *group, slot int, change func(*stripe)) {
	g.stripes.Scan(func(id SegmentID) bool {
		if st, _ := s.stripes.Get(id); st.used(g.Scheme).Has(slot) {
			s.change(g, st, change)
		}
		return true
	})
}

// missDisk puts all that a lost disk held among the missing. A slot that was
// moving to it stays where it was.
func (s *State) missDisk(id string) {
	if plant.On(plant.KeepLostDisk) {
		return
	}
	for _, old := range s.groupsOn(id) {
		g := s.editGroup(old.ID)
		for i, slot := range g.Slots {
			switch {
			case slot.From == id:
				s.endMove(g, i)
			case slot.Disk == id && slot.From != "":
				s.revertSlot(g, i)
			case slot.Disk == id:
				s.missSlot(g, i)
			}
		}
	}
	s.dropDead(id)
}

// groupsOn returns the groups that have the disk in a slot, or are moving
// away from it.
func (s *State) groupsOn(disk string) []*group {
	var on []*group
	for _, g := range values(s.groups) {
		if slices.ContainsFunc(g.Slots, func(s Slot) bool { return s.Disk == disk || s.From == disk }) {
			on = append(on, g)
		}
	}
	return on
}

// Groups returns all placement groups, by id. Their slots are shared and not
// to be changed.
func (s *State) Groups() []Group {
	all := make([]Group, 0, s.groups.Len())
	for _, g := range values(s.groups) {
		all = append(all, g.Group)
	}
	return all
}

// GroupLoad returns how many stripes a group has, how many bytes they take in
// each slot, and how many of them miss the member of a slot, by slot.
func (s *State) GroupLoad(id GroupID) (stripes int, bytes int64, missing []int) {
	g, ok := s.groups.Get(id)
	if !ok {
		return 0, 0, nil
	}
	return g.stripes.Len(), g.bytes, slices.Clone(g.missing)
}

// GroupData returns how many bytes of segments the stripes of a group hold,
// each counted once, however many copies or how much parity there is of it.
func (s *State) GroupData(id GroupID) int64 {
	g, ok := s.groups.Get(id)
	if !ok {
		return 0
	}
	return g.data
}

// HasGarbage reports whether files of stripes that are gone may still be on
// the disks of a group.
func (s *State) HasGarbage(id GroupID) bool {
	return slices.ContainsFunc(values(s.garbage), func(d *dead) bool { return d.Group == id })
}
