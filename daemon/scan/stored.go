package scan

import (
	"context"
	"errors"
	"iter"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/format"
)

// Part is some rows of a result: a batch, or, where the caller can decode
// them, a whole block as it is stored.
type Part struct {
	Batch arrow.RecordBatch // nil: a block
	Rows  int
	Pages [][]byte // of the block, one for each column of the result; not to be changed

	// Dictionaries come with the first block of a segment that needs any: those
	// of all columns of the result in that segment, nil where there is none.
	Dictionaries [][]byte
}

// Limits of a block that leaves as it is stored. Small ones are better joined
// into batches; and who decodes a block holds all of it, while batches may be
// as small as they need to be. Any block may be the one that the dictionaries
// of its segment go with.
const (
	minStoredRows   = 8 << 10
	maxStoredBytes  = 8 << 20  // of pages, and of dictionaries
	maxDecodedBytes = 64 << 20 // as far as types alone tell
)

// RunStored is Run for a caller who can decode pages that need nothing beyond
// what accept has: blocks of which the result is nothing but stored columns,
// with all rows, come as pages. The rows and their order are those of Run.
func (p *Plan) RunStored(ctx context.Context, o Opener, accept format.Features) iter.Seq2[Part, error] {
	if !p.passesThrough() {
		accept = 0
	}
	return p.result(ctx, func(w *writer) error { return p.run(ctx, o, accept, w) })
}

// result yields what run writes.
func (p *Plan) result(ctx context.Context, run func(*writer) error) iter.Seq2[Part, error] {
	return func(yield func(Part, error) bool) {
		w := &writer{ctx: ctx, p: p, yield: yield, skip: p.offset, left: p.limit}
		err := run(w)
		if err == nil {
			err = w.flush()
		}
		if err != nil && !errors.Is(err, errEnough) {
			yield(Part{}, wrap(err))
		}
	}
}

// passesThrough reports whether the result is columns of the table, as they
// come.
func (p *Plan) passesThrough() bool {
	if p.grouped || len(p.order) > 0 || p.limit != math.MaxInt64 || p.offset != 0 {
		return false
	}
	for _, n := range p.items {
		if _, bare := n.(*colNode); !bare {
			return false
		}
	}
	return true
}

// storedBlock is a block that leaves as it is stored.
type storedBlock struct {
	task
	fields []int32 // of the result
	pages  [][]byte
	shares bool // some page refers to a dictionary
}

// stored returns a task's block as it is stored, if it may leave so; else nil.
func (p *Plan) stored(ctx context.Context, t task, accept format.Features) (*piece, error) {
	if accept == 0 || !t.all || t.rows < minStoredRows {
		return nil, nil
	}
	b := &storedBlock{task: t, fields: make([]int32, len(p.items))}
	for i, n := range p.items {
		b.fields[i] = p.inputs[n.(*colNode).slot].field.ID
	}
	if ok, err := p.mayLeave(ctx, b, accept); !ok || err != nil {
		return nil, err
	}
	var err error
	if b.pages, err = t.r.Pages(ctx, t.block, b.fields); err != nil {
		return nil, readError(t, err)
	}
	out := &piece{n: t.rows, stored: b}
	for _, page := range b.pages {
		out.bytes += int64(len(page))
	}
	return out, nil
}

// mayLeave reports whether the columns of a block are there, of the types that
// they have in the result, and within the limits; and it finds out whether
// they share dictionaries.
func (p *Plan) mayLeave(ctx context.Context, b *storedBlock, accept format.Features) (bool, error) {
	var stored, dictionaries, decoded int64
	for i, id := range b.fields {
		if !b.r.Has(id) { // the column is younger than the segment
			return false, nil
		}
		c, err := b.r.Stored(ctx, id, b.block)
		if err != nil {
			return false, readError(b.task, err)
		}
		if c.Needs&^accept != 0 || !arrow.TypeEqual(c.Type, p.items[i].typ()) {
			return false, nil
		}
		b.shares = b.shares || c.Shares
		stored += c.Bytes
		dictionaries += c.Dictionary
		decoded += int64(b.rows) * leastBytes(c.Type)
	}
	fit := !b.shares || dictionaries <= maxStoredBytes
	return fit && stored <= maxStoredBytes && decoded <= maxDecodedBytes, nil
}

// dictionaries remembers the segment whose dictionaries have left already.
type dictionaries struct{ of *format.Reader }

// part returns a block that leaves, with the dictionaries of its segment if it
// is the first that needs them. They are read here, where that is known;
// expect has announced them to the disk.
func (d *dictionaries) part(ctx context.Context, b *storedBlock) (Part, error) {
	part := Part{Rows: b.rows, Pages: b.pages}
	if b.shares && d.of != b.r {
		var err error
		if part.Dictionaries, err = b.r.Dictionaries(ctx, b.fields); err != nil {
			return Part{}, readError(b.task, err)
		}
		d.of = b.r
	}
	return part, nil
}

func (w *writer) writeStored(b *storedBlock) error {
	part, err := w.shared.part(w.ctx, b)
	if err != nil {
		return err
	}
	return w.writeBlock(part)
}

// writeBlock yields a block as it is stored.
func (w *writer) writeBlock(part Part) error {
	if err := w.flush(); err != nil {
		return err
	}
	if !w.yield(part, nil) {
		return errEnough
	}
	return nil
}

// leastBytes is what a value takes at least, decoded.
func leastBytes(t arrow.DataType) int64 {
	if t, ok := t.(arrow.FixedWidthDataType); ok {
		return int64(t.BitWidth()+7) / 8
	}
	return 4 // an offset
}
