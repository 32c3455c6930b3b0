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
}

// Limits of a block that leaves as it is stored. Small ones are better joined
// into batches; and who decodes a block holds all of it, while batches may be
// as small as they need to be.
const (
	minStoredRows   = 8 << 10
	maxStoredBytes  = 8 << 20
	maxDecodedBytes = 64 << 20 // as far as types alone tell
)

// RunStored is Run for a caller who can decode pages that need nothing beyond
// what accept has: blocks of which the result is nothing but stored columns,
// with all rows, come as pages. The rows and their order are those of Run.
func (p *Plan) RunStored(ctx context.Context, o Opener, accept format.Features) iter.Seq2[Part, error] {
	if !p.passesThrough() {
		accept = 0
	}
	return func(yield func(Part, error) bool) {
		w := &writer{p: p, yield: yield, skip: p.offset, left: p.limit}
		err := p.run(ctx, o, accept, w)
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

// stored returns the pages of a task's block, if it may leave as it is stored;
// else nil.
func (p *Plan) stored(ctx context.Context, t task, accept format.Features) (*piece, error) {
	if accept == 0 || !t.all || t.rows < minStoredRows {
		return nil, nil
	}
	ids := make([]int32, len(p.items))
	for i, n := range p.items {
		ids[i] = p.inputs[n.(*colNode).slot].field.ID
	}
	if ok, err := p.mayLeave(ctx, t, ids, accept); !ok || err != nil {
		return nil, err
	}
	columns, err := t.r.ReadColumns(ctx, t.block, ids)
	if err != nil {
		return nil, readError(t, err)
	}
	out := &piece{n: t.rows}
	for _, c := range columns {
		out.pages = append(out.pages, c.Page())
		out.bytes += int64(len(c.Page()))
	}
	return out, nil
}

// mayLeave reports whether the columns of a block are there, of the types that
// they have in the result, and within the limits.
func (p *Plan) mayLeave(ctx context.Context, t task, ids []int32, accept format.Features) (bool, error) {
	var stored, decoded int64
	for i, id := range ids {
		if !t.r.Has(id) { // the column is younger than the segment
			return false, nil
		}
		c, err := t.r.Stored(ctx, id, t.block)
		if err != nil {
			return false, readError(t, err)
		}
		if c.Needs&^accept != 0 || !arrow.TypeEqual(c.Type, p.items[i].typ()) {
			return false, nil
		}
		stored += c.Bytes
		decoded += int64(t.rows) * leastBytes(c.Type)
	}
	return stored <= maxStoredBytes && decoded <= maxDecodedBytes, nil
}

// leastBytes is what a value takes at least, decoded.
func leastBytes(t arrow.DataType) int64 {
	if t, ok := t.(arrow.FixedWidthDataType); ok {
		return int64(t.BitWidth()+7) / 8
	}
	return 4 // an offset
}
