package schema

import (
	"context"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// none picks a null.
const none = -1

// gather returns values[picks[0]], values[picks[1]], …; each pick must be in
// range or none. Values that would not fit 32-bit offsets are refused.
func gather(mem memory.Allocator, values arrow.Array, picks []int64) (arrow.Array, error) {
	if values.Len() == 0 {
		return array.MakeArrayOfNull(mem, values.DataType(), len(picks)), nil
	}
	if !fits(values, picks) {
		return nil, tooManyBytes(len(picks))
	}
	b := array.NewInt64Builder(mem)
	defer b.Release()
	b.Reserve(len(picks))
	for _, p := range picks {
		if p == none {
			b.UnsafeAppendBoolToBitmap(false)
			continue
		}
		b.UnsafeAppend(p)
	}
	indices := b.NewArray()
	defer indices.Release()
	return compute.TakeArray(compute.WithAllocator(context.Background(), mem), values, indices)
}

// fits reports whether the picked values take at most 2 GiB, and so whether
// all the offsets inside them hold: compute does not check.
func fits(values arrow.Array, picks []int64) bool {
	if _, fixed := values.DataType().(arrow.FixedWidthDataType); fixed {
		return true
	}
	size := make([]int64, values.Len())
	for i := range size {
		size[i] = valueBytes(values, i)
	}
	total := int64(0)
	for _, p := range picks {
		if p != none {
			total += size[p]
		}
	}
	return total <= math.MaxInt32
}

func valueBytes(a arrow.Array, i int) int64 {
	switch a := a.(type) {
	case *array.String:
		return int64(a.ValueLen(i))
	case *array.Binary:
		return int64(a.ValueLen(i))
	}
	one := array.NewSlice(a, int64(i), int64(i+1))
	defer one.Release()
	return Bytes(one)
}
