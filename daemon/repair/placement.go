// Package repair brings bytes to where the catalog says they belong: it plans
// which disks placement groups should have, rebuilds members that are missing,
// and clears away what is garbage. Plans are pure functions of a state; a
// plan that is carried out twice, or half, does no harm.
package repair

import (
	"fmt"
	"slices"

	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/tiering"
)

// Placement returns the commands that bring the placement groups nearer to
// what the disks call for: groups for tiers that have too few, of copies for
// fresh segments and with parity for merged ones; more copies where the
// cluster has grown; and other disks for slots whose disk is lost, drained or
// fuller than others. Empty groups that the disks do not call for any more are
// removed. No more than most slots move at a time. A state that needs nothing
// gives none.
//
// A disk gets no slots from FillNoGroups on, but for more copies and for slots
// that are lost or drained elsewhere and find no other place, which it gets
// until FillNoRepair.
// fill says how full disks are; nil: not at all.
func Placement(view *catalog.State, most int, fill func(disk string) tiering.Fill) ([]catalog.Command, error) {
	var all []catalog.Command
	last := catalog.GroupID(0)
	for _, tier := range tiers(view) {
		p, err := newPlacing(view, tier, fill)
		if err != nil {
			return nil, fmt.Errorf("tier %s: %w", tier, err)
		}
		p.last = max(p.last, last) // ids that another tier has taken
		p.add(p.want.L0, tiering.Scheme.Copies)
		if !p.want.Merged.Copies() {
			p.add(p.want.Merged, func(s tiering.Scheme) bool { return s == p.want.Merged })
		}
		p.drop()
		p.widen()
		left := p.replace(most - p.moving())
		left -= p.move(p.disks, left, func(tiering.Move) bool { return true })
		p.rehouse(left)
		all, last = append(all, p.commands()...), p.last
	}
	return all, nil
}

func tiers(view *catalog.State) []string {
	var all []string
	for _, d := range view.Disks() {
		if !slices.Contains(all, d.Tier) {
			all = append(all, d.Tier)
		}
	}
	slices.Sort(all)
	return all
}

// placing is one Placement under way, of one tier.
type placing struct {
	view   *catalog.State
	tier   string
	disks  *tiering.Topology
	spill  *tiering.Topology // with the disks that only take what has no other place
	want   tiering.Schemes
	groups []catalog.Group
	last   catalog.GroupID // of all tiers
	out    []catalog.SetGroup
	gone   []catalog.RemoveGroup
}

func newPlacing(view *catalog.State, tier string, fill func(string) tiering.Fill) (*placing, error) {
	p := &placing{view: view, tier: tier}
	disks := disksOf(view, tier)
	p.want = tiering.DefaultSchemes(tiering.ShapeOf(disks))
	for _, g := range view.Groups() {
		p.last = max(p.last, g.ID)
		if g.Tier == tier {
			p.groups = append(p.groups, g)
		}
	}
	var err error
	if p.spill, err = tiering.NewTopology(closed(disks, fill, tiering.FillNoRepair), tier); err != nil {
		return nil, err
	}
	if len(p.groups) > 0 { // the first ones must be somewhere
		disks = closed(disks, fill, tiering.FillNoGroups)
	}
	p.disks, err = tiering.NewTopology(disks, tier)
	return p, err
}

// closed returns the disks with those closed that are at a level of fill, or above.
func closed(disks []tiering.Disk, fill func(string) tiering.Fill, level tiering.Fill) []tiering.Disk {
	disks = slices.Clone(disks)
	for i, d := range disks {
		if fill != nil && d.State == tiering.DiskOpen && fill(d.ID) >= level {
			disks[i].State = tiering.DiskFull
		}
	}
	return disks
}

// MergedScheme returns how merged segments of a tier are to be kept.
func MergedScheme(view *catalog.State, tier string) tiering.Scheme {
	return tiering.DefaultSchemes(tiering.ShapeOf(disksOf(view, tier))).Merged
}

// disksOf returns the disks of a tier that are not lost, as placement sees
// them. One that is suspect or away keeps what it has.
func disksOf(view *catalog.State, tier string) []tiering.Disk {
	var all []tiering.Disk
	for _, d := range view.Disks() {
		if d.Tier != tier || d.State == catalog.DiskLost {
			continue
		}
		n, _ := view.Node(d.Node)
		state := tiering.DiskFull
		switch {
		case d.State == catalog.DiskDraining, d.ReplacedBy != "":
			state = tiering.DiskLeaving
		case d.State == catalog.DiskUp && n.State == catalog.NodeUp:
			state = tiering.DiskOpen
		}
		all = append(all, tiering.Disk{ID: d.ID, Node: d.Node, Zone: n.Zone, Tier: d.Tier, Weight: max(d.Bytes, 1), State: state})
	}
	return all
}

