package catalog

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tarnlake/tarn/tiering"
)

// MemberFile names a file of a medium: a segment, or a parity member of the
// stripe ID.
type MemberFile struct {
	ID     SegmentID
	Parity int // -1: the segment ID
}

// SegmentFile names the file of a segment.
func SegmentFile(id SegmentID) MemberFile { return MemberFile{id, -1} }

// FileOf names the file in a slot of a stripe of a group of that scheme.
func (s *Stripe) FileOf(scheme tiering.Scheme, slot int) MemberFile {
	switch {
	case scheme.Copies():
		return SegmentFile(s.ID)
	case slot < len(s.Data):
		return SegmentFile(s.Data[slot].Segment)
	}
	return MemberFile{s.ID, slot - scheme.Data}
}

// String returns the name as it stands on the medium: "0000000a-0000002f.seg",
// or "0000000a-0000002f.p0" for the first parity member.
func (f MemberFile) String() string {
	if f.Parity < 0 {
		return f.ID.String() + ".seg"
	}
	return f.ID.String() + ".p" + strconv.Itoa(f.Parity)
}

// ParseMemberFile reads what String wrote.
func ParseMemberFile(name string) (MemberFile, error) {
	id, kind, _ := strings.Cut(name, ".")
	f := MemberFile{Parity: -1}
	var err error
	if f.ID, err = ParseSegmentID(id); err != nil {
		return f, fmt.Errorf("%q is not the name of a member file", name)
	}
	if digits, parity := strings.CutPrefix(kind, "p"); parity {
		f.Parity, err = strconv.Atoi(digits)
	}
	if err != nil || f.String() != name {
		return f, fmt.Errorf("%q is not the name of a member file", name)
	}
	return f, nil
}

// Location is where the members of a stripe are.
type Location struct {
	*Stripe       // shared, not to be changed
	Group   Group // its slots are shared, too
	Slot    int   // of the segment that was asked for
	Missing Slots // not on the slot's Disk
	Gone    Slots // not on the slot's From
	Parked  []Parked
}

// Lost returns the slots whose member is on no disk that the catalog knows of.
func (l *Location) Lost() Slots {
	lost := l.Missing
	for i, slot := range l.Group.Slots {
		if slot.From != "" && !l.Gone.Has(i) {
			lost &^= slotBit(i)
		}
	}
	return lost
}

// DisksOf returns the disks that have the member of a slot, the better one
// first; none when it is lost.
func (l *Location) DisksOf(slot int) []string {
	var disks []string
	s := l.Group.Slots[slot]
	if !l.Missing.Has(slot) {
		disks = append(disks, s.Disk)
	}
	if s.From != "" && !l.Gone.Has(slot) {
		disks = append(disks, s.From)
	}
	return disks
}

// DataIndex returns which data member of the stripe was asked for.
func (l *Location) DataIndex() int {
	if l.Group.Scheme.Copies() {
		return 0
	}
	return l.Slot
}

// DataCopies returns where the data member that was asked for is; of copies
// that is every slot.
func (l *Location) DataCopies() []MemberAt {
	slots := []int{l.Slot}
	if l.Group.Scheme.Copies() {
		slots = nil
		for i := range l.Group.Slots {
			slots = append(slots, i)
		}
	}
	var all []MemberAt
	for _, slot := range slots {
		for _, disk := range l.DisksOf(slot) {
			all = append(all, MemberAt{Stripe: l.ID, Slot: slot, Disk: disk})
		}
	}
	return all
}

// Spare returns how many more members the stripe can lose; negative: it has
// lost too many.
func (l *Location) Spare() int { return l.Group.Scheme.Parity - l.Lost().Len() }

// Locate says where a segment that a version refers to is, or that was one
// and still protects others.
func (s *State) Locate(id SegmentID) (Location, bool) {
	at, ok := s.members.Get(id)
	if !ok {
		return Location{}, false
	}
	st, ok := s.stripes.Get(at)
	if !ok {
		return Location{}, false
	}
	return s.location(st, max(0, st.slotOf(id))), true
}

func (s *State) location(st *stripe, slot int) Location {
	g, _ := s.groups.Get(st.Group)
	return Location{Stripe: &st.Stripe, Group: g.Group, Slot: slot, Missing: st.missing, Gone: st.gone, Parked: st.parked}
}

