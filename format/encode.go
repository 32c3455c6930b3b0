package format

import (
	"fmt"
	"slices"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/format/codec"
	"github.com/tarnlake/tarn/format/kern"
)

// A column is put into its page in this order, which the type alone tells:
//
//	validity bits, then
//	bool            bits
//	words           integers
//	decimal         wide integers
//	string, binary  strings; fixed[n] too, all of length n
//	struct          its children, each a column
//	list            lengths (Word32), then the elements, a column
//	map             lengths, then the keys, a column, and the values, a column

// putColumn puts a, of a canonical type, whatever its offset.
func putColumn(e *codec.Encoder, a arrow.Array) error {
	if err := putValidity(e, a); err != nil {
		return err
	}
	switch a := a.(type) {
	case *array.Boolean:
		return putBools(e, a)
	case *array.String:
		return e.PutStrings(stringsOf(a, a.ValueOffsets(), a.ValueBytes()))
	case *array.Binary:
		return e.PutStrings(stringsOf(a, a.ValueOffsets(), a.ValueBytes()))
	case *array.FixedSizeBinary:
		return putFixed(e, a)
	case *array.Decimal128:
		return e.PutWide(filledWide(a))
	case *array.Struct:
		return putChildren(e, a)
	case *array.Map:
		return putMap(e, a)
	case *array.List:
		elems, err := putLengths(e, a, a.ListValues())
		if err != nil {
			return err
		}
		return putColumn(e, elems)
	}
	return putWords(e, a)
}

func putValidity(e *codec.Encoder, a arrow.Array) error {
	if a.NullN() == 0 {
		return e.PutBits(ones(a.Len()), a.Len())
	}
	return e.PutBits(bitmapOf(a.NullBitmapBytes(), a), a.Len())
}

// ones returns n set bits.
func ones(n int) []byte {
	b := make([]byte, (n+7)/8)
	for i := range b {
		b[i] = 0xff
	}
	return b
}

// bitmapOf returns a copy of the bits of a's rows, from bit 0.
func bitmapOf(bits []byte, a arrow.Array) []byte {
	out := make([]byte, (a.Len()+7)/8)
	if len(out) > 0 {
		bitutil.CopyBitmap(bits, a.Data().Offset(), a.Len(), out, 0)
	}
	return out
}

// putBools makes the values under nulls false, or true if all others are.
func putBools(e *codec.Encoder, a *array.Boolean) error {
	if a.Len() == 0 {
		return e.PutBits(nil, 0)
	}
	v := bitmapOf(a.Data().Buffers()[1].Bytes(), a)
	if a.NullN() == 0 {
		return e.PutBits(v, a.Len())
	}
	valid := bitmapOf(a.NullBitmapBytes(), a)
	for i := range v {
		v[i] &= valid[i]
	}
	if slices.Equal(v, valid) {
		v = ones(a.Len())
	}
	return e.PutBits(v, a.Len())
}

func putWords(e *codec.Encoder, a arrow.Array) error {
	signed := true
	switch a.DataType().ID() {
	case arrow.FLOAT32:
		return codec.PutFloats(e, filled[uint32](a))
	case arrow.FLOAT64:
		return codec.PutFloats(e, filled[uint64](a))
	case arrow.UINT8, arrow.UINT16, arrow.UINT32, arrow.UINT64, arrow.FLOAT16:
		signed = false
	}
	switch a.DataType().(arrow.FixedWidthDataType).BitWidth() {
	case 8:
		return codec.PutInts(e, filled[uint8](a), signed)
	case 16:
		return codec.PutInts(e, filled[uint16](a), signed)
	case 32:
		return codec.PutInts(e, filled[uint32](a), signed)
	}
	return codec.PutInts(e, filled[uint64](a), signed)
}

// filled returns the values of a. Each null takes the value before it (the
// first ones that of the first value), so that nulls cost nothing. The result
// may be a's own memory.
func filled[T kern.Uint](a arrow.Array) []T {
	v := rowsIn[T](a, 1)
	if a.NullN() == 0 {
		return v
	}
	v = slices.Clone(v)
	prev := v[firstValid(a)]
	if a.NullN() == len(v) {
		prev = 0
	}
	for i := range v {
		if a.IsNull(i) {
			v[i] = prev
		}
		prev = v[i]
	}
	return v
}

