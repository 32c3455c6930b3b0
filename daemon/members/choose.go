package members

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/plant"
	"github.com/tarnlake/tarn/tiering"
	"github.com/zeebo/xxh3"
)

// ingestTier is where new segments go.
const ingestTier = "hot"

// From which level of fill on a disk takes no segments of a kind.
const (
	fresh  = tiering.FillNoWrites
	merged = tiering.FillNoMerges
)

// quorum is how many copies there are, or must be, on how many nodes.
type quorum struct{ copies, nodes int }

func (q quorum) reaches(want quorum) bool { return q.copies >= want.copies && q.nodes >= want.nodes }

// quorumOf returns how many copies of a segment of a group must be durable: two
// on two nodes, as soon as two nodes are there whose disks could take one. A
// group that has fewer yet must wait for its place on another node. Where there
// is only one such node it is what the catalog asks of a commit: two, as far as
// the group has disks that are not lost.
func quorumOf(view *catalog.State, g catalog.Group) quorum {
	if plant.On(plant.AckOneCopy) {
		return quorum{1, 1}
	}
	if ingestNodes(view) > 1 {
		return quorum{2, 2}
	}
	nodes := map[string]bool{}
	for _, slot := range g.Slots {
		if d, ok := view.Disk(slot.Disk); ok && d.State != catalog.DiskLost {
			nodes[d.Node] = true
		}
	}
	return quorum{view.CopiesNeeded(g.ID), min(2, len(nodes))}
}

// ingestNodes counts the nodes that are up with a disk for new segments.
func ingestNodes(view *catalog.State) int {
	nodes := map[string]bool{}
	for _, d := range view.Disks() {
		if n, ok := view.Node(d.Node); ok && n.State == catalog.NodeUp && d.State == catalog.DiskUp && d.Tier == ingestTier {
			nodes[d.Node] = true
		}
	}
	return len(nodes)
}

// prospect is what a new segment may hope for in a group.
type prospect struct {
	enough bool // of its disks would take it for a commit, as far as is known
	open   int  // disks that would
	here   bool // one of them is in this node, to which no network leads
	luck   uint64
}

func (p prospect) compare(q prospect) int {
	return cmp.Or(compareBools(p.enough, q.enough), cmp.Compare(p.open, q.open), compareBools(p.here, q.here), cmp.Compare(p.luck, q.luck))
}

// groupFor chooses the placement group of a new segment: of those of copies the
// one with the best prospect. Segments spread over equals by their ids.
func (s *Store) groupFor(view *catalog.State, id catalog.SegmentID, kind tiering.Fill) (catalog.Group, error) {
	groups := s.groupsOf(view, kind)
	if len(groups) == 0 {
		if kind == merged && len(s.groupsOf(view, fresh)) > 0 {
			return catalog.Group{}, fmt.Errorf("%w: no placement group has room for merged segments on all of its disks", tiering.ErrDiskFull)
		}
		return catalog.Group{}, wire.Errorf(wire.Unavailable, "there is no placement group for fresh segments on tier %s", ingestTier).WithHint("tarn status")
	}
	best, most := groups[0], prospect{open: -1}
	for _, g := range groups {
		p := s.prospect(view, g, kind, nil)
		p.luck = xxh3.HashString(fmt.Sprint(id, g.ID))
		if p.compare(most) > 0 {
			best, most = g, p
		}
	}
	return best, nil
}

// groupsOf returns the groups that a segment of a kind may go to. A merged one
// may only go where all disks have room for it: what is missing is rebuilt.
func (s *Store) groupsOf(view *catalog.State, kind tiering.Fill) []catalog.Group {
	return slices.DeleteFunc(view.Groups(), func(g catalog.Group) bool {
		full := func(slot catalog.Slot) bool { return s.Fill(slot.Disk) >= kind }
		return g.Tier != ingestTier || !g.Scheme.Copies() || kind == merged && slices.ContainsFunc(g.Slots, full)
	})
}

// prospect looks at the disks of a group, but for those to avoid.
func (s *Store) prospect(view *catalog.State, g catalog.Group, kind tiering.Fill, avoid map[string]bool) (p prospect) {
	nodes := map[string]bool{}
	for _, slot := range g.Slots {
		if avoid[slot.Disk] || s.shuns(slot.Disk) || !s.open(view, slot.Disk, kind) {
			continue
		}
		d, _ := view.Disk(slot.Disk)
		nodes[d.Node] = true
		p.open++
		if _, here := s.Medium(slot.Disk); here {
			p.here = true
		}
	}
	p.enough = quorum{p.open, len(nodes)}.reaches(quorumOf(view, g))
	return p
}

// open reports whether a disk would take a new member, as far as is known.
func (s *Store) open(view *catalog.State, disk string, kind tiering.Fill) bool {
	d, ok := view.Disk(disk)
	return ok && d.State == catalog.DiskUp && s.Fill(disk) < kind && (s.Takes(view, disk) || s.reaches(view, disk))
}

// shuns reports whether a disk should be left out as long as there are others.
func (s *Store) shuns(disk string) bool {
	m, here := s.Medium(disk)
	return s.troubles.has(disk) || here && m.Wary() != nil
}

// another reports whether some group would take a fresh segment at once, as far
// as is known, without those disks.
func (s *Store) another(view *catalog.State, without map[string]bool) bool {
	return slices.ContainsFunc(s.groupsOf(view, fresh), func(g catalog.Group) bool { return s.prospect(view, g, fresh, without).enough })
}

// TakesFresh reports whether some group would take a fresh segment at once, as
// far as is known: it is worth trying again what has just failed.
func (s *Store) TakesFresh(view *catalog.State) bool { return s.another(view, nil) }

// avoid has new segments keep away from a disk for a while that has failed a
// writer; from all disks of its node if it said nothing at all.
func (s *Store) avoid(view *catalog.State, disk string, err error, silent bool) {
	s.troubles.note(disk, err)
	if d, ok := view.Disk(disk); ok && silent {
		for _, other := range view.Disks() {
			if _, here := s.Medium(other.ID); !here && other.Node == d.Node && other.ID != disk {
				s.troubles.note(other.ID, err)
			}
		}
	}
}

// compareBools puts true after false.
func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}
