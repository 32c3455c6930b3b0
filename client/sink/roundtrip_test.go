package sink_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/float16"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/client/sink"
	"github.com/tarnlake/tarn/client/source"
	"github.com/tarnlake/tarn/schema"
	"pgregory.net/rapid"
)

var mem = memory.NewGoAllocator()

// allTypes is one of each canonical type, and nested ones.
var allTypes = []string{
	"bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64",
	"decimal(9,2)", "decimal(18,0)", "decimal(38,38)", "decimal(38,10)", "decimal(5,-2)", "string", "binary", "fixed[3]", "date",
	"time[s]", "time[ms]", "time[us]", "time[ns]", "timestamp[s]", "timestamp[ms]", "timestamp[us]", "timestamp[ns]",
	"timestamp[us, UTC]", "timestamp[s, Europe/Berlin]", "duration[s]", "duration[ns]",
	"list<int64>", "list<list<string>>", "map<string, float64>", "map<int64, list<decimal(9,2)>>",
	"struct<a: int64, b: string>", "list<struct<at: timestamp[s], took: duration[ms], n: decimal(5,-2)>>",
	"struct<l: list<time[s]>, m: map<date, struct<x: bool>>>",
}

// TestRoundTrip writes random batches of all types and reads them back equal.
func TestRoundTrip(t *testing.T) {
	want := &schema.Schema{ID: 1}
	for i, text := range allTypes {
		typ, err := schema.ParseType(text)
		if err != nil {
			t.Fatal(err)
		}
		want.Fields = append(want.Fields, schema.Field{ID: int32(i + 1), Name: fmt.Sprintf("c%d", i), Type: typ, Nullable: true})
	}
	for _, format := range []string{"parquet", "arrow", "csv", "ndjson", "json"} {
		t.Run(format, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				var batches []arrow.RecordBatch
				for range rapid.IntRange(1, 3).Draw(t, "batches") {
					batches = append(batches, drawBatch(t, want))
				}
				wantEqual(t, batches, readBack(t, format, render(t, format, want, batches), want))
			})
		})
	}
}

func drawBatch(t *rapid.T, s *schema.Schema) arrow.RecordBatch {
	n := rapid.IntRange(1, 8).Draw(t, "rows")
	cols := make([]arrow.Array, len(s.Fields))
	for i, f := range s.Fields {
		b := array.NewBuilder(mem, f.Type)
		for range n {
			draw(t, b, true)
		}
		cols[i] = b.NewArray()
	}
	return array.NewRecordBatch(s.Arrow(), cols, int64(n))
}

type failer interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

