package schema

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// PlainBytes returns how many bytes the rows of a take once Canonicalize has
// expanded them, without expanding them: a dictionary, a run or a list view
// can say in a few bytes what fills any memory. Past limit it stops counting
// and returns what it has. a must be sound: see array.ValidateFull.
func PlainBytes(a arrow.Array, limit int64) int64 {
	n := int64(a.Len())
	switch a := a.(type) {
	case array.ExtensionArray:
		return PlainBytes(a.Storage(), limit)
	case *array.Dictionary:
		return dictionaryBytes(a, limit)
	case *array.RunEndEncoded:
		return runsBytes(a, limit)
	case *array.StringView:
		return viewBytes(a, limit)
	case *array.BinaryView:
		return viewBytes(a, limit)
	case *array.Struct:
		total := (n + 7) / 8
		for i := 0; i < a.NumField() && total <= limit; i++ {
			total += PlainBytes(a.Field(i), limit-total)
		}
		return total
	case array.ListLike:
		return (n+7)/8 + 4*n + elementsBytes(a, limit)
	}
	if want, err := Canonical(a.DataType()); err == nil {
		if narrow := NullBytes(want, n); narrow > Bytes(a) { // decimals of 32 and 64 bits get wider
			return narrow
		}
	}
	return Bytes(a)
}

// NullBytes returns how many bytes n nulls of a canonical type take.
func NullBytes(t arrow.DataType, n int64) int64 {
	total := (n + 7) / 8
	switch t := t.(type) {
	case *arrow.StructType:
		for _, f := range t.Fields() {
			total += NullBytes(f.Type, n)
		}
	case *arrow.StringType, *arrow.BinaryType, *arrow.ListType, *arrow.MapType:
		total += 4 * n
	case arrow.FixedWidthDataType:
		total += (n*int64(t.BitWidth()) + 7) / 8
	}
	return total
}

func dictionaryBytes(a *array.Dictionary, limit int64) int64 {
	size := sizeOfEach(a.Dictionary(), limit)
	total := int64(a.Len()+7) / 8
	for i := 0; i < a.Len() && total <= limit; i++ {
		if p := a.GetValueIndex(i); a.IsValid(i) && p >= 0 && p < a.Dictionary().Len() {
			total += size(p)
		} else {
			total += size(0)
		}
	}
	return total
}

func runsBytes(a *array.RunEndEncoded, limit int64) int64 {
	values := a.LogicalValuesArray()
	defer values.Release()
	ends := runEnds(a.LogicalRunEndsArray(memory.DefaultAllocator))
	size := sizeOfEach(values, limit)
	total, from := int64(a.Len()+7)/8, int64(0)
	for run := 0; run < values.Len() && total <= limit; run++ {
		to := min(ends(run), int64(a.Len()))
		for i := from; i < to && total <= limit; i++ { // a product could overflow
			total += size(run)
		}
		from = to
	}
	return total
}

func viewBytes[T string | []byte](a interface {
	arrow.Array
	Value(int) T
}, limit int64) int64 {
	n := int64(a.Len())
	total := (n+7)/8 + 4*n
	for i := 0; i < a.Len() && total <= limit; i++ {
		if a.IsValid(i) {
			total += int64(len(a.Value(i)))
		}
	}
	return total
}

// elementsBytes is the size of what lists hold. Lists of a view may share
// elements, which are then counted for each.
func elementsBytes(a array.ListLike, limit int64) (total int64) {
	part := func(start, end int64) int64 {
		elems := array.NewSlice(a.ListValues(), start, end)
		defer elems.Release()
		return PlainBytes(elems, limit)
	}
	if first, ok := oneRun(a); ok {
		return part(first, first+elements(a))
	}
	for i := 0; i < a.Len() && total <= limit; i++ {
		if start, end := a.ValueOffsets(i); a.IsValid(i) && end > start {
			total += part(start, end)
		}
	}
	return total
}

func elements(a array.ListLike) (n int64) {
	for i := range a.Len() {
		if start, end := a.ValueOffsets(i); a.IsValid(i) {
			n += end - start
		}
	}
	return n
}

// sizeOfEach returns a function that says how many bytes a row with value i
// of a takes. Without values every row takes as much as a null.
func sizeOfEach(a arrow.Array, limit int64) func(i int) int64 {
	want, err := Canonical(a.DataType())
	if err != nil || a.Len() == 0 {
		return func(int) int64 { return 8 }
	}
	null := max(1, NullBytes(want, 8)/8)
	switch a := a.(type) {
	case *array.String:
		return func(i int) int64 { return null + int64(a.ValueLen(i)) }
	case *array.Binary:
		return func(i int) int64 { return null + int64(a.ValueLen(i)) }
	}
	if _, ok := want.(arrow.FixedWidthDataType); ok && want.ID() != arrow.STRUCT {
		return func(int) int64 { return null }
	}
	sizes := make([]int64, a.Len())
	for i := range sizes {
		one := array.NewSlice(a, int64(i), int64(i+1))
		sizes[i] = PlainBytes(one, limit)
		one.Release()
	}
	return func(i int) int64 { return sizes[i] }
}
