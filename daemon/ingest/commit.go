package ingest

import (
	"context"
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/plant"
)

var memAllocator = memory.DefaultAllocator

// newTxn names one commit for all of its tries.
func (g *Ingester) newTxn() string {
	return fmt.Sprintf("%d-%d", g.Epoch, g.lastTxn.Add(1))
}

// newSegment is a durable segment that is not part of its table yet.
type newSegment struct {
	catalog.Segment
	stripe catalog.NewStripe
}

// commit makes segments part of a table; see Commit.
func (g *Ingester) commit(cmd catalog.CommitSegments, segments []newSegment) (catalog.Result, error) {
	for _, s := range segments {
		cmd.Segments, cmd.Stripes = append(cmd.Segments, s.Segment), append(cmd.Stripes, s.stripe)
	}
	return g.Commit(g.ctx, cmd)
}

// Commit puts a commit of this epoch, which has no txn id yet, through the
// catalog. If its outcome is unknown it is proposed again under the same id
// until ctx ends; its files are given up only on a positive "rejected" or
// "known already". Files of a commit that never got an answer wait for the
// next start, when the catalog says what became of them.
func (g *Ingester) Commit(ctx context.Context, cmd catalog.CommitSegments) (catalog.Result, error) {
	cmd.Txn, cmd.Epoch = g.newTxn(), g.Epoch
	return g.settle(ctx, cmd, g.Catalog.Propose)
}

// settle proposes a commit until there is an answer. A refusal is one only as
// long as no proposal before it may have gone through.
func (g *Ingester) settle(ctx context.Context, cmd catalog.CommitSegments, propose func(context.Context, catalog.Command) (catalog.Result, error)) (catalog.Result, error) {
	for first := true; ; first = false {
		r, err := propose(ctx, catalog.Command{CommitSegments: &cmd})
		switch {
		case err == nil && (r.Err != nil || r.Duplicate):
			g.discardStripes(cmd.Stripes, r.Index)
			return r, nil
		case err == nil:
			return r, nil
		case first && !wire.FromError(err).Retryable() || plant.On(plant.DiscardUnknown): // never proposed
			g.discardStripes(cmd.Stripes, g.Catalog.View().Index())
			return r, err
		}
		g.Logger.Warn("commit without an answer; trying again", "txn", cmd.Txn, "error", err)
		if !sleep(ctx, retryCommit) {
			return r, errStopping
		}
	}
}

// discard trashes segments that no commit refers to or will refer to.
func (g *Ingester) discard(segments []newSegment, index uint64) {
	for _, s := range segments {
		g.discardStripes([]catalog.NewStripe{s.stripe}, index)
	}
}

func (g *Ingester) discardStripes(stripes []catalog.NewStripe, index uint64) {
	for _, st := range stripes {
		if err := g.Members.Discard(st, index); err != nil {
			g.Logger.Warn("a stripe of a rejected commit stays until the next start", "stripe", st.ID, "error", err)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
