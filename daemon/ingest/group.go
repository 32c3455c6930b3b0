package ingest

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/plant"
	"github.com/tarnlake/tarn/schema"
	"golang.org/x/sync/errgroup"
)

// groupBytes ends a group before its interval does.
const groupBytes = 8 << 20

// A request is one Append that waits for its commit.
type request struct {
	batch arrow.RecordBatch
	id    wire.BatchID
	bytes int64

	done    chan struct{} // closed when receipt and err are set
	receipt wire.Receipt
	err     error
}

func (r *request) finish(receipt wire.Receipt, err error) {
	receipt.Seq = r.id.Seq
	r.receipt, r.err = receipt, err
	close(r.done)
}

// A group gathers the appends of one table. One goroutine per table collects,
// writes and commits; what arrives meanwhile is the next group.
type group struct {
	g     *Ingester
	table catalog.TableID
	name  string
	in    chan *request

	mu      sync.Mutex
	waiting map[wire.BatchID]*request // so that a retry joins its first try
}

// Append adds the rows of batch to a table and returns when they are durable
// and visible. The batch must not change before that. With a producer, a
// batch that was committed before is not added again.
func (g *Ingester) Append(ctx context.Context, table string, batch arrow.RecordBatch, id wire.BatchID) (wire.Receipt, error) {
	return g.AppendAgain(ctx, table, batch, id, 0)
}

// AppendAgain is Append for a batch that the client has sent first so long ago
// (0: it has not). It is refused with wire.LimitExceeded when its producer may have
// been forgotten since: then nobody knows whether it is a duplicate.
func (g *Ingester) AppendAgain(ctx context.Context, table string, batch arrow.RecordBatch, id wire.BatchID, waited time.Duration) (wire.Receipt, error) {
	t, err := g.find(ctx, table)
	if err != nil {
		return wire.Receipt{}, err
	}
	if waited > 0 && id.Producer != "" {
		if err := g.remembered(ctx, t, id, waited); err != nil {
			return wire.Receipt{}, err
		}
	}
	gr, err := g.group(t)
	if err != nil {
		return wire.Receipt{}, err
	}
	r, err := gr.join(ctx, batch, id)
	if err != nil {
		return wire.Receipt{}, err
	}
	select {
	case <-r.done:
		return r.receipt, r.err
	case <-ctx.Done():
		return wire.Receipt{}, wire.Errorf(wire.Canceled, "the append was canceled before its commit was known: %w", ctx.Err())
	}
}

// clockSlack is how far the clocks of two nodes may be apart here.
const clockSlack = time.Minute

// remembered refuses a batch of which the catalog may have forgotten that it is
// committed.
func (g *Ingester) remembered(ctx context.Context, t *catalog.Snapshot, id wire.BatchID, waited time.Duration) error {
	view, err := g.Catalog.Read(ctx)
	if err != nil {
		return err
	}
	if _, ok := view.CommittedBatch(t.ID, id); ok || !view.MayHaveForgotten(t.ID, time.Now().Add(-waited-clockSlack)) {
		return nil
	}
	return wire.Errorf(wire.LimitExceeded, "batch %d of producer %q was sent first %v ago, and table %q has had so many producers since that it is not known whether it is committed", id.Seq, id.Producer, waited.Round(time.Second), t.Name).
		WithHint("look for its rows in the table before they are appended again")
}

// find finds a table. What this node knows will do, unless it does not know
// the table: another node may just have made it.
func (g *Ingester) find(ctx context.Context, table string) (*catalog.Snapshot, error) {
	if t, err := g.Catalog.View().Table(table); err == nil {
		return t, nil
	}
	view, err := g.Catalog.Read(ctx)
	if err != nil {
		return nil, err
	}
	return view.Table(table)
}

