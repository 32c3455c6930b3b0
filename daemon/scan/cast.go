package scan

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/schema"
)

// castNode is CAST(x AS t). A value that t does not hold is an error, except
// that digits after the point round: of decimals half away from zero, of
// floats half to even, as DuckDB does.
type castNode struct {
	x node
	t arrow.DataType
}

func (c *castNode) typ() arrow.DataType { return c.t }

func (c *castNode) eval(b *batch, live bits) (*vec, error) {
	x, err := c.x.eval(b, live)
	if err != nil {
		return nil, err
	}
	return castVec(x, c.t, live)
}

// castable reports whether CAST knows a way between two types.
func castable(from, to arrow.DataType) bool {
	f, t := laneOf(from), laneOf(to)
	switch {
	case arrow.TypeEqual(from, to):
		return true
	case f == laneNested || t == laneNested:
		return false
	case from.ID() == arrow.STRING || to.ID() == arrow.STRING:
		return true
	case f == laneStr || t == laneStr:
		return f == t
	case isTemporal(from) || isTemporal(to):
		return family(from) == family(to)
	}
	return true // numbers and booleans
}

// castVec returns the values of x as type t.
func castVec(x *vec, t arrow.DataType, live bits) (*vec, error) {
	if arrow.TypeEqual(x.typ, t) {
		return x, nil
	}
	n := x.n
	if x.one {
		n = 1
	}
	out := &vec{typ: t, n: x.n, one: x.one, valid: x.valid}
	out.alloc(n)
	f := caster(x, out)
	for i := range n {
		if x.valid != nil && !x.valid.has(i) {
			continue
		}
		if !f(i) && matters(x, i, live) {
			return nil, castError(x, i, t)
		}
	}
	return out, nil
}

func castError(x *vec, i int, t arrow.DataType) error {
	return wire.Errorf(wire.InvalidArgument, "%.80q of type %s cannot be cast to %s", textOf(x)(i), schema.TypeText(x.typ), schema.TypeText(t))
}

// alloc gives v room for n values.
func (v *vec) alloc(n int) {
	switch laneOf(v.typ) {
	case laneInt:
		v.ints = make([]int64, n)
	case laneUint:
		v.uints = make([]uint64, n)
	case laneFloat:
		v.floats = make([]float64, n)
	case laneDec:
		v.decs = make([]decimal128.Num, n)
	case laneStr:
		v.strs = make([]string, n)
	case laneBool:
		v.bools = newBits(n)
	}
}

// caster returns a function that casts value i of x into out and reports
// whether out's type holds it.
func caster(x, out *vec) func(i int) bool {
	from, to := laneOf(x.typ), laneOf(out.typ)
	switch {
	case to == laneStr && out.typ.ID() == arrow.STRING:
		text := textOf(x)
		return func(i int) bool { out.strs[i] = text(i); return true }
	case to == laneStr:
		return func(i int) bool { out.strs[i] = x.strs[i]; return fitsWidth(out.typ, x.strs[i]) }
	case from == laneStr:
		return func(i int) bool { return parseInto(x.strs[i], out, i) }
	case to == laneBool:
		return func(i int) bool {
			if !isZero(x, i) {
				out.bools.set(i)
			}
			return true
		}
	case isTemporal(out.typ):
		return func(i int) bool { return retime(x, out, i) }
	case to == laneFloat:
		values := floats(numeric(x))
		return func(i int) bool { return putFloat(out, i, values[i]) }
	case from == laneFloat:
		return func(i int) bool { return putRounded(out, i, x.floats[i]) }
	}
	values, scale := decimals(numeric(x))
	return func(i int) bool { return putDecimal(out, i, values[i], scale) }
}

// numeric returns booleans as 0 and 1, and numbers as they are.
func numeric(x *vec) *vec {
	if laneOf(x.typ) != laneBool {
		return x
	}
	return &vec{typ: arrow.PrimitiveTypes.Int64, n: x.n, one: x.one, valid: x.valid,
		ints: convert(bytesOf(x), func(b uint8) int64 { return int64(b) })}
}

func fitsWidth(t arrow.DataType, s string) bool {
	f, ok := t.(*arrow.FixedSizeBinaryType)
	return !ok || len(s) == f.ByteWidth
}

// parseInto reads text as a value of out's type.
func parseInto(text string, out *vec, i int) bool {
	if laneOf(out.typ) == laneFloat {
		f, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		return err == nil && putFloat(out, i, f)
	}
	if n, ok := parseNumber(strings.TrimSpace(text)); ok && !isTemporal(out.typ) && laneOf(out.typ) != laneBool {
		return putNumber(out, i, n)
	}
	p, err := place(&expr.Value{Kind: expr.String, Text: text}, out.typ)
	if err != nil || p.rel == underAll || p.rel == overAll {
		return false
	}
	if laneOf(out.typ) == laneBool {
		if p.value.bools.has(0) {
			out.bools.set(i)
		}
		return true
	}
	return putInt(out, i, p.value.ints[0])
}

