package scan

import (
	"math"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/float16"
)

// lane is the shape in which values of a type are worked on. The many types
// of a table come down to seven lanes, so that each kernel is written once
// for a lane and not for every width.
type lane uint8

const (
	laneInt    lane = iota // integers but uint64, dates, times, timestamps, durations
	laneUint               // uint64
	laneFloat              // floats of all widths
	laneDec                // decimals: the unscaled value
	laneStr                // strings and bytes
	laneBool               // booleans
	laneNested             // lists, structs and maps: carried, never looked into
)

func laneOf(t arrow.DataType) lane {
	switch t.ID() {
	case arrow.UINT64:
		return laneUint
	case arrow.FLOAT16, arrow.FLOAT32, arrow.FLOAT64:
		return laneFloat
	case arrow.DECIMAL128:
		return laneDec
	case arrow.STRING, arrow.BINARY, arrow.FIXED_SIZE_BINARY:
		return laneStr
	case arrow.BOOL:
		return laneBool
	case arrow.LIST, arrow.STRUCT, arrow.MAP:
		return laneNested
	}
	return laneInt
}

// vec is the values of one expression over n rows, in the lane of typ. A
// constant has one value that stands for all rows. Values under a null are
// arbitrary, but bools are false there. A vec is never changed once it has
// been handed on; its slices may be views of an Arrow array.
type vec struct {
	typ   arrow.DataType
	n     int
	one   bool
	valid bits // nil: no nulls

	ints   []int64
	uints  []uint64
	floats []float64
	decs   []decimal128.Num // see wides
	small  []int64          // the same, where all values fit: then decs may be nil
	strs   []string
	bools  bits
	arr    arrow.Array // laneNested
}

// step is the index mask of v: v.ints[i&v.step()] is row i, constant or not.
func (v *vec) step() int {
	if v.one {
		return 0
	}
	return -1
}

func (v *vec) null(i int) bool { return v.valid != nil && !v.valid.has(i&v.step()) }

// wides returns the values of a decimal vec as decimals.
func (v *vec) wides() []decimal128.Num {
	if v.decs == nil && v.small != nil {
		v.decs = convert(v.small, decimal128.FromI64)
	}
	return v.decs
}

// narrow returns the unscaled values of a decimal vec as integers, or nil
// where they are not known to fit.
func (v *vec) narrow() []int64 {
	if v.small == nil && len(v.decs) == 1 && isSmall(v.decs[0]) {
		return []int64{int64(v.decs[0].LowBits())}
	}
	return v.small
}

// rowBits returns b, which belongs to v, as bits of all rows of v.
func (v *vec) rowBits(b bits) bits {
	if b == nil || !v.one {
		return b
	}
	if b.has(0) {
		return allBits(v.n)
	}
	return newBits(v.n)
}

// validity returns the rows of v that are not null, nil for all.
func (v *vec) validity() bits { return v.rowBits(v.valid) }

// truth returns the rows for which the boolean v is true.
func (v *vec) truth() bits { return v.rowBits(v.bools) }

// nulls returns a constant null of type t over n rows.
func nulls(t arrow.DataType, n int) *vec {
	v := &vec{typ: t, n: n, one: true, valid: bits{0}}
	switch laneOf(t) {
	case laneInt:
		v.ints = []int64{0}
	case laneUint:
		v.uints = []uint64{0}
	case laneFloat:
		v.floats = []float64{0}
	case laneDec:
		v.decs = []decimal128.Num{{}}
	case laneStr:
		v.strs = []string{""}
	case laneBool:
		v.bools = bits{0}
	}
	return v
}

// boolVec returns a boolean of n rows; valid nil means no nulls.
func boolVec(n int, truth, valid bits) *vec {
	return &vec{typ: arrow.FixedWidthTypes.Boolean, n: n, bools: intersect(valid, truth), valid: valid}
}

