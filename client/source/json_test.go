package source

import (
	"context"
	"encoding/json"
	"fmt"

	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/schema"
)

// TestJSONSuite refuses every n_ file and takes every y_ file, each as a .json
// document.
func TestJSONSuite(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(testData(t, "formats/json-test-suite"), "[yn]_*.json"))
	if err != nil || len(files) < 200 {
		t.Fatalf("%d files, %v; want more than 200", len(files), err)
	}
	for _, f := range files {
		err := readFile(f)
		if filepath.Base(f)[0] == 'y' && err != nil {
			t.Errorf("refused: %v", err)
		}
		if filepath.Base(f)[0] == 'n' && !wire.IsCode(err, wire.BadInput) {
			t.Errorf("%s: got %v; want BAD_INPUT", filepath.Base(f), err)
		}
	}
}

func readFile(path string) error {
	s, err := Open(context.Background(), path, Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	_, err = drain(s)
	return err
}

func TestJSONForms(t *testing.T) {
	for name, c := range map[string]struct {
		file, text string
		types      string
		want       []string
	}{
		"lines":               {"x.ndjson", "{\"a\":1,\"b\":\"x\"}\n\n{\"b\":\"y\"}\n", "int64 string", []string{"1|x", "∅|y"}},
		"lines named json":    {"x.json", "{\"a\":1}\n{\"a\":2}\n", "int64", []string{"1", "2"}},
		"array of objects":    {"x.json", "[{\"a\":1},\n {\"a\":2}\n]\n", "int64", []string{"1", "2"}},
		"pretty objects":      {"x.json", "{\n \"a\": 1\n}\n{\n \"a\": 2\n}", "int64", []string{"1", "2"}},
		"scalars":             {"x.ndjson", "1\n2\nnull\n", "int64", []string{"1", "2", "∅"}},
		"arrays in lines":     {"x.ndjson", "[1,2]\n[]\n", "list<int64>", []string{"[1,2]", "[]"}},
		"mixed":               {"x.ndjson", "{\"a\":1}\n{\"a\":\"x\"}\n{\"a\":[null,{\"b\": 1}]}\n", "string", []string{"1", "x", `[null,{"b": 1}]`}},
		"nested":              {"x.ndjson", "{\"a\":{\"b\":[1,2],\"c\":null}}\n{\"a\":{\"d\":true}}\n", "struct<b: list<int64>, c: string, d: bool>", []string{`{"b":[1,2],"c":null,"d":null}`, `{"b":null,"c":null,"d":true}`}},
		"decimal and float":   {"x.ndjson", "{\"a\":1.5,\"b\":1e3}\n{\"a\":2,\"b\":2}\n", "decimal(18,3) float64", []string{"1.5|1000", "2|2"}},
		"beyond int64":        {"x.ndjson", "{\"a\":18446744073709551616}\n", "decimal(38,0)", []string{"18446744073709551616"}},
		"times":               {"x.ndjson", "{\"a\":\"2010-12-01T08:26:00Z\",\"b\":\"2010-12-01\",\"c\":\"17\"}\n", "timestamp[us, UTC] date string", []string{"2010-12-01T08:26:00Z|2010-12-01|17"}},
		"key there twice":     {"x.ndjson", "{\"a\":1,\"a\":2}\n", "int64", []string{"2"}},
		"keys that need care": {"x.ndjson", "{\"\":1,\"a\":2,\"A\":3}\n", "int64 int64 int64", []string{"1|2|3"}},
		"escapes":             {"x.ndjson", `{"a":"\u00e9\n\ud834\udd1e\/"}`, "string", []string{"é\n𝄞/"}},
		"no keys":             {"x.json", "{}", "string", []string{"{}"}},
		"empty array":         {"x.json", "[]", "string", nil},
	} {
		t.Run(name, func(t *testing.T) {
			s, batches, err := readText(t, c.file, c.text, Options{})
			if err != nil {
				t.Fatal(err)
			}
			var types []string
			for _, f := range s.Schema().Fields {
				types = append(types, schema.TypeText(f.Type))
			}
			if got := strings.Join(types, " "); got != c.types {
				t.Errorf("types: got %s; want %s", got, c.types)
			}
			wantRows(t, batches, c.want...)
		})
	}
}

func TestJSONRejects(t *testing.T) {
	want := &schema.Schema{ID: 1, Fields: []schema.Field{
		{ID: 1, Name: "a", Type: arrow.PrimitiveTypes.Int64}, {ID: 2, Name: "b", Type: arrow.ListOf(arrow.PrimitiveTypes.Int64), Nullable: true}}}
	text := "{\"a\":1,\"b\":[1]}\n{\"a\":\"x\",\"b\":[2]}\n{\"a\":2,\n{\"b\":[3]}\n{\"a\":3,\"b\":[1,\"y\",3]}\n[4]\n{\"a\":5,\"b\":null}\n"
	var got []string
	_, batches, err := readText(t, "x.ndjson", text, Options{Want: want, MaxRejects: 5, OnReject: func(r Reject) {
		got = append(got, fmt.Sprintf("%d %s %s", r.Line, r.Column, r.Reason))
	}})
	if err != nil {
		t.Fatal(err)
	}
	wantRows(t, batches, "1|[1]", "5|∅")
	wantRejects := []string{
		`2 a "x" is no int64`,
		`3  ends inside a JSON value`,
		`4 a is null; the column may not be`,
		`5 b "y" is no int64`,
		`6  array "[4]" is no object`,
	}
	if fmt.Sprint(got) != fmt.Sprint(wantRejects) {
		t.Errorf("rejects: got %q; want %q", got, wantRejects)
	}
}

// TestJSONKeysInCase wants keys that differ in case in the columns that
// inference made of them, in whichever order they come.
func TestJSONKeysInCase(t *testing.T) {
	s, _, err := readText(t, "x.ndjson", "{\"A\":3,\"a\":4,\"\":5}\n", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(s.Schema().Names()); got != "[A a_2 column3]" {
		t.Errorf("names: got %s", got)
	}
	for _, text := range []string{"{\"A\":3,\"a\":4,\"\":5}\n", "{\"a\":4,\"A\":3,\"\":5}\n"} {
		_, batches, err := readText(t, "y.ndjson", text, Options{Want: s.Schema()})
		if err != nil {
			t.Fatal(err)
		}
		wantRows(t, batches, "3|4|5")
	}
}

// TestJSONNoLine wants the first bad line where there is nothing else.
func TestJSONNoLine(t *testing.T) {
	for text, want := range map[string]string{
		"\n{\"a\":1,}\n{\"a\":2,}\n": "x.ndjson: no line is JSON; line 2: ",
		"{\"a\":1}garbage":           "text behind the value",
		"{\"a\":NaN}":                "line 1: ",
		"\n\n":                       "is empty",
	} {
		_, _, err := readText(t, "x.ndjson", text, Options{})
		if !wire.IsCode(err, wire.BadInput) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v; want %s", text, err, want)
		}
	}
	want := &schema.Schema{ID: 1, Fields: []schema.Field{{ID: 1, Name: "a", Type: arrow.PrimitiveTypes.Int64}}}
	if _, _, err := readText(t, "x.ndjson", "{\"a\":1,}\n", Options{Want: want, MaxRejects: 1}); err != nil {
		t.Errorf("one reject of a known table: %v", err)
	}
}

// TestJSONKeyAfterSample wants a reject for a key that was not in the sample.
func TestJSONKeyAfterSample(t *testing.T) {
	line := `{"a":"` + strings.Repeat("x", 1000) + `"}` + "\n"
	text := strings.Repeat(line, sampleBytes/len(line)+1) + `{"a":"y","b":1}` + "\n"
	_, _, err := readText(t, "x.ndjson", text, Options{})
	if !wire.IsCode(err, wire.BadInput) || !strings.Contains(err.Error(), `column "b": key "b" is not a column`) {
		t.Errorf("got %v; want BAD_INPUT about key b", err)
	}
	s, batches, err := readText(t, "x.ndjson", text, Options{Types: map[string]string{"b": "int64"}})
	if err != nil || len(s.Schema().Fields) != 2 {
		t.Fatalf("with a type for b: got %v", err)
	}
	last := batches[len(batches)-1]
	wantRows(t, []arrow.RecordBatch{last.NewSlice(last.NumRows()-1, last.NumRows())}, "y|1")
}

// TestJSONLargeArray streams a document whose elements cross windows.
func TestJSONLargeArray(t *testing.T) {
	var text strings.Builder
	text.WriteString("[")
	for i := range 5000 {
		if i > 0 {
			text.WriteString(",\n")
		}
		fmt.Fprintf(&text, `{"n":%d,"s":"%s"}`, i, strings.Repeat("é", i%900))
	}
	text.WriteString("]")
	_, batches, err := readText(t, "x.json", text.String(), Options{BatchRows: 999})
	if err != nil {
		t.Fatal(err)
	}
	if got := countRows(batches); got != 5000 {
		t.Errorf("rows: got %d; want 5000", got)
	}
	last := batches[len(batches)-1]
	if got := last.Column(0).ValueStr(int(last.NumRows()) - 1); got != "4999" {
		t.Errorf("last: got %s; want 4999", got)
	}
}

// FuzzJSON holds the parser against encoding/json: what it takes, that takes
// too; what it refuses although that takes it is half a surrogate pair, bad
// UTF-8, or too deep.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{`{"a":[1,-2.5e3,true,null,"x\u00e9\ud834\udd1e"]}`, ` 0 `, `[[[]]]`, `"\ud800"`, `01`, `{"a":1,}`, "\"\x01\"", "\"\xff\"", `1.`, `-`, `nul`, `{"":{}}x`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		err := (&jsonScanner{}).parseLine(data)
		valid := json.Valid(data)
		if err == nil && !valid {
			t.Fatalf("%q: taken; encoding/json refuses it", data)
		}
		lenient := err != nil && (strings.Contains(err.Error(), "surrogate") || strings.Contains(err.Error(), "UTF-8") || strings.Contains(err.Error(), "deeper"))
		if err != nil && valid && !lenient {
			t.Fatalf("%q: refused (%v); encoding/json takes it", data, err)
		}
		if err == nil {
			wantSameString(t, data)
		}
	})
}

// wantSameString compares a decoded string with encoding/json's.
func wantSameString(t *testing.T, data []byte) {
	var v value
	var want string
	if _, err := v.parse(data, true); err != nil || v.nodes[0].kind != nodeString {
		return
	}
	if err := json.Unmarshal(data, &want); err != nil || string(v.nodes[0].text) != want {
		t.Fatalf("%q: got %q; want %q (%v)", data, v.nodes[0].text, want, err)
	}
}

// FuzzNDJSON reads hostile files, whole and in small pieces: both give the
// same rows or an error, never a panic.
func FuzzNDJSON(f *testing.F) {
	for _, seed := range []string{"{\"a\":1,\"b\":[{\"c\":2.5}]}\n{\"a\":2}\n", "[{\"a\":1},\n2]", "{\"a\":\"2010-12-01\"}\n{\"a\":3}\n", "[]", "{\n\"a\":{\"k\":{}}}\n{}"} {
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, lines bool) {
		name := map[bool]string{true: "x.ndjson", false: "x.json"}[lines]
		_, batches, err := readText(t, name, string(data), Options{MaxRejects: 1 << 30, BatchRows: 3})
		if err == nil {
			wantSound(t, batches)
		}
	})
}
