package schema

import (
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Canonicalize returns the values of a in the type Canonical(a.DataType()):
// dictionaries and runs are expanded, large and view layouts become plain
// ones. The result may share memory with a; a is not changed. It fails where
// the type is refused, where 2 GiB of bytes or 2^31 elements in one array do
// not fit the plain layout, and where a dictionary index or a date is out of
// range. Beyond that a must be sound: see array.ValidateFull.
func Canonicalize(mem memory.Allocator, a arrow.Array) (arrow.Array, error) {
	want, err := Canonical(a.DataType())
	if err != nil {
		return nil, err
	}
	if arrow.TypeEqual(a.DataType(), want) {
		a.Retain()
		return a, nil
	}
	switch a := a.(type) {
	case array.ExtensionArray:
		return Canonicalize(mem, a.Storage())
	case *array.Null:
		return array.MakeArrayOfNull(mem, want, a.Len()), nil
	case *array.Dictionary:
		return expandDictionary(mem, a)
	case *array.RunEndEncoded:
		return expandRuns(mem, a)
	case *array.LargeString:
		return copyBytes(a, array.NewStringBuilder(mem))
	case *array.StringView:
		return copyBytes(a, array.NewStringBuilder(mem))
	case *array.LargeBinary:
		return copyBytes(a, array.NewBinaryBuilder(mem, arrow.BinaryTypes.Binary))
	case *array.BinaryView:
		return copyBytes(a, array.NewBinaryBuilder(mem, arrow.BinaryTypes.Binary))
	case *array.Date64:
		return daysOf(mem, a)
	case *array.Decimal32:
		return wideDecimal(mem, a, want, func(i int) decimal128.Num { return decimal128.FromI64(int64(a.Value(i))) }), nil
	case *array.Decimal64:
		return wideDecimal(mem, a, want, func(i int) decimal128.Num { return decimal128.FromI64(int64(a.Value(i))) }), nil
	case *array.Struct:
		return canonicalizeStruct(mem, a, want)
	case array.ListLike: // lists of every layout, and maps
		return canonicalizeList(mem, a, want)
	}
	return nil, fmt.Errorf("BUG: no way from type %s to %s", a.DataType(), want)
}

func expandDictionary(mem memory.Allocator, a *array.Dictionary) (arrow.Array, error) {
	values, err := Canonicalize(mem, a.Dictionary())
	if err != nil {
		return nil, err
	}
	picks := make([]int64, a.Len())
	for i := range picks {
		if a.IsNull(i) {
			picks[i] = none
			continue
		}
		p := a.GetValueIndex(i)
		if p < 0 || p >= values.Len() {
			return nil, fmt.Errorf("row %d: dictionary index %d is outside the %d values of the dictionary", i, p, values.Len())
		}
		picks[i] = int64(p)
	}
	return gather(mem, values, picks)
}

func expandRuns(mem memory.Allocator, a *array.RunEndEncoded) (arrow.Array, error) {
	values, err := Canonicalize(mem, a.LogicalValuesArray())
	if err != nil {
		return nil, err
	}
	ends := runEnds(a.LogicalRunEndsArray(mem))
	picks := make([]int64, a.Len())
	run := 0
	for i := range picks {
		for int64(i) >= ends(run) {
			run++
		}
		picks[i] = int64(run)
	}
	return gather(mem, values, picks)
}

func runEnds(a arrow.Array) func(int) int64 {
	switch a := a.(type) {
	case *array.Int16:
		return func(i int) int64 { return int64(a.Value(i)) }
	case *array.Int32:
		return func(i int) int64 { return int64(a.Value(i)) }
	case *array.Int64:
		return a.Value
	}
	panic("BUG: run ends of type " + a.DataType().String())
}

// copyBytes fills b with the values of a.
func copyBytes[T string | []byte](a interface {
	arrow.Array
	Value(int) T
}, b interface {
	array.Builder
	Append(T)
	ReserveData(int)
}) (arrow.Array, error) {
	defer b.Release()
	total := 0
	for i := range a.Len() {
		if a.IsValid(i) {
			total += len(a.Value(i))
		}
	}
	if total > math.MaxInt32 {
		return nil, tooManyBytes(a.Len())
	}
	b.Reserve(a.Len())
	b.ReserveData(total)
	for i := range a.Len() {
		if a.IsNull(i) {
			b.AppendNull()
			continue
		}
		b.Append(a.Value(i))
	}
	return b.NewArray(), nil
}

func tooManyBytes(rows int) error {
	return fmt.Errorf("more than 2 GiB of bytes in one batch of %d rows: send smaller batches", rows)
}

const msPerDay = 24 * 60 * 60 * 1000

func daysOf(mem memory.Allocator, a *array.Date64) (arrow.Array, error) {
	b := array.NewDate32Builder(mem)
	defer b.Release()
	b.Reserve(a.Len())
	for i := range a.Len() {
		if a.IsNull(i) {
			b.AppendNull()
			continue
		}
		days := floorDiv(int64(a.Value(i)), msPerDay)
		if days != int64(int32(days)) {
			return nil, fmt.Errorf("row %d: a date of %d days from 1970 does not fit 32 bits", i, days)
		}
		b.Append(arrow.Date32(days))
	}
	return b.NewArray(), nil
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

func wideDecimal(mem memory.Allocator, a arrow.Array, want arrow.DataType, value func(int) decimal128.Num) arrow.Array {
	b := array.NewDecimal128Builder(mem, want.(*arrow.Decimal128Type))
	defer b.Release()
	b.Reserve(a.Len())
	for i := range a.Len() {
		if a.IsNull(i) {
			b.AppendNull()
			continue
		}
		b.Append(value(i))
	}
	return b.NewArray()
}

func canonicalizeStruct(mem memory.Allocator, a *array.Struct, want arrow.DataType) (arrow.Array, error) {
	children := make([]arrow.ArrayData, a.NumField())
	for i := range children {
		c, err := Canonicalize(mem, a.Field(i)) // already sliced to the rows of a
		if err != nil {
			return nil, err
		}
		children[i] = c.Data()
	}
	bufs := []*memory.Buffer{validityOf(mem, a)}
	return array.MakeFromData(array.NewData(want, a.Len(), bufs, children, a.NullN(), 0)), nil
}

// validityOf returns the validity bitmap of a from bit 0, or nil.
func validityOf(mem memory.Allocator, a arrow.Array) *memory.Buffer {
	if a.NullN() == 0 {
		return nil
	}
	out := memory.NewResizableBuffer(mem)
	out.Resize(int(bitutil.BytesForBits(int64(a.Len()))))
	clear(out.Bytes())
	bitutil.CopyBitmap(a.NullBitmapBytes(), a.Data().Offset(), a.Len(), out.Bytes(), 0)
	return out
}

// canonicalizeList turns any list layout into the one with 32-bit offsets
// from 0, gathering the elements where they do not already follow each other.
func canonicalizeList(mem memory.Allocator, a array.ListLike, want arrow.DataType) (arrow.Array, error) {
	offsets, err := listOffsets(a)
	if err != nil {
		return nil, err
	}
	elems := a.ListValues()
	first, inOrder := oneRun(a)
	if inOrder {
		elems = array.NewSlice(elems, first, first+int64(offsets[a.Len()]))
	}
	child, err := canonicalElems(mem, elems, want)
	if err == nil && !inOrder {
		child, err = gather(mem, child, elemPicks(a, int(offsets[a.Len()])))
	}
	if err != nil {
		return nil, err
	}
	bufs := []*memory.Buffer{validityOf(mem, a), memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offsets))}
	return array.MakeFromData(array.NewData(want, a.Len(), bufs, []arrow.ArrayData{child.Data()}, a.NullN(), 0)), nil
}

