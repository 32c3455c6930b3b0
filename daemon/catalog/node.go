package catalog

import (
	"slices"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/plant"
	"github.com/tidwall/btree"
)

// registerNode makes a node known, or says what has changed about it. The
// node is up from then on, and so are the disks that it has brought, unless
// they were given up for a reason of their own.
func (s *State) registerNode(c RegisterNode) (Result, error) {
	if err := s.checkNode(c); err != nil {
		return Result{}, err
	}
	n := &Node{ID: c.Node, Name: c.Name, Address: c.Address, Gossip: c.Gossip, Zone: c.Zone, Version: c.Version, Speaks: c.Speaks, State: NodeUp, Since: s.time}
	if old, ok := s.nodes.Get(c.Node); ok && old.State == NodeUp {
		n.Since = old.Since
	}
	edit(&s.nodes).Set(n.ID, n)
	there := map[string]bool{}
	for _, facts := range c.Disks {
		there[facts.ID] = true
		s.plugIn(c.Node, facts)
	}
	for _, d := range s.disksOf(c.Node) {
		if !there[d.ID] && d.State != DiskLost {
			s.setDisk(d, DiskDown, "it was not there when its node started")
		}
	}
	return Result{}, nil
}

func (s *State) checkNode(c RegisterNode) error {
	if err := checkText("node id", c.Node, maxIDBytes); err != nil {
		return err
	}
	if err := CheckNodeNames(c.Name, c.Zone); err != nil {
		return err
	}
	if err := c.Speaks.Check(c.Name, s.Protocol()); err != nil {
		return err
	}
	if other := s.nodeNamed(c.Name); other != nil && other.ID != c.Node && other.State != NodeLost {
		return wire.Errorf(wire.Conflict, "the name %q belongs to node %s, which is %s", c.Name, other.ID, other.State).
			WithHint("give the new node another --name, or, if that one will not come back: tarn node lose %s", c.Name)
	}
	seen := map[string]bool{}
	for _, facts := range c.Disks {
		if err := checkText("disk id", facts.ID, maxIDBytes); err != nil {
			return err
		}
		if seen[facts.ID] {
			return wire.Errorf(wire.Conflict, "disk %s is plugged into the node twice: one is a copy of the other", facts.ID)
		}
		seen[facts.ID] = true
		if err := s.CheckPlug(c.Node, facts.ID); err != nil {
			return err
		}
	}
	return nil
}

// CheckPlug refuses a node the disk that another node has.
func (s *State) CheckPlug(node, disk string) error {
	if d, ok := s.disks.Get(disk); ok && d.Node != node && s.nodeIs(d.Node, NodeUp) && d.State != DiskDown {
		return wire.Errorf(wire.Conflict, "disk %s is in node %s, which is up: this one is a copy of it", disk, s.nodeName(d.Node)).
			WithHint("take one of the two disks out, or stop that node if the disk has moved")
	}
	return nil
}

// addDisk notes a disk that a node has got while it is up.
func (s *State) addDisk(c AddDisk) (Result, error) {
	if err := s.checkTaker(c.Node); err != nil {
		return Result{}, err
	}
	if err := checkText("disk id", c.Disk.ID, maxIDBytes); err != nil {
		return Result{}, err
	}
	if err := s.CheckPlug(c.Node, c.Disk.ID); err != nil {
		return Result{}, err
	}
	s.plugIn(c.Node, c.Disk)
	return Result{}, nil
}

// checkTaker refuses a node that cannot have a new disk now.
func (s *State) checkTaker(node string) error {
	if s.nodeIs(node, NodeUp) {
		return nil
	}
	return wire.Errorf(wire.Conflict, "node %s, which is to have the new disk, is not up", s.nodeName(node)).WithHint("tarn node list")
}

// plugIn notes a disk that a node has.
func (s *State) plugIn(node string, facts DiskFacts) {
	d, known := s.disks.Get(facts.ID)
	if !known {
		d = &Disk{ID: facts.ID, State: DiskUp, Since: s.time}
	}
	next := *d
	next.Node, next.Tier, next.Bytes = node, facts.Tier, facts.Bytes
	if d.State == DiskDown || d.State == DiskSuspect || d.LostWithNode {
		next.State, next.Reason, next.Since, next.LostWithNode = DiskUp, "", s.time, false
	}
	if next.State == DiskUp && next.ReplacedBy != "" {
		next.State, next.Reason = DiskDraining, "it is replaced"
	}
	edit(&s.disks).Set(next.ID, &next)
	if d.State == DiskLost { // its slots have other disks by now
		s.unparkIncomplete()
		return
	}
	for _, g := range s.groupsOn(next.ID) { // what could not be rebuilt may be there now
		s.unpark(g)
	}
}

func (s *State) setNodeState(c SetNodeState) (Result, error) {
	n, ok := s.nodes.Get(c.Node)
	if !ok {
		return Result{}, noSuchNode(c.Node)
	}
	if c.Epoch != 0 && c.Epoch != s.EpochOf(c.Node) {
		return Result{}, wire.Errorf(wire.Conflict, "node %q has begun another life since epoch %d", n.Name, c.Epoch)
	}
	switch {
	case c.State != NodeUp && c.State != NodeDown && c.State != NodeLost:
		return Result{}, wire.Errorf(wire.InvalidArgument, "a node cannot be %q", c.State)
	case n.State == NodeLost && c.State != NodeLost:
		return Result{}, wire.Errorf(wire.Conflict, "node %q was given up; it comes back by starting", n.Name)
	}
	next := *n
	next.State, next.Reason, next.Since = c.State, c.Reason, s.time
	edit(&s.nodes).Set(n.ID, &next)
	if c.State == NodeLost {
		s.loseNode(n.ID)
	}
	return Result{}, nil
}

