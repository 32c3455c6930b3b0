package format

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/schema"
)

const (
	docFile      = "../docs/format.md"
	exampleStart = "<!-- example -->\n"
	exampleEnd   = "<!-- /example -->"
)

// TestDocExample keeps the worked example of docs/format.md true.
func TestDocExample(t *testing.T) {
	text, err := os.ReadFile(docFile)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(text), exampleStart)
	got, after, ok2 := strings.Cut(rest, exampleEnd)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no %q", docFile, exampleStart)
	}
	want := "\n```text\n" + strings.TrimSpace(dump(t, exampleFile(t))) + "\n```\n\n"
	if *update {
		doc := before + exampleStart + want + exampleEnd + after
		if err := os.WriteFile(docFile, []byte(doc), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != want {
		t.Errorf("the example in %s is not what is written (go test ./format -run TestDocExample -update):\n%s", docFile, want)
	}
}

func exampleFile(t *testing.T) []byte {
	s := &schema.Schema{ID: 1, Fields: []schema.Field{
		{ID: 1, Name: "id", Type: arrow.PrimitiveTypes.Int32},
		{ID: 2, Name: "city", Type: arrow.BinaryTypes.String, Nullable: true},
	}}
	ids := array.NewInt32Builder(memory.DefaultAllocator)
	ids.AppendValues([]int32{10, 11, 12, 13}, nil)
	cities := array.NewStringBuilder(memory.DefaultAllocator)
	cities.AppendValues([]string{"Ulm", "", "Ulm", "Ulm"}, []bool{true, false, true, true})
	var file bytes.Buffer
	w, err := NewWriter(&file, s, Info{Segment: "example", Table: "1", Properties: map[string]string{"table_name": "people"}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(array.NewRecordBatch(s.Arrow(), []arrow.Array{ids.NewArray(), cities.NewArray()}, 4)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func dump(t *testing.T, file []byte) string {
	t.Helper()
	var out bytes.Buffer
	if err := Dump(&out, bytes.NewReader(file), int64(len(file))); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestDumpShowsEveryPartOnce(t *testing.T) {
	s := allTypes(t)
	file, _ := write(t, s, Options{}, batchOf(s, 2, 1500, true))
	text := dump(t, file)
	for _, part := range []string{"head", "page of \"c0\" (field 100), block 0", "meta of \"c31\"", "section schema", "section directory", "section info", "footer", "trailer"} {
		if strings.Count(text, "\n"+part) != 1 {
			t.Errorf("dump has %d parts %q; want one", strings.Count(text, "\n"+part), part)
		}
	}
	if strings.Contains(text, "%!") || strings.Contains(text, "left)") {
		t.Error("dump has broken lines")
	}
}

func TestDumpOfDamagedFile(t *testing.T) {
	file := exampleFile(t)
	for _, change := range []func([]byte) []byte{
		func(b []byte) []byte { return b[:100] },
		func(b []byte) []byte { b[len(b)-20] ^= 1; return b },
		func(b []byte) []byte { return nil },
	} {
		var out bytes.Buffer
		b := change(bytes.Clone(file))
		if err := Dump(&out, bytes.NewReader(b), int64(len(b))); err == nil {
			t.Errorf("dump of %d damaged bytes: no error", len(b))
		}
	}
}
