package schema

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// Bytes returns how many bytes the rows of a take in memory: those of its
// slice alone, not of the whole buffers that it may share with others. The
// type must be canonical or one of the large variants.
func Bytes(a arrow.Array) int64 {
	n := int64(a.Len())
	total := (n + 7) / 8
	switch a := a.(type) {
	case *array.String:
		return total + 4*n + span32(a.ValueOffsets())
	case *array.Binary:
		return total + 4*n + span32(a.ValueOffsets())
	case *array.LargeString:
		return total + 8*n + span64(a.ValueOffsets())
	case *array.LargeBinary:
		return total + 8*n + span64(a.ValueOffsets())
	case *array.Struct:
		for i := range a.NumField() {
			total += Bytes(a.Field(i))
		}
		return total
	case array.ListLike:
		return total + 4*n + listBytes(a)
	}
	if fixed, ok := a.DataType().(arrow.FixedWidthDataType); ok {
		return total + (n*int64(fixed.BitWidth())+7)/8
	}
	return total + wholeBuffers(a)
}

// BatchBytes returns the sum of Bytes over the columns of a batch.
func BatchBytes(b arrow.RecordBatch) int64 {
	var total int64
	for _, col := range b.Columns() {
		total += Bytes(col)
	}
	return total
}

func span32(offsets []int32) int64 {
	if len(offsets) == 0 {
		return 0
	}
	return int64(offsets[len(offsets)-1] - offsets[0])
}

func span64(offsets []int64) int64 {
	if len(offsets) == 0 {
		return 0
	}
	return offsets[len(offsets)-1] - offsets[0]
}

func listBytes(a array.ListLike) int64 {
	if a.Len() == 0 || a.ListValues().Len() == 0 {
		return 0
	}
	start, _ := a.ValueOffsets(0)
	_, end := a.ValueOffsets(a.Len() - 1)
	if start < 0 || end < start || end > int64(a.ListValues().Len()) {
		return wholeBuffers(a) // a list view in any order
	}
	elems := array.NewSlice(a.ListValues(), start, end)
	defer elems.Release()
	return Bytes(elems)
}

func wholeBuffers(a arrow.Array) int64 {
	var total int64
	for _, b := range a.Data().Buffers() {
		if b != nil {
			total += int64(b.Len())
		}
	}
	for _, c := range a.Data().Children() {
		child := array.MakeFromData(c)
		total += wholeBuffers(child)
		child.Release()
	}
	return total
}
