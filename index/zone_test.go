package index

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/float16"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// random returns n values of type t with edges and nulls among them.
func random(rng *rand.Rand, t arrow.DataType, n int, nulls bool) arrow.Array {
	b := array.NewBuilder(memory.DefaultAllocator, t)
	defer b.Release()
	for range n {
		if nulls && rng.IntN(3) == 0 {
			b.AppendNull()
			continue
		}
		v := [4]uint64{rng.Uint64(), 0, math.MaxUint64, 1 << 63}[min(rng.IntN(12), 3)]
		appendValue(b, v)
	}
	return b.NewArray()
}

func appendValue(b array.Builder, v uint64) {
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(v&1 == 1)
	case *array.Int8Builder:
		b.Append(int8(v))
	case *array.Int16Builder:
		b.Append(int16(v))
	case *array.Int32Builder:
		b.Append(int32(v))
	case *array.Int64Builder:
		b.Append(int64(v))
	case *array.Uint8Builder:
		b.Append(uint8(v))
	case *array.Uint16Builder:
		b.Append(uint16(v))
	case *array.Uint32Builder:
		b.Append(uint32(v))
	case *array.Uint64Builder:
		b.Append(v)
	case *array.Float16Builder:
		b.Append(float16.FromBits(uint16(v)))
	case *array.Float32Builder:
		b.Append(math.Float32frombits(uint32(v)))
	case *array.Float64Builder:
		b.Append(math.Float64frombits(v))
	case *array.StringBuilder:
		b.Append(strings.Repeat(fmt.Sprintf("%x", v), int(v%7)))
	case *array.BinaryBuilder:
		b.Append(bytes.Repeat([]byte{byte(v)}, int(v%90)))
	case *array.FixedSizeBinaryBuilder:
		b.Append([]byte{byte(v), byte(v >> 8), byte(v >> 16)})
	case *array.Date32Builder:
		b.Append(arrow.Date32(v))
	case *array.Time32Builder:
		b.Append(arrow.Time32(v))
	case *array.Time64Builder:
		b.Append(arrow.Time64(v))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(v))
	case *array.DurationBuilder:
		b.Append(arrow.Duration(v))
	case *array.Decimal128Builder:
		b.Append(decimal128.New(int64(v), v*31))
	default:
		panic("BUG: no values for " + b.Type().String())
	}
}

var bounded = []arrow.DataType{
	arrow.FixedWidthTypes.Boolean, arrow.PrimitiveTypes.Int8, arrow.PrimitiveTypes.Int16, arrow.PrimitiveTypes.Int32,
	arrow.PrimitiveTypes.Int64, arrow.PrimitiveTypes.Uint8, arrow.PrimitiveTypes.Uint16, arrow.PrimitiveTypes.Uint32,
	arrow.PrimitiveTypes.Uint64, arrow.FixedWidthTypes.Float16, arrow.PrimitiveTypes.Float32, arrow.PrimitiveTypes.Float64,
	arrow.BinaryTypes.String, arrow.BinaryTypes.Binary, &arrow.FixedSizeBinaryType{ByteWidth: 3},
	arrow.FixedWidthTypes.Date32, arrow.FixedWidthTypes.Time32ms, arrow.FixedWidthTypes.Time64us,
	arrow.FixedWidthTypes.Timestamp_ns, arrow.FixedWidthTypes.Duration_s, &arrow.Decimal128Type{Precision: 38, Scale: 2},
}

// TestZoneOfBoundsKeys compares ZoneOf, which looks at values, with the keys
// of all values, for whole and for sliced arrays.
func TestZoneOfBoundsKeys(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, dt := range bounded {
		for round := range 40 {
			arr := random(rng, dt, 1+rng.IntN(60), round%2 == 1)
			if round%3 == 0 {
				arr = array.NewSlice(arr, int64(arr.Len()/3), int64(arr.Len()))
			}
			got, want := ZoneOf(arr), zoneOfKeys(arr)
			if fmt.Sprint(got) != fmt.Sprint(want) || (got.Min == nil) != (want.Min == nil) {
				t.Fatalf("%s: %v\ngot  %v\nwant %v", dt, arr, got, want)
			}
		}
	}
}

