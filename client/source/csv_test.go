package source

import (
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/schema"
)

// rowsText renders rows as a|b|c, null as ∅.
func rowsText(batches []arrow.RecordBatch) (rows []string) {
	for _, b := range batches {
		for i := range int(b.NumRows()) {
			cells := make([]string, b.NumCols())
			for c := range cells {
				if cells[c] = "∅"; b.Column(c).IsValid(i) {
					cells[c] = valueText(b.Column(c), i)
				}
			}
			rows = append(rows, strings.Join(cells, "|"))
		}
	}
	return rows
}

func valueText(a arrow.Array, i int) string {
	if s, ok := a.(*array.String); ok {
		return s.Value(i)
	}
	return a.ValueStr(i)
}

func wantRows(t *testing.T, batches []arrow.RecordBatch, want ...string) {
	t.Helper()
	got := rowsText(batches)
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("rows: got %q; want %q", got, want)
	}
}

// TestCSVDialects holds the cases of csv-spectrum, and some more.
func TestCSVDialects(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"comma in quotes":      {"first,last,address,city,zip\nJohn,Doe,120 any st.,\"Anytown, WW\",08123\n", []string{"John|Doe|120 any st.|Anytown, WW|08123"}},
		"empty":                {"a,b,c\n1,\"\",\"\"\n2,3,4\n", []string{"1|∅|∅", "2|3|4"}},
		"empty crlf":           {"a,b,c\r\n1,\"\",\"\"\r\n2,3,4\r\n", []string{"1|∅|∅", "2|3|4"}},
		"escaped quotes":       {"a,b\n1,\"ha \"\"ha\"\" ha\"\n3,4\n", []string{`1|ha "ha" ha`, "3|4"}},
		"json":                 {"key,val\n1,\"{\"\"type\"\": \"\"Point\"\", \"\"coordinates\"\": [102.0, 0.5]}\"\n", []string{`1|{"type": "Point", "coordinates": [102.0, 0.5]}`}},
		"location coordinates": {"Contact Phone Number,Location Coordinates,Cities,Counties\n4,\"37°36'37.8\"\"N 121°2'17.9\"\"W\",Livermore,Alameda\n", []string{`4|37°36'37.8"N 121°2'17.9"W|Livermore|Alameda`}},
		"newlines":             {"a,b,c\n1,2,3\n\"Once upon \na time\",5,6\n7,8,9\n", []string{"1|2|3", "Once upon \na time|5|6", "7|8|9"}},
		"newlines crlf":        {"a,b,c\r\n1,2,3\r\n\"Once upon \r\na time\",5,6\r\n7,8,9\r\n", []string{"1|2|3", "Once upon \r\na time|5|6", "7|8|9"}},
		"quotes and newlines":  {"a,b\n1,\"ha \n\"\"ha\"\" \nha\"\n3,4\n", []string{"1|ha \n\"ha\" \nha", "3|4"}},
		"simple":               {"a,b,c\n1,2,3\n", []string{"1|2|3"}},
		"simple crlf":          {"a,b,c\r\n1,2,3\r\n", []string{"1|2|3"}},
		"utf8":                 {"a,b,c\n1,2,3\n4,5,ʤ\n", []string{"1|2|3", "4|5|ʤ"}},
		"no line end":          {"a,b\n1,\"x\"", []string{"1|x"}},
		"no line end, CR":      {"a,b\r\n1,\"x\"\r", []string{"1|x"}},
		"byte order mark":      {"\xef\xbb\xbfa,b\n1,x\n", []string{"1|x"}},
		"CR alone":             {"a,b\r1,x\r2,\"y\rz\"\r", []string{"1|x", "2|y\nz"}},
		"texts with bars":      {"\"id\",\"t\"\n\"1\",\"a\"\n\"2\",\"x; y\nfoo|bar|baz\"\n", []string{"1|a", "2|x; y\nfoo|bar|baz"}},
		"doubled names":        {"a,A,a\n1,x,2\n", []string{"1|x|2"}},
		"long name":            {strings.Repeat("n", 5000) + ",b\n1,x\n", []string{"1|x"}},
		"semicolon":            {"a;b\n1,5;x\n2,5;y\n", []string{"1,5|x", "2,5|y"}},
		"tab":                  {"a\tb\n1\tx, y\n", []string{"1|x, y"}},
		"pipe":                 {"a|b\n1|x\n2|y\n", []string{"1|x", "2|y"}},
		"blank lines":          {"a,b\n\n1,x\n\n", []string{"1|x"}},
		"one column, null":     {"a\nx\n\ny\n", []string{"x", "∅", "y"}},
		"quoted empty is text": {"a,b\n\"\",x\n,x\n", []string{"|x", "∅|x"}},
		"quote inside":         {"a,b\n1,5\" pipe\n", []string{`1|5" pipe`}},
		"no header":            {"1,x\n2,y\n", []string{"1|x", "2|y"}},
	} {
		t.Run(name, func(t *testing.T) {
			opts := Options{}
			if name == "quoted empty is text" {
				opts.Types = map[string]string{"a": "string"}
			}
			_, batches, err := readText(t, "x.csv", c.text, opts)
			if err != nil {
				t.Fatal(err)
			}
			wantRows(t, batches, c.want...)
		})
	}
}

