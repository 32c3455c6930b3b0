package daemon

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/health"
	"github.com/tarnlake/tarn/daemon/peer"
	"github.com/tarnlake/tarn/daemon/repair"
)

// replaceDisk gives the places of a disk to another one: one that is there, or
// a directory that becomes a disk now.
func (s *service) replaceDisk(ctx context.Context, req wire.ReplaceDisk) (struct{}, error) {
	view, old, err := s.disk(ctx, req.ID)
	if err != nil {
		return struct{}{}, err
	}
	cmd := &catalog.ReplaceDisk{Disk: old.ID}
	switch {
	case filepath.IsAbs(req.By):
		cmd.Node, cmd.By, err = s.plugFor(ctx, view, old, req)
	default:
		var by *catalog.Disk
		if by, err = findDisk(view, req.By); err == nil {
			cmd.By = catalog.DiskFacts{ID: by.ID, Tier: by.Tier, Bytes: by.Bytes}
		}
	}
	if err == nil {
		err = tooSmall(old.ID, heldOn(view, old), cmd.By.Bytes)
	}
	if err != nil {
		return struct{}{}, err
	}
	_, err = s.n.propose(ctx, catalog.Command{ReplaceDisk: cmd})
	s.n.wakeRepair()
	return struct{}{}, err
}

// plugFor makes a directory a disk of the node that is to have it: the one of
// the old disk, if nothing else is said.
func (s *service) plugFor(ctx context.Context, view *catalog.State, old *catalog.Disk, req wire.ReplaceDisk) (string, catalog.DiskFacts, error) {
	at := old.Node
	if req.Node != "" {
		n, err := findNode(view, req.Node)
		if err != nil {
			return "", catalog.DiskFacts{}, err
		}
		at = n.ID
	}
	facts, err := s.plugInto(ctx, view, at, peer.Plug{Path: req.By, Tier: old.Tier, Instead: old.ID, Needs: heldOn(view, old)})
	return at, facts, err
}

// tooSmall refuses a disk that could not hold what is on the other.
func tooSmall(old string, held, has int64) error {
	if has <= 0 || held == 0 || held < has/20*19 {
		return nil
	}
	return wire.Errorf(wire.Conflict, "disk %s holds %s, and its replacement has %s", old, health.Bytes(held), health.Bytes(has)).
		WithHint("take a larger one, or spread it over others: tarn disk drain %s", old)
}

func heldOn(view *catalog.State, d *catalog.Disk) int64 {
	return repair.HealthOf(view).Held[d.ID].Bytes
}

// replaceNode gives the places of all disks of a node to those of another one.
func (s *service) replaceNode(ctx context.Context, req wire.ReplaceNode) (struct{}, error) {
	view, old, err := s.node(ctx, req.Node)
	if err != nil {
		return struct{}{}, err
	}
	by, err := findNode(view, req.By)
	if err != nil {
		return struct{}{}, err
	}
	if old.ID == by.ID {
		return struct{}{}, wire.Errorf(wire.InvalidArgument, "node %q cannot replace itself", old.Name).WithHint("two nodes of one name are told apart by their ids: tarn node list")
	}
	pairs, err := pairDisks(view, old, by)
	if err != nil {
		return struct{}{}, err
	}
	for _, cmd := range pairs {
		if _, err := s.n.propose(ctx, catalog.Command{ReplaceDisk: &cmd}); err != nil {
			return struct{}{}, err
		}
	}
	s.n.wakeRepair()
	return struct{}{}, nil
}

// pairDisks finds a disk of one node for each of another, of the same tier, the
// largest for the largest. A disk may be in the place of several.
func pairDisks(view *catalog.State, old, by *catalog.Node) (all []catalog.ReplaceDisk, err error) {
	fresh, next := map[string][]*catalog.Disk{}, map[string]int{}
	for _, d := range disksBySize(view, by.ID) {
		if d.State == catalog.DiskUp && d.ReplacedBy == "" {
			fresh[d.Tier] = append(fresh[d.Tier], d)
		}
	}
	for _, d := range disksBySize(view, old.ID) {
		among := fresh[d.Tier]
		if len(among) == 0 {
			return nil, wire.Errorf(wire.Conflict, "node %q has no disk of tier %s that is up, for disk %s of node %q", by.Name, d.Tier, d.ID, old.Name).WithHint("tarn disk list")
		}
		to := among[next[d.Tier]%len(among)]
		next[d.Tier]++
		all = append(all, catalog.ReplaceDisk{Disk: d.ID, By: catalog.DiskFacts{ID: to.ID, Tier: to.Tier, Bytes: to.Bytes}})
	}
	return all, nil
}

func disksBySize(view *catalog.State, node string) []*catalog.Disk {
	all := slices.DeleteFunc(view.Disks(), func(d *catalog.Disk) bool { return d.Node != node })
	slices.SortStableFunc(all, func(a, b *catalog.Disk) int { return cmp.Compare(b.Bytes, a.Bytes) })
	return all
}

// empty refuses to forget disks that something belongs on, and says how much
// that is and how long it takes to move it.
func (s *service) empty(ctx context.Context, view *catalog.State, what, undo string, disks ...*catalog.Disk) error {
	all := repair.HealthOf(view).Held
	held, leaves := repair.Held{}, true
	for _, d := range disks {
		held.Slots, held.Bytes = held.Slots+all[d.ID].Slots, held.Bytes+all[d.ID].Bytes
		leaves = leaves && (d.State == catalog.DiskDraining || d.State == catalog.DiskLost || d.ReplacedBy != "")
	}
	if held.Slots == 0 {
		return nil
	}
	rate := int64(0)
	for _, r := range s.n.reports(ctx, view) {
		rate += r.Rate
	}
	refused := wire.Errorf(wire.Conflict, "%s", health.StillHolds(what, held, leaves, rate))
	if leaves {
		return refused.WithHint("tarn status says how far it is; then try again")
	}
	return refused.WithHint("%s", undo)
}

// emptyDisk is empty for a disk that an operator wants to forget.
func (s *service) emptyDisk(ctx context.Context, view *catalog.State, d *catalog.Disk) error {
	return s.empty(ctx, view, "disk "+d.ID, fmt.Sprintf("tarn disk drain %s, or tarn disk replace %s PATH", d.ID, d.ID), d)
}