func zoneOfKeys(arr arrow.Array) Zone {
	z := Zone{Rows: int64(arr.Len()), Nulls: int64(arr.NullN())}
	var least, greatest []byte
	for i := range arr.Len() {
		if arr.IsNull(i) {
			continue
		}
		key := AppendKey([]byte{}, arr, i)
		if least == nil || bytes.Compare(key, least) < 0 {
			least = key
		}
		if greatest == nil || bytes.Compare(key, greatest) > 0 {
			greatest = key
		}
	}
	if least != nil {
		z.Min, z.MinExact = cutLow(least)
		z.Max, z.MaxExact = cutHigh(greatest)
	}
	return z
}

func TestZoneOfFloats(t *testing.T) {
	b := array.NewFloat64Builder(memory.DefaultAllocator)
	b.AppendValues([]float64{math.Copysign(0, -1), math.NaN(), -1, math.Inf(1)}, nil)
	z := ZoneOf(b.NewArray())
	if want := FloatKey(nil, -1); !bytes.Equal(z.Min, want) {
		t.Errorf("min: got %x; want %x", z.Min, want)
	}
	if want := FloatKey(nil, math.NaN()); !bytes.Equal(z.Max, want) {
		t.Errorf("max: got %x; want that of NaN, %x", z.Max, want)
	}
	if !bytes.Equal(FloatKey(nil, math.Copysign(0, -1)), FloatKey(nil, 0)) {
		t.Error("-0 and 0 have different keys")
	}
}

func TestZoneOfCutsLongBounds(t *testing.T) {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	b.AppendValues([]string{strings.Repeat("a", 100), strings.Repeat("b", 63) + "\xffz" + strings.Repeat("b", 9)}, nil)
	z := ZoneOf(b.NewArray())
	if want := strings.Repeat("a", MaxBoundBytes); string(z.Min) != want || z.MinExact {
		t.Errorf("min: got %q, exact %v; want %q", z.Min, z.MinExact, want)
	}
	if want := strings.Repeat("b", 62) + "c"; string(z.Max) != want || z.MaxExact {
		t.Errorf("max: got %q, exact %v; want %q", z.Max, z.MaxExact, want)
	}
}

func TestZoneOfUnboundedAndNone(t *testing.T) {
	high := array.NewBinaryBuilder(memory.DefaultAllocator, arrow.BinaryTypes.Binary)
	high.Append(bytes.Repeat([]byte{0xff}, MaxBoundBytes+1))
	if z := ZoneOf(high.NewArray()); z.Max != nil || z.Min == nil {
		t.Errorf("a bound of 0xff only: got max %x; want none", z.Max)
	}
	empty := array.NewStringBuilder(memory.DefaultAllocator)
	empty.Append("")
	if z := ZoneOf(empty.NewArray()); z.Min == nil || z.Max == nil || !z.MinExact {
		t.Errorf("an empty string: got %v; want empty bounds", z)
	}
	nulls := array.MakeArrayOfNull(memory.DefaultAllocator, arrow.PrimitiveTypes.Int32, 3)
	if z := ZoneOf(nulls); z.Rows != 3 || z.Nulls != 3 || z.Min != nil || z.Max != nil {
		t.Errorf("only nulls: got %v; want no bounds", z)
	}
	list := array.MakeArrayOfNull(memory.DefaultAllocator, arrow.ListOf(arrow.PrimitiveTypes.Int32), 1)
	if z := ZoneOf(list); z.Min != nil {
		t.Errorf("a list: got %v; want no bounds", z)
	}
}

func TestMergeIsZoneOfBoth(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for range 200 {
		a := random(rng, arrow.PrimitiveTypes.Int64, rng.IntN(5), true)
		b := random(rng, arrow.PrimitiveTypes.Int64, rng.IntN(5), true)
		both, err := array.Concatenate([]arrow.Array{a, b}, memory.DefaultAllocator)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := ZoneOf(a).Merge(ZoneOf(b)), ZoneOf(both); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%v and %v: got %v; want %v", a, b, got, want)
		}
	}
	unknown := Zone{Rows: 2}
	if z := ZoneOf(array.MakeArrayOfNull(memory.DefaultAllocator, arrow.PrimitiveTypes.Int8, 1)).Merge(unknown); z.Min != nil || z.Rows != 3 {
		t.Errorf("merged with a zone without bounds: got %v; want none", z)
	}
}
