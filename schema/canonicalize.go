package schema

import (
	"context"
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Canonicalize returns the values of a in the type Canonical(a.DataType()):
// dictionaries and runs are expanded, large and view layouts become plain
// ones. The result may share memory with a; a is not changed. It fails where
// the type is refused, or where 2 GiB of bytes or 2^31 elements in one array
// do not fit the plain layout.
func Canonicalize(mem memory.Allocator, a arrow.Array) (arrow.Array, error) {
	want, err := Canonical(a.DataType())
	if err != nil {
		return nil, err
	}
	if sameShape(a.DataType(), want) {
		a.Retain()
		return a, nil
	}
	ctx := compute.WithAllocator(context.Background(), mem)
	switch a := a.(type) {
	case array.ExtensionArray:
		return Canonicalize(mem, a.Storage())
	case *array.Null:
		return array.MakeArrayOfNull(mem, want, a.Len()), nil
	case *array.Dictionary:
		return expandDictionary(ctx, mem, a)
	case *array.RunEndEncoded:
		out, err := compute.RunEndDecodeArray(ctx, a)
		if err != nil {
			return nil, err
		}
		return Canonicalize(mem, out)
	case *array.LargeString, *array.StringView, *array.LargeBinary, *array.BinaryView:
		return plainBytes(mem, a, want)
	case *array.Date64:
		return daysOf(mem, a), nil
	case *array.Decimal32:
		return wideDecimal(mem, a, want, func(i int) decimal128.Num { return decimal128.FromI64(int64(a.Value(i))) }), nil
	case *array.Decimal64:
		return wideDecimal(mem, a, want, func(i int) decimal128.Num { return decimal128.FromI64(int64(a.Value(i))) }), nil
	case *array.Struct:
		return canonicalizeStruct(mem, a, want)
	case array.ListLike: // lists of every layout, and maps
		return canonicalizeList(ctx, mem, a, want)
	}
	return nil, fmt.Errorf("BUG: no way from type %s to %s", a.DataType(), want)
}

// sameShape is arrow.TypeEqual without regard to the names and nullability of
// list and map children, which canonical types fix.
func sameShape(a, b arrow.DataType) bool {
	return arrow.TypeEqual(a, b) && a.Fingerprint() == b.Fingerprint()
}

func expandDictionary(ctx context.Context, mem memory.Allocator, a *array.Dictionary) (arrow.Array, error) {
	values, err := Canonicalize(mem, a.Dictionary())
	if err != nil {
		return nil, err
	}
	if values.Len() == 0 {
		return array.MakeArrayOfNull(mem, values.DataType(), a.Len()), nil
	}
	return compute.TakeArray(ctx, values, a.Indices())
}

func plainBytes(mem memory.Allocator, a arrow.Array, want arrow.DataType) (arrow.Array, error) {
	value := func(i int) []byte { return nil }
	switch a := a.(type) {
	case *array.LargeString:
		value = func(i int) []byte { return []byte(a.Value(i)) }
	case *array.StringView:
		value = func(i int) []byte { return []byte(a.Value(i)) }
	case *array.LargeBinary:
		value = a.Value
	case *array.BinaryView:
		value = a.Value
	}
	b := array.NewBinaryBuilder(mem, want.(arrow.BinaryDataType))
	defer b.Release()
	b.Reserve(a.Len())
	total := 0
	for i := range a.Len() {
		if a.IsNull(i) {
			b.AppendNull()
			continue
		}
		v := value(i)
		if total += len(v); total > math.MaxInt32 {
			return nil, fmt.Errorf("more than 2 GiB of bytes in one batch of %d rows: send smaller batches", a.Len())
		}
		b.Append(v)
	}
	return b.NewArray(), nil
}

const msPerDay = 24 * 60 * 60 * 1000

func daysOf(mem memory.Allocator, a *array.Date64) arrow.Array {
	b := array.NewDate32Builder(mem)
	defer b.Release()
	b.Reserve(a.Len())
	for i := range a.Len() {
		if a.IsNull(i) {
			b.AppendNull()
			continue
		}
		b.Append(arrow.Date32(floorDiv(int64(a.Value(i)), msPerDay)))
	}
	return b.NewArray()
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
func canonicalizeList(ctx context.Context, mem memory.Allocator, a array.ListLike, want arrow.DataType) (arrow.Array, error) {
	offsets := make([]int32, 1, a.Len()+1)
	var picks []int64
	contiguous, next, first := true, int64(-1), int64(0)
	for i := range a.Len() {
		if a.IsNull(i) {
			offsets = append(offsets, offsets[i])
			continue
		}
		start, end := a.ValueOffsets(i)
		if next < 0 {
			first, next = start, start
		}
		contiguous = contiguous && start == next
		next = end
		if int64(offsets[i])+end-start > math.MaxInt32 {
			return nil, fmt.Errorf("more than 2^31 list elements in one batch of %d rows: send smaller batches", a.Len())
		}
		for j := start; j < end; j++ {
			picks = append(picks, j)
		}
		offsets = append(offsets, offsets[i]+int32(end-start))
	}
	elems := a.ListValues()
	if contiguous {
		elems = array.NewSlice(elems, first, first+int64(offsets[a.Len()]))
	} else {
		indices := array.NewInt64Builder(mem)
		defer indices.Release()
		indices.AppendValues(picks, nil)
		var err error
		if elems, err = compute.TakeArray(ctx, elems, indices.NewArray()); err != nil {
			return nil, err
		}
	}
	child, err := canonicalElems(mem, elems, want)
	if err != nil {
		return nil, err
	}
	bufs := []*memory.Buffer{validityOf(mem, a), memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offsets))}
	return array.MakeFromData(array.NewData(want, a.Len(), bufs, []arrow.ArrayData{child.Data()}, a.NullN(), 0)), nil
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
