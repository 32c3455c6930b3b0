package scan

import (
	"math"
	mathbits "math/bits"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/schema"
)

// Arithmetic. Integers are worked on in 64 bits and decimals in 38 digits; a
// result that does not fit is an error, never a wrapped or rounded value.
// Division gives a float64. Division by zero gives null.

// arithNode is x op y with a result of type t; text is what errors call it.
type arithNode struct {
	op   expr.Op
	x, y node
	t    arrow.DataType
	text string
}

func (a *arithNode) typ() arrow.DataType { return a.t }

func (a *arithNode) eval(b *batch, live bits) (*vec, error) {
	x, y, err := evalPair(a.x, a.y, b, live)
	if err != nil {
		return nil, err
	}
	if a.op == expr.Div || a.op == expr.Mod {
		y = zeroAsNull(y)
	}
	out, n := result(a.t, x, y)
	switch laneOf(a.t) {
	case laneInt:
		out.ints = make([]int64, n)
		err = run(a, out, live, x.ints, y.ints, out.ints, x.step(), y.step(), intOps[a.op])
	case laneUint:
		out.uints = make([]uint64, n)
		err = run(a, out, live, x.uints, y.uints, out.uints, x.step(), y.step(), uintOps[a.op])
	case laneDec:
		err = a.evalDecimal(x, y, out, n, live)
	case laneFloat:
		out.floats = make([]float64, n)
		floatOps[a.op](floatsAs(a.t, x), floatsAs(a.t, y), out.floats, x.step(), y.step())
		roundTo(a.t, out.floats)
	}
	return out, err
}

// run computes out with f, and tells of a row where f says that the result
// does not fit, unless nobody asks for that row.
func run[T any](a *arithNode, v *vec, live bits, x, y, out []T, xs, ys int, f func(x, y T) (T, bool)) error {
	for i := range out {
		r, ok := f(x[i&xs], y[i&ys])
		if !ok && matters(v, i, live) {
			return overflow(a.text, a.t)
		}
		out[i] = r
	}
	return nil
}

func overflow(text string, t arrow.DataType) error {
	err := wire.Errorf(wire.InvalidArgument, "%s overflows %s", text, schema.TypeText(t))
	if laneOf(t) == laneDec {
		return err.WithHint("cast an operand to fewer digits, as in CAST(x AS decimal(18,2)), or to float64")
	}
	return err.WithHint("cast an operand to decimal(38,0) or float64")
}

var intOps = map[expr.Op]func(x, y int64) (int64, bool){
	expr.Add: addInt,
	expr.Sub: func(x, y int64) (int64, bool) { s := x - y; return s, (x^y)&(x^s) >= 0 },
	expr.Mul: mulInt,
	expr.Mod: func(x, y int64) (int64, bool) {
		if y == 0 || y == -1 {
			return 0, true
		}
		return x % y, true
	},
}

func addInt(x, y int64) (int64, bool) {
	s := x + y
	return s, (x^s)&(y^s) >= 0
}

func mulInt(x, y int64) (int64, bool) {
	if int64(int32(x)) == x && int64(int32(y)) == y {
		return x * y, true
	}
	p := x * y
	return p, x == 0 || p/x == y && !(x == -1 && y == math.MinInt64)
}

var uintOps = map[expr.Op]func(x, y uint64) (uint64, bool){
	expr.Add: func(x, y uint64) (uint64, bool) { s, c := mathbits.Add64(x, y, 0); return s, c == 0 },
	expr.Sub: func(x, y uint64) (uint64, bool) { s, c := mathbits.Sub64(x, y, 0); return s, c == 0 },
	expr.Mul: func(x, y uint64) (uint64, bool) { hi, lo := mathbits.Mul64(x, y); return lo, hi == 0 },
	expr.Mod: func(x, y uint64) (uint64, bool) {
		if y == 0 {
			return 0, true
		}
		return x % y, true
	},
}

var floatOps = map[expr.Op]func(x, y, out []float64, xs, ys int){
	expr.Add: func(x, y, out []float64, xs, ys int) {
		for i := range out {
			out[i] = x[i&xs] + y[i&ys]
		}
	},
	expr.Sub: func(x, y, out []float64, xs, ys int) {
		for i := range out {
			out[i] = x[i&xs] - y[i&ys]
		}
	},
	expr.Mul: func(x, y, out []float64, xs, ys int) {
		for i := range out {
			out[i] = x[i&xs] * y[i&ys]
		}
	},
	expr.Div: func(x, y, out []float64, xs, ys int) {
		for i := range out {
			out[i] = x[i&xs] / y[i&ys]
		}
	},
	expr.Mod: func(x, y, out []float64, xs, ys int) {
		for i := range out {
			out[i] = math.Mod(x[i&xs], y[i&ys])
		}
	},
}

