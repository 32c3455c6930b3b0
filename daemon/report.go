package daemon

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/health"
	"github.com/tarnlake/tarn/daemon/repair"
)

// report says how this node is.
func (n *Node) report() health.Report {
	r := health.Report{Node: n.id.Node, Rate: n.rebuilt.Rate(), Rebuilt: n.rebuilt.Total(), Backlog: n.backlogOfAll(), Clock: n.clockReport(), Unready: strings.Join(n.unfit(), "; ")}
	for _, m := range n.members.Media() {
		d := health.DiskReport{ID: m.ID(), Path: m.Dir()}
		if space, err := m.Space(); err == nil {
			d.Total, d.Free, d.Fill = space.Total, space.Free, m.Fill()
		}
		if err := cmp.Or(m.Suspect(), m.Wary()); err != nil {
			d.Doubt = err.Error()
		}
		if s, here := n.scrubOf(m.ID()); here {
			d.Scrub = scrubInfo(s)
		}
		r.Disks = append(r.Disks, d)
	}
	return r
}

func scrubInfo(s *repair.Scrub) wire.Scrub {
	st := s.State()
	return wire.Scrub{
		Running: !st.Pass.Started.IsZero(), Started: st.Pass.Started,
		Members: st.Pass.Members, Bytes: st.Pass.Bytes, Left: s.Left(), Bad: st.Pass.Bad, Stuck: st.Pass.Stuck,
		Last: st.Last.Ended, LastBytes: st.Last.Bytes, LastBad: st.Last.Bad, LastStuck: st.Last.Stuck,
	}
}

// encodeReport is the report for another node.
func (n *Node) encodeReport(context.Context) ([]byte, error) { return json.Marshal(n.report()) }

// reportTime is how long other nodes may take to report.
const reportTime = 2 * time.Second

// reports asks all nodes that are up how they are, at a time; those that do
// not answer are left out.
func (n *Node) reports(ctx context.Context, view *catalog.State) map[string]health.Report {
	ctx, cancel := context.WithTimeout(ctx, reportTime)
	defer cancel()
	var mu sync.Mutex
	var asked sync.WaitGroup
	all := map[string]health.Report{n.id.Node: n.report()}
	for _, other := range view.Nodes() {
		if n.network == nil || other.ID == n.id.Node || other.State != catalog.NodeUp {
			continue
		}
		asked.Go(func() {
			r, err := n.reportOf(ctx, other.ID)
			if err != nil {
				n.cfg.Logger.Debug("a node does not report", "node", other.ID, "error", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			all[other.ID] = r
		})
	}
	asked.Wait()
	return all
}

func (n *Node) reportOf(ctx context.Context, node string) (r health.Report, err error) {
	b, err := n.network.peers.Report(ctx, node)
	if err != nil {
		return r, err
	}
	err = json.Unmarshal(b, &r)
	return r, err
}
