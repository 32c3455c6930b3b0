package ingest

import (
	"context"
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
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

// commit makes segments part of a table. A commit whose outcome is unknown is
// proposed again under the same txn id until the node stops; the files are
// given up only on a positive "rejected" or "known already". Files of a
// commit that never got an answer wait for the next start, when the catalog
// says what became of them.
func (g *Ingester) commit(cmd catalog.CommitSegments, segments []newSegment) (catalog.Result, error) {
	for _, s := range segments {
		cmd.Segments, cmd.Stripes = append(cmd.Segments, s.Segment), append(cmd.Stripes, s.stripe)
	}
	for {
		r, err := g.Catalog.Propose(g.ctx, catalog.Command{CommitSegments: &cmd})
		switch {
		case err == nil && (r.Err != nil || r.Duplicate):
			g.discard(segments, r.Index)
			return r, nil
		case err == nil:
			return r, nil
		case !wire.FromError(err).Retryable(): // never proposed
			g.discard(segments, g.Catalog.View().Index())
			return r, err
		}
		g.Logger.Warn("commit without an answer; trying again", "txn", cmd.Txn, "error", err)
		if !sleep(g.ctx, retryCommit) {
			return r, errStopping
		}
	}
}

// discard trashes segments that no commit refers to or will refer to.
func (g *Ingester) discard(segments []newSegment, index uint64) {
	for _, s := range segments {
		if err := g.Members.Discard(s.stripe, index); err != nil {
			g.Logger.Warn("segment of a rejected commit stays until the next start", "segment", s.ID, "error", err)
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
