package repair

import (
	"slices"

	"github.com/tarnlake/tarn/daemon/catalog"
)

// replace gives slots of disks that are replaced to the disks in their place,
// at most so many, and returns how many more may move. Other slots of such
// disks wait for their turn, but for those that the new disk cannot have.
func (p *placing) replace(most int) (left int) {
	for i, g := range p.groups {
		if g.Slots == nil || movingSlots(g) > 0 {
			continue
		}
		disks, moves := slotsOf(g), 0
		for slot := range disks {
			if by := p.replacement(g, slot, disks); by != "" {
				disks[slot] = by
				moves++
			}
		}
		if moves == 0 {
			continue
		}
		p.groups[i].Slots = nil // done for now
		if moves <= most {
			most -= moves
			p.out = append(p.out, catalog.SetGroup{ID: g.ID, IfIndex: g.Index, Tier: g.Tier, Scheme: g.Scheme, Disks: disks})
		}
	}
	return most
}

// replacement returns the disk that is to have a slot of a group whose slots
// are on these disks; "": none.
func (p *placing) replacement(g catalog.Group, slot int, disks []string) string {
	old, ok := p.view.Disk(disks[slot])
	if !ok || old.ReplacedBy == "" || slices.Contains(disks, old.ReplacedBy) {
		return ""
	}
	by, ok := p.view.Disk(old.ReplacedBy)
	if !ok || by.State != catalog.DiskUp || by.ReplacedBy != "" || by.Tier != g.Tier {
		return ""
	}
	n, _ := p.view.Node(by.Node)
	if n.State != catalog.NodeUp || p.crowds(by, old, disks) {
		return ""
	}
	return by.ID
}

// crowds reports whether a group would lose more with one node, or one zone,
// when a disk takes the place of another.
func (p *placing) crowds(by, old *catalog.Disk, disks []string) bool {
	if by.Node == old.Node {
		return false
	}
	to, _ := p.view.Node(by.Node)
	from, known := p.view.Node(old.Node)
	for _, other := range disks {
		d, ok := p.view.Disk(other)
		if !ok || other == old.ID || d.State == catalog.DiskLost {
			continue
		}
		n, _ := p.view.Node(d.Node)
		sameZone := to.Zone != "" && n.Zone == to.Zone && !(known && from.Zone == to.Zone)
		if d.Node == by.Node || sameZone {
			return true
		}
	}
	return false
}
