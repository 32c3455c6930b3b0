package daemon

import (
	"testing"

	"github.com/google/uuid"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/cluster/trust"
)

// TestStrangersWhileStarting: a node that has not caught up cannot know who was
// removed, and does not say it of nodes that came while it was away.
func TestStrangersWhileStarting(t *testing.T) {
	c := newTestCluster(t, 1)
	n := c.nodes[0]
	stranger := trust.Peer{Identity: trust.Identity{Role: trust.Node, Name: uuid.NewString()}}
	if err := n.network.check(stranger); !wire.IsCode(err, wire.Unauthenticated) {
		t.Errorf("got %v; want that the stranger was removed", err)
	}
	n.serving.Store(false)
	if err := n.network.check(stranger); !wire.IsCode(err, wire.Unavailable) {
		t.Errorf("got %v; want that this node is starting", err)
	}
	n.serving.Store(true)
}
