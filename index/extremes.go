package index

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
)

// extremes returns a row with the least and one with the greatest key of arr,
// which has at least one value. It compares values, not keys: a summary is
// made of every column written.
func extremes(arr arrow.Array) (lo, hi int) {
	switch a := arr.(type) {
	case *array.Int8:
		return ofOrdered(arr, a.Int8Values())
	case *array.Int16:
		return ofOrdered(arr, a.Int16Values())
	case *array.Int32:
		return ofOrdered(arr, a.Int32Values())
	case *array.Int64:
		return ofOrdered(arr, a.Int64Values())
	case *array.Uint8:
		return ofOrdered(arr, a.Uint8Values())
	case *array.Uint16:
		return ofOrdered(arr, a.Uint16Values())
	case *array.Uint32:
		return ofOrdered(arr, a.Uint32Values())
	case *array.Uint64:
		return ofOrdered(arr, a.Uint64Values())
	case *array.Date32:
		return ofOrdered(arr, a.Date32Values())
	case *array.Time32:
		return ofOrdered(arr, a.Time32Values())
	case *array.Time64:
		return ofOrdered(arr, a.Time64Values())
	case *array.Timestamp:
		return ofOrdered(arr, a.TimestampValues())
	case *array.Duration:
		return ofOrdered(arr, a.DurationValues())
	case *array.Float32:
		return ofFloats(arr, a.Float32Values())
	case *array.Float64:
		return ofFloats(arr, a.Float64Values())
	case *array.String:
		return ofStrings(arr, a.ValueOffsets(), a.ValueBytes())
	case *array.Binary:
		return ofStrings(arr, a.ValueOffsets(), a.ValueBytes())
	case *array.Decimal128:
		return ofDecimals(a)
	}
	return ofKeys(arr)
}

type ordered interface {
	~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

func ofOrdered[T ordered](arr arrow.Array, v []T) (lo, hi int) {
	valid := validity(arr)
	lo = valid.first()
	least, greatest := v[lo], v[lo]
	hi = lo
	for i, x := range v {
		if x < least && valid.at(i) {
			lo, least = i, x
		}
		if x > greatest && valid.at(i) {
			hi, greatest = i, x
		}
	}
	return lo, hi
}

func ofFloats[T float32 | float64](arr arrow.Array, v []T) (lo, hi int) {
	valid := validity(arr)
	lo = valid.first()
	least, greatest := floatOrder(float64(v[lo])), floatOrder(float64(v[lo]))
	hi = lo
	for i, x := range v {
		o := floatOrder(float64(x))
		if o < least && valid.at(i) {
			lo, least = i, o
		}
		if o > greatest && valid.at(i) {
			hi, greatest = i, o
		}
	}
	return lo, hi
}

// floatOrder maps floats to integers in the order of their keys.
func floatOrder(v float64) uint64 {
	switch {
	case v != v:
		return math.MaxUint64
	case v == 0:
		v = 0 // -0 becomes 0
	}
	bits := math.Float64bits(v)
	if bits>>63 == 1 {
		return ^bits
	}
	return bits | 1<<63
}

// ofStrings takes the bytes from the first of offsets on. Most values are told
// from the extremes by their first bytes.
func ofStrings(arr arrow.Array, offsets []int32, data []byte) (lo, hi int) {
	valid := validity(arr)
	value := textsOf(offsets, data)
	lo = valid.first()
	least, greatest := value(lo), value(lo)
	low, high := prefix(least), prefix(greatest)
	hi = lo
	for i := range arr.Len() {
		x := value(i)
		p := prefix(x)
		if p > low && p < high {
			continue
		}
		if p <= low && bytes.Compare(x, least) < 0 && valid.at(i) {
			lo, least, low = i, x, p
		} else if p >= high && bytes.Compare(x, greatest) > 0 && valid.at(i) {
			hi, greatest, high = i, x, p
		}
	}
	return lo, hi
}

// prefix returns the first eight bytes of b as a number; what is missing is 0.
// If that of one value is less than that of another, so is the value.
func prefix(b []byte) (p uint64) {
	if len(b) >= 8 {
		return binary.BigEndian.Uint64(b)
	}
	for i, c := range b {
		p |= uint64(c) << (56 - 8*i)
	}
	return p
}

func ofDecimals(a *array.Decimal128) (lo, hi int) {
	valid, v := validity(a), a.Values()
	lo = valid.first()
	hi = lo
	for i := range v {
		if v[i].Less(v[lo]) && valid.at(i) {
			lo = i
		}
		if v[hi].Less(v[i]) && valid.at(i) {
			hi = i
		}
	}
	return lo, hi
}

// ofKeys serves every type, by its keys.
func ofKeys(arr arrow.Array) (lo, hi int) {
	lo, hi = -1, -1
	var key, least, greatest []byte
	for i := range arr.Len() {
		if arr.IsNull(i) {
			continue
		}
		key = AppendKey(key[:0], arr, i)
		if lo < 0 || bytes.Compare(key, least) < 0 {
			lo, least = i, append(least[:0], key...)
		}
		if hi < 0 || bytes.Compare(key, greatest) > 0 {
			hi, greatest = i, append(greatest[:0], key...)
		}
	}
	return lo, hi
}

// rowBits is the validity of an array; without bits all rows are valid.
type rowBits struct {
	bits   []byte
	offset int
}

func validity(arr arrow.Array) rowBits {
	if arr.NullN() == 0 {
		return rowBits{}
	}
	return rowBits{arr.NullBitmapBytes(), arr.Data().Offset()}
}

func (r rowBits) at(i int) bool { return r.bits == nil || bitutil.BitIsSet(r.bits, r.offset+i) }

// first returns the first valid row; there is one.
func (r rowBits) first() int {
	i := 0
	for !r.at(i) {
		i++
	}
	return i
}
