package scan

import (
	"bytes"
	"context"
	"errors"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/format"
)

// Run reads the plan's blocks and yields the result in batches. A batch is
// good until the next one is asked for; who keeps it longer retains it. After
// an error nothing more is yielded: CANCELED or DEADLINE_EXCEEDED when ctx
// ends, LIMIT_EXCEEDED past the memory limit, INVALID_ARGUMENT for a value
// that cannot be computed, and what the Opener and the segments' readers say.
// When the loop is left, all work stops before Run returns.
func (p *Plan) Run(ctx context.Context, o Opener) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for part, err := range p.RunStored(ctx, o, 0) {
			if !yield(part.Batch, err) {
				return
			}
		}
	}
}

// wrap gives the end of a context and a damaged file their place in the table
// of errors.
func wrap(err error) error {
	if f, ok := errors.AsType[*failure](err); ok {
		err = f.err
	}
	var e *wire.Error
	switch {
	case errors.As(err, &e):
		return err
	case errors.Is(err, context.Canceled):
		return wire.Errorf(wire.Canceled, "the query was canceled: %w", err)
	case errors.Is(err, context.DeadlineExceeded):
		return wire.Errorf(wire.DeadlineExceeded, "the query ran out of time: %w", err)
	case errors.Is(err, format.ErrCorrupt):
		return wire.Errorf(wire.Corrupt, "%w", err).WithHint("tarn segment verify")
	case errors.Is(err, format.ErrUnsupported):
		return wire.Errorf(wire.Unsupported, "%w", err)
	}
	return err
}

// errEnough ends a scan whose result is complete: LIMIT is met, or the
// consumer has left.
var errEnough = errors.New("enough rows")

func (p *Plan) run(ctx context.Context, o Opener, accept format.Features, w *writer) error {
	if p.limit == 0 {
		return nil
	}
	b := &budget{limit: p.opts.MemoryBytes, pool: p.opts.Pool}
	defer b.release()
	if p.isTop() {
		return p.runTop(ctx, o, b, w)
	}
	pieces := p.pieces(ctx, o, accept)
	switch {
	case p.grouped:
		return p.runGrouped(pieces, b, w)
	case len(p.order) > 0:
		return p.runSorted(pieces, b, w)
	}
	for piece, err := range pieces {
		if err != nil {
			return err
		}
		if err := w.writePiece(piece); err != nil {
			return err
		}
	}
	return nil
}

// pieces works on the tasks in parallel and yields what they leave, in order.
func (p *Plan) pieces(ctx context.Context, o Opener, accept format.Features) iter.Seq2[*piece, error] {
	line := &pipe[task, *piece]{heldBytes: p.opts.MemoryBytes / 4, pool: p.opts.Pool, work: func(ctx context.Context, t task) (*piece, error) {
		out, err := p.stored(ctx, t, accept)
		if out == nil && err == nil {
			out, err = p.work(ctx, t)
		}
		if err != nil {
			return nil, &failure{t.nth, err}
		}
		if out != nil {
			out.nth = t.nth
		}
		return out, nil
	}}
	return func(yield func(*piece, error) bool) {
		for piece, err := range line.run(ctx, p.tasks(ctx, o)) {
			if piece == nil && err == nil {
				continue
			}
			if !yield(piece, err) {
				return
			}
		}
	}
}

func (p *Plan) runSorted(pieces iter.Seq2[*piece, error], b *budget, w *writer) error {
	s, err := p.sorted(pieces, b)
	if err != nil {
		return err
	}
	return s.emit(w)
}

// sorted collects the rows of all pieces that may be in the result.
func (p *Plan) sorted(pieces iter.Seq2[*piece, error], b *budget) (*sorter, error) {
	s := &sorter{window: p.window(), budget: b}
	for piece, err := range pieces {
		if err == nil {
			err = s.add(piece)
		}
		if err != nil {
			return nil, err
		}
	}
	return s, nil
}

// merged merges the groups of all pieces. It calls each, if it is not nil,
// when a piece has been merged.
func (p *Plan) merged(pieces iter.Seq2[*piece, error], b *budget, each func(*partial, *piece)) (*partial, error) {
	total, held := p.newPartial(), int64(0)
	for piece, err := range pieces {
		if err != nil {
			return nil, err
		}
		total.merge(piece.part)
		now := total.bytes()
		if err := b.take(now-held, "GROUP BY and DISTINCT"); err != nil {
			return nil, err
		}
		held = now
		if each != nil {
			each(total, piece)
		}
		piece.part.release()
	}
	return total, nil
}