// floatsAs returns numbers as floats of the type t, which is at least as wide
// as theirs: an operation on a float32 and an integer is one on two float32.
func floatsAs(t arrow.DataType, v *vec) []float64 {
	values := floats(v)
	if laneOf(v.typ) != laneFloat {
		roundTo(t, values)
	}
	return values
}

// roundTo rounds values to the width of the float type t. For one operation
// on float32 values that is the same as working in float32.
func roundTo(t arrow.DataType, values []float64) {
	if t.ID() == arrow.FLOAT64 {
		return
	}
	for i, f := range values {
		values[i] = float64(float32(f))
	}
}

func (a *arithNode) evalDecimal(x, y, out *vec, n int, live bits) error {
	scale := a.t.(*arrow.Decimal128Type).Scale
	if out.small = a.evalNarrow(x, y, n, scale); out.small != nil {
		return nil
	}
	xd, xscale := decimals(x)
	yd, yscale := decimals(y)
	out.decs = make([]decimal128.Num, n)
	f := mulDec
	if a.op != expr.Mul {
		f = aligned(decimalOps[a.op], xscale, yscale, scale)
	}
	return run(a, out, live, xd, yd, out.decs, x.step(), y.step(), f)
}

// evalNarrow computes in 64 bits, where the bounds of the operands show that
// no result can overflow; else it returns nil.
func (a *arithNode) evalNarrow(x, y *vec, n int, scale int32) []int64 {
	xd, xscale := narrowDecimals(x)
	yd, yscale := narrowDecimals(y)
	if xd == nil || yd == nil || a.op == expr.Mod {
		return nil
	}
	xs, ys := x.step(), y.step()
	out := make([]int64, n)
	if a.op == expr.Mul {
		if hi, lo := mathbits.Mul64(magnitudeOf(xd), magnitudeOf(yd)); hi != 0 || lo > math.MaxInt64 {
			return nil
		}
		for i := range out {
			out[i] = xd[i&xs] * yd[i&ys]
		}
		return out
	}
	fx, okX := factor(xd, scale-xscale)
	fy, okY := factor(yd, scale-yscale)
	if !okX || !okY {
		return nil
	}
	if a.op == expr.Sub {
		fy = -fy
	}
	for i := range out {
		out[i] = xd[i&xs]*fx + yd[i&ys]*fy
	}
	return out
}

// narrowDecimals returns the unscaled values of integers and decimals that
// fit 64 bits, and their scale; else nil.
func narrowDecimals(v *vec) ([]int64, int32) {
	if t, ok := v.typ.(*arrow.Decimal128Type); ok {
		return v.narrow(), t.Scale
	}
	if laneOf(v.typ) == laneInt && family(v.typ) == "number" {
		return v.ints, 0
	}
	return nil, 0
}

// factor returns 10^digits, and whether values times that stay below 2^62, so
// that two such products can be added.
func factor(values []int64, digits int32) (int64, bool) {
	if digits < 0 || digits > 18 {
		return 0, false
	}
	f := int64(pow10[digits].LowBits())
	hi, lo := mathbits.Mul64(magnitudeOf(values), uint64(f))
	return f, hi == 0 && lo < 1<<62
}

type decimalOp func(x, y decimal128.Num) (decimal128.Num, bool)

var decimalOps = map[expr.Op]decimalOp{
	expr.Add: addDec,
	expr.Sub: func(x, y decimal128.Num) (decimal128.Num, bool) { return addDec(x, y.Negate()) },
	expr.Mod: func(x, y decimal128.Num) (decimal128.Num, bool) {
		if y.Sign() == 0 {
			return y, true
		}
		_, rem := x.Div(y)
		return rem, true
	},
}

// aligned brings both operands to one scale before op.
func aligned(op decimalOp, xscale, yscale, scale int32) decimalOp {
	if xscale == scale && yscale == scale {
		return op
	}
	return func(x, y decimal128.Num) (decimal128.Num, bool) {
		x, okX := rescale(x, xscale, scale)
		y, okY := rescale(y, yscale, scale)
		r, ok := op(x, y)
		return r, ok && okX && okY
	}
}

