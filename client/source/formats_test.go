package source

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/schema"
)

var update = flag.Bool("update", false, "write the tables of docs/formats.md anew")

const formatsDoc = "../../docs/formats.md"

// TestFormats reads every file of the shared Parquet and Avro data. What
// becomes of each stands in docs/formats.md, which must say the same.
func TestFormats(t *testing.T) {
	for _, c := range []struct{ mark, folder, pattern string }{
		{"parquet", "formats/parquet", "*.parquet"}, {"avro", "formats/avro", "*.avro*"}, {"avro-schemas", "formats/avro/schemas", "*/*.avro"}, {"events", "formats/events", "*"},
	} {
		folder := testData(t, c.folder)
		files, err := filepath.Glob(filepath.Join(folder, c.pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %v; want files", c.folder, files, err)
		}
		var rows strings.Builder
		for _, f := range files {
			name, _ := filepath.Rel(folder, f)
			fmt.Fprintf(&rows, "| `%s` | %s |\n", name, outcome(t, f, name))
		}
		compareDoc(t, c.mark, "| file | outcome |\n|---|---|\n"+rows.String())
	}
}

// outcome is the rows and types of a file, or why it is refused.
func outcome(t *testing.T, path, name string) string {
	s, err := Open(context.Background(), path, Options{Name: name})
	if err != nil {
		return refusal(t, err)
	}
	defer s.Close()
	batches, err := drain(s)
	if err != nil {
		return refusal(t, err)
	}
	wantSound(t, batches)
	types := map[string]bool{}
	var list []string
	for _, f := range s.Schema().Fields {
		if text := schema.TypeText(f.Type); !types[text] {
			types[text] = true
			list = append(list, text)
		}
	}
	if len(list) > 6 {
		list = append(list[:6], "…")
	}
	return fmt.Sprintf("%s rows of %s", count(countRows(batches)), short(strings.Join(list, ", ")))
}

// refusal wants an error that names the file, and its kind.
func refusal(t *testing.T, err error) string {
	if !wire.IsCode(err, wire.BadInput) && !wire.IsCode(err, wire.Unsupported) {
		t.Errorf("got %v; want BAD_INPUT or UNSUPPORTED", err)
	}
	return "**refused**: " + wire.FromError(err).Message
}

func short(s string) string {
	if r := []rune(s); len(r) > 160 {
		return string(r[:160]) + "…"
	}
	return s
}

// compareDoc holds what stands between two marks of the document against want.
func compareDoc(t *testing.T, mark, want string) {
	t.Helper()
	doc, err := os.ReadFile(formatsDoc)
	if err != nil {
		t.Fatal(err)
	}
	start, end := fmt.Sprintf("<!-- %s -->\n", mark), fmt.Sprintf("<!-- /%s -->", mark)
	before, rest, ok1 := strings.Cut(string(doc), start)
	got, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("docs/formats.md has no marks %s", mark)
	}
	if got == want {
		return
	}
	if !*update {
		t.Errorf("docs/formats.md, table %s is out of date (go test ./client/source -run Formats -update)\ngot\n%s\nwant\n%s", mark, got, want)
		return
	}
	if err := os.WriteFile(formatsDoc, []byte(before+start+want+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
