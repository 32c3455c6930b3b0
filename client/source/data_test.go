package source

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/schema"
)

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

// readAll opens text under a name and returns its rows as batches.
func readText(t testing.TB, name, text string, opts Options) (*Source, []arrow.RecordBatch, error) {
	t.Helper()
	s, err := OpenReader(context.Background(), strings.NewReader(text), name, opts)
	if err != nil {
		return nil, nil, err
	}
	defer s.Close()
	batches, err := drain(s)
	return s, batches, err
}

func drain(s *Source) (batches []arrow.RecordBatch, err error) {
	for b, err := range s.Batches() {
		if err != nil {
			return batches, err
		}
		batches = append(batches, b)
	}
	return batches, nil
}

func countRows(batches []arrow.RecordBatch) (n int64) {
	for _, b := range batches {
		n += b.NumRows()
	}
	return n
}

// drainCount reads all rows and keeps none.
func drainCount(s *Source) (n int64, err error) {
	for b, err := range s.Batches() {
		if err != nil {
			return n, err
		}
		n += b.NumRows()
	}
	return n, nil
}

func schemaOf(t testing.TB, name string, data []byte) *schema.Schema {
	t.Helper()
	s, err := OpenReader(context.Background(), bytes.NewReader(data), name, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	return s.Schema()
}