func (g *Ingester) group(t *catalog.Snapshot) (*group, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ctx.Err() != nil {
		return nil, errStopping
	}
	gr := g.groups[t.ID]
	if gr == nil {
		gr = &group{g: g, table: t.ID, name: t.Name, in: make(chan *request, 256), waiting: map[wire.BatchID]*request{}}
		g.groups[t.ID] = gr
		g.wg.Go(gr.run)
	}
	return gr, nil
}

// join queues a batch, or finds the request of the same batch that is already
// under way.
func (gr *group) join(ctx context.Context, batch arrow.RecordBatch, id wire.BatchID) (*request, error) {
	r := &request{batch: batch, id: id, bytes: schema.BatchBytes(batch), done: make(chan struct{})}
	if id.Producer != "" {
		gr.mu.Lock()
		first := gr.waiting[id]
		if first == nil {
			gr.waiting[id] = r
		}
		gr.mu.Unlock()
		if first != nil {
			return first, nil
		}
	}
	select {
	case gr.in <- r:
		return r, nil
	case <-gr.g.ctx.Done():
		gr.answer(r, wire.Receipt{}, errStopping)
		return r, nil
	case <-ctx.Done():
		// Unavailable, not Canceled: a retry that has joined this request may try again.
		err := wire.Errorf(wire.Unavailable, "the append was canceled before it began: %w", ctx.Err())
		gr.answer(r, wire.Receipt{}, err)
		return nil, err
	}
}

func (gr *group) answer(r *request, receipt wire.Receipt, err error) {
	gr.mu.Lock()
	delete(gr.waiting, r.id)
	gr.mu.Unlock()
	r.finish(receipt, err)
}

func (gr *group) run() {
	for {
		select {
		case first := <-gr.in:
			gr.flush(gr.collect(first))
		case <-gr.g.ctx.Done():
			gr.drain()
			return
		}
	}
}

// drain fails what still waits when the node stops.
func (gr *group) drain() {
	for {
		select {
		case r := <-gr.in:
			gr.answer(r, wire.Receipt{}, errStopping)
		default:
			return
		}
	}
}

// collect gathers requests until the table's flush interval or groupBytes.
func (gr *group) collect(first *request) []*request {
	all, bytes := []*request{first}, first.bytes
	timer := time.NewTimer(gr.interval())
	defer timer.Stop()
	for bytes < groupBytes {
		select {
		case r := <-gr.in:
			all = append(all, r)
			bytes += r.bytes
		case <-timer.C:
			return all
		case <-gr.g.ctx.Done():
			return all
		}
	}
	return all
}

// DefaultFlushInterval is how long an append waits for others to join it.
const DefaultFlushInterval = 20 * time.Millisecond

func (gr *group) interval() time.Duration {
	asked := DefaultFlushInterval
	if t, err := gr.g.Catalog.View().TableByID(gr.table); err == nil && t.Options.FlushInterval > 0 {
		asked = t.Options.FlushInterval
	}
	return slowed(asked, gr.g.backlog(gr.table))
}

// flush commits the requests together and answers each of them.
func (gr *group) flush(all []*request) {
	view, err := gr.g.Catalog.Read(gr.g.ctx)
	if err != nil {
		gr.answerAll(all, wire.Receipt{}, err)
		return
	}
	t, err := view.TableByID(gr.table)
	if err != nil {
		gr.answerAll(all, wire.Receipt{}, wire.Errorf(wire.TableNotFound, "table %q was dropped", gr.name))
		return
	}
	if err := gr.g.admit(t.ID, t.Name); err != nil {
		gr.answerAll(all, wire.Receipt{}, err)
		return
	}
	fresh, parts := gr.prepare(view, t, all)
	if len(fresh) == 0 {
		return
	}
	segments, err := gr.write(t, parts)
	if err != nil {
		gr.answerAll(fresh, wire.Receipt{}, err)
		return
	}
	gr.commit(t, fresh, segments)
}

func (gr *group) answerAll(all []*request, receipt wire.Receipt, err error) {
	for _, r := range all {
		gr.answer(r, receipt, err)
	}
}

