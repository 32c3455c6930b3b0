package schema_test

import (
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/float16"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"pgregory.net/rapid"
)

var mem = memory.NewGoAllocator()

// drawInt draws integers of n bits, with a liking for the ends.
func drawInt(t *rapid.T, bits int) int64 {
	lo, hi := int64(math.MinInt64)>>(64-bits), int64(math.MaxInt64)>>(64-bits)
	return rapid.OneOf(rapid.SampledFrom([]int64{lo, lo + 1, -1, 0, 1, hi - 1, hi}), rapid.Int64Range(lo, hi)).Draw(t, "int")
}

// drawDecimal draws an unscaled value of at most that many digits.
func drawDecimal(t *rapid.T, precision int32) decimal128.Num {
	text := rapid.StringMatching(`-?[0-9]{1,38}`).Filter(func(s string) bool { return len(s) <= int(precision) }).Draw(t, "decimal")
	n, err := decimal128.FromString(text, 38, 0)
	if err != nil {
		t.Fatalf("decimal %s: %v", text, err)
	}
	return n
}

// drawArray draws n values of a canonical type.
func drawArray(t *rapid.T, dt arrow.DataType, n int) arrow.Array {
	b := array.NewBuilder(mem, dt)
	defer b.Release()
	for range n {
		drawValue(t, b, true)
	}
	return b.NewArray()
}

func drawValue(t *rapid.T, b array.Builder, nullable bool) {
	if nullable && rapid.IntRange(0, 3).Draw(t, "null") == 0 {
		b.AppendNull()
		return
	}
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(rapid.Bool().Draw(t, "bool"))
	case *array.Int8Builder:
		b.Append(int8(drawInt(t, 8)))
	case *array.Int16Builder:
		b.Append(int16(drawInt(t, 16)))
	case *array.Int32Builder:
		b.Append(int32(drawInt(t, 32)))
	case *array.Int64Builder:
		b.Append(drawInt(t, 64))
	case *array.Uint8Builder:
		b.Append(uint8(drawInt(t, 8)))
	case *array.Uint16Builder:
		b.Append(uint16(drawInt(t, 16)))
	case *array.Uint32Builder:
		b.Append(uint32(drawInt(t, 32)))
	case *array.Uint64Builder:
		b.Append(uint64(drawInt(t, 64)))
	case *array.Float16Builder:
		b.Append(float16.New(rapid.Float32Range(-60000, 60000).Draw(t, "float")))
	case *array.Float32Builder:
		b.Append(rapid.Float32().Draw(t, "float"))
	case *array.Float64Builder:
		b.Append(rapid.Float64().Draw(t, "float"))
	case *array.StringBuilder:
		b.Append(rapid.String().Draw(t, "string"))
	case *array.BinaryBuilder:
		b.Append(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
	case *array.FixedSizeBinaryBuilder:
		w := b.Type().(*arrow.FixedSizeBinaryType).ByteWidth
		b.Append(rapid.SliceOfN(rapid.Byte(), w, w).Draw(t, "bytes"))
	case *array.Date32Builder:
		b.Append(arrow.Date32(drawInt(t, 32)))
	case *array.Time32Builder:
		b.Append(arrow.Time32(drawInt(t, 32)))
	case *array.Time64Builder:
		b.Append(arrow.Time64(drawInt(t, 64)))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(drawInt(t, 64)))
	case *array.DurationBuilder:
		b.Append(arrow.Duration(drawInt(t, 64)))
	case *array.Decimal128Builder:
		b.Append(drawDecimal(t, b.Type().(*arrow.Decimal128Type).Precision))
	case *array.StructBuilder:
		b.Append(true)
		for i := range b.NumField() {
			drawValue(t, b.FieldBuilder(i), true)
		}
	case *array.MapBuilder:
		b.Append(true)
		for range rapid.IntRange(0, 3).Draw(t, "entries") {
			drawValue(t, b.KeyBuilder(), false)
			drawValue(t, b.ItemBuilder(), true)
		}
	case *array.ListBuilder:
		b.Append(true)
		for range rapid.IntRange(0, 3).Draw(t, "elements") {
			drawValue(t, b.ValueBuilder(), true)
		}
	default:
		t.Fatalf("no values of type %s", b.Type())
	}
}
