package scan

import (
	"iter"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/format/codec"
	"github.com/tarnlake/tarn/index"
)

// node is an expression bound to columns and types.
type node interface {
	typ() arrow.DataType

	// eval returns the values of the rows of b. A value that cannot be
	// computed (an overflow, a failed cast) is an error only in the rows of
	// live, where nil stands for all of them: what stands behind AND, OR and
	// coalesce is not asked about the rows that are already decided.
	eval(b *batch, live bits) (*vec, error)
}

// batch is the rows that nodes are evaluated over: a column a slot.
type batch struct {
	n    int
	cols []column
	rows []int32 // of a block: those that stored columns are read for; nil: all
}

// column is one column of a batch, as it is stored, as an Arrow array, as a
// vec, or as several of these.
type column struct {
	enc *format.Column // all rows of the block
	typ arrow.DataType // what enc is in the table
	arr arrow.Array
	vec *vec

	codes    *codec.Ints // of the dictionary of enc, see codesOf
	distinct int         // how many codes there are
	values   *vec        // what they stand for, see dictionaryOf

	shared  *codec.SharedTexts // where values are numbered in the whole segment
	numbers []uint32           // of values; nil: codes are numbers
}

func (b *batch) vec(slot int) *vec {
	c := &b.cols[slot]
	switch {
	case c.vec != nil:
	case c.enc != nil:
		c.vec = vecOfColumn(c, b.rows)
	default:
		c.vec = vecOf(c.arr)
	}
	return c.vec
}

func (b *batch) array(slot int) arrow.Array {
	c := &b.cols[slot]
	if c.arr == nil {
		c.arr = b.vec(slot).array()
	}
	return c.arr
}

// take returns a batch of the given rows of b.
func (b *batch) take(rows []int32) *batch {
	out := &batch{n: len(rows), cols: make([]column, len(b.cols)), rows: rows}
	if b.rows != nil {
		out.rows = gather(b.rows, rows)
	}
	for i, c := range b.cols {
		switch {
		case c.enc != nil:
			c.arr, c.vec = nil, nil // read again, for the rows that are left
			out.cols[i] = c
		case c.arr != nil:
			out.cols[i].arr = takeArray(c.arr, rows)
		case c.vec != nil:
			out.cols[i].vec = c.vec.take(rows)
		}
	}
	return out
}

// chunks yields the rows of b in batches of at most size.
func (b *batch) chunks(size int) iter.Seq[*batch] {
	return func(yield func(*batch) bool) {
		if b.n <= size {
			yield(b)
			return
		}
		for from := 0; from < b.n; from += size {
			rows := make([]int32, min(size, b.n-from))
			for i := range rows {
				rows[i] = int32(from + i)
			}
			if !yield(b.take(rows)) {
				return
			}
		}
	}
}

// arrayOf returns the values of n over b as an Arrow array. A bare column
// passes through as it is.
func arrayOf(n node, b *batch) (arrow.Array, error) {
	if c, ok := n.(*colNode); ok {
		return b.array(c.slot), nil
	}
	v, err := n.eval(b, nil)
	if err != nil {
		return nil, err
	}
	return v.array(), nil
}

// colNode is a column of the batch.
type colNode struct {
	t     arrow.DataType
	slot  int
	field int32 // field id of a table's column, else 0
}

func (c *colNode) typ() arrow.DataType                 { return c.t }
func (c *colNode) eval(b *batch, _ bits) (*vec, error) { return b.vec(c.slot), nil }

// pred of a boolean column: it is true.
func (c *colNode) pred() *index.Pred { return c.leaf(index.Eq, []byte{1}) }

func (c *colNode) leaf(op index.PredOp, keys ...[]byte) *index.Pred {
	if c.field == 0 {
		return unknown
	}
	return &index.Pred{Op: op, Field: c.field, Keys: keys}
}

// constNode is a literal, or an expression of literals alone.
type constNode struct{ v *vec }

func (c *constNode) typ() arrow.DataType { return c.v.typ }

func (c *constNode) eval(b *batch, _ bits) (*vec, error) {
	v := *c.v
	v.n = b.n
	return &v, nil
}

func (c *constNode) pred() *index.Pred {
	switch {
	case c.v.null(0):
		return &index.Pred{Op: index.NullRow}
	case c.v.bools.has(0):
		return &index.Pred{Op: index.Always}
	}
	return &index.Pred{Op: index.Never}
}

// unknown is what zones say of an expression that they know nothing about.
var unknown = &index.Pred{Op: index.Unknown}

// predOf returns what zones can know of the predicate n.
func predOf(n node) *index.Pred {
	if n == nil {
		return nil
	}
	if p, ok := n.(interface{ pred() *index.Pred }); ok {
		return p.pred()
	}
	return unknown
}

func predsOf(nodes []node) []*index.Pred {
	out := make([]*index.Pred, len(nodes))
	for i, n := range nodes {
		out[i] = predOf(n)
	}
	return out
}

// evalPair evaluates the operands of a binary node.
func evalPair(x, y node, b *batch, live bits) (*vec, *vec, error) {
	xv, err := x.eval(b, live)
	if err != nil {
		return nil, nil, err
	}
	yv, err := y.eval(b, live)
	return xv, yv, err
}

// result returns an empty vec for the values of an operation on x and y: of
// one value where both are constants, and null where either is.
func result(t arrow.DataType, x, y *vec) (out *vec, values int) {
	out = &vec{typ: t, n: x.n, one: x.one && y.one}
	if out.one {
		out.valid = intersect(x.valid, y.valid)
		return out, 1
	}
	out.valid = intersect(x.validity(), y.validity())
	return out, x.n
}

// matters reports whether value i of v is neither null nor out of live: only
// then may it be an error.
func matters(v *vec, i int, live bits) bool {
	if v.valid != nil && !v.valid.has(i) {
		return false
	}
	if live == nil {
		return true
	}
	if v.one {
		return !live.none()
	}
	return live.has(i)
}
