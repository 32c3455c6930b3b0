package schema

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/zeebo/xxh3"
)

// Apply returns the partition value of each row of a, which must be of the
// type of the transform's column or of a narrower one. Equal values share
// their text. A string that is not valid UTF-8 is an error.
func (t Transform) Apply(a arrow.Array) ([]PartitionValue, error) {
	if err := t.check(a.DataType()); err != nil {
		return nil, err
	}
	appendKey, text := t.keyed(a)
	out := make([]PartitionValue, a.Len())
	texts := map[string]string{}
	var key, last []byte
	lastRow := -1
	for i := range out {
		if a.IsNull(i) {
			out[i].Null = true
			continue
		}
		key = appendKey(key[:0], i)
		if lastRow >= 0 && bytes.Equal(key, last) { // rows often come in runs
			out[i] = out[lastRow]
			continue
		}
		s, ok := texts[string(key)]
		if !ok {
			if s = text(key, i); !utf8.ValidString(s) {
				return nil, fmt.Errorf("row %d: partition value %.40q is not valid UTF-8", i, s)
			}
			texts[string(key)] = s
		}
		out[i].Text = s
		key, last, lastRow = last, key, i
	}
	return out, nil
}

// keyed returns two functions: one that appends to a buffer the bytes that
// tell the partition of row i from others, and one that turns those bytes
// into the text of the partition.
func (t Transform) keyed(a arrow.Array) (key func([]byte, int) []byte, text func([]byte, int) string) {
	switch t.Kind {
	case Bucket:
		raw := rawValue(a)
		var scratch []byte
		return func(b []byte, i int) []byte {
				scratch = raw(scratch[:0], i)
				return binary.LittleEndian.AppendUint64(b, xxh3.Hash(scratch)%uint64(t.N))
			}, func(b []byte, _ int) string {
				return strconv.FormatUint(binary.LittleEndian.Uint64(b), 10)
			}
	case Year, Month, Day, Hour:
		at := instantOf(a)
		return func(b []byte, i int) []byte {
				return binary.LittleEndian.AppendUint64(b, uint64(t.period(at(i))))
			}, func(_ []byte, i int) string {
				return at(i).text(periodLayout[t.Kind])
			}
	case Truncate:
		return t.truncated(a)
	}
	return rawValue(a), func(_ []byte, i int) string { return valueText(a, i) }
}

// periodLayout is what follows the year in the text of a period.
var periodLayout = map[TransformKind]string{Year: "", Month: "-01", Day: "-01-02", Hour: "-01-02-15"}

// period numbers the year, month, day or hour that holds at.
func (t Transform) period(at instant) int64 {
	switch t.Kind {
	case Year:
		year, _ := at.civil()
		return year
	case Month:
		year, rest := at.civil()
		return year*12 + int64(rest.Month())
	case Day:
		return floorDiv(at.sec, secondsPerDay)
	}
	return floorDiv(at.sec, 60*60)
}

// rawValue returns the canonical bytes of a value, the same for a narrow and
// a wide type: integers and times as 8 bytes, decimals as 16, little-endian;
// strings and bytes as they are. Bucket hashes them: part of the disk format.
func rawValue(a arrow.Array) func([]byte, int) []byte {
	if v := integerValue(a); v != nil {
		return func(b []byte, i int) []byte { return binary.LittleEndian.AppendUint64(b, uint64(v(i))) }
	}
	switch a := a.(type) {
	case *array.Boolean:
		return func(b []byte, i int) []byte { return strconv.AppendBool(b, a.Value(i)) }
	case *array.Decimal128:
		return func(b []byte, i int) []byte {
			b = binary.LittleEndian.AppendUint64(b, a.Value(i).LowBits())
			return binary.LittleEndian.AppendUint64(b, uint64(a.Value(i).HighBits()))
		}
	case *array.String:
		return func(b []byte, i int) []byte { return append(b, a.Value(i)...) }
	case *array.Binary:
		return func(b []byte, i int) []byte { return append(b, a.Value(i)...) }
	case *array.FixedSizeBinary:
		return func(b []byte, i int) []byte { return append(b, a.Value(i)...) }
	}
	panic("BUG: no partition value for type " + a.DataType().String())
}

