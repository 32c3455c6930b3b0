package format

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/index"
	"github.com/tarnlake/tarn/schema"
)

var testInfo = Info{Segment: "s-1", Table: "7", Properties: map[string]string{"table_name": "sales", "partition.country": "=DE"}}

// write returns the bytes of a segment of batches.
func write(t testing.TB, s *schema.Schema, opts Options, batches ...arrow.RecordBatch) ([]byte, Summary) {
	t.Helper()
	var file bytes.Buffer
	w, err := NewWriter(&file, s, testInfo, opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range batches {
		if err := w.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	sum, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if sum.Bytes != int64(file.Len()) {
		t.Fatalf("summary says %d bytes; file has %d", sum.Bytes, file.Len())
	}
	return file.Bytes(), sum
}

func open(t testing.TB, file []byte) *Reader {
	t.Helper()
	r, err := Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func fieldIDs(s *schema.Schema) []int32 {
	ids := make([]int32, len(s.Fields))
	for i, f := range s.Fields {
		ids[i] = f.ID
	}
	return ids
}

// readAll returns every block of a file, or the first error of opening,
// reading and verifying it.
func readAll(file []byte) (blocks [][]arrow.Array, err error) {
	r, err := Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return nil, err
	}
	for b := range r.Blocks() {
		cols, err := r.ReadBlock(context.Background(), memory.DefaultAllocator, b, fieldIDs(r.Schema()))
		if err != nil {
			return nil, err
		}
		blocks = append(blocks, cols)
	}
	return blocks, r.Verify(context.Background())
}

// identical reports whether two arrays hold the same values to the bit: NaNs
// equal themselves and nulls hide what is under them.
func identical(a, b arrow.Array) bool {
	if a.Len() != b.Len() || a.NullN() != b.NullN() || !arrow.TypeEqual(a.DataType(), b.DataType()) {
		return false
	}
	return array.ApproxEqual(a, b, array.WithNaNsEqual(true), array.WithAbsTolerance(0))
}

// checkRoundTrip writes batches and wants the same rows back.
func checkRoundTrip(t *testing.T, s *schema.Schema, opts Options, batches ...arrow.RecordBatch) []byte {
	t.Helper()
	file, sum := write(t, s, opts, batches...)
	blocks, err := readAll(file)
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for i, f := range s.Fields {
		var in, out []arrow.Array
		for _, b := range batches {
			in = append(in, b.Column(i))
		}
		for _, cols := range blocks {
			out = append(out, cols[i])
		}
		want, got := concatenate(t, f.Type, in), concatenate(t, f.Type, out)
		if total = want.Len(); !identical(want, got) {
			t.Errorf("column %s %s, %d rows: values differ", f.Name, f.Type, want.Len())
		}
		if z := index.ZoneOf(want); z.Nulls != sum.Columns[i].Zone.Nulls || z.Rows != sum.Columns[i].Zone.Rows || !bytes.Equal(z.Min, sum.Columns[i].Zone.Min) {
			t.Errorf("column %s: zone %v; want %v", f.Name, sum.Columns[i].Zone, z)
		}
	}
	if sum.Rows != int64(total) {
		t.Errorf("summary says %d rows; want %d", sum.Rows, total)
	}
	return file
}

func concatenate(t *testing.T, dt arrow.DataType, parts []arrow.Array) arrow.Array {
	t.Helper()
	if len(parts) == 0 {
		return array.MakeArrayOfNull(memory.DefaultAllocator, dt, 0)
	}
	a, err := array.Concatenate(parts, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestRoundTripEveryType(t *testing.T) {
	s := allTypes(t)
	for seed := range uint64(moods) {
		for _, n := range []int{0, 1, 2, 100, 1024, 3000} {
			for _, nulls := range []bool{false, true} {
				t.Run(fmt.Sprintf("seed=%d/rows=%d/nulls=%v", seed, n, nulls), func(t *testing.T) {
					checkRoundTrip(t, s, Options{Compact: seed%2 == 1}, batchOf(s, seed, n, nulls))
				})
			}
		}
	}
}

func TestRoundTripWithoutBatches(t *testing.T) {
	s := allTypes(t)
	file := checkRoundTrip(t, s, Options{})
	r := open(t, file)
	if r.Blocks() != 0 || r.Rows() != 0 {
		t.Errorf("got %d blocks, %d rows; want none", r.Blocks(), r.Rows())
	}
}
