package catalog

import (
	"fmt"

	"github.com/tidwall/btree"
)

// takeStorage takes a record of where bytes are.
func (d *decoder) takeStorage(r record) error {
	if err := d.finishTable(); err != nil {
		return err
	}
	switch {
	case r.Node != nil:
		return d.takeNode(r.Node)
	case r.Disk != nil:
		return d.takeDisk(r.Disk)
	case r.Group != nil:
		return d.takeGroup(*r.Group)
	case r.Stripe != nil:
		return d.takeStripe(*r.Stripe)
	}
	return d.takeGarbage(*r.Garbage)
}

func (d *decoder) takeNode(n *Node) error {
	if _, twice := d.s.nodes.Set(n.ID, n); twice || n.ID == "" || n.State != NodeUp && n.State != NodeDown && n.State != NodeLost {
		return fmt.Errorf("node %q, %q, is impossible or there twice", n.ID, n.State)
	}
	return nil
}

func (d *decoder) takeDisk(k *Disk) error {
	if _, ok := d.s.nodes.Get(k.Node); !ok {
		return fmt.Errorf("disk %q is in node %q, which is not there", k.ID, k.Node)
	}
	if _, twice := d.s.disks.Set(k.ID, k); twice || k.ID == "" || !k.State.known() {
		return fmt.Errorf("disk %q, %q, is impossible or there twice", k.ID, k.State)
	}
	return nil
}

func (d *decoder) takeGroup(g Group) error {
	if err := checkScheme(g.Scheme); err != nil {
		return err
	}
	if g.ID == 0 || len(g.Slots) != g.Scheme.Width() || g.Index == 0 || g.Index > d.s.index {
		return fmt.Errorf("group %d of scheme %s with %d slots is impossible", g.ID, g.Scheme, len(g.Slots))
	}
	seen := map[string]bool{"": true}
	for _, slot := range g.Slots {
		_, there := d.s.disks.Get(slot.Disk)
		_, thereFrom := d.s.disks.Get(slot.From)
		if !there || seen[slot.Disk] || slot.From != "" && (!thereFrom || seen[slot.From]) {
			return fmt.Errorf("group %d: slot %+v is impossible", g.ID, slot)
		}
		seen[slot.Disk], seen[slot.From] = true, true
	}
	entry := &group{Group: g, stripes: new(btree.Set[SegmentID]), missing: make([]int, len(g.Slots))}
	if _, twice := d.s.groups.Set(g.ID, entry); twice {
		return fmt.Errorf("group %d is there twice", g.ID)
	}
	return nil
}

func (d *decoder) takeStripe(r stripeRecord) error {
	g, err := d.groupOf(r.Stripe)
	if err != nil {
		return err
	}
	st := &stripe{Stripe: r.Stripe, missing: r.Missing, gone: r.Gone, parked: r.Parked}
	if used := st.used(g.Scheme); r.Missing&^used != 0 || r.Gone&^used != 0 {
		return fmt.Errorf("stripe %s misses members that it does not have", r.ID)
	}
	for _, m := range r.Data {
		if _, referred := d.s.segments.Get(m.Segment); referred {
			st.live++
		}
	}
	for _, p := range r.Parked {
		if p.Slot < 0 || p.Slot >= maxWidth || !r.Missing.Has(p.Slot) {
			return fmt.Errorf("stripe %s: member %d is parked and not missing", r.ID, p.Slot)
		}
	}
	if st.live == 0 {
		return fmt.Errorf("stripe %s is garbage and is not", r.ID)
	}
	for i := range g.Slots {
		g.missing[i] += btoi(r.Missing.Has(i))
		if g.Slots[i].From == "" && r.Gone.Has(i) {
			return fmt.Errorf("stripe %s: slot %d does not move", r.ID, i)
		}
	}
	if r.Missing != 0 {
		d.s.incomplete.Insert(r.ID)
	}
	g.stripes.Insert(r.ID)
	g.bytes, g.data = g.bytes+st.slotBytes(), g.data+st.dataBytes()
	d.s.stripes.Set(r.ID, st)
	return nil
}

// groupOf returns the group of a stripe, whose members it notes.
func (d *decoder) groupOf(st Stripe) (*group, error) {
	g, ok := d.s.groups.Get(st.Group)
	if !ok || len(st.Data) == 0 || st.Data[0].Segment != st.ID || len(st.Data) > g.Scheme.Data {
		return nil, fmt.Errorf("stripe %s of group %d is impossible", st.ID, st.Group)
	}
	if parity := g.Scheme.Parity; len(st.Parity) != parity && (g.Scheme.Data > 1 || len(st.Parity) != 0) {
		return nil, fmt.Errorf("stripe %s has %d parity members; want %d", st.ID, len(st.Parity), parity)
	}
	for _, m := range st.Data {
		if _, twice := d.s.members.Set(m.Segment, st.ID); twice {
			return nil, fmt.Errorf("segment %s is in two stripes", m.Segment)
		}
	}
	return g, nil
}

func (d *decoder) takeGarbage(r garbageRecord) error {
	g, err := d.groupOf(r.Stripe)
	if err != nil {
		return err
	}
	for _, m := range r.Data {
		if _, referred := d.s.segments.Get(m.Segment); referred {
			return fmt.Errorf("segment %s is garbage and is not", m.Segment)
		}
	}
	if r.Slots == 0 || r.Slots&^r.Stripe.used(g.Scheme) != 0 {
		return fmt.Errorf("garbage %s has slots that it does not have", r.ID)
	}
	d.s.garbage.Set(r.ID, &dead{r.Stripe, r.Slots})
	return nil
}

// checkMembers asks for the stripe of every segment.
func (d *decoder) checkMembers() error {
	var err error
	d.s.segments.Scan(func(id SegmentID, _ segmentRef) bool {
		if _, ok := d.s.members.Get(id); !ok {
			err = fmt.Errorf("segment %s is in no stripe", id)
		}
		return err == nil
	})
	return err
}
