// Package index holds what can say "no" or "exactly these rows" without
// touching data. It knows values and rows, not files: format stores what is
// built here, and the scan asks it.
package index

import (
	"bytes"
	"encoding/binary"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// MaxBoundBytes is how much of a string or binary bound a zone keeps.
const MaxBoundBytes = 64

// Zone is the summary of one column over a run of rows (a block, a segment).
// Min and Max are Keys; nil means that there is no bound, either because all
// rows are null (Nulls == Rows) or because the type has none (nested types).
// A bound that is not exact was cut to MaxBoundBytes: it still bounds, but is
// not itself a value. The zero Zone is that of no rows.
type Zone struct {
	Rows     int64  `json:"rows"`
	Nulls    int64  `json:"nulls,omitempty"`
	Min      []byte `json:"min,omitempty"`
	Max      []byte `json:"max,omitempty"`
	MinExact bool   `json:"min_exact,omitempty"`
	MaxExact bool   `json:"max_exact,omitempty"`
}

// ZoneOf summarises arr. The result does not share memory with arr.
func ZoneOf(arr arrow.Array) Zone {
	z := Zone{Rows: int64(arr.Len()), Nulls: int64(arr.NullN())}
	if !Bounded(arr.DataType()) || z.Nulls == z.Rows {
		return z
	}
	lo, hi := extremes(arr)
	return zoneBetween(arr, AppendKey(nil, arr, lo), AppendKey(nil, arr, hi))
}

// zoneBetween returns the zone of arr, of which these are the least and the
// greatest key.
func zoneBetween(arr arrow.Array, lo, hi []byte) Zone {
	z := Zone{Rows: int64(arr.Len()), Nulls: int64(arr.NullN())}
	z.Min, z.MinExact = cutLow(lo)
	z.Max, z.MaxExact = cutHigh(hi)
	return z
}

// Merge returns the zone of the rows of both z and o. A side without bounds
// that has non-null rows takes the bounds away.
func (z Zone) Merge(o Zone) Zone {
	if z.Rows == 0 {
		return o
	}
	if o.Rows == 0 {
		return z
	}
	m := Zone{Rows: z.Rows + o.Rows, Nulls: z.Nulls + o.Nulls}
	m.Min, m.MinExact = pick(z, o, func(z Zone) ([]byte, bool) { return z.Min, z.MinExact }, -1)
	m.Max, m.MaxExact = pick(z, o, func(z Zone) ([]byte, bool) { return z.Max, z.MaxExact }, +1)
	return m
}

func pick(a, b Zone, bound func(Zone) ([]byte, bool), sign int) ([]byte, bool) {
	ak, aExact := bound(a)
	bk, bExact := bound(b)
	switch {
	case ak == nil && a.Nulls < a.Rows, bk == nil && b.Nulls < b.Rows:
		return nil, false
	case ak == nil:
		return bk, bExact
	case bk == nil:
		return ak, aExact
	}
	switch c := bytes.Compare(ak, bk) * sign; {
	case c > 0:
		return ak, aExact
	case c < 0:
		return bk, bExact
	}
	return ak, aExact && bExact
}

// cutLow cuts a key to MaxBoundBytes: a prefix sorts at or below the key.
func cutLow(key []byte) ([]byte, bool) {
	if len(key) <= MaxBoundBytes {
		return append([]byte{}, key...), true
	}
	return append([]byte{}, key[:MaxBoundBytes]...), false
}

// cutHigh cuts a key to a prefix raised by one, which sorts above the key;
// a prefix of all 0xff bytes cannot be raised and leaves no bound.
func cutHigh(key []byte) ([]byte, bool) {
	if len(key) <= MaxBoundBytes {
		return append([]byte{}, key...), true
	}
	cut := append([]byte{}, key[:MaxBoundBytes]...)
	for i := len(cut) - 1; i >= 0; i-- {
		if cut[i] != 0xff {
			cut[i]++
			return cut[:i+1], false
		}
	}
	return nil, false
}

// Bounded reports whether values of the canonical type t have an order that
// zones keep.
func Bounded(t arrow.DataType) bool {
	switch t.ID() {
	case arrow.LIST, arrow.STRUCT, arrow.MAP:
		return false
	}
	return true
}

// AppendKey appends the key of value i of arr to dst: bytes whose order under
// bytes.Compare is the order of the values. Keys of a type and of a wider
// type it can be widened to are the same: integers and times are 8 bytes
// (unsigned for uint64, which never widens), floats are those of float64
// with NaN on top and -0 equal to 0, decimals are 16 bytes of the unscaled
// value, strings and bytes are themselves. The value must not be null and
// its type must be Bounded.
func AppendKey(dst []byte, arr arrow.Array, i int) []byte {
	switch a := arr.(type) {
	case *array.Boolean:
		if a.Value(i) {
			return append(dst, 1)
		}
		return append(dst, 0)
	case *array.Int8:
		return IntKey(dst, int64(a.Value(i)))
	case *array.Int16:
		return IntKey(dst, int64(a.Value(i)))
	case *array.Int32:
		return IntKey(dst, int64(a.Value(i)))
	case *array.Int64:
		return IntKey(dst, a.Value(i))
	case *array.Uint8:
		return IntKey(dst, int64(a.Value(i)))
	case *array.Uint16:
		return IntKey(dst, int64(a.Value(i)))
	case *array.Uint32:
		return IntKey(dst, int64(a.Value(i)))
	case *array.Uint64:
		return binary.BigEndian.AppendUint64(dst, a.Value(i))
	case *array.Date32:
		return IntKey(dst, int64(a.Value(i)))
	case *array.Time32:
		return IntKey(dst, int64(a.Value(i)))
	case *array.Time64:
		return IntKey(dst, int64(a.Value(i)))
	case *array.Timestamp:
		return IntKey(dst, int64(a.Value(i)))
	case *array.Duration:
		return IntKey(dst, int64(a.Value(i)))
	case *array.Float16:
		return FloatKey(dst, float64(a.Value(i).Float32()))
	case *array.Float32:
		return FloatKey(dst, float64(a.Value(i)))
	case *array.Float64:
		return FloatKey(dst, a.Value(i))
	case *array.Decimal128:
		v := a.Value(i)
		dst = binary.BigEndian.AppendUint64(dst, uint64(v.HighBits())^1<<63)
		return binary.BigEndian.AppendUint64(dst, v.LowBits())
	case *array.String:
		return append(dst, a.Value(i)...)
	case *array.Binary:
		return append(dst, a.Value(i)...)
	case *array.FixedSizeBinary:
		return append(dst, a.Value(i)...)
	}
	panic("BUG: no key for type " + arr.DataType().String())
}

// IntKey appends the key of an integer, date or time. A uint64 column has
// keys of its own (unsigned, 8 bytes) and is never widened.
func IntKey(dst []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(v)^1<<63)
}

// FloatKey appends the key of a float of any width.
func FloatKey(dst []byte, v float64) []byte {
	return binary.BigEndian.AppendUint64(dst, floatOrder(v))
}
