package schema

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/zeebo/xxh3"
)

// Apply returns the partition value of each row of a, which must be of the
// type of the transform's column or of a narrower one. Equal values share
// their text.
func (t Transform) Apply(a arrow.Array) ([]PartitionValue, error) {
	if err := t.check(a.DataType()); err != nil {
		return nil, err
	}
	key, text := t.keyed(a)
	out := make([]PartitionValue, a.Len())
	seen := map[string]string{}
	var buf []byte
	last := -1
	for i := range out {
		if a.IsNull(i) {
			out[i].Null = true
			continue
		}
		prev := len(buf)
		buf = key(buf, i)
		if last >= 0 && string(buf[:prev]) == string(buf[prev:]) { // rows often come in runs
			out[i], buf = out[last], buf[:prev]
			last = i
			continue
		}
		buf = append(buf[:0], buf[prev:]...)
		s, ok := seen[string(buf)]
		if !ok {
			s = text(buf, i)
			seen[string(buf)] = s
		}
		out[i].Text, last = s, i
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
		instant := instantOf(a)
		return func(b []byte, i int) []byte {
				return binary.LittleEndian.AppendUint64(b, uint64(t.period(instant(i))))
			}, func(_ []byte, i int) string {
				return instant(i).Format(periodLayout[t.Kind])
			}
	case Truncate:
		return t.truncated(a)
	}
	return rawValue(a), func(_ []byte, i int) string { return valueText(a, i) }
}

var periodLayout = map[TransformKind]string{Year: "2006", Month: "2006-01", Day: "2006-01-02", Hour: "2006-01-02-15"}

// period numbers the year, month, day or hour that holds at.
func (t Transform) period(at time.Time) int64 {
	switch t.Kind {
	case Year:
		return int64(at.Year())
	case Month:
		return int64(at.Year())*12 + int64(at.Month())
	case Day:
		return floorDiv(at.Unix(), 24*60*60)
	}
	return floorDiv(at.Unix(), 60*60)
}

func instantOf(a arrow.Array) func(int) time.Time {
	switch a := a.(type) {
	case *array.Date32:
		return func(i int) time.Time { return a.Value(i).ToTime() }
	case *array.Timestamp:
		unit := a.DataType().(*arrow.TimestampType).Unit
		return func(i int) time.Time { return a.Value(i).ToTime(unit) }
	}
	panic("BUG: no instant in type " + a.DataType().String())
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
		return func(b []byte, i int) []byte { return append(b, truncateDecimal(a.Value(i), step).ToString(scale)...) }, asText
	case *array.Uint64:
		n := uint64(t.N)
		return func(b []byte, i int) []byte { return strconv.AppendUint(b, a.Value(i)/n*n, 10) }, asText
	}
	v := integerValue(a)
	return func(b []byte, i int) []byte {
		return fmt.Append(b, truncateInt(v(i), t.N))
	}, asText
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
		return a.Value(i).ToTime().Format(time.DateOnly)
	case *array.Timestamp:
		t := a.DataType().(*arrow.TimestampType)
		at := a.Value(i).ToTime(t.Unit)
		if t.TimeZone != "" {
			return at.Format("2006-01-02T15:04:05.999999999Z")
		}
		return at.Format("2006-01-02 15:04:05.999999999")
	case *array.Decimal128:
		return a.Value(i).ToString(a.DataType().(*arrow.Decimal128Type).Scale)
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

func truncateDecimal(v, step decimal128.Num) decimal128.Num {
	q, rem := v.Div(step)
	if rem.Sign() < 0 {
		q = q.Sub(decimal128.FromI64(1))
	}
	return q.Mul(step)
}