// rowsIn returns the memory of a's rows, per words a row.
func rowsIn[T kern.Uint](a arrow.Array, per int) []T {
	if a.Len() == 0 {
		return nil
	}
	b := a.Data().Buffers()[1].Bytes()
	all := unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)*8/kern.Bits[T]())
	return all[a.Data().Offset()*per:][:a.Len()*per]
}

// firstValid returns the first row that is not null, or 0.
func firstValid(a arrow.Array) int {
	for i := range a.Len() {
		if a.IsValid(i) {
			return i
		}
	}
	return 0
}

// filledWide is filled for decimals.
func filledWide(a *array.Decimal128) []uint64 {
	v := rowsIn[uint64](a, 2)
	if a.NullN() == 0 {
		return v
	}
	v = slices.Clone(v)
	first := firstValid(a)
	lo, hi := v[2*first], v[2*first+1]
	if a.NullN() == a.Len() {
		lo, hi = 0, 0
	}
	for i := range a.Len() {
		if a.IsNull(i) {
			v[2*i], v[2*i+1] = lo, hi
		}
		lo, hi = v[2*i], v[2*i+1]
	}
	return v
}

// stringsOf returns the strings of a; data is the memory from the first of
// offsets on.
func stringsOf(a arrow.Array, offsets []int32, data []byte) codec.Strings {
	if a.Len() == 0 {
		return codec.Strings{Offsets: []int32{0}}
	}
	s := codec.Strings{Offsets: rebased(offsets), Data: data}
	if a.NullN() > 0 {
		s.Null = a.IsNull
	}
	return s
}

// rebased returns offsets from 0 on.
func rebased(offsets []int32) []int32 {
	if offsets[0] == 0 {
		return offsets
	}
	out := make([]int32, len(offsets))
	for i, o := range offsets {
		out[i] = o - offsets[0]
	}
	return out
}

// putFixed puts values of one width. Nulls are zeroes, or they would not have
// that width.
func putFixed(e *codec.Encoder, a *array.FixedSizeBinary) error {
	n, width := a.Len(), a.DataType().(*arrow.FixedSizeBinaryType).ByteWidth
	if n*width > MaxBlockBytes {
		return codec.ErrTooLarge
	}
	s := codec.Strings{Offsets: make([]int32, n+1), Data: make([]byte, 0, n*width)}
	for i := range n {
		if a.IsNull(i) {
			s.Data = s.Data[:len(s.Data)+width]
		} else {
			s.Data = append(s.Data, a.Value(i)...)
		}
		s.Offsets[i+1] = int32(len(s.Data))
	}
	return e.PutStrings(s)
}

func putChildren(e *codec.Encoder, a *array.Struct) error {
	for i := range a.NumField() {
		if err := putColumn(e, a.Field(i)); err != nil { // fields are sliced as a is
			return err
		}
	}
	return nil
}

func putMap(e *codec.Encoder, a *array.Map) error {
	elems, err := putLengths(e, a, a.ListValues())
	if err != nil {
		return err
	}
	entries := elems.(*array.Struct)
	if entries.NullN() > 0 || entries.Field(0).NullN() > 0 {
		return fmt.Errorf("a map has a null key or entry")
	}
	return putChildren(e, entries)
}

// putLengths puts the lengths of lists and returns the elements that belong to
// them. A null list has length 0, whatever is under it.
func putLengths(e *codec.Encoder, a array.ListLike, elems arrow.Array) (arrow.Array, error) {
	lengths := make([]uint32, a.Len())
	var parts []arrow.Array // runs of elements that follow each other
	from, to := int64(0), int64(0)
	for i := range lengths {
		if a.IsNull(i) {
			continue
		}
		start, end := a.ValueOffsets(i)
		lengths[i] = uint32(end - start)
		if start != to && end > start {
			parts, from = appendPart(parts, elems, from, to), start
		}
		if end > start {
			to = end
		}
	}
	if err := codec.PutInts(e, lengths, false); err != nil {
		return nil, err
	}
	parts = appendPart(parts, elems, from, to)
	switch len(parts) {
	case 0:
		return array.NewSlice(elems, 0, 0), nil
	case 1:
		return parts[0], nil
	}
	return array.Concatenate(parts, memory.DefaultAllocator)
}

func appendPart(parts []arrow.Array, elems arrow.Array, from, to int64) []arrow.Array {
	if from == to {
		return parts
	}
	return append(parts, array.NewSlice(elems, from, to))
}
