package scan

import (
	mathbits "math/bits"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/format/kern"
)

// Arithmetic over integers and decimals is worked on a vector of 1,024 rows at
// a time, in registers that stay in the cache, where the bounds of a block's
// columns show that no result can overflow 64 bits. So there is nothing to
// check row by row, and nothing to be decoded for rows that come later.

// registers is what a set of expressions needs: a register for each column,
// then one for each operation, in the order in which they can be computed.
// Expressions that are the same share a register.
type registers struct {
	slots []int   // of the columns
	ops   []intOp // each fills register len(slots)+i
}

// intOp is one operation on registers.
type intOp struct {
	kind     intOpKind
	x, y     int   // registers; those of columns are ^i for slots[i]
	by, plus int64 // of affine: x*by + plus
}

type intOpKind uint8

const (
	affine intOpKind = iota
	sum
	product
)

// value is where the values of an expression are: unscaled, in a register, or
// the same constant for all rows.
type value struct {
	reg      int // as in intOp
	constant bool
	is       int64
	scale    int32
}

// add makes room for an expression; ok is false where it is not one of
// integers or decimals, or no arithmetic that is known here.
func (r *registers) add(n node) (v value, ok bool) {
	switch n := n.(type) {
	case *colNode:
		return r.column(n)
	case *constNode:
		return constantOf(n)
	case *arithNode:
		return r.arith(n)
	}
	return value{}, false
}

func (r *registers) column(n *colNode) (value, bool) {
	if lane := laneOf(n.t); lane != laneInt && lane != laneDec {
		return value{}, false
	}
	i := slices.Index(r.slots, n.slot)
	if i < 0 {
		i = len(r.slots)
		r.slots = append(r.slots, n.slot)
	}
	return value{reg: ^i, scale: scaleOf(n.t)}, true
}

func constantOf(n *constNode) (value, bool) {
	v := value{constant: true, scale: scaleOf(n.v.typ)}
	if n.v.null(0) {
		return v, false
	}
	switch laneOf(n.v.typ) {
	case laneInt:
		v.is = n.v.ints[0]
	case laneDec:
		narrow := n.v.narrow()
		if narrow == nil {
			return v, false
		}
		v.is = narrow[0]
	default:
		return v, false
	}
	return v, true
}

func scaleOf(t arrow.DataType) int32 {
	if d, ok := t.(*arrow.Decimal128Type); ok {
		return d.Scale
	}
	return 0
}

func (r *registers) arith(n *arithNode) (value, bool) {
	if lane := laneOf(n.t); lane != laneInt && lane != laneDec {
		return value{}, false
	}
	x, okX := r.add(n.x)
	y, okY := r.add(n.y)
	if !okX || !okY || x.constant && y.constant {
		return value{}, false
	}
	switch n.op {
	case expr.Mul:
		return r.times(x, y), true
	case expr.Add:
		return r.plus(x, y, 1, scaleOf(n.t))
	case expr.Sub:
		return r.plus(x, y, -1, scaleOf(n.t))
	}
	return value{}, false
}

func (r *registers) times(x, y value) value {
	if x.constant {
		x, y = y, x
	}
	op := intOp{kind: product, x: x.reg, y: y.reg}
	if y.constant {
		op = intOp{kind: affine, x: x.reg, by: y.is}
	}
	return value{reg: r.do(op), scale: x.scale + y.scale}
}

// plus is x + sign*y, both brought to a scale.
func (r *registers) plus(x, y value, sign int64, scale int32) (value, bool) {
	fx, okX := tenTo(scale - x.scale)
	fy, okY := tenTo(scale - y.scale)
	fy *= sign
	if !okX || !okY {
		return value{}, false
	}
	if x.constant {
		x, y, fx, fy = y, x, fy, fx
	}
	if !y.constant {
		return value{reg: r.do(intOp{kind: sum, x: r.scaled(x.reg, fx), y: r.scaled(y.reg, fy)}), scale: scale}, true
	}
	c, ok := mulInt(y.is, fy)
	return value{reg: r.do(intOp{kind: affine, x: x.reg, by: fx, plus: c}), scale: scale}, ok
}