// integerValue reads integers, dates and timestamps as int64; nil for other types.
func integerValue(a arrow.Array) func(int) int64 {
	switch a := a.(type) {
	case *array.Int8:
		return func(i int) int64 { return int64(a.Value(i)) }
	case *array.Int16:
		return func(i int) int64 { return int64(a.Value(i)) }
	case *array.Int32:
		return func(i int) int64 { return int64(a.Value(i)) }
	case *array.Int64:
		return func(i int) int64 { return a.Value(i) }
	case *array.Uint8:
		return func(i int) int64 { return int64(a.Value(i)) }
	case *array.Uint16:
		return func(i int) int64 { return int64(a.Value(i)) }
	case *array.Uint32:
		return func(i int) int64 { return int64(a.Value(i)) }
	case *array.Uint64:
		return func(i int) int64 { return int64(a.Value(i)) }
	case *array.Date32:
		return func(i int) int64 { return int64(a.Value(i)) }
	case *array.Timestamp:
		return func(i int) int64 { return int64(a.Value(i)) }
	}
	return nil
}

func (t Transform) truncated(a arrow.Array) (func([]byte, int) []byte, func([]byte, int) string) {
	asText := func(b []byte, _ int) string { return string(b) }
	switch a := a.(type) {
	case *array.String:
		return func(b []byte, i int) []byte { return append(b, firstRunes(a.Value(i), t.N)...) }, asText
	case *array.Decimal128:
		scale := a.DataType().(*arrow.Decimal128Type).Scale
		step := decimalStep(t.N, scale)
		return func(b []byte, i int) []byte {
			return append(b, decimalText(truncateDecimal(a.Value(i), step), scale)...)
		}, asText
	case *array.Uint64:
		n := uint64(t.N)
		return func(b []byte, i int) []byte { return strconv.AppendUint(b, a.Value(i)/n*n, 10) }, asText
	}
	v := integerValue(a)
	return func(b []byte, i int) []byte { return strconv.AppendInt(b, truncateInt(v(i), t.N), 10) }, asText
}

func firstRunes(s string, n int64) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

// valueText is the partition text of a value itself.
func valueText(a arrow.Array, i int) string {
	switch a := a.(type) {
	case *array.String:
		return a.Value(i)
	case *array.Date32:
		return instantOf(a)(i).text("-01-02")
	case *array.Timestamp:
		if a.DataType().(*arrow.TimestampType).TimeZone != "" {
			return instantOf(a)(i).text("-01-02T15:04:05.999999999Z")
		}
		return instantOf(a)(i).text("-01-02 15:04:05.999999999")
	case *array.Decimal128:
		return decimalText(a.Value(i), a.DataType().(*arrow.Decimal128Type).Scale)
	}
	return a.ValueStr(i)
}

// truncateInt rounds v down to a multiple of n. At the very bottom of int64,
// where that multiple does not exist, it is the bottom itself.
func truncateInt(v, n int64) int64 {
	down := floorDiv(v, n) * n
	if down > v {
		return math.MinInt64
	}
	return down
}

// decimalStep returns n as the unscaled value of a decimal of that scale.
func decimalStep(n int64, scale int32) decimal128.Num {
	if scale < 0 {
		return decimal128.FromI64(n)
	}
	return decimal128.FromI64(n).IncreaseScaleBy(scale)
}

// truncateDecimal rounds v down to a multiple of step, with the same bottom.
func truncateDecimal(v, step decimal128.Num) decimal128.Num {
	q, rem := v.Div(step)
	if rem.Sign() < 0 {
		q = q.Sub(decimal128.FromI64(1))
	}
	down := q.Mul(step)
	if v.Less(down) {
		return decimal128.New(math.MinInt64, 0)
	}
	return down
}

// decimalText writes all digits of v, as many after the point as scale says.
func decimalText(v decimal128.Num, scale int32) string {
	digits, sign := v.BigInt().String(), ""
	if digits[0] == '-' {
		digits, sign = digits[1:], "-"
	}
	if scale <= 0 {
		if digits != "0" {
			digits += strings.Repeat("0", int(-scale))
		}
		return sign + digits
	}
	if short := int(scale) + 1 - len(digits); short > 0 {
		digits = strings.Repeat("0", short) + digits
	}
	point := len(digits) - int(scale)
	return sign + digits[:point] + "." + digits[point:]
}
