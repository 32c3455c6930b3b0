package sink_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/tarnlake/tarn/client/sink"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/schema"
)

// sample has a value of every kind of spelling, and a row of nulls.
func sample(t *testing.T) (*schema.Schema, arrow.RecordBatch) {
	t.Helper()
	s := &schema.Schema{ID: 1}
	for i, c := range [][2]string{{"id", "int64"}, {"text", "string"}, {"price", "decimal(9,2)"}, {"f", "float64"}, {"ok", "bool"}, {"day", "date"},
		{"at", "timestamp[us]"}, {"zoned", "timestamp[ms, Europe/Berlin]"}, {"clock", "time[us]"}, {"took", "duration[ms]"}, {"bytes", "binary"}, {"tags", "list<string>"}, {"m", "map<string, int64>"}} {
		typ, err := schema.ParseType(c[1])
		if err != nil {
			t.Fatal(err)
		}
		s.Fields = append(s.Fields, schema.Field{ID: int32(i + 1), Name: c[0], Type: typ, Nullable: true})
	}
	const rows = `[
	{"id": 1, "text": "say \"hi\", you", "price": "-2.50", "f": 0.1, "ok": true, "day": "2010-12-01", "at": "2010-12-01 08:26:00.5", "zoned": "2010-12-01 08:26:00Z",
	 "clock": "08:26:00.000001", "took": 1500, "bytes": "AP8=", "tags": ["a", null], "m": [{"key": "k", "value": 1}, {"key": "j", "value": null}]},
	{"id": null},
	{"id": 3, "text": "", "price": "0.05", "f": -1e300, "ok": false, "day": "1969-12-31", "at": "1969-12-31 23:59:59", "zoned": "1969-12-31 23:59:59.999Z",
	 "clock": "00:00:00", "took": -1, "bytes": "", "tags": [], "m": [{"key": "k", "value": 1}, {"key": "k", "value": 2}]}]`
	b, _, err := array.RecordFromJSON(mem, s.Arrow(), strings.NewReader(rows))
	if err != nil {
		t.Fatal(err)
	}
	return s, b
}