func render(t failer, format string, s *schema.Schema, batches []arrow.RecordBatch) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := sink.New(format, &out, s.Arrow(), sink.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range batches {
		if err := w.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func readBack(t failer, format string, data []byte, want *schema.Schema) (batches []arrow.RecordBatch) {
	t.Helper()
	s, err := source.OpenReader(context.Background(), bytes.NewReader(data), "x."+format, source.Options{Want: want})
	if err != nil {
		t.Fatalf("%v in %.2000q", err, data)
	}
	defer s.Close()
	for b, err := range s.Batches() {
		if err != nil {
			t.Fatalf("%v in %.2000q", err, data)
		}
		batches = append(batches, b)
	}
	return batches
}

// wantEqual compares column by column, whatever the cuts between batches.
func wantEqual(t failer, want, got []arrow.RecordBatch) {
	t.Helper()
	for i, f := range want[0].Schema().Fields() {
		w, g := column(t, want, i), column(t, got, i)
		if !arrow.TypeEqual(w.DataType(), g.DataType()) || w.String() != g.String() {
			t.Fatalf("column %s (%s): got %s; want %s", f.Name, f.Type, g, w)
		}
	}
}

func column(t failer, batches []arrow.RecordBatch, i int) arrow.Array {
	var parts []arrow.Array
	for _, b := range batches {
		parts = append(parts, b.Column(i))
	}
	a, err := array.Concatenate(parts, mem)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// drawInt draws integers of n bits, with a liking for the ends.
func drawInt(t *rapid.T, bits int) int64 {
	lo, hi := int64(math.MinInt64)>>(64-bits), int64(math.MaxInt64)>>(64-bits)
	return rapid.OneOf(rapid.SampledFrom([]int64{lo, lo + 1, -1, 0, 1, hi - 1, hi}), rapid.Int64Range(lo, hi)).Draw(t, "int")
}

func drawDecimal(t *rapid.T, precision int32) decimal128.Num {
	text := rapid.StringMatching(`-?[0-9]{1,38}`).Filter(func(s string) bool { return len(s) <= int(precision) }).Draw(t, "decimal")
	n, err := decimal128.FromString(text, 38, 0)
	if err != nil {
		t.Fatalf("decimal %s: %v", text, err)
	}
	return n
}

var floats = rapid.OneOf(rapid.SampledFrom([]float64{0, 1, -1.5, 1e-7, 1e21, 1e22, 0.1, math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat32}), rapid.Float64())

// texts like to be what CSV and JSON stumble over.
var texts = rapid.OneOf(rapid.SampledFrom([]string{"", " ", "NULL", "NA", `"`, "a,b", "a\nb", "a\r\n", "\r", `\N`, "null", "1", "é\x00\u2028", "\ufeff"}), rapid.String())

func draw(t *rapid.T, b array.Builder, nullable bool) {
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
		bits := rapid.Uint16().Draw(t, "float")
		if bits&0x7c00 == 0x7c00 && bits != 0x7c00 { // NaN comes in many bits, and in text in one
			bits = 0x7e00
		}
		b.Append(float16.FromBits(bits))
	case *array.Float32Builder:
		b.Append(float32(floats.Draw(t, "float")))
	case *array.Float64Builder:
		b.Append(floats.Draw(t, "float"))
	case *array.StringBuilder:
		b.Append(texts.Draw(t, "string"))
	case *array.BinaryBuilder:
		b.Append(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
	case *array.FixedSizeBinaryBuilder:
		b.Append(rapid.SliceOfN(rapid.Byte(), 3, 3).Draw(t, "bytes"))
	case *array.Decimal128Builder:
		b.Append(drawDecimal(t, b.Type().(*arrow.Decimal128Type).Precision))
	default:
		drawTime(t, b)
	}
}

func drawTime(t *rapid.T, b array.Builder) {
	switch b := b.(type) {
	case *array.Date32Builder:
		b.Append(arrow.Date32(drawInt(t, 32)))
	case *array.Time32Builder:
		b.Append(arrow.Time32(drawClock(t, b.Type().(*arrow.Time32Type).Unit)))
	case *array.Time64Builder:
		b.Append(arrow.Time64(drawClock(t, b.Type().(*arrow.Time64Type).Unit)))
	case *array.TimestampBuilder:
		v := drawInt(t, 64)
		if b.Type().(*arrow.TimestampType).Unit == arrow.Second {
			v /= 1000 // Parquet counts milliseconds
		}
		b.Append(arrow.Timestamp(v))
	case *array.DurationBuilder:
		b.Append(arrow.Duration(drawInt(t, 64)))
	default:
		drawNested(t, b)
	}
}

func drawClock(t *rapid.T, unit arrow.TimeUnit) int64 {
	return rapid.Int64Range(0, int64(24*time.Hour)/int64(unit.Multiplier())-1).Draw(t, "clock")
}

func drawNested(t *rapid.T, b array.Builder) {
	switch b := b.(type) {
	case *array.StructBuilder:
		b.Append(true)
		for i := range b.NumField() {
			draw(t, b.FieldBuilder(i), true)
		}
	case *array.MapBuilder:
		b.Append(true)
		for range rapid.IntRange(0, 3).Draw(t, "entries") {
			draw(t, b.KeyBuilder(), false)
			draw(t, b.ItemBuilder(), true)
		}
	case *array.ListBuilder:
		b.Append(true)
		for range rapid.IntRange(0, 3).Draw(t, "elements") {
			draw(t, b.ValueBuilder(), true)
		}
	default:
		t.Fatalf("no values of type %s", b.Type())
	}
}
