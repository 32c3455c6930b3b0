package daemon

import (
	"cmp"
	"context"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/health"
)

// disks lists the disks of the cluster and what they hold.
func (s *service) disks(ctx context.Context, _ struct{}) (wire.DiskList, error) {
	view, err := s.n.catalog.Read(ctx)
	if err != nil {
		return wire.DiskList{}, err
	}
	var list wire.DiskList
	at := map[string]*wire.Disk{}
	reports := s.n.reports(ctx, view)
	for _, d := range view.Disks() {
		list.Disks = append(list.Disks, describeDisk(view, d, reports[d.Node]))
	}
	for i := range list.Disks {
		at[list.Disks[i].ID] = &list.Disks[i]
	}
	for _, g := range view.Groups() {
		_, bytes, missing := view.GroupLoad(g.ID)
		for i, slot := range g.Slots {
			d := at[slot.Disk]
			d.Slots++
			d.Used += bytes
			d.Missing += missing[i]
			if from := at[slot.From]; from != nil {
				from.Slots++ // it is not free of the slot until all has moved
			}
		}
	}
	return list, nil
}

// describeDisk is a disk as the catalog has it, and as its node reports it.
func describeDisk(view *catalog.State, d *catalog.Disk, report health.Report) wire.Disk {
	out := wire.Disk{ID: d.ID, Node: d.Node, Tier: d.Tier, State: string(d.State), Reason: d.Reason, Since: d.Since, Bytes: d.Bytes, ReplacedBy: d.ReplacedBy}
	if n, ok := view.Node(d.Node); ok {
		out.Node = n.Name
	}
	for _, r := range report.Disks {
		if r.ID == d.ID {
			out.Path, out.Free, out.Scrub, out.Reason = r.Path, r.Free, &r.Scrub, cmp.Or(d.Reason, r.Doubt)
		}
	}
	return out
}

// setDisk does what an operator has decided about a disk.
func (s *service) setDisk(ctx context.Context, req wire.SetDisk) (struct{}, error) {
	view, d, err := s.disk(ctx, req.ID)
	if err != nil {
		return struct{}{}, err
	}
	set := &catalog.SetDiskState{Disk: d.ID, Reason: "an operator said so"}
	cmd := catalog.Command{SetDiskState: set}
	switch req.Change {
	case wire.DiskUse:
		set.State, set.Reason = catalog.DiskUp, ""
	case wire.DiskDrain:
		set.State = catalog.DiskDraining
	case wire.DiskLose:
		set.State = catalog.DiskLost
		if err := costsRows(view, cmd, "tarn disk lose "+d.ID); err != nil && !req.Force {
			return struct{}{}, err
		}
	case wire.DiskRemove:
		if err := s.emptyDisk(ctx, view, d); err != nil {
			return struct{}{}, err
		}
		cmd = catalog.Command{RemoveDisk: &catalog.RemoveDisk{Disk: d.ID}}
	default:
		return struct{}{}, wire.Errorf(wire.InvalidArgument, "a disk cannot be changed by %q", req.Change)
	}
	if _, err := s.n.propose(ctx, cmd); err != nil {
		return struct{}{}, err
	}
	s.n.wakeRepair()
	return struct{}{}, nil
}

// disk returns the newest state, and a disk of it as findDisk does.
func (s *service) disk(ctx context.Context, id string) (*catalog.State, *catalog.Disk, error) {
	view, err := s.n.catalog.Read(ctx)
	if err != nil {
		return nil, nil, err
	}
	d, err := findDisk(view, id)
	return view, d, err
}

// findDisk finds a disk by its id or the beginning of it.
func findDisk(view *catalog.State, id string) (*catalog.Disk, error) {
	return findID("disk", view.Disks(), id, func(d *catalog.Disk) string { return d.ID })
}
