package schema_test

import (
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"pgregory.net/rapid"

	"github.com/tarnlake/tarn/schema"
)

func TestBytes(t *testing.T) {
	i32, str := arrow.PrimitiveTypes.Int32, arrow.BinaryTypes.String
	for _, c := range []struct {
		a    arrow.Array
		want int64 // validity + offsets + values
	}{
		{fromJSON(t, i32, `[]`), 0},
		{fromJSON(t, i32, `[1,2,null]`), 1 + 12},
		{fromJSON(t, arrow.FixedWidthTypes.Boolean, `[true,true,true,true,true,true,true,true,true]`), 2 + 2},
		{fromJSON(t, str, `["ab",null,"cde"]`), 1 + 12 + 5},
		{fromJSON(t, arrow.BinaryTypes.LargeString, `["ab","cde"]`), 1 + 16 + 5},
		{fromJSON(t, arrow.ListOf(str), `[["ab"],[],["c","d"]]`), 1 + 12 + (1 + 12 + 4)},
		{fromJSON(t, arrow.StructOf(arrow.Field{Name: "a", Type: i32, Nullable: true}, arrow.Field{Name: "b", Type: str, Nullable: true}), `[{"a":1,"b":"xyz"}]`), 1 + (1 + 4) + (1 + 4 + 3)},
		{fromJSON(t, arrow.MapOf(str, i32), `[[{"key":"k","value":1}]]`), 1 + 4 + 1 + (1 + 4 + 1) + (1 + 4)},
	} {
		if got := schema.Bytes(c.a); got != c.want {
			t.Errorf("Bytes of %s %s: got %d; want %d", c.a.DataType(), c.a, got, c.want)
		}
	}
	batch := array.NewRecordBatch(arrow.NewSchema([]arrow.Field{{Name: "a", Type: i32}, {Name: "b", Type: str}}, nil),
		[]arrow.Array{fromJSON(t, i32, `[1]`), fromJSON(t, str, `["x"]`)}, 1)
	if got, want := schema.BatchBytes(batch), int64(5+6); got != want {
		t.Errorf("BatchBytes: got %d; want %d", got, want)
	}
}

// A slice counts its own rows, not the buffers it shares.
func TestBytesOfSlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		typ := drawType(t, 2)
		n := rapid.IntRange(0, 8).Draw(t, "rows")
		a := drawArray(t, typ, n)
		cut := rapid.IntRange(0, n).Draw(t, "cut")
		slice := array.NewSlice(a, int64(cut), int64(n))
		copied := concat(t, []arrow.Array{drawArray(t, typ, 0), slice})
		if got, want := schema.Bytes(slice), schema.Bytes(copied); got != want {
			t.Fatalf("%s: a slice takes %d bytes and its copy %d", typ, got, want)
		}
	})
	long := fromJSON(t, arrow.BinaryTypes.String, `["`+strings.Repeat("x", 1000)+`","y"]`)
	if got, want := schema.Bytes(array.NewSlice(long, 1, 2)), int64(1+4+1); got != want {
		t.Errorf("slice behind a long string: got %d; want %d", got, want)
	}
}