// runGrouped merges the groups of all blocks, then treats them as the rows of
// a small table of keys and aggregates.
func (p *Plan) runGrouped(pieces iter.Seq2[*piece, error], b *budget, w *writer) error {
	total, err := p.merged(pieces, b, nil)
	if err != nil {
		return err
	}
	rows, err := p.groupRows(total)
	if err != nil {
		return err
	}
	s := &sorter{window: p.window(), budget: b}
	for part := range rows.chunks(groupChunk) {
		out, err := p.groupPiece(part)
		if err != nil {
			return err
		}
		if len(p.order) == 0 {
			err = w.write(out.arrays, out.n)
		} else {
			err = s.add(out)
		}
		if err != nil {
			return err
		}
	}
	return s.emit(w)
}

// groupChunk is how many groups become rows of the result at a time.
const groupChunk = 64 << 10

// groupPiece turns groups into rows, only those that can be in the result.
func (p *Plan) groupPiece(rows *batch) (out *piece, err error) {
	out = &piece{}
	if out.keys, err = p.sortKeys(rows); err != nil {
		return nil, err
	}
	if len(p.order) > 0 && int64(rows.n) > p.window() {
		top := smallest(out.keys, int(p.window()))
		rows, out.keys = rows.take(top), convert(gather(out.keys, top), bytes.Clone)
	}
	out.n = rows.n
	out.arrays, err = p.project(rows)
	out.measure()
	return out, err
}

// groupRows returns the groups that HAVING keeps.
func (p *Plan) groupRows(total *partial) (*batch, error) {
	b := &batch{n: total.groups.n}
	for _, k := range total.groups.keyVecs() {
		b.cols = append(b.cols, column{vec: k})
	}
	for _, a := range total.aggs {
		v, err := a.result()
		if err != nil {
			return nil, err
		}
		b.cols = append(b.cols, column{vec: v})
	}
	if p.having == nil {
		return b, nil
	}
	v, err := p.having.eval(b, nil)
	if err != nil {
		return nil, err
	}
	return b.take(v.truth().rows(b.n)), nil
}

// writer cuts rows into batches, past OFFSET and up to LIMIT. Small pieces
// wait until there are enough of them for a batch.
type writer struct {
	ctx     context.Context
	p       *Plan
	yield   func(Part, error) bool
	skip    int64
	left    int64
	waiting []*piece
	rows    int
	shared  dictionaries
}

// writePiece takes the rows of a piece, in whichever shape they are.
func (w *writer) writePiece(out *piece) error {
	switch {
	case out.stored != nil:
		return w.writeStored(out.stored)
	case out.block != nil:
		return w.writeBlock(*out.block)
	}
	return w.write(out.arrays, out.n)
}

// write takes rows. It returns errEnough when no more are wanted.
func (w *writer) write(arrays []arrow.Array, n int) error {
	from := min(w.skip, int64(n))
	w.skip -= from
	to := min(int64(n), from+min(w.left, int64(n)))
	w.left -= to - from
	if to > from {
		w.rows += int(to - from)
		w.waiting = append(w.waiting, &piece{n: int(to - from), arrays: sliced(arrays, from, to)})
	}
	if w.rows < w.p.opts.BatchRows && w.left > 0 {
		return nil
	}
	if err := w.flush(); err != nil {
		return err
	}
	if w.left == 0 {
		return errEnough
	}
	return nil
}

func sliced(arrays []arrow.Array, from, to int64) []arrow.Array {
	if from == 0 && len(arrays) > 0 && to == int64(arrays[0].Len()) {
		return arrays
	}
	out := make([]arrow.Array, len(arrays))
	for i, a := range arrays {
		out[i] = array.NewSlice(a, from, to)
	}
	return out
}

// flush yields the rows that wait.
func (w *writer) flush() error {
	if w.rows == 0 {
		return nil
	}
	all, err := joined(w.waiting)
	w.waiting, w.rows = nil, 0
	if err != nil {
		return err
	}
	for from := 0; from < all.n; from += w.p.opts.BatchRows {
		to := min(all.n, from+w.p.opts.BatchRows)
		rec := array.NewRecordBatch(w.p.schema, sliced(all.arrays, int64(from), int64(to)), int64(to-from))
		ok := w.yield(Part{Batch: rec, Rows: to - from}, nil)
		rec.Release()
		if !ok {
			return errEnough
		}
	}
	return nil
}