// Incomplete calls f for every stripe that misses members, by id, until f
// returns false.
func (s *State) Incomplete(f func(Location) bool) {
	s.incomplete.Scan(func(id SegmentID) bool {
		st, _ := s.stripes.Get(id)
		return f(s.location(st, 0))
	})
}

// Stripes calls f for every stripe of a group, by id, from an id on, until f
// returns false.
func (s *State) Stripes(id GroupID, from SegmentID, f func(Location) bool) {
	g, ok := s.groups.Get(id)
	if !ok {
		return
	}
	g.stripes.Ascend(from, func(id SegmentID) bool {
		st, _ := s.stripes.Get(id)
		return f(s.location(st, 0))
	})
}

// Dead is garbage: a stripe that no version refers to, and the slots whose
// files may still be there.
type Dead struct {
	*Stripe
	Group Group
	Slots Slots
}

// Garbage returns the stripes that no version refers to any more and whose
// files may still be there, by id.
func (s *State) Garbage() []Dead {
	all := make([]Dead, 0, s.garbage.Len())
	for _, d := range values(s.garbage) {
		g, _ := s.groups.Get(d.Group)
		all = append(all, Dead{&d.Stripe, g.Group, d.slots})
	}
	return all
}

// Verdict is what the catalog says about a file on a medium.
type Verdict int

// Verdicts.
const (
	Keep  Verdict = iota // it is a member of a stripe that is needed, where it belongs
	Trash                // it is not, and never will be
	Wait                 // it may still become one, or is not ours to judge
)

// Verdict says what may be done with a file on a disk. Only the catalog
// decides, neither the age of the file nor a clock; and only a state that is
// newer than the sight of the file may be asked, for a file is written after
// the command that chose its disk.
func (s *State) Verdict(disk string, f MemberFile) Verdict {
	at := f.ID
	if f.Parity < 0 {
		at, _ = s.members.Get(f.ID)
	}
	if st, ok := s.stripes.Get(at); ok {
		return s.belongs(disk, st, f)
	}
	if _, gone := s.garbage.Get(at); gone {
		return Trash
	}
	_, open := s.open.Get(f.ID.Epoch())
	if open || s.inDoubt(f.ID.Epoch()) || f.ID.Epoch() == 0 || f.ID.Epoch() > s.lastEpoch {
		return Wait
	}
	return Trash
}

// belongs says whether a disk is the right one for a member. One in the wrong
// place may be the only one: a disk that was given up, and whose slots have
// others since, comes back with what nobody could rebuild meanwhile. So it
// stays while the stripe can lose nothing more. After a recovery the cluster
// may have forgotten that a slot has moved: then it stays while any is missing.
func (s *State) belongs(disk string, st *stripe, f MemberFile) Verdict {
	g, _ := s.groups.Get(st.Group)
	for i, slot := range g.Slots {
		if slot.Disk != disk && slot.From != disk {
			continue
		}
		if st.used(g.Scheme).Has(i) && st.FileOf(g.Scheme, i) == f {
			return Keep
		}
	}
	if st.missing == 0 {
		return Trash
	}
	if at := s.location(st, 0); s.recovery.Number > 0 || at.Lost() != 0 && at.Spare() < 1 {
		return Wait
	}
	return Trash
}

// SegmentOf returns a segment that a version of a table refers to, and the
// table's newest snapshot. Both are shared and not to be changed.
func (s *State) SegmentOf(id SegmentID) (*Segment, *Snapshot, bool) {
	ref, ok := s.segments.Get(id)
	if !ok {
		return nil, nil, false
	}
	t, ok := s.tables.Get(ref.table)
	if !ok {
		return nil, nil, false
	}
	all := t.all.view()
	i, ok := slices.BinarySearchFunc(all, ref.added, func(seg *Segment, added Version) int {
		return cmp.Or(cmp.Compare(seg.Added, added), cmp.Compare(seg.ID, id))
	})
	if !ok {
		return nil, nil, false
	}
	return all[i], t.newest, true
}

// Lives reports whether a version of a table refers to the segment.
func (s *State) Lives(id SegmentID) bool {
	_, ok := s.segments.Get(id)
	return ok
}
