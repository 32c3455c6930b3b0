package format

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
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

// identical reports whether two arrays hold the same values, floats to the
// bit; nulls hide what is under them.
func identical(a, b arrow.Array) bool {
	if a.Len() != b.Len() || a.NullN() != b.NullN() || !arrow.TypeEqual(a.DataType(), b.DataType()) {
		return false
	}
	switch a.(type) {
	case *array.Float16:
		return slices.Equal(filled[uint16](a), filled[uint16](b))
	case *array.Float32:
		return slices.Equal(filled[uint32](a), filled[uint32](b))
	case *array.Float64:
		return slices.Equal(filled[uint64](a), filled[uint64](b))
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
					checkRoundTrip(t, s, Options{Profile: Profile((seed + 1) % 3)}, batchIn(s, seed, n, nulls, moods))
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

func TestBlockBorders(t *testing.T) {
	s := &schema.Schema{ID: 1}
	for i, text := range []string{"int64", "string", "bool", "list<int16>", "map<string, decimal(9,2)>", "struct<a: date>"} {
		s.Fields = append(s.Fields, schema.Field{ID: int32(i + 1), Name: text, Type: parseType(t, text), Nullable: true})
	}
	all := batchOf(s, 5, BlockRows+1, true)
	for _, c := range []struct {
		rows   int64
		blocks []int
	}{
		{BlockRows - 1, []int{BlockRows - 1}},
		{BlockRows, []int{BlockRows}},
		{BlockRows + 1, []int{BlockRows, 1}},
	} {
		r := open(t, checkRoundTrip(t, s, Options{}, all.NewSlice(0, c.rows)))
		var got []int
		for b := range r.Blocks() {
			got = append(got, r.BlockRows(b))
		}
		if !slices.Equal(got, c.blocks) {
			t.Errorf("%d rows: got blocks of %v; want %v", c.rows, got, c.blocks)
		}
	}
}

// TestBatchBordersDoNotMatter cuts the same rows in several ways: slices with
// offsets, single rows, empty batches. The files must be the same.
func TestBatchBordersDoNotMatter(t *testing.T) {
	s := allTypes(t)
	whole := batchOf(s, 8, 900, true)
	rows := whole.NewSlice(17, 900)
	want, _ := write(t, s, Options{}, rows)
	checkRoundTrip(t, s, Options{}, rows)
	for _, step := range []int64{1, 7, 256} {
		var parts []arrow.RecordBatch
		for at := int64(17); at < 900; at += step {
			parts = append(parts, whole.NewSlice(at, at), whole.NewSlice(at, min(900, at+step)))
		}
		if got, _ := write(t, s, Options{}, parts...); !bytes.Equal(got, want) {
			t.Errorf("batches of %d rows make other bytes", step)
		}
	}
}

func TestNullListsHideElements(t *testing.T) {
	s := &schema.Schema{ID: 1, Fields: []schema.Field{{ID: 1, Name: "l", Type: parseType(t, "list<int32>"), Nullable: true}}}
	elems := newRandom(1, wild, false).array(arrow.PrimitiveTypes.Int32, 9)
	offsets := memory.NewBufferBytes(arrow.Int32Traits.CastToBytes([]int32{1, 3, 6, 6, 9}))
	valid := memory.NewBufferBytes([]byte{0b1101}) // row 1 is null, with three elements under it
	a := array.MakeFromData(array.NewData(s.Fields[0].Type, 4, []*memory.Buffer{valid, offsets}, []arrow.ArrayData{elems.Data()}, 1, 0))
	checkRoundTrip(t, s, Options{}, array.NewRecordBatch(s.Arrow(), []arrow.Array{a}, 4))
}

func TestStructKeepsChildrenOfNulls(t *testing.T) {
	dt := parseType(t, "struct<a: int32>").(*arrow.StructType)
	s := &schema.Schema{ID: 1, Fields: []schema.Field{{ID: 1, Name: "s", Type: dt, Nullable: true}}}
	child := newRandom(1, wild, true).array(arrow.PrimitiveTypes.Int32, 10)
	valid := memory.NewBufferBytes([]byte{0b01010101, 1})
	a := array.MakeFromData(array.NewData(dt, 10, []*memory.Buffer{valid}, []arrow.ArrayData{child.Data()}, array.UnknownNullCount, 0))
	file := checkRoundTrip(t, s, Options{}, array.NewRecordBatch(s.Arrow(), []arrow.Array{a}, 10))
	blocks, err := readAll(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := blocks[0][0].(*array.Struct).Field(0); !identical(got, child) {
		t.Errorf("got child %v; want %v", got, child)
	}
}

func TestWriterRefuses(t *testing.T) {
	s := &schema.Schema{ID: 1, Fields: []schema.Field{{ID: 1, Name: "n", Type: arrow.PrimitiveTypes.Int32}}}
	ints := func(nulls bool) arrow.Array { return newRandom(1, few, nulls).array(arrow.PrimitiveTypes.Int32, 50) }
	for _, c := range []struct {
		cols []arrow.Array
		want string
	}{
		{[]arrow.Array{ints(true)}, "not nullable"},
		{[]arrow.Array{ints(false), ints(false)}, "2 columns"},
		{[]arrow.Array{newRandom(1, few, false).array(arrow.PrimitiveTypes.Int64, 50)}, "int64"},
	} {
		fields := make([]arrow.Field, len(c.cols))
		for i, a := range c.cols {
			fields[i] = arrow.Field{Name: fmt.Sprint(i), Type: a.DataType(), Nullable: true}
		}
		w, err := NewWriter(io.Discard, s, Info{}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		err = w.Write(array.NewRecordBatch(arrow.NewSchema(fields, nil), c.cols, 50))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got error %v; want one with %q", err, c.want)
		}
		if _, again := w.Close(); again != err {
			t.Errorf("Close after an error: got %v; want %v", again, err)
		}
	}
	if _, err := NewWriter(io.Discard, &schema.Schema{}, Info{}, Options{}); err == nil {
		t.Error("a schema without fields was taken")
	}
}

// failing takes so many bytes and no more.
type failing struct{ left int }

var errFull = errors.New("no space")

func (f *failing) Write(b []byte) (int, error) {
	if f.left -= len(b); f.left < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestWriterReportsWriteErrors(t *testing.T) {
	s := allTypes(t)
	batch := batchOf(s, 1, 40, true)
	file, _ := write(t, s, Options{}, batch)
	for _, room := range []int{0, 64, len(file) / 2, len(file) - 1} {
		w, err := NewWriter(&failing{room}, s, testInfo, Options{})
		if err == nil {
			if err = w.Write(batch); err == nil {
				_, err = w.Close()
			}
		}
		if !errors.Is(err, errFull) {
			t.Errorf("room for %d bytes: got %v; want %v", room, err, errFull)
		}
	}
}

func TestReaderRefuses(t *testing.T) {
	s := allTypes(t)
	file, _ := write(t, s, Options{}, batchOf(s, 1, 10, true))
	r := open(t, file)
	if _, err := r.Zone(7777, 0); err == nil {
		t.Error("Zone of an unknown field: no error")
	}
	for _, block := range []int{-1, 1} {
		if _, err := r.ReadBlock(context.Background(), memory.DefaultAllocator, block, nil); err == nil {
			t.Errorf("block %d: no error", block)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := r.ReadBlock(ctx, memory.DefaultAllocator, 0, fieldIDs(s)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled read: got %v", err)
	}
	if err := r.Verify(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled verify: got %v", err)
	}
}

func TestReaderIsConcurrent(t *testing.T) {
	s := allTypes(t)
	batch := batchOf(s, 4, 300, true)
	file, _ := write(t, s, Options{}, batch)
	r := open(t, file)
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range s.Fields {
				at := (i + worker*5) % len(s.Fields)
				cols, err := r.ReadBlock(context.Background(), memory.DefaultAllocator, 0, []int32{s.Fields[at].ID})
				if err != nil || !identical(cols[0], batch.Column(at)) {
					t.Errorf("column %d: wrong values or %v", at, err)
				}
			}
		}()
	}
	wg.Wait()
}

// TestMemoryIsReturned wants nothing left once the arrays are released.
func TestMemoryIsReturned(t *testing.T) {
	s := allTypes(t)
	file, _ := write(t, s, Options{}, batchOf(s, 4, 300, true))
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	cols, err := open(t, file).ReadBlock(context.Background(), mem, 0, fieldIDs(s))
	if err != nil {
		t.Fatal(err)
	}
	release(cols)
	mem.AssertSize(t, 0)
}

// counting counts the reads that reach the file.
type counting struct {
	io.ReaderAt
	reads, bytes int
}

func (c *counting) ReadAt(b []byte, at int64) (int, error) {
	c.reads++
	c.bytes += len(b)
	return c.ReaderAt.ReadAt(b, at)
}

func TestReadsAreFewAndLocal(t *testing.T) {
	s := &schema.Schema{ID: 1}
	const columns = 400
	for i := range columns {
		s.Fields = append(s.Fields, schema.Field{ID: int32(i + 1), Name: fmt.Sprintf("c%d", i), Type: arrow.PrimitiveTypes.Int64})
	}
	cols := make([]arrow.Array, columns)
	for i := range cols {
		cols[i] = newRandom(uint64(i), wild, false).array(arrow.PrimitiveTypes.Int64, 2000)
	}
	file, _ := write(t, s, Options{}, array.NewRecordBatch(s.Arrow(), cols, 2000))
	c := &counting{ReaderAt: bytes.NewReader(file)}
	r, err := Open(c, int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	if c.reads != 1 || c.bytes != tailSize {
		t.Errorf("open: %d reads of %d bytes; want one of %d", c.reads, c.bytes, tailSize)
	}
	*c = counting{ReaderAt: c.ReaderAt}
	if _, err := r.ReadBlock(context.Background(), memory.DefaultAllocator, 0, []int32{10, 11, 12, 390}); err != nil {
		t.Fatal(err)
	}
	if c.reads != 3 || c.bytes > 100_000 { // metas at once, three pages, one page
		t.Errorf("read: %d reads of %d bytes; want 3 of at most 100000", c.reads, c.bytes)
	}
}

func TestZones(t *testing.T) {
	s := allTypes(t)
	batch := batchOf(s, 6, 200, true)
	file, sum := write(t, s, Options{}, batch)
	r := open(t, file)
	for i, f := range s.Fields {
		got, err := r.Zone(f.ID, 0)
		if err != nil {
			t.Fatal(err)
		}
		if want := index.ZoneOf(batch.Column(i)); fmt.Sprint(got) != fmt.Sprint(want) || fmt.Sprint(got) != fmt.Sprint(sum.Columns[i].Zone) {
			t.Errorf("column %s: got %v, summary %v; want %v", f.Name, got, sum.Columns[i].Zone, want)
		}
		if (got.Min == nil) != (sum.Columns[i].Zone.Min == nil) {
			t.Errorf("column %s: an empty bound was taken for none", f.Name)
		}
	}
}

func TestCompactIsSmaller(t *testing.T) {
	s := &schema.Schema{ID: 1, Fields: []schema.Field{{ID: 1, Name: "f", Type: arrow.PrimitiveTypes.Float64}}}
	b := array.NewFloat64Builder(memory.DefaultAllocator)
	for i := range 20000 {
		b.Append(float64(i%5000) * 0.25)
	}
	batch := array.NewRecordBatch(s.Arrow(), []arrow.Array{b.NewArray()}, 20000)
	plain, _ := write(t, s, Options{}, batch)
	compact := checkRoundTrip(t, s, Options{Profile: ProfileCompact}, batch)
	if len(compact) >= len(plain) {
		t.Errorf("compact file has %d bytes, the default one %d", len(compact), len(plain))
	}
}

func TestWriterRefusesHugeBlocks(t *testing.T) {
	dt := &arrow.FixedSizeBinaryType{ByteWidth: 1 << 20}
	const rows = MaxBlockBytes>>20 + 1
	s := &schema.Schema{ID: 1, Fields: []schema.Field{{ID: 1, Name: "blob", Type: dt}}}
	values := memory.NewBufferBytes(make([]byte, rows<<20)) // never touched
	a := array.MakeFromData(array.NewData(dt, rows, []*memory.Buffer{nil, values}, nil, 0, 0))
	w, err := NewWriter(io.Discard, s, Info{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(array.NewRecordBatch(s.Arrow(), []arrow.Array{a}, rows)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(); err == nil || !strings.Contains(err.Error(), `column "blob"`) {
		t.Errorf("got %v; want an error that names the column", err)
	}
}