// add makes groups of a scheme, as many as the disks should have; those count
// that have one like it. Groups of schemes that the cluster has outgrown keep
// their stripes and get no more.
func (p *placing) add(scheme tiering.Scheme, like func(tiering.Scheme) bool) {
	there := 0
	for _, g := range p.groups {
		if like(g.Scheme) {
			there++
		}
	}
	for ; there < p.disks.Groups(scheme); there++ {
		g := tiering.Group{ID: uint64(p.last) + 1, Scheme: scheme}
		slots, err := p.disks.Place(g)
		if err != nil {
			return // too few disks: there is nothing better than waiting for more
		}
		p.last++
		p.out = append(p.out, catalog.SetGroup{ID: p.last, Tier: p.tier, Scheme: scheme, Disks: slots})
	}
}

// drop removes the groups with parity that have another scheme than new
// stripes get, once they are empty. One that is not keeps what it has.
func (p *placing) drop() {
	p.groups = slices.DeleteFunc(p.groups, func(g catalog.Group) bool {
		stripes, _, _ := p.view.GroupLoad(g.ID)
		if g.Scheme.Copies() || g.Scheme == p.want.Merged || stripes > 0 || p.view.HasGarbage(g.ID) {
			return false
		}
		p.gone = append(p.gone, catalog.RemoveGroup{ID: g.ID, IfIndex: g.Index})
		return true
	})
}

func (p *placing) commands() (all []catalog.Command) {
	for _, c := range p.gone {
		all = append(all, catalog.Command{RemoveGroup: &c})
	}
	for _, c := range p.out {
		all = append(all, catalog.Command{SetGroup: &c})
	}
	return all
}

// widen gives groups of copies as many as the cluster can have by now.
func (p *placing) widen() {
	for i, g := range p.groups {
		if !g.Scheme.Copies() || g.Scheme.Parity >= p.want.L0.Parity || movingSlots(g) > 0 {
			continue
		}
		slots, err := p.spill.Place(tiering.Group{ID: uint64(g.ID), Scheme: p.want.L0, Slots: slotsOf(g)})
		if err != nil || !slices.Equal(slots[:len(g.Slots)], slotsOf(g)) {
			continue // a slot has to move first
		}
		p.out = append(p.out, catalog.SetGroup{ID: g.ID, IfIndex: g.Index, Tier: g.Tier, Scheme: p.want.L0, Disks: slots})
		p.groups[i].Slots = nil // done for now
	}
}

// moving counts the slots that are on their way.
func (p *placing) moving() int {
	n := 0
	for _, g := range p.groups {
		n += movingSlots(g)
	}
	return n
}

func movingSlots(g catalog.Group) int {
	n := 0
	for _, s := range g.Slots {
		if s.From != "" {
			n++
		}
	}
	return n
}

func slotsOf(g catalog.Group) []string {
	disks := make([]string, len(g.Slots))
	for i, s := range g.Slots {
		disks[i] = s.Disk
	}
	return disks
}

// move gives slots other disks, at most so many, by those of the topology's
// moves that are wanted. It returns how many it has moved.
func (p *placing) move(disks *tiering.Topology, most int, wanted func(tiering.Move) bool) (moved int) {
	var groups []tiering.Group
	at := map[uint64]catalog.Group{}
	for _, g := range p.groups {
		if g.Slots == nil {
			continue
		}
		_, bytes, _ := p.view.GroupLoad(g.ID)
		groups = append(groups, tiering.Group{ID: uint64(g.ID), Scheme: g.Scheme, Slots: slotsOf(g), Bytes: bytes, Moving: movingSlots(g) > 0})
		at[uint64(g.ID)] = g
	}
	changed := map[uint64]int{} // index in out
	for _, m := range disks.Rebalance(groups, max(most, 0)) {
		if !wanted(m) {
			continue
		}
		g := at[m.Group]
		i, ok := changed[m.Group]
		if !ok {
			i = len(p.out)
			p.out = append(p.out, catalog.SetGroup{ID: g.ID, IfIndex: g.Index, Tier: g.Tier, Scheme: g.Scheme, Disks: slotsOf(g)})
			changed[m.Group] = i
		}
		p.out[i].Disks[m.Slot] = m.To
		moved++
	}
	return moved
}

// rehouse finds places on fuller disks for slots that have none on others.
func (p *placing) rehouse(most int) {
	planned := map[catalog.GroupID]bool{}
	for _, cmd := range p.out {
		planned[cmd.ID] = true
	}
	p.groups = slices.DeleteFunc(p.groups, func(g catalog.Group) bool {
		return planned[g.ID] || !slices.ContainsFunc(g.Slots, func(s catalog.Slot) bool { return p.leaves(s.Disk) })
	})
	p.move(p.spill, most, func(m tiering.Move) bool { return p.leaves(m.From) })
}

// leaves reports whether what a disk has is to go elsewhere.
func (p *placing) leaves(disk string) bool {
	d, ok := p.view.Disk(disk)
	return !ok || d.State == catalog.DiskLost || d.State == catalog.DiskDraining
}