// loseNode closes the epoch of a node and gives up its disks.
func (s *State) loseNode(id string) {
	s.closeEpochs(id)
	for _, d := range s.disksOf(id) {
		if d.State == DiskLost {
			continue
		}
		lost := *d
		lost.LostWithNode = true
		s.setDisk(&lost, DiskLost, "its node was lost")
		s.missDisk(d.ID)
	}
}

// removeNode forgets a node that has no disks any more.
func (s *State) removeNode(c RemoveNode) (Result, error) {
	n, ok := s.nodes.Get(c.Node)
	if !ok {
		return Result{}, noSuchNode(c.Node)
	}
	if disks := s.disksOf(c.Node); len(disks) > 0 {
		return Result{}, wire.Errorf(wire.Conflict, "node %q still has %s", n.Name, plural(len(disks), "disk")).
			WithHint("tarn node drain %s", n.Name)
	}
	s.closeEpochs(c.Node)
	edit(&s.nodes).Delete(c.Node)
	return Result{}, nil
}

func (s *State) setDiskState(c SetDiskState) (Result, error) {
	d, ok := s.disks.Get(c.Disk)
	if !ok {
		return Result{}, noSuchDisk(c.Disk)
	}
	if !c.State.known() {
		return Result{}, wire.Errorf(wire.InvalidArgument, "a disk cannot be %q", c.State)
	}
	next := *d
	next.LostWithNode = false
	if c.State == DiskUp {
		next.ReplacedBy = ""
	}
	s.setDisk(&next, c.State, c.Reason)
	switch {
	case c.State == DiskLost && d.State != DiskLost:
		s.missDisk(d.ID)
	case c.State != DiskLost && d.State == DiskLost:
		s.unparkIncomplete() // what could not be rebuilt may be there now
	}
	return Result{}, nil
}

// removeDisk forgets a disk that no group refers to.
func (s *State) removeDisk(c RemoveDisk) (Result, error) {
	if _, ok := s.disks.Get(c.Disk); !ok {
		return Result{}, noSuchDisk(c.Disk)
	}
	if groups := s.groupsOn(c.Disk); len(groups) > 0 {
		return Result{}, wire.Errorf(wire.Conflict, "disk %s still has places in %s", c.Disk, plural(len(groups), "placement group")).
			WithHint("tarn disk drain %s", c.Disk)
	}
	edit(&s.disks).Delete(c.Disk)
	return Result{}, nil
}

func (s *State) setDisk(d *Disk, state DiskState, reason string) {
	next := *d
	if next.State != state {
		next.Since = s.time
	}
	next.State, next.Reason = state, reason
	edit(&s.disks).Set(next.ID, &next)
}

func noSuchNode(id string) error {
	return wire.Errorf(wire.InvalidArgument, "there is no node %q", id).WithHint("tarn node list")
}

func noSuchDisk(id string) error {
	return wire.Errorf(wire.InvalidArgument, "there is no disk %q", id).WithHint("tarn disk list")
}

// EpochOf returns the open epoch of a node, or 0.
func (s *State) EpochOf(node string) Epoch {
	var open Epoch
	s.open.Scan(func(e Epoch, o *epoch) bool {
		if o.node == node {
			open = e
		}
		return open == 0
	})
	return open
}

// closeEpochs ends the lives of a node: nothing of them can be committed.
func (s *State) closeEpochs(node string) {
	for e := s.EpochOf(node); e != 0; e = s.EpochOf(node) {
		edit(&s.open).Delete(e)
	}
}

func (s *State) nodeIs(id string, state NodeState) bool {
	n, ok := s.nodes.Get(id)
	return ok && n.State == state
}

func (s *State) nodeName(id string) string {
	if n, ok := s.nodes.Get(id); ok {
		return n.Name
	}
	return id
}

func (s *State) nodeNamed(name string) *Node {
	for _, n := range s.Nodes() {
		if n.Name == name {
			return n
		}
	}
	return nil
}

// Nodes returns all nodes, by id. They are shared and not to be changed.
func (s *State) Nodes() []*Node { return values(s.nodes) }

// Node returns a node by its id.
func (s *State) Node(id string) (*Node, bool) { return s.nodes.Get(id) }

// Disks returns all disks, by id. They are shared and not to be changed.
func (s *State) Disks() []*Disk { return values(s.disks) }

// Disk returns a disk by its id.
func (s *State) Disk(id string) (*Disk, bool) { return s.disks.Get(id) }

// Readable reports whether a disk can be read from now, as far as is agreed on.
func (s *State) Readable(disk string) bool {
	d, ok := s.disks.Get(disk)
	if !ok || d.State == DiskDown || d.State == DiskLost {
		return false
	}
	n, ok := s.nodes.Get(d.Node)
	return ok && n.State == NodeUp
}

func (s *State) disksOf(node string) []*Disk {
	return slices.DeleteFunc(s.Disks(), func(d *Disk) bool { return d.Node != node })
}

// diskHolds reports whether what was written to a disk can be counted on.
func (s *State) diskHolds(id string) bool {
	d, ok := s.disks.Get(id)
	return ok && (d.State != DiskLost || plant.On(plant.CountLostDisk))
}

func values[K string | SegmentID | GroupID, V any](m *btree.Map[K, V]) []V {
	all := make([]V, 0, m.Len())
	m.Scan(func(_ K, v V) bool {
		all = append(all, v)
		return true
	})
	return all
}

func (st DiskState) known() bool {
	switch st {
	case DiskUp, DiskSuspect, DiskDown, DiskDraining, DiskLost:
		return true
	}
	return false
}
