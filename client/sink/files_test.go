package sink_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/client/sink"
	"github.com/tarnlake/tarn/client/source"
	"github.com/tarnlake/tarn/schema"
)

// TestFilesRoundTrip takes every real Parquet and Avro file that source reads
// through every format and back.
func TestFilesRoundTrip(t *testing.T) {
	dir := testData(t, "formats")
	files, err := source.Expand([]string{filepath.Join(dir, "parquet"), filepath.Join(dir, "avro", "*.avro"), filepath.Join(dir, "events")})
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, f := range files {
		s, batches := tryFile(f)
		if len(batches) == 0 {
			continue // refused, or empty: the tests of source tell which
		}
		read++
		for _, format := range sink.Formats() {
			if format == "table" {
				continue
			}
			t.Run(filepath.Base(f)+" "+format, func(t *testing.T) {
				wantEqual(t, batches, readBack(t, format, render(t, format, s, batches), s))
			})
		}
	}
	if read < 50 {
		t.Errorf("got %d files; want more than 50", read)
	}
}

func tryFile(path string) (*schema.Schema, []arrow.RecordBatch) {
	s, err := source.Open(context.Background(), path, source.Options{})
	if err != nil {
		return nil, nil
	}
	defer s.Close()
	var batches []arrow.RecordBatch
	for b, err := range s.Batches() {
		if err != nil {
			return nil, nil
		}
		batches = append(batches, b)
	}
	return s.Schema(), batches
}

// testData returns a folder of the shared test data, which is no part of the
// repository.
func testData(t testing.TB, folder string) string {
	t.Helper()
	root := os.Getenv("TARN_TEST_DATA")
	for dir, _ := os.Getwd(); root == "" && dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			root = filepath.Join(dir, "..", "shared", "data")
		}
	}
	path := filepath.Join(root, folder)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("the shared test data is missing: %v", err)
	}
	return path
}
