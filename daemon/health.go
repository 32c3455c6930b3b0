package daemon

import (
	"context"
	"sync"
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/health"
	"github.com/tarnlake/tarn/daemon/repair"
)

// judged keeps the last judgement of the members: with many of them away one
// costs a look at each, and metrics, people and scripts all ask.
type judged struct {
	mu    sync.Mutex
	view  *catalog.State
	is    repair.Health
	again time.Time // until then the judgement is new enough
}

// judgedShare is how much more time passes than a judgement takes before there
// is another one.
const judgedShare = 20

// of returns what is to be said of a view, or of one a little older.
func (j *judged) of(view *catalog.State) repair.Health {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.view == view || time.Now().Before(j.again) {
		return j.is
	}
	begun := time.Now()
	j.view, j.is = view, repair.HealthOf(view)
	j.again = begun.Add(judgedShare * time.Since(begun))
	return j.is
}

// health says how the cluster is, as far as this node finds out.
func (n *Node) health(ctx context.Context) wire.Health {
	view := n.catalog.View()
	return health.Of(health.Facts{
		Now: time.Now(), Members: n.judged.of(view), Nodes: view.Nodes(), Disks: view.Disks(),
		Votes: n.votes(), Held: n.heldBack(), Reports: n.reports(ctx, view),
	})
}

func (s *service) status(ctx context.Context, _ struct{}) (wire.Status, error) {
	h := s.n.health(ctx)
	return wire.Status{
		Version: s.n.cfg.Version, Node: s.n.id.Node, Cluster: s.n.id.Cluster,
		Started: s.n.started, Ready: s.n.serving.Load() && h.Votes.Leader != "", Tables: len(s.n.catalog.View().Tables()),
		Redundancy: h.Summary, Health: h, Protocol: int(s.n.catalog.View().Protocol()),
	}, nil
}