// zeroAsNull returns v with nulls in place of zeros.
func zeroAsNull(v *vec) *vec {
	c := *v
	n := v.n
	if v.one {
		n = 1
	}
	zeros := fill(n, func(i int) bool { return isZero(v, i) })
	if zeros.none() {
		return v
	}
	c.valid = minus(v.valid, zeros, n)
	return &c
}

func isZero(v *vec, i int) bool {
	switch laneOf(v.typ) {
	case laneInt:
		return v.ints[i] == 0
	case laneUint:
		return v.uints[i] == 0
	case laneFloat:
		return v.floats[i] == 0
	}
	return v.wides()[i].Sign() == 0
}

// negNode is -x, and abs(x) where onlyNegative is set.
type negNode struct {
	x            node
	onlyNegative bool
	text         string
}

func (n *negNode) typ() arrow.DataType { return n.x.typ() }

func (n *negNode) eval(b *batch, live bits) (*vec, error) {
	x, err := n.x.eval(b, live)
	if err != nil {
		return nil, err
	}
	out := &vec{typ: x.typ, n: x.n, one: x.one, valid: x.valid}
	switch laneOf(x.typ) {
	case laneFloat:
		out.floats = convert(x.floats, func(f float64) float64 {
			if n.onlyNegative {
				return math.Abs(f)
			}
			return -f
		})
	case laneDec:
		out.decs = convert(x.wides(), func(d decimal128.Num) decimal128.Num {
			if n.onlyNegative && d.Sign() >= 0 {
				return d
			}
			return d.Negate()
		})
	case laneInt:
		out.ints = make([]int64, len(x.ints))
		for i, v := range x.ints {
			if v == math.MinInt64 && matters(out, i, live) {
				return nil, overflow(n.text, x.typ)
			}
			if n.onlyNegative && v >= 0 {
				v = -v
			}
			out.ints[i] = -v
		}
	case laneUint: // abs: already so
		out.uints = x.uints
	}
	return out, nil
}

// arithType returns the type of x op y, or nil where they have none.
func arithType(op expr.Op, x, y arrow.DataType) arrow.DataType {
	if x.ID() == arrow.DATE32 || y.ID() == arrow.DATE32 {
		return dateArithType(op, x, y)
	}
	if family(x) != "number" || family(y) != "number" {
		return nil
	}
	xl, yl := laneOf(x), laneOf(y)
	switch {
	case xl == laneFloat || yl == laneFloat:
		return widerFloat(x, y)
	case op == expr.Div:
		return arrow.PrimitiveTypes.Float64
	case xl == laneInt && yl == laneInt:
		return arrow.PrimitiveTypes.Int64
	case xl == laneUint && yl == laneUint:
		return arrow.PrimitiveTypes.Uint64
	}
	return decimalArithType(op, asDecimalType(x), asDecimalType(y))
}

// dateArithType allows date ± days and the days between two dates.
func dateArithType(op expr.Op, x, y arrow.DataType) arrow.DataType {
	xDate, yDate := x.ID() == arrow.DATE32, y.ID() == arrow.DATE32
	xDays := laneOf(x) == laneInt && family(x) == "number"
	yDays := laneOf(y) == laneInt && family(y) == "number"
	switch {
	case op == expr.Sub && xDate && yDate:
		return arrow.PrimitiveTypes.Int64
	case (op == expr.Add || op == expr.Sub) && xDate && yDays, op == expr.Add && xDays && yDate:
		return arrow.FixedWidthTypes.Date32
	}
	return nil
}

func widerFloat(x, y arrow.DataType) arrow.DataType {
	if x.ID() == arrow.FLOAT64 || y.ID() == arrow.FLOAT64 {
		return arrow.PrimitiveTypes.Float64
	}
	return arrow.PrimitiveTypes.Float32
}

// decimalArithType follows PostgreSQL and DuckDB: a sum has one digit more
// than the larger operand, a product the digits and scales of both.
func decimalArithType(op expr.Op, x, y *arrow.Decimal128Type) arrow.DataType {
	if op == expr.Mul {
		if x.Scale+y.Scale > maxDigits {
			return nil
		}
		return decimalType(x.Precision+y.Precision, x.Scale+y.Scale)
	}
	scale := max(x.Scale, y.Scale)
	whole := max(x.Precision-x.Scale, y.Precision-y.Scale)
	return decimalType(whole+scale+1, scale)
}
