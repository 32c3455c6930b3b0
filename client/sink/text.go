package sink

import (
	"encoding/hex"
	"math"
	"math/big"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// A cell appends the text of the value in row i, which is not null.
type cell func(dst []byte, i int) []byte

// textOf returns the text of the values of an array of canonical type. Nested
// values are JSON.
func textOf(a arrow.Array) cell {
	switch a := a.(type) {
	case *array.Boolean:
		return func(dst []byte, i int) []byte { return strconv.AppendBool(dst, a.Value(i)) }
	case *array.Int8:
		return intText(a.Value)
	case *array.Int16:
		return intText(a.Value)
	case *array.Int32:
		return intText(a.Value)
	case *array.Int64:
		return intText(a.Value)
	case *array.Uint8:
		return intText(a.Value)
	case *array.Uint16:
		return intText(a.Value)
	case *array.Uint32:
		return intText(a.Value)
	case *array.Uint64:
		return func(dst []byte, i int) []byte { return strconv.AppendUint(dst, a.Value(i), 10) }
	case *array.Float16:
		return func(dst []byte, i int) []byte { return appendFloat(dst, halfFloat(a.Value(i).Uint16()), 32) }
	case *array.Float32:
		return func(dst []byte, i int) []byte { return appendFloat(dst, float64(a.Value(i)), 32) }
	case *array.Float64:
		return func(dst []byte, i int) []byte { return appendFloat(dst, a.Value(i), 64) }
	case *array.Decimal128:
		scale := a.DataType().(*arrow.Decimal128Type).Scale
		return func(dst []byte, i int) []byte { return appendDecimal(dst, a.Value(i), scale) }
	case *array.String:
		return func(dst []byte, i int) []byte { return append(dst, a.Value(i)...) }
	case *array.Binary:
		return func(dst []byte, i int) []byte { return hex.AppendEncode(dst, a.Value(i)) }
	case *array.FixedSizeBinary:
		return func(dst []byte, i int) []byte { return hex.AppendEncode(dst, a.Value(i)) }
	}
	if c := timeText(a); c != nil {
		return c
	}
	return jsonOf(a)
}

// timeText returns the text of what counts time, or nil.
func timeText(a arrow.Array) cell {
	switch a := a.(type) {
	case *array.Date32:
		return func(dst []byte, i int) []byte { return appendDate(dst, int64(a.Value(i))) }
	case *array.Time32:
		per, frac := unit(a.DataType().(*arrow.Time32Type).Unit)
		return func(dst []byte, i int) []byte { return appendClock(dst, int64(a.Value(i)), per, frac) }
	case *array.Time64:
		per, frac := unit(a.DataType().(*arrow.Time64Type).Unit)
		return func(dst []byte, i int) []byte { return appendClock(dst, int64(a.Value(i)), per, frac) }
	case *array.Timestamp:
		t := a.DataType().(*arrow.TimestampType)
		per, frac := unit(t.Unit)
		return func(dst []byte, i int) []byte {
			return appendStamp(dst, int64(a.Value(i)), per, frac, t.TimeZone != "")
		}
	case *array.Duration:
		suffix := a.DataType().(*arrow.DurationType).Unit.String()
		return func(dst []byte, i int) []byte {
			return append(strconv.AppendInt(dst, int64(a.Value(i)), 10), suffix...)
		}
	}
	return nil
}

func unit(u arrow.TimeUnit) (perSecond int64, fracDigits int) {
	return int64(1e9) / int64(u.Multiplier()), unitDigits[u]
}

func intText[T int8 | int16 | int32 | int64 | uint8 | uint16 | uint32](value func(int) T) cell {
	return func(dst []byte, i int) []byte { return strconv.AppendInt(dst, int64(value(i)), 10) }
}

// halfFloat returns the value of a float16. The library's own way is wrong for
// those below 2^-14.
func halfFloat(bits uint16) float64 {
	exp, frac := int(bits>>10&0x1f), float64(bits&0x3ff)
	v := math.Ldexp(1024+frac, exp-25)
	switch {
	case exp == 0:
		v = math.Ldexp(frac, -24)
	case exp == 0x1f && frac == 0:
		v = math.Inf(1)
	case exp == 0x1f:
		return math.NaN()
	}
	if bits&0x8000 != 0 {
		return -v
	}
	return v
}

// appendFloat writes the shortest text that reads back as the same float.
func appendFloat(dst []byte, v float64, bits int) []byte {
	switch {
	case math.IsNaN(v):
		return append(dst, "NaN"...)
	case math.IsInf(v, 1):
		return append(dst, "inf"...)
	case math.IsInf(v, -1):
		return append(dst, "-inf"...)
	}
	format := byte('f')
	if abs := math.Abs(v); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, v, format, -1, bits)
}

// appendDecimal writes all digits of the scale: 2.50 of decimal(9,2).
func appendDecimal(dst []byte, v decimal128.Num, scale int32) []byte {
	start := len(dst)
	if v.Sign() < 0 {
		dst, start = append(dst, '-'), start+1
	}
	dst = appendUnscaled(dst, v)
	if v.Sign() != 0 {
		for ; scale < 0; scale++ {
			dst = append(dst, '0')
		}
	}
	if scale <= 0 {
		return dst
	}
	for len(dst)-start <= int(scale) { // at least one digit before the point
		dst = append(dst, 0)
		copy(dst[start+1:], dst[start:])
		dst[start] = '0'
	}
	point := len(dst) - int(scale)
	dst = append(dst, 0)
	copy(dst[point+1:], dst[point:])
	dst[point] = '.'
	return dst
}

// appendUnscaled writes the digits of |v|.
func appendUnscaled(dst []byte, v decimal128.Num) []byte {
	abs := v.Abs()
	if abs.HighBits() == 0 {
		return strconv.AppendUint(dst, abs.LowBits(), 10)
	}
	n := new(big.Int).SetUint64(uint64(abs.HighBits()))
	n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(abs.LowBits()))
	return n.Append(dst, 10)
}
