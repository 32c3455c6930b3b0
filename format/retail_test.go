package format

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/csv"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/schema"
)

// dataDir returns a folder of the shared test data, or skips the test.
func dataDir(t testing.TB, name string) string {
	t.Helper()
	root := os.Getenv("TARN_TEST_DATA")
	if root == "" {
		root = filepath.Join("..", "..", "shared", "data")
	}
	dir := filepath.Join(root, name)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no test data: %v (set TARN_TEST_DATA)", err)
	}
	return dir
}

// retail returns the rows of the shop's files as batches of odd lengths.
func retail(t testing.TB) (*schema.Schema, []arrow.RecordBatch) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dataDir(t, "retail"), "by-day", "*.csv"))
	if err != nil || len(files) == 0 {
		t.Skip("no retail files")
	}
	types := []string{"string", "string", "string", "int32", "timestamp[s]", "decimal(10,3)", "string", "string"}
	names := []string{"InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"}
	s := &schema.Schema{ID: 1}
	for i, text := range types {
		s.Fields = append(s.Fields, schema.Field{ID: int32(i + 1), Name: names[i], Type: parseType(t, text), Nullable: true})
	}
	var batches []arrow.RecordBatch
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		r := csv.NewReader(bytes.NewReader(text), s.Arrow(), csv.WithHeader(true), csv.WithChunk(5000), csv.WithNullReader(true, ""))
		for r.Next() {
			r.RecordBatch().Retain()
			batches = append(batches, r.RecordBatch())
		}
		if err := r.Err(); err != nil && err != io.EOF {
			t.Fatal(name, err)
		}
	}
	return s, batches
}

func TestRetailRoundTrip(t *testing.T) {
	s, batches := retail(t)
	file := checkRoundTrip(t, s, Options{}, batches...)
	r := open(t, file)
	if r.Rows() != 541_909 {
		t.Errorf("got %d rows; want 541909", r.Rows())
	}
	stats, err := r.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if at := slices.IndexFunc(stats, func(c ColumnStats) bool { return c.Name == "CustomerID" }); stats[at].Nulls != 135_080 {
		t.Errorf("got %d rows without a customer; want 135080", stats[at].Nulls)
	}
	for _, c := range stats {
		t.Logf("%-12s %9d bytes %v", c.Name, c.Bytes, c.Encodings)
	}
	t.Logf("%d bytes stored for %d in Arrow", len(file), rawBytes(batches))
}

func rawBytes(batches []arrow.RecordBatch) (n int64) {
	for _, b := range batches {
		n += schema.BatchBytes(b)
	}
	return n
}

func BenchmarkWriteRetail(b *testing.B) {
	s, batches := retail(b)
	b.SetBytes(rawBytes(batches))
	for b.Loop() {
		w, err := NewWriter(io.Discard, s, Info{}, Options{})
		if err != nil {
			b.Fatal(err)
		}
		for _, batch := range batches {
			if err := w.Write(batch); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := w.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadRetail(b *testing.B) {
	s, batches := retail(b)
	file, _ := write(b, s, Options{}, batches...)
	b.SetBytes(rawBytes(batches))
	for b.Loop() {
		r := open(b, file)
		for block := range r.Blocks() {
			cols, err := r.ReadBlock(context.Background(), memory.DefaultAllocator, block, fieldIDs(s))
			if err != nil {
				b.Fatal(err)
			}
			release(cols)
		}
	}
}

// BenchmarkOpenWide opens a file of 10,000 columns and reads ten of them.
func BenchmarkOpenWide(b *testing.B) {
	s := &schema.Schema{ID: 1}
	cols := make([]arrow.Array, 10_000)
	for i := range cols {
		s.Fields = append(s.Fields, schema.Field{ID: int32(i + 1), Name: "column_" + strconv.Itoa(i), Type: arrow.PrimitiveTypes.Int64})
		cols[i] = newRandom(uint64(i), few, false).array(arrow.PrimitiveTypes.Int64, 10)
	}
	file, _ := write(b, s, Options{}, array.NewRecordBatch(s.Arrow(), cols, 10))
	c := &counting{ReaderAt: bytes.NewReader(file)}
	for b.Loop() {
		r, err := Open(c, int64(len(file)))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.ReadBlock(context.Background(), memory.DefaultAllocator, 0, []int32{1, 7, 99, 1000, 2000, 3000, 4000, 5000, 6000, 9999}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(c.bytes)/float64(b.N), "bytes-read/op")
	b.ReportMetric(float64(c.reads)/float64(b.N), "reads/op")
}
