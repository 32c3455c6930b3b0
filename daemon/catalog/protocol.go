package catalog

import (
	"fmt"

	"github.com/tarnlake/tarn/client/wire"
)

// Protocol numbers all that nodes of different builds must understand of each
// other: messages, commands of the catalog, what is in its snapshots and in
// files on disks. A build speaks a range of it, a cluster one of which all its
// nodes are known to be capable. It is raised and never lowered.
type Protocol uint32

// The protocols that this build speaks. A build speaks the one before its
// newest, too, so that nodes can be upgraded one by one.
const (
	OldestProtocol Protocol = 1
	NewestProtocol Protocol = 1
)

// Speaks is the protocols that a node speaks. The zero Speaks is that of the
// first one alone.
type Speaks struct {
	Oldest Protocol `json:"oldest,omitempty"`
	Newest Protocol `json:"newest,omitempty"`
}

// BuildSpeaks is what this build speaks.
func BuildSpeaks() Speaks { return Speaks{OldestProtocol, NewestProtocol} }

// Known returns s with what is zero filled in.
func (s Speaks) Known() Speaks { return Speaks{max(s.Oldest, 1), max(s.Newest, 1)} }

// String returns "1-2".
func (s Speaks) String() string { return fmt.Sprintf("%d-%d", s.Known().Oldest, s.Known().Newest) }

// ParseSpeaks reads what String wrote.
func ParseSpeaks(text string) (s Speaks, err error) {
	if _, err := fmt.Sscanf(text, "%d-%d", &s.Oldest, &s.Newest); err != nil || s.String() != text || s.Oldest > s.Newest {
		return Speaks{}, fmt.Errorf("protocols %.40q: want oldest-newest, as in 1-2", text)
	}
	return s, nil
}

// Check refuses a node that cannot be in a cluster of that protocol.
func (s Speaks) Check(node string, cluster Protocol) error {
	s = s.Known()
	switch {
	case s.Newest < cluster:
		return wire.Errorf(wire.Unsupported, "node %s speaks protocol %d at most; the cluster speaks %d", node, s.Newest, cluster).
			WithHint("use a newer tarn for it: a cluster does not go back")
	case s.Oldest > cluster:
		return wire.Errorf(wire.Unsupported, "node %s speaks protocol %d at least; the cluster speaks %d", node, s.Oldest, cluster).
			WithHint("upgrade all nodes to a build in between first: tarn node list")
	}
	return nil
}

// understands refuses a state of a protocol that is too new for the node.
func (s Speaks) understands(state *State) error {
	if newest := s.Known().Newest; state.Protocol() > newest {
		return wire.Errorf(wire.Unsupported, "the catalog is of a cluster that speaks protocol %d; this build speaks %d at most", state.Protocol(), newest).
			WithHint("use a newer tarn: a cluster does not go back")
	}
	return nil
}

// RaiseProtocol has the cluster speak a protocol from now on.
type RaiseProtocol struct {
	To Protocol `json:"to"`
}

// Protocol is what the cluster speaks: what a newer one has brought is not used.
func (s *State) Protocol() Protocol { return max(s.protocol, 1) }

// Raisable returns the newest protocol that every node speaks which has not been
// given up. A node that is down counts: it comes back as it was.
func (s *State) Raisable() Protocol {
	newest := Protocol(0)
	for _, n := range s.Nodes() {
		if n.State != NodeLost && (newest == 0 || n.Speaks.Known().Newest < newest) {
			newest = n.Speaks.Known().Newest
		}
	}
	return max(newest, s.Protocol())
}

func (s *State) raiseProtocol(c RaiseProtocol) (Result, error) {
	if to := s.Raisable(); c.To > to {
		return Result{}, wire.Errorf(wire.Conflict, "the cluster cannot speak protocol %d: there are nodes that speak %d at most", c.To, to).
			WithHint("tarn node list")
	}
	s.protocol = max(s.protocol, c.To)
	return Result{}, nil
}

// checkNeeds refuses a command that not every node of the cluster would
// understand.
func (s *State) checkNeeds(c Command) error {
	if c.Needs <= s.Protocol() {
		return nil
	}
	return wire.Errorf(wire.Unsupported, "this needs protocol %d; the cluster speaks %d until all nodes are upgraded", c.Needs, s.Protocol()).
		WithHint("tarn node list")
}
