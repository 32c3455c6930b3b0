package schema

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Widens reports whether a column of type from may become type to: every
// value keeps its meaning, its order and its index key (see index.AppendKey),
// so that old segments stay readable and prunable as they are. Integers go to
// more bits (unsigned ones below 64 bits also to signed with more bits),
// floats to wider floats, decimals to more digits at the same scale.
func Widens(from, to arrow.DataType) bool {
	if d, ok := from.(*arrow.Decimal128Type); ok {
		t, ok := to.(*arrow.Decimal128Type)
		return ok && t.Scale == d.Scale && t.Precision > d.Precision
	}
	if !arrow.IsPrimitive(from.ID()) || !arrow.IsPrimitive(to.ID()) {
		return false
	}
	grows := to.(arrow.FixedWidthDataType).BitWidth() > from.(arrow.FixedWidthDataType).BitWidth()
	switch {
	case arrow.IsSignedInteger(from.ID()):
		return grows && arrow.IsSignedInteger(to.ID())
	case arrow.IsUnsignedInteger(from.ID()):
		// uint64 has index keys of its own.
		return grows && to.ID() != arrow.UINT64 && arrow.IsInteger(to.ID())
	case arrow.IsFloating(from.ID()):
		return grows && arrow.IsFloating(to.ID())
	}
	return false
}

// WidenArray returns the values of a as the wider type to. The types must be
// equal or Widens must hold; a is not changed.
func WidenArray(mem memory.Allocator, a arrow.Array, to arrow.DataType) (arrow.Array, error) {
	if arrow.TypeEqual(a.DataType(), to) {
		a.Retain()
		return a, nil
	}
	if !Widens(a.DataType(), to) {
		return nil, fmt.Errorf("type %s does not widen to %s", a.DataType(), to)
	}
	if to.ID() == arrow.DECIMAL128 {
		return withType(a, to), nil
	}
	if a.DataType().ID() == arrow.FLOAT16 {
		return widenFloat16(mem, a.(*array.Float16), to), nil
	}
	ctx := compute.WithAllocator(context.Background(), mem)
	return compute.CastArray(ctx, a, compute.SafeCastOptions(to))
}

// withType returns a under another type of the same physical shape.
func withType(a arrow.Array, t arrow.DataType) arrow.Array {
	d := a.Data()
	return array.MakeFromData(array.NewData(t, d.Len(), d.Buffers(), d.Children(), d.NullN(), d.Offset()))
}

func widenFloat16(mem memory.Allocator, a *array.Float16, to arrow.DataType) arrow.Array {
	b := array.NewBuilder(mem, to)
	defer b.Release()
	b.Reserve(a.Len())
	for i := range a.Len() {
		switch {
		case a.IsNull(i):
			b.AppendNull()
		case to.ID() == arrow.FLOAT32:
			b.(*array.Float32Builder).Append(a.Value(i).Float32())
		default:
			b.(*array.Float64Builder).Append(float64(a.Value(i).Float32()))
		}
	}
	return b.NewArray()
}