func (r *registers) scaled(reg int, by int64) int {
	if by == 1 {
		return reg
	}
	return r.do(intOp{kind: affine, x: reg, by: by})
}

// do returns the register of an operation.
func (r *registers) do(op intOp) int {
	i := slices.Index(r.ops, op)
	if i < 0 {
		i = len(r.ops)
		r.ops = append(r.ops, op)
	}
	return i
}

func tenTo(digits int32) (int64, bool) {
	if digits < 0 || digits > 18 {
		return 0, false
	}
	return int64(pow10[digits].LowBits()), true
}

// place returns where a register is among all of them.
func (r *registers) place(reg int) int {
	if reg < 0 {
		return ^reg
	}
	return len(r.slots) + reg
}

func (r *registers) len() int { return len(r.slots) + len(r.ops) }

// extents returns the bounds of all registers for the columns of a block, in
// dst; ok is false where a column is not stored as integers, or where a result
// could overflow.
func (r *registers) extents(dst []valueSpan, b *batch) (_ []valueSpan, ok bool) {
	for _, slot := range r.slots {
		enc := b.cols[slot].enc
		if enc == nil || enc.Ints() == nil {
			return nil, false
		}
		lo, hi := enc.Ints().Bounds()
		dst = append(dst, valueSpan{lo, hi})
	}
	for _, op := range r.ops {
		x := dst[r.place(op.x)]
		var out valueSpan
		switch op.kind {
		case affine:
			if out, ok = spanProduct(x, valueSpan{op.by, op.by}); ok {
				out, ok = spanSum(out, valueSpan{op.plus, op.plus})
			}
		case sum:
			out, ok = spanSum(x, dst[r.place(op.y)])
		case product:
			out, ok = spanProduct(x, dst[r.place(op.y)])
		}
		if !ok {
			return nil, false
		}
		dst = append(dst, out)
	}
	return dst, true
}

func spanSum(a, b valueSpan) (valueSpan, bool) {
	lo, okLo := addInt(a.lo, b.lo)
	hi, okHi := addInt(a.hi, b.hi)
	return valueSpan{lo, hi}, okLo && okHi
}

func spanProduct(a, b valueSpan) (out valueSpan, ok bool) {
	for i, pair := range [4][2]int64{{a.lo, b.lo}, {a.lo, b.hi}, {a.hi, b.lo}, {a.hi, b.hi}} {
		p, fits := mulInt(pair[0], pair[1])
		if !fits {
			return out, false
		}
		if i == 0 {
			out = valueSpan{p, p}
		}
		out = valueSpan{min(out.lo, p), max(out.hi, p)}
	}
	return out, true
}

// magnitude returns the largest |v| of a span.
func (s valueSpan) magnitude() uint64 { return max(absolute(s.lo), absolute(s.hi)) }

func absolute(v int64) uint64 {
	if v < 0 {
		return -uint64(v)
	}
	return uint64(v)
}

// sumsFit reports whether the sum of so many values of a span fits 64 bits.
func (s valueSpan) sumsFit(rows int) bool {
	hi, lo := mathbits.Mul64(s.magnitude(), uint64(rows))
	return hi == 0 && lo < 1<<63
}

// fill computes vector k of all registers.
func (r *registers) fill(regs [][kern.Vector]int64, b *batch, k int) {
	for i, slot := range r.slots {
		b.cols[slot].enc.Ints().ReadVector(&regs[i], k)
	}
	for i, op := range r.ops {
		dst, x := &regs[len(r.slots)+i], &regs[r.place(op.x)]
		switch op.kind {
		case affine:
			kern.Affine(dst, x, op.by, op.plus)
		case sum:
			kern.Add(dst, x, &regs[r.place(op.y)])
		case product:
			kern.Mul(dst, x, &regs[r.place(op.y)])
		}
	}
}
