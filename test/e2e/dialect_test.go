package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestCSVSpectrum reads the dialects of an npm package and compares with the
// JSON that comes with them. There every cell is text; nothing between two
// commas, which is null here, is empty text there.
func TestCSVSpectrum(t *testing.T) {
	dir := filepath.Join(npmPackage(t, "csv-spectrum", "2.0.0"), "package")
	files, err := filepath.Glob(filepath.Join(dir, "csvs", "*.csv"))
	if err != nil || len(files) != 12 {
		t.Fatalf("%d files, %v; want 12", len(files), err)
	}
	n := startNode(t, t.TempDir())
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".csv")
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !utf8.Valid(text) {
			if r := n.try("ingest", name, path, "--create"); r.status == 0 || !strings.Contains(r.err, "UTF-8") {
				t.Errorf("%s is not UTF-8; status %d: %s", name, r.status, r.err)
			}
			continue
		}
		want := spectrumRows(t, filepath.Join(dir, "json", name+".json"))
		if name == "location_coordinates" {
			want[0]["Contact Phone Number"] = "2095257564" // its JSON has another number than its CSV
		}
		n.tarn("ingest", name, path, "--create", "--types", textTypes(want[0]))
		got := n.tarn("scan", name, "--output", "json")
		compareRows(t, name, got, want)
	}
}

func spectrumRows(t *testing.T, path string) (rows []map[string]string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.HasPrefix(b, []byte("{")) { // one file has its one row bare
		b = slices.Concat([]byte("["), b, []byte("]"))
	}
	if err := json.Unmarshal(b, &rows); err != nil {
		t.Fatal(err)
	}
	return rows
}

func textTypes(row map[string]string) string {
	var types []string
	for column := range row {
		types = append(types, column+"=string")
	}
	return strings.Join(types, ",")
}

func compareRows(t *testing.T, name, got string, want []map[string]string) {
	t.Helper()
	var rows []map[string]*string
	if err := json.Unmarshal([]byte(got), &rows); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if len(rows) != len(want) {
		t.Fatalf("%s: %d rows; want %d: %s", name, len(rows), len(want), got)
	}
	for i := range want {
		for column, cell := range want[i] {
			if v, ok := rows[i][column]; !ok || v == nil && cell != "" || v != nil && *v != cell {
				t.Errorf("%s, row %d, column %q: got %s; want %q", name, i, column, got, cell)
			}
		}
	}
}
