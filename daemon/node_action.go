package daemon

import (
	"cmp"
	"context"
	"strings"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
)

// nodes lists the nodes of the cluster, as the catalog has them and as this
// one sees them.
func (s *service) nodes(ctx context.Context, _ struct{}) (list wire.NodeList, err error) {
	view, err := s.n.catalog.Read(ctx)
	if err != nil {
		return list, err
	}
	disks := map[string]int{}
	for _, d := range view.Disks() {
		disks[d.Node]++
	}
	votes, gossip, held, reports := s.n.votes(), s.n.gossips(), s.n.heldBack(), s.n.reports(ctx, view)
	for _, n := range view.Nodes() {
		list.Nodes = append(list.Nodes, wire.Node{
			ID: n.ID, Name: n.Name, Address: n.Address, Zone: n.Zone, Version: n.Version, Speaks: n.Speaks.String(), State: string(n.State), Reason: cmp.Or(n.Reason, reports[n.ID].Clock), Since: n.Since,
			Vote: votes[n.ID], Gossip: gossip[n.ID], Held: held[n.ID], Disks: disks[n.ID],
		})
	}
	return list, nil
}

// votes says what part each node has in agreement.
func (n *Node) votes() map[string]string {
	all := map[string]string{}
	for _, s := range n.catalog.Servers() {
		all[s.Node] = "learner"
		if s.Voter {
			all[s.Node] = "voter"
		}
	}
	if leader := n.catalog.Leader(); leader != "" {
		all[leader] = "leader"
	}
	return all
}

// gossips says how gossip sees each node.
func (n *Node) gossips() map[string]string {
	all := map[string]string{}
	if n.network == nil {
		return all
	}
	for _, m := range n.network.gossip.Members() {
		all[m.Node] = string(m.State)
	}
	return all
}

// heldBack says what the node that leads would judge of others, if caution did
// not forbid it; nothing on other nodes.
func (n *Node) heldBack() map[string]string {
	all := map[string]string{}
	if held := n.held.Load(); held != nil {
		for _, h := range *held {
			all[h.Node] = h.Reason
		}
	}
	return all
}

// drainNode moves what the disks of a node hold to others.
func (s *service) drainNode(ctx context.Context, req wire.NodeName) (struct{}, error) {
	view, n, err := s.node(ctx, req.Node)
	if err != nil {
		return struct{}{}, err
	}
	return struct{}{}, s.eachDisk(ctx, view, n, func(d *catalog.Disk) catalog.Command {
		return catalog.Command{SetDiskState: &catalog.SetDiskState{Disk: d.ID, State: catalog.DiskDraining, Reason: "an operator drains its node"}}
	})
}

// removeNode forgets a node whose disks hold nothing that is counted on, and
// its disks with it.
func (s *service) removeNode(ctx context.Context, req wire.NodeName) (struct{}, error) {
	view, n, err := s.node(ctx, req.Node)
	if err != nil {
		return struct{}{}, err
	}
	undo := "tarn node drain " + n.Name + ", or if it will not come back: tarn node lose " + n.Name
	if err := s.empty(ctx, view, "node "+n.Name, undo, disksBySize(view, n.ID)...); err != nil {
		return struct{}{}, err
	}
	err = s.eachDisk(ctx, view, n, func(d *catalog.Disk) catalog.Command {
		return catalog.Command{RemoveDisk: &catalog.RemoveDisk{Disk: d.ID}}
	})
	if err != nil {
		return struct{}{}, err
	}
	_, err = s.n.propose(ctx, catalog.Command{RemoveNode: &catalog.RemoveNode{Node: n.ID}})
	return struct{}{}, err
}

// loseNode gives a node up at once, for one that will not come back: what was
// on its disks is rebuilt elsewhere.
func (s *service) loseNode(ctx context.Context, req wire.NodeName) (struct{}, error) {
	view, n, err := s.node(ctx, req.Node)
	if err != nil {
		return struct{}{}, err
	}
	if n.ID == s.n.id.Node {
		return struct{}{}, wire.Errorf(wire.Conflict, "node %q answers this very call: it is not lost", n.Name)
	}
	cmd := catalog.Command{SetNodeState: &catalog.SetNodeState{Node: n.ID, State: catalog.NodeLost, Reason: "an operator said so"}}
	if err := costsRows(view, cmd, "tarn node lose "+n.Name); err != nil && !req.Force {
		return struct{}{}, err
	}
	_, err = s.n.propose(ctx, cmd)
	s.n.wakeRepair()
	return struct{}{}, err
}

// eachDisk proposes a command for each disk of a node.
func (s *service) eachDisk(ctx context.Context, view *catalog.State, n *catalog.Node, cmd func(*catalog.Disk) catalog.Command) error {
	for _, d := range view.Disks() {
		if d.Node != n.ID {
			continue
		}
		if _, err := s.n.propose(ctx, cmd(d)); err != nil {
			return err
		}
	}
	s.n.wakeRepair()
	return nil
}

// node returns the newest state, and a node of it as findNode does.
func (s *service) node(ctx context.Context, name string) (*catalog.State, *catalog.Node, error) {
	view, err := s.n.catalog.Read(ctx)
	if err != nil {
		return nil, nil, err
	}
	n, err := findNode(view, name)
	return view, n, err
}

// findNode finds a node by its name, its id or the beginning of it.
func findNode(view *catalog.State, name string) (*catalog.Node, error) {
	for _, n := range view.Nodes() {
		if n.Name == name {
			return n, nil
		}
	}
	return findID("node", view.Nodes(), name, func(n *catalog.Node) string { return n.ID })
}

// findID finds what has that id, or, alone, an id that begins so.
func findID[T any](what string, all []T, id string, idOf func(T) string) (found T, err error) {
	n := 0
	for _, one := range all {
		if idOf(one) == id {
			return one, nil
		}
		if id != "" && strings.HasPrefix(idOf(one), id) {
			found = one
			n++
		}
	}
	switch n {
	case 1:
		return found, nil
	case 0:
		return found, wire.Errorf(wire.InvalidArgument, "there is no %s %q", what, id).WithHint("tarn %s list", what)
	}
	return found, wire.Errorf(wire.InvalidArgument, "%d %ss begin with %q", n, what, id).WithHint("give more of the id: tarn %s list", what)
}
