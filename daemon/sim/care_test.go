package sim

import (
	"context"
	"time"

	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/ingest"
	"github.com/tarnlake/tarn/daemon/merge"
	"github.com/tarnlake/tarn/daemon/repair"
	"github.com/tarnlake/tarn/tiering"
)

// openScrubs makes the scrubs of the disks, which go on where the last life
// has left them.
func (l *life) openScrubs() {
	for _, m := range l.members.Media() {
		cfg := repair.ScrubConfig{
			Disk: m.ID(), Members: l.members, View: l.catalog().View, Logger: l.c.logger,
			Compare: l.sweeper.ReconcileDisk, Found: l.damagedFound, Every: l.c.cfg.scrub, Wait: l.c.cfg.scrub / 4,
			Keep: func(st repair.ScrubState) error { l.node.keepScrub(l, m.ID(), st); return nil },
		}
		l.scrubs = append(l.scrubs, repair.NewScrub(cfg, l.node.scrubState(m.ID())))
	}
}

// keepScrub makes durable how far a scrub is, if there is power for it.
func (n *node) keepScrub(l *life, disk string, st repair.ScrubState) {
	if !l.power.change() {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.scrubbed[disk] = st
}

func (n *node) scrubState(disk string) repair.ScrubState {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.scrubbed[disk]
}

// damagedFound is told of a member that a scrub has found to be bad.
func (l *life) damagedFound(ctx context.Context, at catalog.MemberAt, why error) bool {
	l.c.check.reported(at)
	return l.sweeper.Damaged(ctx, at, why)
}

// newMerger is that of package daemon, for small segments.
func (l *life) newMerger(g *ingest.Ingester) *merge.Merger {
	return merge.New(merge.Config{
		Node: l.node.id, View: l.catalog().View, Ingest: g, Members: l.members, Open: l.OpenSegment,
		Scheme: func(view *catalog.State) tiering.Scheme { return repair.MergedScheme(view, "hot") },
		Logger: l.c.logger, Target: l.c.cfg.target, Memory: 64 << 20,
	})
}

// scrubAll has every disk read back once, at full pace, and waits for it. A
// node that loses its power meanwhile begins anew when it is back.
func (c *cluster) scrubAll() bool {
	begun := time.Now()
	return c.until(5*time.Minute, func() bool {
		lives := c.serving()
		done := len(lives) == len(c.nodes)
		for _, l := range lives {
			for _, s := range l.scrubs {
				st := s.State()
				if st.Last.Full && !st.Last.Started.Before(begun) {
					continue
				}
				if done = false; !st.Pass.Full || st.Pass.Started.Before(begun) {
					s.Start()
				}
			}
		}
		return done
	})
}
