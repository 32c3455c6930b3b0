package catalog

import (
	"context"
	"errors"
	"fmt"

	"github.com/tarnlake/tarn/client/wire"
)

// Peers reaches the catalogs of other nodes. Both calls return when ctx ends.
type Peers interface {
	// Propose hands an entry to a node: its Catalog.ApplyEntry. Errors are those of
	// that call, and wire.Unavailable where there is no answer.
	Propose(ctx context.Context, node string, entry []byte) (index uint64, err error)

	// ReadIndex asks a node: its Catalog.ReadIndex.
	ReadIndex(ctx context.Context, node string) (uint64, error)
}

// NotLeader is the error of a node that was asked for what only the leader
// does. It has done nothing. To others it is wire.Unavailable.
type NotLeader struct {
	Node   string // who was asked
	Leader string // who leads as far as that node knows; empty: it knows of none
}

// Error names both.
func (e *NotLeader) Error() string {
	if e.Leader == "" {
		return fmt.Sprintf("node %s does not lead the catalog, and knows of none that does", e.Node)
	}
	return fmt.Sprintf("node %s does not lead the catalog; node %s does", e.Node, e.Leader)
}

// Unwrap returns e as an error of the wire.
func (e *NotLeader) Unwrap() error { return wire.Errorf(wire.Unavailable, "%s", e.Error()) }

// alone is the Peers of a node that has none.
type alone struct{}

func (alone) Propose(_ context.Context, node string, _ []byte) (uint64, error) {
	return 0, unreachable(node)
}

func (alone) ReadIndex(_ context.Context, node string) (uint64, error) { return 0, unreachable(node) }

func unreachable(node string) error {
	return wire.Errorf(wire.Unavailable, "node %s, which leads the catalog, cannot be asked: this node was started without a network", node)
}

// refused reports whether an error says that an entry was judged, and is not
// in the log.
func refused(err error) bool {
	switch wire.FromError(err).Code {
	case wire.Unavailable, wire.Canceled, wire.DeadlineExceeded, wire.Internal:
		return false
	}
	return true
}

// leaderIn returns the leader that a refusal names.
func leaderIn(err error) string {
	var e *NotLeader
	if errors.As(err, &e) && e.Leader != e.Node {
		return e.Leader
	}
	return ""
}