// TestCSVBrokenFirstRow: what stands before the first sound row is not passed
// over.
func TestCSVBrokenFirstRow(t *testing.T) {
	want := &schema.Schema{ID: 1, Fields: []schema.Field{
		{ID: 1, Name: "id", Type: arrow.PrimitiveTypes.Int64, Nullable: true}, {ID: 2, Name: "name", Type: arrow.BinaryTypes.String, Nullable: true}}}
	for _, opts := range []Options{{}, {Want: want}, {Want: want, MaxRejects: 5}} {
		if _, _, err := readText(t, "x.csv", "\"1\"lost,row\nid,name\n1,a\n", opts); !wire.IsCode(err, wire.BadInput) {
			t.Errorf("%+v: got %v; want BAD_INPUT", opts, err)
		}
	}
}

func TestCSVTypes(t *testing.T) {
	for _, c := range []struct{ values, want string }{
		{"1 -2 9223372036854775807", "int64"},
		{"1 9223372036854775808", "decimal(38,0)"},
		{"17850.0 2.0 ", "int64"},
		{"2.55 3", "decimal(18,3)"},
		{"2.5575 3", "decimal(18,4)"},
		{"5.00 7.00", "decimal(18,3)"},
		{"12345678901234567.25", "decimal(38,3)"},
		{"1e5 2", "float64"},
		{"nan 2.5", "float64"},
		{"true FALSE", "bool"},
		{"t f", "string"},
		{"00123 456", "string"},
		{"+4930123 456", "string"},
		{"2010-12-01 2011-12-09", "date"},
		{"2010-12-01 2011-02-29", "string"},
		{"2010-12-01T08:26:00 2010-12-01", "timestamp[us]"},
		{"2010-12-01T08:26:00.123456789", "timestamp[ns]"},
		{"2010-12-01T08:26:00Z 2010-12-01T08:26:00+01:00", "timestamp[us, UTC]"},
		{"2010-12-01T08:26:00Z 2010-12-01T08:26:00", "string"},
		{"1 NA 3", "int64"},
		{"x NA", "string"},
		{"1 x", "string"},
		{"123456789012345678901234567890123456789.5", "string"},
		{"123456789012345678901234567890123456789", "string"},
		{"1.1234567890123456 1e-7", "float64"},
		{"1.1234567890123456789 1e-7", "string"},
		{"0.00000000000001234567890123456 1e-7", "float64"},
		{"- -", "string"},
	} {
		text := "v,w\n" + strings.ReplaceAll(c.values, " ", ",\n") + ",\n"
		s, _, err := readText(t, "x.csv", text, Options{CSV: CSVOptions{Header: new(true)}})
		if err != nil {
			t.Errorf("%s: %v", c.values, err)
			continue
		}
		if got := schema.TypeText(s.Schema().Fields[0].Type); got != c.want {
			t.Errorf("%s: got %s; want %s", c.values, got, c.want)
		}
	}
}

