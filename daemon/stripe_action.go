package daemon

import (
	"context"
	"slices"
	"strings"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
)

// stripesAtOnce bounds one answer.
const stripesAtOnce = 500

// stripes tells where the members of stripes are.
func (s *service) stripes(ctx context.Context, req wire.GetStripes) (wire.StripeList, error) {
	view := s.n.newest(ctx)
	switch {
	case (req.ID == "") == (req.Table == ""):
		return wire.StripeList{}, wire.Errorf(wire.InvalidArgument, "stripes are asked for by id or by table, one of them")
	case req.ID != "":
		return stripeOf(view, req.ID)
	}
	return stripesOfTable(view, req.Table, req.From)
}

// newest is the newest state, or where no majority can be asked, which is when
// an operator looks, the newest that this node has.
func (n *Node) newest(ctx context.Context) *catalog.State {
	ctx, cancel := context.WithTimeout(ctx, reportTime)
	defer cancel()
	if view, err := n.catalog.Read(ctx); err == nil {
		return view
	}
	return n.catalog.View()
}

func stripeOf(view *catalog.State, name string) (wire.StripeList, error) {
	id, _, _ := strings.Cut(name, ".") // of a file
	segment, err := catalog.ParseSegmentID(id)
	if err != nil {
		return wire.StripeList{}, wire.Errorf(wire.InvalidArgument, "%w", err).WithHint("tarn stripe show --table TABLE")
	}
	at, ok := view.Locate(segment)
	if !ok {
		return wire.StripeList{}, wire.Errorf(wire.InvalidArgument, "no version of a table refers to %s: there is no such stripe or segment, or it was let go", segment).
			WithHint("tarn stripe show --table TABLE")
	}
	return wire.StripeList{Stripes: []wire.Stripe{describeStripe(view, at)}}, nil
}

// stripesOfTable lists the stripes that hold segments of the newest version.
func stripesOfTable(view *catalog.State, table, from string) (list wire.StripeList, err error) {
	t, err := view.Table(table)
	if err != nil {
		return list, err
	}
	var behind catalog.SegmentID
	if from != "" {
		if behind, err = catalog.ParseSegmentID(from); err != nil {
			return list, wire.Errorf(wire.InvalidArgument, "%w", err)
		}
	}
	var ids []catalog.SegmentID
	for _, seg := range t.Segments {
		if at, ok := view.Locate(seg.ID); ok && at.ID > behind {
			ids = append(ids, at.ID)
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	list.More = len(ids) > stripesAtOnce
	for _, id := range ids[:min(len(ids), stripesAtOnce)] {
		at, _ := view.Locate(id)
		list.Stripes = append(list.Stripes, describeStripe(view, at))
	}
	return list, nil
}

func describeStripe(view *catalog.State, at catalog.Location) wire.Stripe {
	st := wire.Stripe{ID: at.ID.String(), Scheme: at.Group.Scheme.String(), Group: int(at.Group.ID), Tier: at.Group.Tier, Spare: at.Group.Scheme.Parity}
	for slot := range at.Group.Slots {
		if _, used := at.Member(at.Group.Scheme, slot); !used {
			continue
		}
		m := describeMember(view, at, slot)
		if m.State != wire.MemberPresent && m.State != wire.MemberMoving {
			st.Spare--
		}
		st.Members = append(st.Members, m)
	}
	return st
}

func describeMember(view *catalog.State, at catalog.Location, slot int) wire.StripeMember {
	scheme, place := at.Group.Scheme, at.Group.Slots[slot]
	file, _ := at.Member(scheme, slot)
	m := wire.StripeMember{
		Slot: slot, Kind: "data", Disk: place.Disk, From: place.From, Node: nodeOfDisk(view, place.Disk),
		File: at.FileOf(scheme, slot).String(), Bytes: file.Bytes, Hash: file.Hash,
	}
	m.State, m.Reason = stateOfMember(view, at, slot)
	switch {
	case scheme.Copies():
		m.Kind = "copy"
	case slot >= scheme.Data:
		m.Kind = "parity"
		return m
	}
	m.Segment = file.Segment.String()
	if seg, t, ok := view.SegmentOf(file.Segment); ok {
		m.Table, m.Partition, m.Rows, m.Replaced = t.Name, partitionText(t, seg), seg.Rows, seg.Removed != 0
	}
	return m
}

// stateOfMember says how a member is, and why if it is set aside.
func stateOfMember(view *catalog.State, at catalog.Location, slot int) (state, reason string) {
	disks := at.DisksOf(slot)
	there := slices.ContainsFunc(disks, view.Readable)
	for _, p := range at.Parked {
		if p.Slot == slot {
			return wire.MemberParked, p.Reason
		}
	}
	switch {
	case len(disks) == 0:
		return wire.MemberMissing, ""
	case !there:
		return wire.MemberAway, ""
	case at.Missing.Has(slot):
		return wire.MemberMoving, ""
	}
	return wire.MemberPresent, ""
}

// nodeOfDisk returns the name of the node that a disk is in.
func nodeOfDisk(view *catalog.State, disk string) string {
	d, ok := view.Disk(disk)
	if !ok {
		return ""
	}
	if n, ok := view.Node(d.Node); ok {
		return n.Name
	}
	return d.Node
}

// partitionText writes a segment's partition as its directories are called.
func partitionText(t *catalog.Snapshot, seg *catalog.Segment) string {
	var parts []string
	for i, v := range seg.Partition {
		if i >= len(t.PartitionBy) {
			break
		}
		text := v.Text
		if v.Null {
			text = "NULL"
		}
		parts = append(parts, t.PartitionBy[i].Name(t.Schema)+"="+text)
	}
	return strings.Join(parts, "/")
}

// retryParked lets everything that was set aside be tried again.
func (s *service) retryParked(ctx context.Context, _ struct{}) (struct{}, error) {
	_, err := s.n.propose(ctx, catalog.Command{UnparkMembers: &catalog.UnparkMembers{}})
	s.n.wakeRepair()
	return struct{}{}, err
}