// putNumber rounds n half away from zero to out's scale.
func putNumber(out *vec, i int, n number) bool {
	scale := int32(0)
	if d, ok := out.typ.(*arrow.Decimal128Type); ok {
		scale = d.Scale
	}
	doubled := number{digits: new(big.Int).Lsh(new(big.Int).Abs(n.digits), 1), exp: n.exp}
	q, _ := doubled.floor(scale) // twice the value; its half, rounded up, is the nearest
	q.Add(q, bigInt(1)).Rsh(q, 1)
	if n.digits.Sign() < 0 {
		q.Neg(q)
	}
	d, ok := fromBig(q)
	return ok && putDecimal(out, i, d, scale)
}

// putDecimal stores a decimal of some scale as an integer or decimal.
func putDecimal(out *vec, i int, v decimal128.Num, scale int32) bool {
	if d, ok := out.typ.(*arrow.Decimal128Type); ok {
		v, fits := rescale(v, scale, d.Scale)
		out.decs[i] = v
		return fits && v.FitsInPrecision(d.Precision)
	}
	v, _ = rescale(v, scale, 0)
	if laneOf(out.typ) == laneUint {
		out.uints[i] = v.LowBits()
		return v.HighBits() == 0
	}
	return isSmall(v) && putInt(out, i, int64(v.LowBits()))
}

// putInt stores an integer where its type is wide enough.
func putInt(out *vec, i int, v int64) bool {
	out.ints[i] = v
	switch out.typ.ID() {
	case arrow.INT8:
		return v == int64(int8(v))
	case arrow.INT16:
		return v == int64(int16(v))
	case arrow.INT32, arrow.DATE32, arrow.TIME32:
		return v == int64(int32(v))
	case arrow.UINT8:
		return v == int64(uint8(v))
	case arrow.UINT16:
		return v == int64(uint16(v))
	case arrow.UINT32:
		return v == int64(uint32(v))
	}
	return true
}

// putFloat stores f in a float of any width; a finite value stays finite.
func putFloat(out *vec, i int, f float64) bool {
	out.floats[i] = f
	switch out.typ.ID() {
	case arrow.FLOAT32:
		out.floats[i] = float64(float32(f))
	case arrow.FLOAT16:
		return math.IsInf(f, 0) || f != f || math.Abs(f) < 65520
	}
	return !math.IsInf(out.floats[i], 0) || math.IsInf(f, 0)
}

// putRounded stores a float as an integer or decimal.
func putRounded(out *vec, i int, f float64) bool {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return false
	}
	if _, ok := out.typ.(*arrow.Decimal128Type); ok {
		n, ok := parseNumber(strconv.FormatFloat(f, 'f', -1, 64))
		return ok && putNumber(out, i, n)
	}
	b, _ := big.NewFloat(math.RoundToEven(f)).Int(nil)
	v, ok := fromBig(b)
	return ok && putDecimal(out, i, v, 0)
}

// retime stores a date, time or timestamp in another unit. Digits that the
// target lacks are dropped, towards the past.
func retime(x, out *vec, i int) bool {
	at := instantIn(x.typ, x.ints[i])
	if out.typ.ID() == arrow.DATE32 {
		return putInt(out, i, floorDiv(at.sec, secondsPerDay))
	}
	_, scale := timeScale(out.typ)
	q, _ := at.number().floor(scale)
	return q.IsInt64() && putInt(out, i, q.Int64())
}

// textOf returns a function that writes value i of v as text.
func textOf(v *vec) func(i int) string {
	switch laneOf(v.typ) {
	case laneUint:
		return func(i int) string { return strconv.FormatUint(v.uints[i], 10) }
	case laneFloat:
		return func(i int) string { return floatText(v.floats[i], v.typ) }
	case laneDec:
		scale := v.typ.(*arrow.Decimal128Type).Scale
		return func(i int) string { return v.wides()[i].ToString(scale) }
	case laneBool:
		return func(i int) string { return strconv.FormatBool(v.bools.has(i)) }
	case laneStr:
		if v.typ.ID() != arrow.STRING {
			return func(i int) string { return hex.EncodeToString([]byte(v.strs[i])) }
		}
		return func(i int) string { return v.strs[i] }
	case laneNested:
		return func(i int) string { return fmt.Sprint(v.arr.ValueStr(i)) }
	}
	if isTemporal(v.typ) {
		zone, err := zoneOf(v.typ)
		if err != nil {
			zone = time.UTC // only in messages: a query over an unknown zone is refused
		}
		return func(i int) string { return temporalText(v.typ, v.ints[i], zone) }
	}
	return func(i int) string { return strconv.FormatInt(v.ints[i], 10) }
}

// floatText writes the shortest text that reads back as f, with a point.
func floatText(f float64, t arrow.DataType) string {
	width := 64
	if t.ID() != arrow.FLOAT64 {
		width = 32
	}
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 0):
		return strings.ToLower(strings.TrimPrefix(strconv.FormatFloat(f, 'g', -1, width), "+"))
	case f != 0 && (math.Abs(f) < 1e-4 || math.Abs(f) >= 1e16):
		return strconv.FormatFloat(f, 'e', -1, width)
	}
	s := strconv.FormatFloat(f, 'f', -1, width)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}