func TestCSVExplainsText(t *testing.T) {
	s, _, err := readText(t, "x.csv", "id,n\n1,2\nC536379,3\n", Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := `id: string: line 3 has "C536379"`
	if got := s.Explain()[3].String(); got != want {
		t.Errorf("got %s; want %s", got, want)
	}
}

// TestCSVRejects reads a file with one bad row of each kind.
func TestCSVRejects(t *testing.T) {
	const text = "id,n\n1,1\n2,x\n3\n4,\"4\"4\n5,5\n\"6\n6\",y\n7,7\n8,\xff\n"
	want := &schema.Schema{ID: 1, Fields: []schema.Field{
		{ID: 1, Name: "id", Type: arrow.BinaryTypes.String}, {ID: 2, Name: "n", Type: arrow.PrimitiveTypes.Int64, Nullable: true}}}
	var got []string
	s, batches, err := readText(t, "x.csv", text, Options{Want: want, MaxRejects: 5, OnReject: func(r Reject) {
		got = append(got, fmt.Sprintf("%d %s %s %q", r.Line, r.Column, r.Reason, r.Text))
	}})
	if err != nil {
		t.Fatal(err)
	}
	wantRows(t, batches, "1|1", "5|5", "7|7")
	wantRejects := []string{
		`3 n "x" is no int64 "2,x"`,
		`4  has 1 fields where the first row has 2 "3"`,
		`5  text after the closing quote of field 2 (a quote inside quotes is written twice) "4,\"4\"4"`,
		`7 n "y" is no int64 "\"6\n6\",y"`,
		`10 n "\xff" is no int64 "8,\xff"`,
	}
	if fmt.Sprint(got) != fmt.Sprint(wantRejects) {
		t.Errorf("rejects: got %v; want %v", got, wantRejects)
	}
	if s.Rejects() != 5 {
		t.Errorf("count: got %d; want 5", s.Rejects())
	}
}

// TestCSVTooManyRejects wants file, line, column, reason and a hint.
func TestCSVTooManyRejects(t *testing.T) {
	_, _, err := readText(t, "day.csv", "id,n\n1,1\n2,2\n", Options{Types: map[string]string{"id": "date"}})
	if !wire.IsCode(err, wire.BadInput) {
		t.Fatalf("got %v; want BAD_INPUT", err)
	}
	want := `day.csv: line 2, column "id": "1" is no date`
	if got := err.(*wire.Error).Message; got != want {
		t.Errorf("got %s; want %s", got, want)
	}
	if hint := err.(*wire.Error).Hint; !strings.Contains(hint, "--types 'id=string'") {
		t.Errorf("hint: got %q; want --types 'id=string' in it", hint)
	}
}

func TestCSVUnclosedQuote(t *testing.T) {
	_, _, err := readText(t, "x.csv", "a,b\n1,2\n3,\"x\n4,5\n", Options{MaxRejects: 9})
	if !wire.IsCode(err, wire.BadInput) || !strings.Contains(err.Error(), "line 3: a quote opens") {
		t.Errorf("got %v; want BAD_INPUT about a quote at line 3", err)
	}
}

func TestCSVWant(t *testing.T) {
	want := &schema.Schema{ID: 1, Fields: []schema.Field{
		{ID: 1, Name: "Id", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{ID: 2, Name: "Name", Type: arrow.BinaryTypes.String, Nullable: true},
		{ID: 3, Name: "Extra", Type: arrow.PrimitiveTypes.Float64, Nullable: true}}}
	_, batches, err := readText(t, "x.csv", "name,ID\nx,1\nNA,\n", Options{Want: want})
	if err != nil {
		t.Fatal(err)
	}
	wantRows(t, batches, "1|x|∅", "∅|NA|∅")
	if _, _, err = readText(t, "x.csv", "nmae,ID\nx,1\n", Options{Want: want}); !wire.IsCode(err, wire.SchemaMismatch) || !strings.Contains(err.Error(), `did you mean "Name"?`) {
		t.Errorf("unknown column: got %v; want SCHEMA_MISMATCH that suggests Name", err)
	}
	_, batches, err = readText(t, "x.csv", "1,x,2.5\n", Options{Want: want})
	if err != nil {
		t.Fatal(err)
	}
	wantRows(t, batches, "1|x|2.5")
}

func TestCSVNullOption(t *testing.T) {
	_, batches, err := readText(t, "x.csv", "a,b\n1,none\n2,\n", Options{CSV: CSVOptions{Null: []string{"none"}}})
	if err != nil {
		t.Fatal(err)
	}
	wantRows(t, batches, "1|∅", "2|")
}

// TestCSVLongRows crosses the edges of window and batch with rows of many
// sizes, and wants every row once and in order.
func TestCSVLongRows(t *testing.T) {
	var text strings.Builder
	text.WriteString("n,s\n")
	const n = 3000
	for i := range n {
		fmt.Fprintf(&text, "%d,\"%s\n\"\"\"\n", i, strings.Repeat("ab,", i%1400))
	}
	_, batches, err := readText(t, "x.csv", text.String(), Options{BatchRows: 777})
	if err != nil {
		t.Fatal(err)
	}
	row := int64(0)
	for _, b := range batches {
		for i := range int(b.NumRows()) {
			want := strings.Repeat("ab,", int(row)%1400) + "\n\""
			if b.Column(0).(*array.Int64).Value(i) != row || b.Column(1).(*array.String).Value(i) != want {
				t.Fatalf("row %d: got %s", row, rowsText([]arrow.RecordBatch{b.NewSlice(int64(i), int64(i+1))}))
			}
			row++
		}
	}
	if row != n {
		t.Errorf("rows: got %d; want %d", row, n)
	}
}
