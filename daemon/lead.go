package daemon

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/cluster/clock"
	"github.com/tarnlake/tarn/daemon/cluster/gossip"
	"github.com/tarnlake/tarn/daemon/cluster/liveness"
)

// leadEvery is how often the node that leads looks at the others.
const leadEvery = time.Second

// lead does what one node does for all, while it is this one: it judges who is
// up, down or lost, and sees to it that every node has a replica of the
// catalog and the right ones a vote.
func (n *Node) lead(ctx context.Context) {
	l := &leading{n: n}
	tick := time.NewTicker(leadEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !n.lives() {
			return
		}
		switch {
		case !n.catalog.Leads():
			l.judge = nil
			n.held.Store(nil)
		case l.judge == nil:
			*l = leading{n: n, judge: liveness.New(liveness.Config{}), since: time.Now()}
			fallthrough
		default:
			l.round(ctx)
		}
	}
}

// lives stops a node whose life the cluster has ended, and reports that: it was
// given up, or a copy of it has started. Nothing of that life can be committed
// any more.
func (n *Node) lives() bool {
	own, view := n.ownEpoch(), n.catalog.View()
	if own == 0 || view.EpochOf(n.id.Node) == own {
		return true
	}
	reason := "another one has started as this node: was its directory copied?"
	if node, ok := view.Node(n.id.Node); !ok {
		reason = "it was removed"
	} else if node.State == catalog.NodeLost {
		reason = node.Reason
	}
	n.fail(wire.Errorf(wire.Conflict, "the cluster has given this node up: %s", reason).
		WithHint("start it again: what its disks have is taken into account"))
	return false
}

// leading is one leadership.
type leading struct {
	n     *Node
	judge *liveness.Judge
	since time.Time

	indexes map[string]uint64 // applied by nodes, as their answers to pings say
	steady  map[string]int    // rounds in a row in which a node has answered

	ahead map[string]time.Duration // by which clocks differed in the last round: see clock.Compare
}

func (l *leading) round(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 4*leadEvery)
	defer cancel()
	view := l.n.catalog.View()
	l.judgeNodes(ctx, view, l.ping(ctx, view))
	if err := l.n.raise(ctx); err != nil {
		l.n.cfg.Logger.Warn("raising the protocol of the cluster", "error", err)
	}
	l.arrange(ctx, view)
}

// pingTime is how long a node may take to answer.
const pingTime = 900 * time.Millisecond

// ping asks all nodes at a time how they are, and returns who has answered.
func (l *leading) ping(ctx context.Context, view *catalog.State) map[string]bool {
	ctx, cancel := context.WithTimeout(ctx, pingTime)
	defer cancel()
	var mu sync.Mutex
	var asked sync.WaitGroup
	answered, indexes := map[string]bool{}, map[string]uint64{l.n.id.Node: view.Index()}
	clocks := map[string]clock.Offset{}
	for _, node := range view.Nodes() {
		if node.ID == l.n.id.Node || node.Address == "" {
			continue
		}
		asked.Go(func() {
			ahead, known := l.ahead[node.ID]
			sent, began := l.n.cfg.Clock.Wall(), time.Now()
			pong, err := l.n.network.peers.Ping(ctx, node.ID, ahead, known)
			trip := time.Since(began)
			if err != nil || pong.Speaks.Check(node.Name, view.Protocol()) != nil { // too old: it is as good as away
				return
			}
			mu.Lock()
			defer mu.Unlock()
			clocks[node.ID] = clock.Measure(sent, trip, time.Unix(0, pong.Clock))
			answered[node.ID], indexes[node.ID] = true, pong.Index
		})
	}
	asked.Wait()
	steady := map[string]int{}
	for node := range answered {
		steady[node] = l.steady[node] + 1
	}
	l.indexes, l.steady = indexes, steady
	l.compareClocks(clocks)
	return answered
}

// compareClocks finds whose clock differs from the others'. The others hear it
// with their next ping.
func (l *leading) compareClocks(clocks map[string]clock.Offset) {
	l.ahead = clock.Compare(clocks)
	if len(clocks) > 0 {
		l.n.clock.Told(l.ahead[""])
	}
}

// judgeNodes has the catalog know who is up, down or lost.
func (l *leading) judgeNodes(ctx context.Context, view *catalog.State, answered map[string]bool) {
	heard := map[string]bool{}
	for _, m := range l.n.network.gossip.Members() {
		heard[m.Node] = m.State == gossip.Alive
	}
	round := liveness.Round{Now: time.Since(l.since), Self: l.n.id.Node}
	for _, node := range view.Nodes() {
		round.Nodes = append(round.Nodes, liveness.Sign{
			Node: node.ID, State: node.State, Epoch: view.EpochOf(node.ID), Gossip: heard[node.ID], Ping: answered[node.ID],
		})
	}
	verdict := l.judge.Round(round)
	for _, cmd := range verdict.Commands {
		l.n.cfg.Logger.Warn("a node is judged", "node", cmd.Node, "state", cmd.State, "reason", cmd.Reason)
		if err := l.n.must(ctx, catalog.Command{SetNodeState: &cmd}); err != nil {
			l.n.cfg.Logger.Warn("judging a node", "node", cmd.Node, "error", err)
		}
	}
	l.n.held.Store(&verdict.Held)
}

// arrange sees to it that every node has a replica of the catalog, and the
// right ones a vote: the rule is catalog.Voters, which is asked again after
// each change.
func (l *leading) arrange(ctx context.Context, view *catalog.State) {
	nodes := l.candidates(view)
	for range maxChanges {
		changes := catalog.Voters(l.n.catalog.Servers(), nodes)
		if len(changes) == 0 {
			return
		}
		if err := l.change(ctx, changes[0]); err != nil {
			l.n.cfg.Logger.Warn("changing who has replicas and votes", "change", changes[0].Kind, "node", changes[0].Node, "error", err)
			return
		}
		l.n.cfg.Logger.Info("replicas and votes have changed", "change", changes[0].Kind, "node", changes[0].Node)
	}
}

const (
	maxChanges   = 8  // of a round
	steadyRounds = 2  // of answers before a node is given a vote
	nearlyThere  = 64 // entries that a node that has caught up may be behind
)

// candidates is what Voters asks of the nodes. One that was given up has no
// replica, unless it answers again: then it needs one, to learn that it was
// given up, or to begin another life.
func (l *leading) candidates(view *catalog.State) (all []catalog.Candidate) {
	servers := l.n.catalog.Servers()
	for _, n := range view.Nodes() {
		// One that has no replica yet may be waiting for it to begin to answer.
		waits := !slices.ContainsFunc(servers, func(s catalog.Server) bool { return s.Node == n.ID })
		lost, answers := n.State == catalog.NodeLost, l.steady[n.ID] >= steadyRounds
		all = append(all, catalog.Candidate{
			Node: n.ID, Zone: n.Zone, Gone: lost && !answers,
			Up:       n.ID == l.n.id.Node || answers && !lost || waits,
			CaughtUp: l.indexes[n.ID]+nearlyThere >= view.Index(),
		})
	}
	return all
}

func (l *leading) change(ctx context.Context, c catalog.Change) error {
	switch c.Kind {
	case catalog.AddServer:
		return l.n.catalog.AddNode(ctx, c.Node)
	case catalog.PromoteServer:
		return l.n.catalog.Promote(ctx, c.Node)
	case catalog.DemoteServer:
		return l.n.catalog.Demote(ctx, c.Node)
	case catalog.RemoveServer:
		return l.n.catalog.Remove(ctx, c.Node)
	}
	panic("BUG: no change " + string(c.Kind))
}