func TestCSV(t *testing.T) {
	s, b := sample(t)
	want := `id,text,price,f,ok,day,at,zoned,clock,took,bytes,tags,m
1,"say ""hi"", you",-2.50,0.1,true,2010-12-01,2010-12-01 08:26:00.500000,2010-12-01 08:26:00Z,08:26:00.000001,1500ms,00ff,"[""a"",null]","{""k"":1,""j"":null}"
,,,,,,,,,,,,
3,"",0.05,-1e+300,false,1969-12-31,1969-12-31 23:59:59,1969-12-31 23:59:59.999Z,00:00:00,-1ms,"",[],"[{""key"":""k"",""value"":1},{""key"":""k"",""value"":2}]"
`
	if got := string(render(t, "csv", s, []arrow.RecordBatch{b})); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestNDJSON(t *testing.T) {
	s, b := sample(t)
	want := `{"id":1,"text":"say \"hi\", you","price":-2.50,"f":0.1,"ok":true,"day":"2010-12-01","at":"2010-12-01 08:26:00.500000","zoned":"2010-12-01 08:26:00Z","clock":"08:26:00.000001","took":"1500ms","bytes":"00ff","tags":["a",null],"m":{"k":1,"j":null}}
{"id":null,"text":null,"price":null,"f":null,"ok":null,"day":null,"at":null,"zoned":null,"clock":null,"took":null,"bytes":null,"tags":null,"m":null}
{"id":3,"text":"","price":0.05,"f":-1e+300,"ok":false,"day":"1969-12-31","at":"1969-12-31 23:59:59","zoned":"1969-12-31 23:59:59.999Z","clock":"00:00:00","took":"-1ms","bytes":"","tags":[],"m":[{"key":"k","value":1},{"key":"k","value":2}]}
`
	if got := string(render(t, "ndjson", s, []arrow.RecordBatch{b})); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTable(t *testing.T) {
	s, b := sample(t)
	narrow := &schema.Schema{ID: 1, Fields: s.Fields[:3]}
	cols := b.Columns()[:3]
	rows := array.NewRecordBatch(narrow.Arrow(), cols, b.NumRows())
	var out bytes.Buffer
	w, err := sink.New("table", &out, narrow.Arrow(), sink.Options{MaxRows: 2})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	want := `
┌───────┬───────────────┬──────────────┐
│   id  │      text     │     price    │
│ int64 │     string    │ decimal(9,2) │
├───────┼───────────────┼──────────────┤
│     1 │ say "hi", you │        -2.50 │
│  NULL │ NULL          │         NULL │
└───────┴───────────────┴──────────────┘
… 1 more
3 rows
`
	if got := out.String(); got != want[1:] {
		t.Errorf("got\n%s\nwant\n%s", got, want[1:])
	}
}

// TestTableIsOneLineACell wants no line end or escape sequence of the data in
// the terminal.
func TestTableIsOneLineACell(t *testing.T) {
	s := &schema.Schema{ID: 1, Fields: []schema.Field{{ID: 1, Name: "s", Type: arrow.BinaryTypes.String, Nullable: true}}}
	b, _, err := array.RecordFromJSON(mem, s.Arrow(), strings.NewReader(`[{"s": "a\nb\u001b[31m"}]`))
	if err != nil {
		t.Fatal(err)
	}
	got := string(render(t, "table", s, []arrow.RecordBatch{b}))
	if want := `│ a\nb\x1b[31m │`; !strings.Contains(got, want) {
		t.Errorf("got\n%s\nwant a line %s", got, want)
	}
}

// TestNoRows wants files without rows that still have columns.
func TestNoRows(t *testing.T) {
	s, b := sample(t)
	for format, want := range map[string]string{"json": "[]\n", "ndjson": "", "csv": "id,text,price,f,ok,day,at,zoned,clock,took,bytes,tags,m\n"} {
		if got := string(render(t, format, s, nil)); got != want {
			t.Errorf("%s: got %q; want %q", format, got, want)
		}
		if got := string(render(t, format, s, []arrow.RecordBatch{b.NewSlice(0, 0)})); got != want {
			t.Errorf("%s, an empty batch: got %q; want %q", format, got, want)
		}
	}
	for _, format := range []string{"arrow", "parquet"} {
		if got := readBack(t, format, render(t, format, s, nil), s); len(got) != 0 {
			t.Errorf("%s: got %d batches; want none", format, len(got))
		}
	}
}

// TestSameBytes writes twice and wants the same file: the mount promises its
// size before it is read.
func TestSameBytes(t *testing.T) {
	s, b := sample(t)
	for _, format := range sink.Formats() {
		if !bytes.Equal(render(t, format, s, []arrow.RecordBatch{b, b}), render(t, format, s, []arrow.RecordBatch{b, b})) {
			t.Errorf("%s: two files of the same rows differ", format)
		}
	}
}

// TestParquetForOthers looks at what other readers see: field ids, logical
// types, statistics, no Arrow schema.
func TestParquetForOthers(t *testing.T) {
	s, b := sample(t)
	f, err := file.NewParquetReader(bytes.NewReader(render(t, "parquet", s, []arrow.RecordBatch{b})))
	if err != nil {
		t.Fatal(err)
	}
	if got := f.MetaData().KeyValueMetadata().Keys(); len(got) > 0 {
		t.Errorf("key-value metadata: got %v; want none", got)
	}
	root := f.MetaData().Schema.Root()
	for i, want := range map[int]string{
		2: "Decimal(precision=9, scale=2)", 6: "Timestamp(isAdjustedToUTC=false, timeUnit=microseconds, is_from_converted_type=false, force_set_converted_type=false)",
		7: "Timestamp(isAdjustedToUTC=true, timeUnit=milliseconds, is_from_converted_type=false, force_set_converted_type=false)", 11: "List"} {
		if got := root.Field(i).LogicalType().String(); got != want {
			t.Errorf("%s: got %s; want %s", root.Field(i).Name(), got, want)
		}
		if got := root.Field(i).FieldID(); got != int32(i+1) {
			t.Errorf("%s: field id: got %d; want %d", root.Field(i).Name(), got, i+1)
		}
	}
	if got, want := f.MetaData().Schema.Column(11).Path(), "tags.list.element"; got != want {
		t.Errorf("list: got %s; want %s", got, want)
	}
	chunk, err := f.MetaData().RowGroup(0).ColumnChunk(0)
	if err != nil {
		t.Fatal(err)
	}
	if set, err := chunk.StatsSet(); !set || err != nil {
		t.Errorf("statistics: got %v, %v; want them", set, err)
	}
}

// TestOtherTypes takes types that are not canonical, and refuses unions.
func TestOtherTypes(t *testing.T) {
	dict := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}
	s := arrow.NewSchema([]arrow.Field{{Name: "d", Type: dict, Nullable: true}}, nil)
	b := array.NewBuilder(mem, dict).(*array.BinaryDictionaryBuilder)
	for _, v := range []string{"x", "y", "x"} {
		if err := b.AppendString(v); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	w, err := sink.New("csv", &out, s, sink.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(array.NewRecordBatch(s, []arrow.Array{b.NewArray()}, 3)); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "d\nx\ny\nx\n"; got != want {
		t.Errorf("got %q; want %q", got, want)
	}
	union := arrow.NewSchema([]arrow.Field{{Name: "u", Type: arrow.SparseUnionOf([]arrow.Field{{Name: "a", Type: arrow.PrimitiveTypes.Int8}}, []int8{0})}}, nil)
	if _, err := sink.New("csv", &out, union, sink.Options{}); !wire.IsCode(err, wire.Unsupported) {
		t.Errorf("a union: got %v; want UNSUPPORTED", err)
	}
	if _, err := sink.New("parket", &out, s, sink.Options{}); err == nil || !strings.Contains(err.Error(), `did you mean "parquet"?`) {
		t.Errorf("parket: got %v; want a suggestion", err)
	}
}
