package ingest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
)

// Load is one atomic commit in the making. It is not safe for concurrent use;
// end it with Commit or Abort.
type Load struct {
	g     *Ingester
	table *catalog.Snapshot
	as    *arrow.Schema
	key   string
	rows  int64 // taken
	fill  filling

	mu      sync.Mutex
	written []newSegment
	command int // bytes that the segments will take in the commit
}

// NewLoad begins a load. When the table has already committed the key, it
// returns that commit's receipt instead.
func (g *Ingester) NewLoad(ctx context.Context, table, key string) (*Load, *wire.Receipt, error) {
	if g.ctx.Err() != nil {
		return nil, nil, errStopping
	}
	view, err := g.Catalog.Read(ctx)
	if err != nil {
		return nil, nil, err
	}
	t, err := view.Table(table)
	if err != nil {
		return nil, nil, err
	}
	if v, ok := view.CommittedKey(t.ID, key); ok {
		return nil, &wire.Receipt{Version: int64(v), Duplicate: true}, nil
	}
	if err := g.admit(t.ID, t.Name); err != nil {
		return nil, nil, err
	}
	g.loads.Add(1)
	l := &Load{g: g, table: t, as: t.Schema.Arrow(), key: key}
	l.fill = newFilling(ctx, g, t, l.add)
	return l, nil, nil
}

// Write takes the rows of a batch, which stays the caller's.
func (l *Load) Write(ctx context.Context, batch arrow.RecordBatch) error {
	if err := l.fill.failed(); err != nil {
		return err
	}
	if err := check(batch); err != nil {
		return err
	}
	if batch.NumRows() == 0 { // its columns may still not fit
		return l.take(ctx, batch)
	}
	for part, err := range pieces(l.table.Schema, batch) {
		if err != nil {
			return err
		}
		if err := l.take(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// take takes the rows of a batch of bounded size.
func (l *Load) take(ctx context.Context, batch arrow.RecordBatch) error {
	cols, err := conform(memAllocator, l.table.Name, l.table.Schema, batch)
	if err != nil {
		return err
	}
	parts, err := split(ctx, l.table.Schema, l.table.PartitionBy, cols, int(batch.NumRows()))
	if err != nil {
		return err
	}
	for _, p := range parts {
		if err := l.fill.gather(p.key, p.values, array.NewRecordBatch(l.as, p.cols, int64(p.rows))); err != nil {
			return err
		}
	}
	l.rows += batch.NumRows()
	return nil
}

// add notes a segment that has been written.
func (l *Load) add(s *newSegment) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.written = append(l.written, *s)
	return l.checkCommand(s)
}

// checkCommand ends a load whose commit would not fit one command, before all
// of its segments are written.
func (l *Load) checkCommand(s *newSegment) error {
	segment, err1 := json.Marshal(s.Segment)
	stripe, err2 := json.Marshal(s.stripe)
	err := errors.Join(err1, err2)
	if l.command += len(segment) + len(stripe) + 2; err == nil && l.command > catalog.MaxCommandBytes-commandRoom {
		err = wire.Errorf(wire.LimitExceeded, "the load has %d segments, more than one commit can name", len(l.written)).
			WithHint("load fewer partitions at a time, or partition more coarsely")
	}
	return err
}

// commandRoom is what a command has beside its segments.
const commandRoom = 64 << 10

// Rows returns how many rows the load has taken.
func (l *Load) Rows() int64 { return l.rows }

// Commit writes what is left and makes all rows of the load one version of
// the table. A load without rows makes none.
func (l *Load) Commit() (wire.Receipt, error) {
	defer l.end()
	if err := l.fill.finish(); err != nil {
		l.g.discard(l.written, l.g.Catalog.View().Index())
		return wire.Receipt{}, err
	}
	slices.SortFunc(l.written, func(a, b newSegment) int { return cmp.Compare(a.ID, b.ID) }) // as they were begun
	if l.rows == 0 {
		return wire.Receipt{Version: int64(l.table.Version)}, nil
	}
	r, err := l.g.commit(catalog.CommitSegments{
		Table: l.table.ID, SchemaID: l.table.Schema.ID,
		Key: l.key, Operation: "append",
	}, l.written)
	if err == nil && r.Err != nil {
		err = r.Err
	}
	if err != nil {
		return wire.Receipt{}, err
	}
	if r.Duplicate {
		return wire.Receipt{Version: int64(r.Version), Duplicate: true}, nil
	}
	return receipt(r, l.written), nil
}

func receipt(r catalog.Result, segments []newSegment) wire.Receipt {
	out := wire.Receipt{Version: int64(r.Version), Segments: len(segments)}
	for _, s := range segments {
		out.Rows += s.Rows
		out.Bytes += s.Bytes
	}
	return out
}

// Abort gives the load up: nothing of it becomes visible.
func (l *Load) Abort() {
	defer l.end()
	l.fill.abandon()
	l.g.discard(l.written, l.g.Catalog.View().Index())
}

func (l *Load) end() { l.g.loads.Add(-1) }
