package catalog

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/tarnlake/tarn/tiering"
	"github.com/tidwall/btree"
)

// checkFound refuses a stripe that cannot be: files are foreign bytes.
func (s *State) checkFound(f FoundStripe) error {
	if err := checkScheme(f.Scheme); err != nil {
		return err
	}
	parity := f.Scheme.Parity
	if f.Scheme.Copies() {
		parity = 0 // equals data
	}
	if len(f.Data) != f.Scheme.Data || len(f.Parity) != parity || len(f.Disks) != f.Scheme.Width() || f.Data[0].Segment != f.ID {
		return fmt.Errorf("stripe %s is not one of scheme %s", f.ID, f.Scheme)
	}
	seen := map[string]bool{}
	for _, disk := range f.Disks {
		if _, known := s.disks.Get(disk); disk != "" && (!known || seen[disk]) {
			return fmt.Errorf("stripe %s is on disk %q, which is not there or has two of its members", f.ID, disk)
		}
		seen[disk] = true
	}
	for _, m := range f.Data {
		if _, known := s.members.Get(m.Segment); known {
			return fmt.Errorf("stripe %s has segment %s, which is in another one", f.ID, m.Segment)
		}
	}
	return nil
}

// store puts the stripes of the segments that were taken in place: those with
// most members first, so that what was found on fewer disks joins their groups.
func (a *adoption) store(stripes []FoundStripe) {
	needed := slices.DeleteFunc(slices.Clone(stripes), func(f FoundStripe) bool { return a.live[f.ID] == 0 })
	slices.SortStableFunc(needed, func(a, b FoundStripe) int {
		return cmp.Or(cmp.Compare(b.found(), a.found()), cmp.Compare(a.ID, b.ID))
	})
	for _, f := range needed {
		a.s.storeFound(f, a.live[f.ID])
	}
}

// found counts the disks that have a member.
func (f FoundStripe) found() int {
	return len(f.Disks) - len(slices.DeleteFunc(slices.Clone(f.Disks), func(disk string) bool { return disk != "" }))
}

func (s *State) storeFound(f FoundStripe, live int) {
	g := s.editGroup(s.groupFor(f))
	st := &stripe{Stripe: f.Stripe, live: live}
	st.Group = g.ID
	g.stripes.Insert(st.ID)
	g.bytes += st.slotBytes()
	s.change(g, st, func(st *stripe) {
		for i, slot := range g.Slots {
			if st.used(g.Scheme).Has(i) && !f.on(i, slot.Disk) {
				st.missing |= slotBit(i)
			}
		}
	})
	for _, m := range f.Data {
		edit(&s.members).Set(m.Segment, st.ID)
	}
}

// on reports whether the member of a slot was found on a disk. Copies are the
// same in each slot.
func (f FoundStripe) on(slot int, disk string) bool {
	if f.Scheme.Copies() {
		return slices.Contains(f.Disks, disk)
	}
	return f.Disks[slot] == disk
}

// groupFor returns a placement group with the right disks, which may be new.
func (s *State) groupFor(f FoundStripe) GroupID {
	last := GroupID(0)
	for _, g := range values(s.groups) {
		if g.takes(f) {
			return g.ID
		}
		last = g.ID
	}
	g := Group{ID: last + 1, Tier: s.tierOf(f), Scheme: f.Scheme, Index: s.index}
	for i, disk := range f.Disks {
		if disk == "" {
			disk = s.lostDisk(i, g.Tier)
		}
		g.Slots = append(g.Slots, Slot{Disk: disk})
	}
	edit(&s.groups).Set(g.ID, &group{Group: g, stripes: new(btree.Set[SegmentID]), missing: make([]int, len(g.Slots))})
	return g.ID
}

// takes reports whether all that was found of a stripe is where the group has
// it.
func (g *group) takes(f FoundStripe) bool {
	if g.Scheme != f.Scheme && !(g.Scheme.Copies() && f.Scheme.Copies()) {
		return false
	}
	for i, disk := range f.Disks {
		there := slices.ContainsFunc(g.Slots, func(s Slot) bool { return s.Disk == disk && s.From == "" })
		if disk != "" && (!there || !f.Scheme.Copies() && g.Slots[i].Disk != disk) {
			return false
		}
	}
	return true
}

func (s *State) tierOf(f FoundStripe) string {
	for _, disk := range f.Disks {
		if d, ok := s.disks.Get(disk); ok {
			return d.Tier
		}
	}
	return ""
}

// lostNode is a node that never was: the disks that members were on which
// nobody has found. They are lost, so placement gives their slots others.
const lostNode = "lost"

func (s *State) lostDisk(slot int, tier string) string {
	id := fmt.Sprintf("%s-%s-%d", lostNode, tier, slot)
	const reason = "it was not there when the catalog was made of what was found on disks"
	if _, ok := s.nodes.Get(lostNode); !ok {
		edit(&s.nodes).Set(lostNode, &Node{ID: lostNode, Name: lostNode, State: NodeLost, Reason: reason, Since: s.time})
	}
	if _, ok := s.disks.Get(id); !ok {
		edit(&s.disks).Set(id, &Disk{ID: id, Node: lostNode, Tier: tier, State: DiskLost, Reason: reason, Since: s.time})
	}
	return id
}

// CopiesOf returns the scheme of a segment that was found on so many disks.
func CopiesOf(disks int) tiering.Scheme { return tiering.Scheme{Data: 1, Parity: max(0, disks-1)} }
