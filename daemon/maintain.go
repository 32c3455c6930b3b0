package daemon

import (
	"context"
	"maps"
	"time"

	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/tiering"
)

// maintainEvery is how often old versions are let go and garbage is moved.
const maintainEvery = time.Minute

// maintain drops versions past their retention, moves the files that no
// version needs any more to the trash, and empties old trash.
func (n *Node) maintain(ctx context.Context) {
	tick := time.NewTicker(maintainEvery)
	defer tick.Stop()
	trash, moves := trashClock{first: map[uint64]time.Time{}}, movesFrom{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		n.expire(ctx)
		n.clearMoved(ctx, moves)
		if err := n.catalog.KeepBallast(); err != nil {
			n.cfg.Logger.Warn("keeping room for deletes on a full disk", "error", err)
		}
		ripe := trash.olderThan(n.cfg.TrashFor)
		for _, m := range n.members.Media() {
			if err := m.EmptyTrash(ripe); err != nil {
				n.cfg.Logger.Warn("emptying the trash", "disk", m.ID(), "error", err)
			}
		}
		n.relieve()
	}
}

// relieve empties the trash of disks that are nearly full before its time, the
// oldest first: from where merges stop on, room for rows is worth more than that
// a file can be brought back.
func (n *Node) relieve() {
	for _, m := range n.members.Media() {
		emptied, err := m.EmptyTrashAt(tiering.FillNoMerges)
		if err != nil {
			n.cfg.Logger.Warn("emptying the trash early", "disk", m.ID(), "error", err)
		}
		if emptied > 0 {
			n.cfg.Logger.Info("the trash was emptied early, the disk is nearly full", "disk", m.ID(), "deletions", emptied)
		}
	}
}

// movesFrom counts the slots that are on their way off each disk of this node.
type movesFrom map[string]int

// clearMoved trashes what moves that have ended since the last call have left
// on the disks that they were from.
func (n *Node) clearMoved(ctx context.Context, before movesFrom) {
	now := movesFrom{}
	for _, g := range n.catalog.View().Groups() {
		for _, s := range g.Slots {
			if s.From != "" {
				now[s.From]++
			}
		}
	}
	for _, m := range n.members.Media() {
		if now[m.ID()] < before[m.ID()] {
			if _, err := n.sweeper.Reconcile(ctx, m); err != nil {
				n.cfg.Logger.Warn("clearing what has moved away", "disk", m.ID(), "error", err)
				now[m.ID()] = before[m.ID()] // again
			}
		}
	}
	clear(before)
	maps.Copy(before, now)
}

// trashClock says how long this process has seen a trash directory. Its
// entries are garbage by the catalog's word already; the wait is only there
// so that an operator can bring a file back.
type trashClock struct{ first map[uint64]time.Time }

func (c trashClock) olderThan(age time.Duration) func(index uint64) bool {
	now := time.Now()
	return func(index uint64) bool {
		if _, ok := c.first[index]; !ok {
			c.first[index] = now
		}
		return now.Sub(c.first[index]) > age
	}
}

// expire drops old versions, unless this node's clock cannot be believed, and
// trashes the segments that went with them.
func (n *Node) expire(ctx context.Context) {
	if n.catalog.Leads() && n.clock.Wrong() == nil && n.catalog.View().Expirable(n.clock.Now()) {
		if _, err := n.catalog.Propose(ctx, catalog.Command{ExpireVersions: &catalog.ExpireVersions{}}); err != nil {
			n.cfg.Logger.Warn("dropping old versions", "error", err)
			return
		}
	}
	n.sweeper.Sweep(ctx, n.catalog.View())
}