// buffered is the rows of one partition.
type buffered struct {
	values  []schema.PartitionValue
	batches []arrow.RecordBatch
}

// prepare answers the requests that are already committed or do not fit the
// table, and returns the others with their rows by partition.
func (gr *group) prepare(view *catalog.State, t *catalog.Snapshot, all []*request) ([]*request, map[string]*buffered) {
	as := t.Schema.Arrow()
	var fresh []*request
	parts := map[string]*buffered{}
	for _, r := range all {
		if v, ok := view.CommittedBatch(t.ID, r.id); ok {
			gr.answer(r, wire.Receipt{Version: int64(v), Duplicate: true}, nil)
			continue
		}
		cut, err := gr.cut(t, r.batch)
		if err != nil || r.batch.NumRows() == 0 {
			gr.answer(r, wire.Receipt{Version: int64(t.Version)}, err)
			continue
		}
		fresh = append(fresh, r)
		for _, p := range cut {
			b := parts[p.key]
			if b == nil {
				b = &buffered{values: p.values}
				parts[p.key] = b
			}
			b.batches = append(b.batches, array.NewRecordBatch(as, p.cols, int64(p.rows)))
		}
	}
	return fresh, parts
}

// cut fits a batch to the table and splits it. A panic on the way is a bug of
// ours that this batch has met: it fails the batch, and the others go on.
func (gr *group) cut(t *catalog.Snapshot, batch arrow.RecordBatch) (_ []part, err error) {
	defer func() {
		if p := recover(); p != nil {
			gr.g.Logger.Error("panic while taking a batch", "table", t.Name, "panic", p, "stack", string(debug.Stack()))
			err = wire.Errorf(wire.Internal, "the node met a bug of its own while taking this batch: %v", p)
		}
	}()
	if err := check(batch); err != nil {
		return nil, err
	}
	if plainBytes(t.Schema, batch, maxAppend) > maxAppend {
		return nil, wire.Errorf(wire.LimitExceeded, "an append of more than %d MiB of rows", maxAppend>>20).
			WithHint("append smaller batches, or load them: a load has no limit and is one commit")
	}
	cols, err := conform(memAllocator, t.Name, t.Schema, batch)
	if err != nil {
		return nil, err
	}
	return split(gr.g.ctx, t.Schema, t.PartitionBy, cols, int(batch.NumRows()))
}

func (gr *group) write(t *catalog.Snapshot, parts map[string]*buffered) ([]newSegment, error) {
	var writers errgroup.Group
	writers.SetLimit(8)
	var mu sync.Mutex
	var segments []newSegment
	for _, b := range parts {
		writers.Go(func() error {
			s, err := gr.g.placeSegment(gr.g.ctx, t, b.values, b.batches)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			segments = append(segments, *s)
			return nil
		})
	}
	if err := writers.Wait(); err != nil {
		gr.g.discard(segments, gr.g.Catalog.View().Index())
		return nil, err
	}
	return segments, nil
}

func (gr *group) commit(t *catalog.Snapshot, fresh []*request, segments []newSegment) {
	ids := make([]wire.BatchID, 0, len(fresh))
	for _, r := range fresh {
		if r.id.Producer != "" {
			ids = append(ids, r.id)
		}
	}
	if plant.On(plant.AckEarly) {
		gr.answerAll(fresh, wire.Receipt{}, nil)
		fresh = nil
	}
	res, err := gr.g.commit(catalog.CommitSegments{
		Table: t.ID, SchemaID: t.Schema.ID,
		Producers: ids, Operation: "append",
	}, segments)
	if err == nil && res.Err != nil {
		err = res.Err
	}
	if err != nil && errors.Is(err, context.Canceled) {
		err = errStopping
	}
	for _, r := range fresh {
		if err != nil {
			gr.answer(r, wire.Receipt{}, err)
			continue
		}
		gr.answer(r, wire.Receipt{Version: int64(res.Version), Rows: r.batch.NumRows(), Segments: len(segments)}, nil)
	}
}
