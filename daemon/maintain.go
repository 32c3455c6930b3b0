package daemon

import (
	"context"
	"time"

	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/ingest"
	"github.com/tarnlake/tarn/tiering"
)

// maintainEvery is how often old versions are let go and garbage is moved.
const maintainEvery = time.Minute

// maintain drops versions past their retention, moves the files that no
// version needs any more to the trash, and empties old trash.
func (n *Node) maintain(ctx context.Context) {
	tick := time.NewTicker(maintainEvery)
	defer tick.Stop()
	trash := trashClock{first: map[uint64]time.Time{}}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		n.expire(ctx)
		if err := n.catalog.KeepBallast(); err != nil {
			n.cfg.Logger.Warn("keeping room for deletes on a full disk", "error", err)
		}
		if err := n.medium.EmptyTrash(trash.olderThan(n.cfg.TrashFor)); err != nil {
			n.cfg.Logger.Warn("emptying the trash", "error", err)
		}
	}
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

// expire drops old versions and trashes the segments that went with them.
func (n *Node) expire(ctx context.Context) {
	if n.catalog.View().Expirable(time.Now()) {
		if _, err := n.catalog.Propose(ctx, catalog.Command{ExpireVersions: &catalog.ExpireVersions{}}); err != nil {
			n.cfg.Logger.Warn("dropping old versions", "error", err)
			return
		}
	}
	n.sweep(ctx)
}

// sweep moves the files of garbage segments to the trash and then tells the
// catalog to forget them, in this order: a crash in between repeats the move.
func (n *Node) sweep(ctx context.Context) {
	view := n.catalog.View()
	var gone []catalog.SegmentID
	for _, id := range view.Garbage() {
		n.readers.forget(id)
		if err := n.medium.Trash(ingest.MemberName(id), view.Index()); err != nil && !tiering.IsNotExist(err) {
			n.cfg.Logger.Warn("moving a segment to the trash", "segment", id, "error", err)
			continue
		}
		gone = append(gone, id)
	}
	if len(gone) == 0 {
		return
	}
	if _, err := n.catalog.Propose(ctx, catalog.Command{ForgetSegments: &catalog.ForgetSegments{IDs: gone}}); err != nil {
		n.cfg.Logger.Warn("forgetting trashed segments", "error", err)
	}
}

// reconcile compares the medium with the catalog at the start: files that no
// commit can ever refer to go to the trash, files that are missing are
// reported loudly, and everything unknown is left alone.
func (n *Node) reconcile() error {
	entries, err := n.medium.Inventory()
	if err != nil {
		return err
	}
	view := n.catalog.View()
	onDisk := map[catalog.SegmentID]bool{}
	for _, e := range entries {
		id, err := ingest.ParseMemberName(e.Name)
		if err != nil {
			n.cfg.Logger.Warn("a file that is not Tarn's is left alone", "file", e.Name)
			continue
		}
		onDisk[id] = true
		if view.Verdict(id) != catalog.Trash {
			continue
		}
		if err := n.medium.Trash(e.Name, view.Index()); err != nil {
			n.cfg.Logger.Warn("a file of an uncommitted write stays", "segment", id, "error", err)
			continue
		}
		n.cfg.Logger.Info("a file of an uncommitted write went to the trash", "segment", id)
	}
	for _, t := range view.Tables() {
		for _, s := range t.Segments {
			if !onDisk[s.ID] {
				n.cfg.Logger.Error("a committed segment is missing: scans of its table will fail", "table", t.Name, "segment", s.ID)
			}
		}
	}
	return nil
}
