package daemon

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/cluster/gossip"
	"github.com/tarnlake/tarn/daemon/health"
	"github.com/tarnlake/tarn/daemon/repair"
)

// judged keeps the last judgement of the members: with many of them away one
// costs a look at each, and metrics, people and scripts all ask.
type judged struct {
	mu    sync.Mutex
	view  *catalog.State
	away  map[string]bool // disks that it did not count on
	is    repair.Health
	again time.Time // until then the judgement is new enough, if the same disks are away
}

// judgedShare is how much more time passes than a judgement takes before there
// is another one.
const judgedShare = 20

// of returns what is to be said of a view, with silent nodes that count as
// away. It may be one of a view a little older, but never of one in which a
// disk that is away by now was there.
func (j *judged) of(view *catalog.State, silent []string) repair.Health {
	j.mu.Lock()
	defer j.mu.Unlock()
	away := repair.Away(view, silent...)
	if maps.Equal(j.away, away) && (j.view == view || time.Now().Before(j.again)) {
		return j.is
	}
	begun := time.Now()
	j.view, j.away, j.is = view, away, repair.HealthOf(view, silent...)
	j.again = begun.Add(judgedShare * time.Since(begun))
	return j.is
}

// health says how the cluster is, as far as this node finds out.
func (n *Node) health(ctx context.Context) wire.Health {
	view := n.catalog.View()
	f := health.Facts{
		Now: time.Now(), Nodes: view.Nodes(), Disks: view.Disks(),
		Votes: n.votes(), Held: n.heldBack(), Reports: n.reports(ctx, view),
		Recovered: view.Recovery().Time,
	}
	f.Members = n.judged.of(view, f.Silent())
	return health.Of(f)
}

// unheard lists the nodes that nobody has judged and that seem to be gone, by
// what this node knows without asking: gossip, and its own judging if it leads.
// It is for whoever asks too often to have all nodes asked.
func (n *Node) unheard(view *catalog.State) (all []string) {
	if n.network == nil {
		return nil
	}
	heard, held := n.gossips(), n.heldBack()
	for _, other := range view.Nodes() {
		if other.ID == n.id.Node || other.State != catalog.NodeUp {
			continue
		}
		if held[other.ID] != "" || heard[other.ID] != string(gossip.Alive) {
			all = append(all, other.ID)
		}
	}
	return all
}

func (s *service) status(ctx context.Context, _ struct{}) (wire.Status, error) {
	h := s.n.health(ctx)
	return wire.Status{
		Version: s.n.cfg.Version, Node: s.n.id.Node, Cluster: s.n.id.Cluster,
		Started: s.n.started, Ready: s.n.serving.Load() && h.Votes.Leader != "", Tables: len(s.n.catalog.View().Tables()),
		Redundancy: h.Summary, Health: h, Protocol: int(s.n.catalog.View().Protocol()),
	}, nil
}