// listOffsets returns where each list begins once all stand in order; a null
// takes no room.
func listOffsets(a array.ListLike) ([]int32, error) {
	offsets := make([]int32, a.Len()+1)
	for i := range a.Len() {
		offsets[i+1] = offsets[i]
		if a.IsNull(i) {
			continue
		}
		start, end := a.ValueOffsets(i)
		if int64(offsets[i])+end-start > math.MaxInt32 {
			return nil, fmt.Errorf("more than 2^31 list elements in one batch of %d rows: send smaller batches", a.Len())
		}
		offsets[i+1] += int32(end - start)
	}
	return offsets, nil
}

// oneRun reports whether the elements of the lists that are not null follow
// each other without a gap, and where they begin.
func oneRun(a array.ListLike) (first int64, ok bool) {
	next := int64(none)
	for i := range a.Len() {
		if a.IsNull(i) {
			continue
		}
		start, end := a.ValueOffsets(i)
		switch {
		case start == end: // may lie anywhere
			continue
		case next == none:
			first = start
		case start != next:
			return 0, false
		}
		next = end
	}
	return first, true
}

// elemPicks returns the positions of the n elements of the lists, in order.
func elemPicks(a array.ListLike, n int) []int64 {
	picks := make([]int64, 0, n)
	for i := range a.Len() {
		if a.IsNull(i) {
			continue
		}
		start, end := a.ValueOffsets(i)
		for j := start; j < end; j++ {
			picks = append(picks, j)
		}
	}
	return picks
}

// canonicalElems canonicalises the elements of a list or the entries of a map;
// the entries take the exact struct type that the map type demands.
func canonicalElems(mem memory.Allocator, elems arrow.Array, want arrow.DataType) (arrow.Array, error) {
	m, ok := want.(*arrow.MapType)
	if !ok {
		return Canonicalize(mem, elems)
	}
	entries := elems.(*array.Struct)
	return canonicalizeStruct(mem, entries, m.Elem())
}