// vecOf returns the values of a. Integers of 64 bits, float64, decimals and
// the bytes of strings are shared with a, not copied.
func vecOf(a arrow.Array) *vec {
	v := &vec{typ: a.DataType(), n: a.Len(), valid: validityOf(a)}
	switch a := a.(type) {
	case *array.Int8:
		v.ints = widen(a.Int8Values())
	case *array.Int16:
		v.ints = widen(a.Int16Values())
	case *array.Int32:
		v.ints = widen(a.Int32Values())
	case *array.Int64:
		v.ints = a.Int64Values()
	case *array.Uint8:
		v.ints = widen(a.Uint8Values())
	case *array.Uint16:
		v.ints = widen(a.Uint16Values())
	case *array.Uint32:
		v.ints = widen(a.Uint32Values())
	case *array.Uint64:
		v.uints = a.Uint64Values()
	case *array.Date32:
		v.ints = widen(a.Date32Values())
	case *array.Time32:
		v.ints = widen(a.Time32Values())
	case *array.Time64:
		v.ints = widen(a.Time64Values())
	case *array.Timestamp:
		v.ints = asInt64(a.TimestampValues())
	case *array.Duration:
		v.ints = widen(a.DurationValues())
	case *array.Float16:
		v.floats = make([]float64, a.Len())
		for i := range v.floats {
			v.floats[i] = float64(a.Value(i).Float32())
		}
	case *array.Float32:
		v.floats = make([]float64, a.Len())
		for i, f := range a.Float32Values() {
			v.floats[i] = float64(f)
		}
	case *array.Float64:
		v.floats = a.Float64Values()
	case *array.Decimal128:
		v.decs = a.Values()
	case *array.String:
		v.strs = make([]string, a.Len())
		for i := range v.strs {
			v.strs[i] = a.Value(i)
		}
	case *array.Binary:
		v.strs = make([]string, a.Len())
		for i := range v.strs {
			v.strs[i] = viewString(a.Value(i))
		}
	case *array.FixedSizeBinary:
		v.strs = make([]string, a.Len())
		for i := range v.strs {
			v.strs[i] = viewString(a.Value(i))
		}
	case *array.Boolean:
		if a.Len() > 0 {
			v.bools = intersect(v.valid, copyBits(a.Data().Buffers()[1].Bytes(), a.Data().Offset(), a.Len()))
		}
	default:
		v.arr = a
	}
	return v
}

func widen[T int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | arrow.Date32 | arrow.Time32 | arrow.Time64 | arrow.Duration](in []T) []int64 {
	out := make([]int64, len(in))
	for i, v := range in {
		out[i] = int64(v)
	}
	return out
}

// asInt64 views timestamps as the int64 that they are.
func asInt64(in []arrow.Timestamp) []int64 {
	return unsafe.Slice((*int64)(unsafe.Pointer(unsafe.SliceData(in))), len(in))
}

// viewString views b, which nobody changes, as a string.
func viewString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func validityOf(a arrow.Array) bits {
	if a.NullN() == 0 {
		return nil
	}
	return copyBits(a.NullBitmapBytes(), a.Data().Offset(), a.Len())
}

// copyBits returns n bits of an Arrow bitmap from bit offset on.
func copyBits(src []byte, offset, n int) bits {
	out := newBits(n)
	if n > 0 && offset%8 == 0 {
		src = src[offset/8:]
		for i := range (n + 7) / 8 {
			out[i/8] |= uint64(src[i]) << (i % 8 * 8)
		}
		out.trim(n)
		return out
	}
	for i := range n {
		j := offset + i
		out[i>>6] |= uint64(src[j>>3]>>(j&7)&1) << (i & 63)
	}
	return out
}

