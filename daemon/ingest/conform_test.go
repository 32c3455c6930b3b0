package ingest

import (
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/schema"
)

func testSchema(t *testing.T, columns ...string) *schema.Schema {
	t.Helper()
	s := &schema.Schema{ID: 1}
	for i, c := range columns {
		name, text, _ := strings.Cut(c, " ")
		text, notNull := strings.CutSuffix(text, " not null")
		typ, err := schema.ParseType(text)
		if err != nil {
			t.Fatal(err)
		}
		s.Fields = append(s.Fields, schema.Field{ID: int32(i + 1), Name: name, Type: typ, Nullable: !notNull})
	}
	return s
}

// batchOf builds a batch from JSON rows.
func batchOf(t *testing.T, rows string, fields ...arrow.Field) arrow.RecordBatch {
	t.Helper()
	b, _, err := array.RecordFromJSON(memory.DefaultAllocator, arrow.NewSchema(fields, nil), strings.NewReader(rows))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestConformFitsBatchToTable(t *testing.T) {
	s := testSchema(t, "id int64", "name string", "extra decimal(5,2)")
	batch := batchOf(t, `[{"NAME":"a","id":1},{"NAME":null,"id":2}]`,
		arrow.Field{Name: "NAME", Type: arrow.BinaryTypes.LargeString, Nullable: true},
		arrow.Field{Name: "id", Type: arrow.PrimitiveTypes.Int16, Nullable: true})
	cols, err := conform(memory.DefaultAllocator, "t", s, batch)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"[1 2]", `["a" (null)]`, "[(null) (null)]"} {
		if got := cols[i].String(); got != want {
			t.Errorf("column %d: got %s; want %s", i, got, want)
		}
		if !arrow.TypeEqual(cols[i].DataType(), s.Fields[i].Type) {
			t.Errorf("column %d: type %s; want %s", i, cols[i].DataType(), s.Fields[i].Type)
		}
	}
}

func TestConformRefuses(t *testing.T) {
	s := testSchema(t, "id int32 not null", "name string")
	id := arrow.Field{Name: "id", Type: arrow.PrimitiveTypes.Int32, Nullable: true}
	for _, tc := range []struct {
		name  string
		batch arrow.RecordBatch
		code  wire.Code
		says  string
	}{
		{"unknown column", batchOf(t, `[{"id":1,"nome":"x"}]`, id, arrow.Field{Name: "nome", Type: arrow.BinaryTypes.String}), wire.SchemaMismatch, `"name"`},
		{"same column twice", batchOf(t, `[{"id":1,"ID":2}]`, id, arrow.Field{Name: "ID", Type: arrow.PrimitiveTypes.Int32}), wire.SchemaMismatch, "twice"},
		{"null in NOT NULL", batchOf(t, `[{"id":null}]`, id), wire.SchemaMismatch, "NOT NULL"},
		{"missing NOT NULL", batchOf(t, `[{"name":"x"}]`, arrow.Field{Name: "name", Type: arrow.BinaryTypes.String}), wire.SchemaMismatch, "NOT NULL"},
		{"narrowing", batchOf(t, `[{"id":1}]`, arrow.Field{Name: "id", Type: arrow.PrimitiveTypes.Int64}), wire.SchemaMismatch, "int64"},
		{"another type", batchOf(t, `[{"id":"1"}]`, arrow.Field{Name: "id", Type: arrow.BinaryTypes.String}), wire.SchemaMismatch, "string"},
		{"not UTF-8", notUTF8(), wire.BadInput, "utf8"},
		{"offsets outside their buffer", badOffsets(), wire.BadInput, "name"},
		{"a validity bitmap that is too short", shortValidity(), wire.BadInput, "id"},
	} {
		err := check(tc.batch)
		if err == nil {
			_, err = conform(memory.DefaultAllocator, "t", s, tc.batch)
		}
		if !wire.IsCode(err, tc.code) || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: got %v; want %s that says %s", tc.name, err, tc.code, tc.says)
		}
	}
}

func notUTF8() arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int32}, {Name: "name", Type: arrow.BinaryTypes.String}}, nil))
	b.Field(0).(*array.Int32Builder).Append(1)
	b.Field(1).(*array.StringBuilder).Append("caf\xe9")
	return b.NewRecordBatch()
}

func badOffsets() arrow.RecordBatch {
	offsets := memory.NewBufferBytes(arrow.Int32Traits.CastToBytes([]int32{0, 9, 4}))
	name := array.NewStringData(array.NewData(arrow.BinaryTypes.String, 2,
		[]*memory.Buffer{nil, offsets, memory.NewBufferBytes([]byte("abcd"))}, nil, 0, 0))
	ids := array.NewInt32Builder(memory.DefaultAllocator)
	ids.AppendValues([]int32{1, 2}, nil)
	return array.NewRecordBatch(arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int32}, {Name: "name", Type: arrow.BinaryTypes.String}}, nil),
		[]arrow.Array{ids.NewArray(), name}, 2)
}

// shortValidity has a bitmap of no bytes for a thousand rows.
func shortValidity() arrow.RecordBatch {
	values := memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(make([]int32, 1000)))
	id := array.NewInt32Data(array.NewData(arrow.PrimitiveTypes.Int32, 1000, []*memory.Buffer{memory.NewBufferBytes(nil), values}, nil, array.UnknownNullCount, 0))
	return array.NewRecordBatch(arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int32}}, nil), []arrow.Array{id}, 1000)
}
