package scan

import (
	"encoding/binary"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/tarnlake/tarn/index"
)

// Keys are index.AppendKey's: bytes that sort as the values do.

// appendKey appends the key of place i of v, which is not null.
func appendKey(dst []byte, v *vec, i int) []byte {
	switch laneOf(v.typ) {
	case laneInt:
		return index.IntKey(dst, v.ints[i])
	case laneUint:
		return binary.BigEndian.AppendUint64(dst, v.uints[i])
	case laneFloat:
		return index.FloatKey(dst, v.floats[i])
	case laneDec:
		dst = binary.BigEndian.AppendUint64(dst, uint64(v.wides()[i].HighBits())^1<<63)
		return binary.BigEndian.AppendUint64(dst, v.wides()[i].LowBits())
	case laneStr:
		return append(dst, v.strs[i]...)
	case laneBool:
		return append(dst, uint8(bit(v.bools.has(i))))
	}
	panic("BUG: no key for type " + v.typ.String())
}

func keyOf(v *vec, i int) []byte { return appendKey([]byte{}, v, i) }

// vecOfKeys returns the values that keys of type t stand for; it reports
// whether the keys have the length of that type.
func vecOfKeys(t arrow.DataType, keys [][]byte) (*vec, bool) {
	v := &vec{typ: t, n: len(keys)}
	v.alloc(len(keys))
	for i, k := range keys {
		if width := keyWidth(t); width >= 0 && len(k) != width {
			return nil, false
		}
		switch laneOf(t) {
		case laneInt:
			v.ints[i] = int64(binary.BigEndian.Uint64(k) ^ 1<<63)
		case laneUint:
			v.uints[i] = binary.BigEndian.Uint64(k)
		case laneFloat:
			v.floats[i] = unrank(int64(floatRankOfKey(binary.BigEndian.Uint64(k))))
		case laneDec:
			v.decs[i] = decimal128.New(int64(binary.BigEndian.Uint64(k)^1<<63), binary.BigEndian.Uint64(k[8:]))
		case laneStr:
			v.strs[i] = string(k)
		case laneBool:
			if k[0] == 1 {
				v.bools.set(i)
			}
		}
	}
	return v, true
}

// intOfKey returns the integer, or the unscaled value of the decimal, that a key
// of type t stands for; ok is false if it does not fit, or is none.
func intOfKey(t arrow.DataType, key []byte) (v int64, ok bool) {
	switch {
	case len(key) != keyWidth(t):
		return 0, false
	case laneOf(t) == laneInt:
		return int64(binary.BigEndian.Uint64(key) ^ 1<<63), true
	case laneOf(t) == laneDec:
		d := decimal128.New(int64(binary.BigEndian.Uint64(key)^1<<63), binary.BigEndian.Uint64(key[8:]))
		return int64(d.LowBits()), isSmall(d)
	}
	return 0, false
}

// floatRankOfKey turns the key of a float into its rank: both are the bits of
// the float, ordered unsigned and signed.
func floatRankOfKey(k uint64) uint64 { return k ^ 1<<63 }

// keyWidth is the length of keys of type t, -1 where it varies.
func keyWidth(t arrow.DataType) int {
	switch laneOf(t) {
	case laneDec:
		return 16
	case laneStr:
		return -1
	case laneBool:
		return 1
	}
	return 8
}

// Within a sort key of several columns each column is a byte that places
// nulls, then its key; a key of varying length is closed so that a prefix
// sorts first. A descending column has the bytes of its key inverted.
const (
	nullsBefore = 0
	notNull     = 1
	nullsAfter  = 2
)

// appendSortKey appends the sort key of place i of v.
func appendSortKey(dst []byte, v *vec, i int, desc, nullsFirst bool) []byte {
	if v.null(i) {
		if nullsFirst {
			return append(dst, nullsBefore)
		}
		return append(dst, nullsAfter)
	}
	dst = append(dst, notNull)
	start := len(dst)
	if laneOf(v.typ) == laneStr {
		dst = appendClosed(dst, v.strs[i&v.step()])
	} else {
		dst = appendKey(dst, v, i&v.step())
	}
	if desc {
		for j := start; j < len(dst); j++ {
			dst[j] = ^dst[j]
		}
	}
	return dst
}

// appendClosed writes s with 00 as 00 ff, and 00 00 behind it.
func appendClosed(dst []byte, s string) []byte {
	for {
		i := strings.IndexByte(s, 0)
		if i < 0 {
			break
		}
		dst = append(append(dst, s[:i]...), 0, 0xff)
		s = s[i+1:]
	}
	return append(append(dst, s...), 0, 0)
}