// array returns v as an Arrow array of its type, constants written out.
func (v *vec) array() arrow.Array {
	v = v.spread()
	if v.arr != nil {
		return v.arr
	}
	if a := arrayOfVec(v); a != nil {
		return a
	}
	b := array.NewBuilder(mem, v.typ)
	defer b.Release()
	b.Reserve(v.n)
	switch b := b.(type) {
	case *array.Int8Builder:
		narrow(v, b.UnsafeAppend, b.UnsafeAppendBoolToBitmap)
	case *array.Int16Builder:
		narrow(v, b.UnsafeAppend, b.UnsafeAppendBoolToBitmap)
	case *array.Int32Builder:
		narrow(v, b.UnsafeAppend, b.UnsafeAppendBoolToBitmap)
	case *array.Int64Builder:
		narrow(v, b.UnsafeAppend, b.UnsafeAppendBoolToBitmap)
	case *array.Uint8Builder:
		narrow(v, b.UnsafeAppend, b.UnsafeAppendBoolToBitmap)
	case *array.Uint16Builder:
		narrow(v, b.UnsafeAppend, b.UnsafeAppendBoolToBitmap)
	case *array.Uint32Builder:
		narrow(v, b.UnsafeAppend, b.UnsafeAppendBoolToBitmap)
	case *array.Date32Builder:
		narrow(v, b.UnsafeAppend, b.UnsafeAppendBoolToBitmap)
	case *array.Time32Builder:
		narrow(v, b.UnsafeAppend, b.UnsafeAppendBoolToBitmap)
	case *array.Time64Builder:
		narrow(v, b.UnsafeAppend, b.UnsafeAppendBoolToBitmap)
	case *array.TimestampBuilder:
		narrow(v, b.UnsafeAppend, b.UnsafeAppendBoolToBitmap)
	case *array.DurationBuilder:
		narrow(v, b.UnsafeAppend, b.UnsafeAppendBoolToBitmap)
	case *array.Uint64Builder:
		appendAll(v, v.uints, b.Append, b.AppendNull)
	case *array.Float16Builder:
		appendAll(v, v.floats, func(f float64) { b.Append(float16.New(float32(f))) }, b.AppendNull)
	case *array.Float32Builder:
		appendAll(v, v.floats, func(f float64) { b.Append(float32(f)) }, b.AppendNull)
	case *array.Float64Builder:
		appendAll(v, v.floats, b.Append, b.AppendNull)
	case *array.Decimal128Builder:
		appendAll(v, v.wides(), b.Append, b.AppendNull)
	case *array.StringBuilder:
		appendAll(v, v.strs, b.Append, b.AppendNull)
	case *array.BinaryBuilder:
		appendAll(v, v.strs, b.AppendString, b.AppendNull)
	case *array.FixedSizeBinaryBuilder:
		appendAll(v, v.strs, func(s string) { b.Append([]byte(s)) }, b.AppendNull)
	case *array.BooleanBuilder:
		for i := range v.n {
			if v.null(i) {
				b.AppendNull()
			} else {
				b.Append(v.bools.has(i))
			}
		}
	default:
		panic("BUG: no array of type " + v.typ.String())
	}
	return b.NewArray()
}

// narrow appends the ints of v as T.
func narrow[T ~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32](v *vec, appendValue func(T), appendBit func(bool)) {
	for i, x := range v.ints {
		if v.null(i) {
			appendBit(false)
			continue
		}
		appendValue(T(x))
	}
}

func appendAll[T any](v *vec, values []T, appendValue func(T), appendNull func()) {
	for i, x := range values {
		if v.null(i) {
			appendNull()
			continue
		}
		appendValue(x)
	}
}

// spread returns v with one value a row.
func (v *vec) spread() *vec {
	if !v.one {
		return v
	}
	return v.pick(make([]int32, v.n))
}

// take returns the given rows of v.
func (v *vec) take(rows []int32) *vec {
	if v.one {
		c := *v
		c.n = len(rows)
		return &c
	}
	return v.pick(rows)
}

// pick returns the values at the given places of the slices of v.
func (v *vec) pick(rows []int32) *vec {
	out := &vec{typ: v.typ, n: len(rows)}
	if v.valid != nil {
		out.valid = fill(len(rows), func(i int) bool { return v.valid.has(int(rows[i])) })
	}
	switch laneOf(v.typ) {
	case laneInt:
		out.ints = gather(v.ints, rows)
	case laneUint:
		out.uints = gather(v.uints, rows)
	case laneFloat:
		out.floats = gather(v.floats, rows)
	case laneDec:
		if v.small != nil {
			out.small = gather(v.small, rows)
		} else {
			out.decs = gather(v.decs, rows)
		}
	case laneStr:
		out.strs = gather(v.strs, rows)
	case laneBool:
		out.bools = fill(len(rows), func(i int) bool { return v.bools.has(int(rows[i])) })
	case laneNested:
		if v.one {
			out.arr = array.MakeArrayOfNull(mem, v.typ, len(rows)) // the only nested constant
			break
		}
		out.arr = takeArray(v.arr, rows)
	}
	return out
}

func gather[T any, R int32 | int64](in []T, rows []R) []T {
	out := make([]T, len(rows))
	for i, r := range rows {
		out[i] = in[r]
	}
	return out
}

// ranks maps floats to integers of the same order: NaN is one value, above
// all others, and -0 equals 0. Floats are compared, grouped, counted and
// sorted by rank, so that no kernel has to think of NaN.
func ranks(floats []float64) []int64 {
	out := make([]int64, len(floats))
	for i, f := range floats {
		out[i] = rank(f)
	}
	return out
}

func rank(f float64) int64 {
	switch {
	case f != f:
		return math.MaxInt64
	case f == 0:
		return 0
	}
	b := int64(math.Float64bits(f))
	return b ^ int64(uint64(b>>63)>>1)
}

// unrank is the inverse of rank.
func unrank(r int64) float64 {
	if r == math.MaxInt64 {
		return math.NaN()
	}
	return math.Float64frombits(uint64(r ^ int64(uint64(r>>63)>>1)))
}
