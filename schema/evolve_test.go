package schema_test

import (
	"bytes"
	"fmt"
	"math"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/float16"
	"pgregory.net/rapid"

	"github.com/tarnlake/tarn/index"
	"github.com/tarnlake/tarn/schema"
)

// widens lists every allowed widening among leafTypes, by hand.
var widens = map[string]string{
	"int8": "int16 int32 int64", "int16": "int32 int64", "int32": "int64",
	"uint8":  "int16 int32 int64 uint16 uint32",
	"uint16": "int32 int64 uint32", "uint32": "int64",
	"float16": "float32 float64", "float32": "float64",
}

func TestWidensPairs(t *testing.T) {
	types := append([]arrow.DataType{
		&arrow.Decimal128Type{Precision: 5, Scale: 2}, &arrow.FixedSizeBinaryType{ByteWidth: 2}, &arrow.FixedSizeBinaryType{ByteWidth: 4},
		arrow.ListOf(arrow.PrimitiveTypes.Int8), arrow.ListOf(arrow.PrimitiveTypes.Int16),
		arrow.StructOf(arrow.Field{Name: "a", Type: arrow.PrimitiveTypes.Int8, Nullable: true}), arrow.MapOf(arrow.PrimitiveTypes.Int8, arrow.PrimitiveTypes.Int8),
	}, leafTypes...)
	for _, from := range types {
		for _, to := range types {
			fromText, toText := schema.TypeText(from), schema.TypeText(to)
			want := bytes.Contains([]byte(" "+widens[fromText]+" "), []byte(" "+toText+" "))
			if got := schema.Widens(from, to); got != want {
				t.Errorf("Widens(%s, %s): got %v; want %v", fromText, toText, got, want)
			}
			_, err := schema.WidenArray(mem, array.MakeArrayOfNull(mem, from, 3), to)
			if works := err == nil; works != (want || fromText == toText) {
				t.Errorf("WidenArray of %s to %s: got error %v; Widens says %v", fromText, toText, err, want)
			}
		}
	}
}

func TestWidensDecimal(t *testing.T) {
	for _, c := range []struct {
		p, s, toP, toS int32
		want           bool
	}{
		{5, 2, 6, 2, true}, {5, 2, 38, 2, true}, {5, -2, 6, -2, true},
		{5, 2, 5, 2, false}, {5, 2, 4, 2, false}, {5, 2, 7, 3, false}, {5, 2, 6, 1, false},
	} {
		from, to := &arrow.Decimal128Type{Precision: c.p, Scale: c.s}, &arrow.Decimal128Type{Precision: c.toP, Scale: c.toS}
		if got := schema.Widens(from, to); got != c.want {
			t.Errorf("Widens(%s, %s): got %v; want %v", from, to, got, c.want)
		}
	}
}

// Index keys say what a value is and where it sorts: a widened value must
// have the same ones.
func TestWidenArrayKeepsKeys(t *testing.T) {
	types := append([]arrow.DataType{
		&arrow.Decimal128Type{Precision: 5, Scale: 2}, &arrow.Decimal128Type{Precision: 20, Scale: 2}, &arrow.Decimal128Type{Precision: 38, Scale: 2},
	}, leafTypes...)
	for _, from := range types {
		for _, to := range types {
			if !schema.Widens(from, to) {
				continue
			}
			t.Run(fmt.Sprintf("%s to %s", from, to), func(t *testing.T) {
				rapid.Check(t, func(t *rapid.T) {
					n := rapid.IntRange(0, 20).Draw(t, "rows")
					cut := rapid.IntRange(0, n).Draw(t, "cut")
					checkWidened(t, array.NewSlice(drawArray(t, from, n), int64(cut), int64(n)), to)
				})
			})
		}
	}
}

type fataler interface{ Fatalf(string, ...any) }

func checkWidened(t fataler, a arrow.Array, to arrow.DataType) {
	got, err := schema.WidenArray(mem, a, to)
	if err != nil {
		t.Fatalf("%v", err)
	}
	if !arrow.TypeEqual(got.DataType(), to) || got.Len() != a.Len() {
		t.Fatalf("got %d rows of %s; want %d of %s", got.Len(), got.DataType(), a.Len(), to)
	}
	for i := range a.Len() {
		if got.IsNull(i) != a.IsNull(i) {
			t.Fatalf("row %d: null %v; want %v", i, got.IsNull(i), a.IsNull(i))
		}
		if a.IsNull(i) {
			continue
		}
		if before, after := index.AppendKey(nil, a, i), index.AppendKey(nil, got, i); !bytes.Equal(before, after) {
			t.Fatalf("row %d, %s: key %x; want %x", i, a.ValueStr(i), after, before)
		}
	}
}

func TestWidenOddFloats(t *testing.T) {
	b := array.NewFloat32Builder(mem)
	b.AppendValues([]float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.Copysign(0, -1)), math.SmallestNonzeroFloat32, math.MaxFloat32}, nil)
	checkWidened(t, b.NewArray(), arrow.PrimitiveTypes.Float64)
	h := array.NewFloat16Builder(mem)
	h.AppendValues([]float16.Num{float16.NaN(), float16.Inf(), float16.Inf().Negate(), float16.New(0).Negate(), float16.FromBits(1), float16.MaxNum}, nil)
	half := h.NewArray()
	checkWidened(t, half, arrow.PrimitiveTypes.Float32)
	checkWidened(t, half, arrow.PrimitiveTypes.Float64)
}
