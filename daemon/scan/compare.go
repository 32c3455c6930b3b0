package scan

import (
	"cmp"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/index"
)

// cmpNode compares two expressions of comparable types.
type cmpNode struct {
	op   expr.Op
	x, y node
}

func (c *cmpNode) typ() arrow.DataType { return arrow.FixedWidthTypes.Boolean }

func (c *cmpNode) eval(b *batch, live bits) (*vec, error) {
	x, y, err := evalPair(c.x, c.y, b, live)
	if err != nil {
		return nil, err
	}
	return compare(c.op, x, y), nil
}

var zoneOps = map[expr.Op]index.PredOp{
	expr.Eq: index.Eq, expr.Ne: index.Ne, expr.Lt: index.Lt, expr.Le: index.Le, expr.Gt: index.Gt, expr.Ge: index.Ge,
}

func (c *cmpNode) pred() *index.Pred {
	col, ok := c.x.(*colNode)
	k, isConst := c.y.(*constNode)
	switch {
	case !ok || !isConst:
		return unknown
	case k.v.null(0):
		return &index.Pred{Op: index.NullRow}
	case !arrow.TypeEqual(col.t, k.v.typ):
		return unknown
	}
	return col.leaf(zoneOps[c.op], keyOf(k.v, 0))
}

// compares reports whether values of the two types have an order.
func compares(x, y arrow.DataType) bool { return family(x) == family(y) && family(x) != "" }

// family names what compares with what: two types of one family do.
func family(t arrow.DataType) string {
	switch t.ID() {
	case arrow.DATE32, arrow.TIMESTAMP:
		return "date or timestamp"
	case arrow.TIME32, arrow.TIME64:
		return "time"
	case arrow.DURATION:
		return "duration"
	}
	switch laneOf(t) {
	case laneStr:
		return "string"
	case laneBool:
		return "bool"
	case laneNested:
		return ""
	}
	return "number"
}

// compare returns x op y for each row.
func compare(op expr.Op, x, y *vec) *vec {
	switch op {
	case expr.Gt:
		return compare(expr.Lt, y, x)
	case expr.Ge:
		return compare(expr.Le, y, x)
	case expr.Ne:
		return not(compare(expr.Eq, x, y))
	}
	out, n := result(arrow.FixedWidthTypes.Boolean, x, y)
	xl, yl := laneOf(x.typ), laneOf(y.typ)
	xs, ys := x.step(), y.step()
	switch {
	case xl == laneFloat || yl == laneFloat:
		out.bools = compareLane(op, ranks(floats(x)), ranks(floats(y)), xs, ys, n)
	case xl == laneStr:
		out.bools = compareLane(op, x.strs, y.strs, xs, ys, n)
	case xl == laneBool:
		out.bools = compareLane(op, bytesOf(x), bytesOf(y), xs, ys, n)
	case xl == laneUint && yl == laneUint:
		out.bools = compareLane(op, x.uints, y.uints, xs, ys, n)
	case xl == laneInt && yl == laneInt && sameUnit(x.typ, y.typ):
		out.bools = compareLane(op, x.ints, y.ints, xs, ys, n)
	default:
		out.bools = compareDecimals(op, x, y, n)
	}
	out.bools = intersect(out.valid, out.bools)
	return out
}

func sameUnit(x, y arrow.DataType) bool {
	xf, xs := timeScale(x)
	yf, ys := timeScale(y)
	return xf == yf && xs == ys
}

// compareLane compares n values; xs and ys are the steps of x and y. The
// loops build a word of the result at a time and do not branch on the values.
func compareLane[T cmp.Ordered](op expr.Op, x, y []T, xs, ys, n int) bits {
	out := newBits(n)
	for w := range out {
		base := w << 6
		count := min(64, n-base)
		var word uint64
		switch op {
		case expr.Eq:
			for j := range count {
				word |= bit(x[(base+j)&xs] == y[(base+j)&ys]) << j
			}
		case expr.Lt:
			for j := range count {
				word |= bit(x[(base+j)&xs] < y[(base+j)&ys]) << j
			}
		case expr.Le:
			for j := range count {
				word |= bit(x[(base+j)&xs] <= y[(base+j)&ys]) << j
			}
		}
		out[w] = word
	}
	return out
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

func compareDecimals(op expr.Op, x, y *vec, n int) bits {
	if xn, xscale := narrowDecimals(x); xn != nil {
		if yn, yscale := narrowDecimals(y); yn != nil && xscale == yscale {
			return compareLane(op, xn, yn, x.step(), y.step(), n)
		}
	}
	xd, xscale := decimals(x)
	yd, yscale := decimals(y)
	holds := func(c int) bool { return c == 0 }
	switch op {
	case expr.Lt:
		holds = func(c int) bool { return c < 0 }
	case expr.Le:
		holds = func(c int) bool { return c <= 0 }
	}
	xs, ys := x.step(), y.step()
	if xscale == yscale {
		return fill(n, func(i int) bool { return holds(xd[i&xs].Cmp(yd[i&ys])) })
	}
	return fill(n, func(i int) bool { return holds(cmpDec(xd[i&xs], xscale, yd[i&ys], yscale)) })
}

// floats returns the values of a vec of any number type as float64.
func floats(v *vec) []float64 {
	switch laneOf(v.typ) {
	case laneFloat:
		return v.floats
	case laneInt:
		return convert(v.ints, func(x int64) float64 { return float64(x) })
	case laneUint:
		return convert(v.uints, func(x uint64) float64 { return float64(x) })
	case laneDec:
		scale := v.typ.(*arrow.Decimal128Type).Scale
		return convert(v.wides(), func(x decimal128.Num) float64 { return floatOf(x, scale) })
	}
	panic("BUG: no float of type " + v.typ.String())
}

func convert[S, T any](in []S, f func(S) T) []T {
	out := make([]T, len(in))
	for i, v := range in {
		out[i] = f(v)
	}
	return out
}

// bytesOf returns booleans as 0 and 1, one a value.
func bytesOf(v *vec) []uint8 {
	n := v.n
	if v.one {
		n = 1
	}
	out := make([]uint8, n)
	for i := range out {
		out[i] = uint8(bit(v.bools.has(i)))
	}
	return out
}

// decidedNode compares an operand with a literal that lies outside of the
// operand's type, so that the answer is the same for all values: it is holds,
// and null for a null.
type decidedNode struct {
	x     node
	holds bool
}

func (d *decidedNode) typ() arrow.DataType { return arrow.FixedWidthTypes.Boolean }

func (d *decidedNode) eval(b *batch, live bits) (*vec, error) {
	x, err := d.x.eval(b, live)
	if err != nil {
		return nil, err
	}
	truth := newBits(x.n)
	if d.holds {
		truth = allBits(x.n)
	}
	return boolVec(x.n, truth, x.validity()), nil
}

func (d *decidedNode) pred() *index.Pred {
	col, ok := d.x.(*colNode)
	if !ok {
		return unknown
	}
	null, null3 := col.leaf(index.IsNull), &index.Pred{Op: index.NullRow}
	if d.holds { // true, or null or null
		return &index.Pred{Op: index.Or, Args: []*index.Pred{{Op: index.Not, Args: []*index.Pred{null}}, null3}}
	}
	return &index.Pred{Op: index.And, Args: []*index.Pred{null, null3}}
}
