package scan

import (
	"context"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/tarnlake/tarn/format"
)

// item is some of what a share comes to.
type item struct {
	kind   frameKind         // of the frame that it fits: rows, a block, states or members
	nth    int               // of the share's segments: where the rows are, or where groups first come
	agg    int               // of members: the aggregate whose values they are
	batch  arrow.RecordBatch // nil: a block
	block  *Part
	err    error // instead: what ended the share in that segment
	weight int64 // bytes, about
}

func (it *item) rows() int64 {
	switch {
	case it.batch != nil:
		return it.batch.NumRows()
	case it.block != nil:
		return int64(it.block.Rows)
	}
	return 0
}

func batchItem(kind frameKind, nth int, s *arrow.Schema, arrays []arrow.Array, n int) item {
	it := item{kind: kind, nth: nth, batch: array.NewRecordBatch(s, arrays, int64(n))}
	for _, a := range arrays {
		it.weight += arrayBytes(a)
	}
	return it
}

func blockItem(nth int, part Part) item {
	it := item{kind: frameBlock, nth: nth, block: &part}
	for _, b := range slices.Concat(part.Pages, part.Dictionaries) {
		it.weight += int64(len(b))
	}
	return it
}

// runShare scans the segments of p, which are those of a share, and hands on
// what they come to, in an order that is always the same: rows by segment, or
// by key and segment; groups by the segment in which they first come.
func (p *Plan) runShare(ctx context.Context, o Opener, accept format.Features, put func(item) error) error {
	b := &budget{limit: p.opts.MemoryBytes, pool: p.opts.Pool}
	defer b.release()
	switch p.yields() {
	case YieldGroups:
		return p.shareGroups(ctx, o, b, put)
	case YieldTop:
		return p.shareTop(ctx, o, b, put)
	case YieldSorted:
		return p.shareSorted(ctx, o, b, put)
	}
	return p.shareRows(ctx, o, accept, put)
}

func (p *Plan) shareRows(ctx context.Context, o Opener, accept format.Features, put func(item) error) error {
	left := p.window()
	var shared dictionaries
	for piece, err := range p.pieces(ctx, o, accept) {
		if err != nil {
			return err
		}
		if piece.stored != nil {
			part, err := shared.part(ctx, piece.stored)
			if err == nil {
				err = put(blockItem(piece.nth, part))
			}
			if err != nil {
				return &failure{piece.nth, err}
			}
			continue
		}
		n := min(left, int64(piece.n))
		if err := put(batchItem(frameRows, piece.nth, p.schema, sliced(piece.arrays, 0, n), int(n))); err != nil {
			return err
		}
		if left -= n; left == 0 {
			return nil
		}
	}
	return nil
}

// Rows that are sorted bring their sort keys and the places of their segments,
// behind their own columns: together these order the rows of all shares.
const sortColumns = 2

func withSortColumns(fields []arrow.Field) *arrow.Schema {
	return arrow.NewSchema(append(slices.Clone(fields),
		arrow.Field{Name: "sort_key", Type: arrow.BinaryTypes.Binary},
		arrow.Field{Name: "segment", Type: arrow.PrimitiveTypes.Int32}), nil)
}

// rowSchema returns the schema of rows as shares bring them.
func (p *Plan) rowSchema() *arrow.Schema {
	switch p.yields() {
	case YieldSorted:
		return withSortColumns(p.schema.Fields())
	case YieldTop:
		var fields []arrow.Field
		for _, slot := range p.shownSlots() {
			f := p.inputs[slot].field
			fields = append(fields, arrow.Field{Name: f.Name, Type: f.Type, Nullable: true})
		}
		return withSortColumns(fields)
	}
	return p.schema
}

// shownSlots returns the columns that the result of a top query is made of.
func (p *Plan) shownSlots() (slots []int) {
	for slot := range p.inputs {
		if p.shown(slot) {
			slots = append(slots, slot)
		}
	}
	return slots
}

func (p *Plan) shareSorted(ctx context.Context, o Opener, b *budget, put func(item) error) error {
	s, err := p.sorted(p.pieces(ctx, o, 0), b)
	if err != nil {
		return err
	}
	refs, err := s.order()
	if err != nil {
		return err
	}
	schema := p.rowSchema()
	for some := range slices.Chunk(refs, p.opts.BatchRows) {
		arrays, err := s.gather(some)
		if err != nil {
			return err
		}
		keys := convert(some, func(r ref) string { return viewString(s.key(r)) })
		nths := convert(some, func(r ref) int64 { return int64(s.pieces[r.piece].nthOf(r.row)) })
		if err := put(sortedItem(schema, arrays, keys, nths)); err != nil {
			return err
		}
	}
	return nil
}

func sortedItem(s *arrow.Schema, arrays []arrow.Array, keys []string, nths []int64) item {
	n := len(keys)
	key := &vec{typ: arrow.BinaryTypes.Binary, n: n, strs: keys}
	nth := &vec{typ: arrow.PrimitiveTypes.Int32, n: n, ints: nths}
	return batchItem(frameRows, 0, s, append(slices.Clone(arrays), key.array(), nth.array()), n)
}

// shareTop leaves the output to the node that asked: an expression that fails
// must fail for rows of the result alone.
func (p *Plan) shareTop(ctx context.Context, o Opener, b *budget, put func(item) error) error {
	rows, err := p.findRows(ctx, o, b)
	if len(rows) == 0 || err != nil {
		return err
	}
	arrays, err := p.readRows(ctx, rows, b, p.shownColumns)
	if err != nil {
		return err
	}
	keys := convert(rows, func(r topRow) string { return viewString(r.key) })
	nths := convert(rows, func(r topRow) int64 { return int64(r.t.nth) })
	return put(sortedItem(p.rowSchema(), arrays, keys, nths))
}

// shownColumns returns the columns of shownSlots.
func (p *Plan) shownColumns(b *batch) ([]arrow.Array, error) {
	return convert(p.shownSlots(), b.array), nil
}

// projectShown computes the output of rows of which only those columns are known.
func (p *Plan) projectShown(columns []arrow.Array, n int) ([]arrow.Array, error) {
	b := &batch{n: n, cols: make([]column, len(p.inputs))}
	for i, slot := range p.shownSlots() {
		b.cols[slot].arr = columns[i]
	}
	return p.project(b)
}
