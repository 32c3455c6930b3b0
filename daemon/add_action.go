package daemon

import (
	"cmp"
	"context"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/peer"
)

// addDisk makes a directory a disk of a node that runs.
func (s *service) addDisk(ctx context.Context, req wire.AddDisk) (added wire.AddedDisk, err error) {
	view, n, err := s.node(ctx, cmp.Or(req.Node, s.n.id.Node))
	if err != nil {
		return added, err
	}
	facts, err := s.plugInto(ctx, view, n.ID, peer.Plug{Path: req.Path, Tier: cmp.Or(req.Tier, Tiers[0])})
	if err != nil {
		return added, err
	}
	if d, ok := view.Disk(facts.ID); ok && d.Node == n.ID && d.State != catalog.DiskUp && d.State != catalog.DiskDown {
		return added, wire.Errorf(wire.Conflict, "%s is disk %s, which is %s", req.Path, d.ID, d.State).WithHint("tarn disk use %s", d.ID)
	}
	_, err = s.n.propose(ctx, catalog.Command{AddDisk: &catalog.AddDisk{Node: n.ID, Disk: facts}})
	s.n.wakeRepair()
	return wire.AddedDisk{ID: facts.ID}, err
}

// plugInto makes a directory a disk of a node: this one or another.
func (s *service) plugInto(ctx context.Context, view *catalog.State, id string, p peer.Plug) (catalog.DiskFacts, error) {
	if id == s.n.id.Node {
		return s.n.plug(p)
	}
	n, ok := view.Node(id)
	if !ok || n.State != catalog.NodeUp || s.n.network == nil {
		return catalog.DiskFacts{}, wire.Errorf(wire.Unavailable, "the node that is to have %s is not up", p.Path).
			WithHint("tarn node list; another node is named with --node")
	}
	return s.n.network.peers.Plug(ctx, id, p)
}
