package source

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/schema"
)

func typeOf(t *testing.T, text string) arrow.DataType {
	t.Helper()
	typ, err := schema.ParseType(text)
	if err != nil {
		t.Fatal(err)
	}
	return typ
}

// arrowFile has one column c of JSON values.
func arrowFile(t *testing.T, typ arrow.DataType, values string) []byte {
	t.Helper()
	s := arrow.NewSchema([]arrow.Field{{Name: "c", Type: typ, Nullable: true}}, nil)
	a, _, err := array.FromJSON(mem, typ, strings.NewReader(values))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := ipc.NewWriter(&out, ipc.WithSchema(s))
	if err := w.Write(array.NewRecordBatch(s, []arrow.Array{a}, int64(a.Len()))); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestCasts reads a column of one type into a table's of another: exactly, or
// not at all.
func TestCasts(t *testing.T) {
	for _, c := range []struct{ from, values, to, want string }{
		{"int32", `[1, null, -3]`, "int64", "1|∅|-3"},
		{"int64", `[1, 127]`, "int8", "1|127"},
		{"int64", `[128]`, "int8", "error"},
		{"uint64", `[18446744073709551615]`, "decimal(20,0)", "18446744073709551615"},
		{"decimal(9,2)", `["1.50"]`, "decimal(9,1)", "1.5"},
		{"decimal(9,2)", `["1.55"]`, "decimal(9,1)", "error"},
		{"float32", `[0.5]`, "float64", "0.5"},
		{"float64", `[0.5]`, "decimal(9,2)", "refused"},
		{"decimal(9,2)", `["1.50"]`, "float64", "refused"},
		{"timestamp[us]", `["2010-12-01 08:26:00"]`, "timestamp[s]", "2010-12-01T08:26:00"},
		{"timestamp[us]", `["2010-12-01 08:26:00.5"]`, "timestamp[s]", "error"},
		{"timestamp[us]", `["2010-12-01 08:26:00"]`, "timestamp[us, UTC]", "refused"},
		{"string", `["17850", null]`, "int64", "17850|∅"},
		{"string", `["x"]`, "int64", "error"},
		{"binary", `["eA=="]`, "string", "x"},
		{"list<int32>", `[[1, null], null, []]`, "list<int64>", "[1,null]|∅|[]"},
		{"struct<a: int32>", `[{"a": 1}, null]`, "struct<b: string, a: int64>", `{"a":1,"b":null}|∅`},
		{"struct<a: int32, x: bool>", `[]`, "struct<a: int32>", "refused"},
		{"map<string, time[s]>", `[[{"key": "k", "value": "08:26:00"}]]`, "map<string, time[us]>", `[{"key":"k","value":"08:26:00"}]`},
	} {
		data := arrowFile(t, typeOf(t, c.from), c.values)
		want := &schema.Schema{ID: 1, Fields: []schema.Field{{ID: 1, Name: "c", Type: typeOf(t, c.to), Nullable: true}}}
		if got := castText(data, want); got != c.want {
			t.Errorf("%s %s to %s: got %s; want %s", c.from, c.values, c.to, got, c.want)
		}
	}
}

func castText(data []byte, want *schema.Schema) string {
	s, err := OpenReader(context.Background(), bytes.NewReader(data), "x.arrow", Options{Want: want})
	if wire.IsCode(err, wire.SchemaMismatch) {
		return "refused"
	}
	if err != nil {
		return err.Error()
	}
	defer s.Close()
	batches, err := drain(s)
	if wire.IsCode(err, wire.BadInput) {
		return "error"
	}
	if err != nil {
		return err.Error()
	}
	return strings.Join(rowsText(batches), "|")
}

func TestColumnarNulls(t *testing.T) {
	data := arrowFile(t, arrow.PrimitiveTypes.Int64, `[1, null]`)
	want := &schema.Schema{ID: 1, Fields: []schema.Field{{ID: 1, Name: "c", Type: arrow.PrimitiveTypes.Int64}}}
	if got := castText(data, want); got != "error" {
		t.Errorf("a null where none may be: got %s; want an error", got)
	}
	want.Fields[0].Name = "d"
	if got := castText(data, want); got != "refused" {
		t.Errorf("an unknown column: got %s; want it refused", got)
	}
}

// TestAvroValues reads one of each Avro type.
func TestAvroValues(t *testing.T) {
	_, batches, err := readText(t, "x.avro", string(seedAvro(nil)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	wantRows(t, []arrow.RecordBatch{batches[0].NewSlice(1, 2)},
		`1|["x","y"]|-2.5|[{"key":"j","value":2.5},{"key":"k","value":1.5}]|Y|YWJj|1970-01-01T00:00:01Z|1970-01-02|∅`)
}

// FuzzVerify wants of the verifier what it promises: it ends, and does not
// panic, on any bytes.
func FuzzVerify(f *testing.F) {
	file := seedArrow(false)
	f.Add(file[8:])
	f.Fuzz(func(t *testing.T, data []byte) {
		if n, err := wire.VerifyMessage(data); err == nil && len(data) < 8 {
			t.Errorf("%x: taken as the message %+v", data, n)
		}
	})
}
