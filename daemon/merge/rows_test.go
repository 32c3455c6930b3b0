package merge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/float16"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/schema"
)

// world is a random table: what is in its segments, and what a merge of them
// has to give.
type world struct {
	*rand.Rand
	now    *schema.Schema
	sortBy []schema.SortKey
}

// columnTypes are those of random columns; the first ones have an order.
var columnTypes = []string{
	"int64", "string", "float64", "decimal(12,2)", "bool", "int16", "uint64", "float32", "float16", "date", "binary", "fixed[3]",
	"timestamp[us]", "decimal(38,0)", "list<int32>", "struct<a: string, b: list<float64>>", "map<string, int64>",
}

const withOrder = 14

// widened are types that a column may have had before.
var widened = map[string]string{"int64": "int8", "float64": "float32", "decimal(12,2)": "decimal(5,2)", "int16": "int8", "float32": "float16"}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{Rand: rand.New(rand.NewPCG(seed, 6)), now: &schema.Schema{ID: 3}}
	for i := range 1 + w.IntN(6) {
		w.now.Fields = append(w.now.Fields, columnOf(t, i, columnTypes[w.IntN(len(columnTypes))]))
	}
	for _, i := range w.Perm(len(w.now.Fields))[:w.IntN(len(w.now.Fields)+1)] {
		if w.ordered(i) {
			w.sortBy = append(w.sortBy, schema.SortKey{FieldID: w.now.Fields[i].ID, Desc: w.IntN(2) == 0})
		}
	}
	return w
}

func (w *world) ordered(i int) bool {
	return slices.Contains(columnTypes[:withOrder], schema.TypeText(w.now.Fields[i].Type))
}

func columnOf(t *testing.T, i int, typ string) schema.Field {
	dt, err := schema.ParseType(typ)
	if err != nil {
		t.Fatal(err)
	}
	return schema.Field{ID: int32(i + 1), Name: fmt.Sprint("c", i+1), Type: dt, Nullable: true}
}

// before returns a schema that the table may have had: columns have had other
// names and places, were narrower, are younger, or are gone.
func (w *world) before(t *testing.T) *schema.Schema {
	old := &schema.Schema{ID: 1, Fields: slices.Clone(w.now.Fields)}
	for i, f := range old.Fields {
		if typ, ok := widened[schema.TypeText(f.Type)]; ok && w.IntN(3) == 0 {
			old.Fields[i] = columnOf(t, i, typ)
		}
		old.Fields[i].Name = fmt.Sprint("was", i)
	}
	old.Fields = slices.DeleteFunc(old.Fields, func(schema.Field) bool { return w.IntN(5) == 0 })
	old.Fields = append(old.Fields, columnOf(t, 90, "string"))
	w.Shuffle(len(old.Fields), func(i, j int) { old.Fields[i], old.Fields[j] = old.Fields[j], old.Fields[i] })
	return old
}

func (w *world) batch(s *schema.Schema, rows int) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, s.Arrow())
	for range rows {
		for i := range s.Fields {
			w.value(b.Field(i), true)
		}
	}
	return b.NewRecordBatch()
}

// value appends one of few values, so that many rows are equal.
func (w *world) value(b array.Builder, nullable bool) {
	if nullable && w.IntN(6) == 0 {
		b.AppendNull()
		return
	}
	n := w.IntN(9) - 4
	switch b := b.(type) {
	case *array.StringBuilder:
		b.Append([]string{"", "a", "a\x00", "a\x00b", "ab", "\x00", "b", "ä", "a\x01"}[n+4])
	case *array.BinaryBuilder:
		b.Append([][]byte{{}, {0}, {0, 0}, {0, 255}, {255}, {255, 255}, {1}, {0, 1}, {254, 0}}[n+4])
	case *array.FixedSizeBinaryBuilder:
		b.Append([]byte{0, byte(n), 255})
	case *array.Float64Builder:
		b.Append([]float64{math.NaN(), math.Inf(-1), -1.5, math.Copysign(0, -1), 0, 1e-300, 1.5, math.Inf(1), 7}[n+4])
	case *array.Float32Builder:
		b.Append([]float32{float32(math.NaN()), -1.5, float32(math.Copysign(0, -1)), 0, 1, 2, 3, 4, 5}[n+4])
	case *array.Float16Builder:
		b.Append(float16.New([]float32{float32(math.NaN()), -1.5, float32(math.Copysign(0, -1)), 0, 1, 2, 3, 4, 5}[n+4]))
	case *array.BooleanBuilder:
		b.Append(n > 0)
	case *array.Decimal128Builder:
		b.Append(decimal128.FromI64(int64(n * 100)))
	case *array.Int8Builder:
		b.Append(int8(n))
	case *array.Int16Builder:
		b.Append(int16(n))
	case *array.Int32Builder:
		b.Append(int32(n))
	case *array.Int64Builder:
		b.Append(int64(n))
	case *array.Uint64Builder:
		b.Append(uint64(n))
	case *array.Date32Builder:
		b.Append(arrow.Date32(n))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(n))
	case *array.StructBuilder:
		b.Append(true)
		for i := range b.NumField() {
			w.value(b.FieldBuilder(i), true)
		}
	case *array.MapBuilder:
		b.Append(true)
		for range w.IntN(3) {
			w.value(b.KeyBuilder(), false)
			w.value(b.ItemBuilder(), true)
		}
	case *array.ListBuilder:
		b.Append(true)
		for range w.IntN(3) {
			w.value(b.ValueBuilder(), true)
		}
	default:
		panic(fmt.Sprintf("no values of type %s", b.Type()))
	}
}

// inOrder returns the rows in the order in which ingest would write them.
func (w *world) inOrder(t *testing.T, s *schema.Schema, b arrow.RecordBatch) arrow.RecordBatch {
	var keys []compute.SortKey
	for _, k := range w.sortBy {
		if i := s.ByID(k.FieldID); i >= 0 {
			key := compute.SortKey{ColumnIndex: i}
			if k.Desc {
				key.Order = compute.SortOrderDescending
			}
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 || b.NumRows() == 0 {
		return b
	}
	order, err := compute.SortIndicesRecordBatch(t.Context(), b, keys)
	if err != nil {
		t.Fatal(err)
	}
	cols := make([]arrow.Array, b.NumCols())
	for i, col := range b.Columns() {
		if cols[i], err = compute.TakeArray(t.Context(), col, order); err != nil {
			t.Fatal(err)
		}
	}
	return array.NewRecordBatch(b.Schema(), cols, b.NumRows())
}

func segmentOf(t *testing.T, s *schema.Schema, b arrow.RecordBatch) *format.Reader {
	var file bytes.Buffer
	out, err := format.NewWriter(&file, s, format.Info{}, format.Options{})
	if err == nil {
		err = out.Write(b)
	}
	if err == nil {
		_, err = out.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	r, err := format.Open(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// inputs writes random segments, and returns all of their rows in the schema
// of today, too.
func (w *world) inputs(t *testing.T, most int) (all []*input, rows arrow.RecordBatch) {
	var batches []arrow.RecordBatch
	for n := range 1 + w.IntN(9) {
		s := w.now
		if w.IntN(2) == 0 {
			s = w.before(t)
		}
		b := w.inOrder(t, s, w.batch(s, w.IntN(most)))
		all = append(all, &input{segment: &catalog.Segment{ID: catalog.SegmentID(n)}, reader: segmentOf(t, s, b), table: w.now})
		batches = append(batches, w.today(t, s, b))
	}
	cols := make([]arrow.Array, len(w.now.Fields))
	for i := range cols {
		var parts []arrow.Array
		for _, b := range batches {
			parts = append(parts, b.Column(i))
		}
		var err error
		if cols[i], err = array.Concatenate(parts, memory.DefaultAllocator); err != nil {
			t.Fatal(err)
		}
	}
	return all, batchOf(w.now.Arrow(), cols)
}

// today returns rows of an old schema in that of now.
func (w *world) today(t *testing.T, s *schema.Schema, b arrow.RecordBatch) arrow.RecordBatch {
	cols := make([]arrow.Array, len(w.now.Fields))
	for i, f := range w.now.Fields {
		at := s.ByID(f.ID)
		if at < 0 {
			cols[i] = array.MakeArrayOfNull(memory.DefaultAllocator, f.Type, int(b.NumRows()))
			continue
		}
		var err error
		if cols[i], err = schema.WidenArray(memory.DefaultAllocator, b.Column(at), f.Type); err != nil {
			t.Fatal(err)
		}
	}
	return array.NewRecordBatch(w.now.Arrow(), cols, b.NumRows())
}

func textOf(b arrow.RecordBatch) (rows []string) {
	for i := range int(b.NumRows()) {
		row := ""
		for _, col := range b.Columns() {
			row += col.ValueStr(i) + "|"
		}
		rows = append(rows, row)
	}
	return rows
}

func collect(t *testing.T, rows iter.Seq2[arrow.RecordBatch, error]) (all []string) {
	t.Helper()
	for b, err := range rows {
		if err != nil {
			t.Fatal(err)
		}
		if b.NumRows() > format.BlockRows {
			t.Errorf("a batch of %d rows", b.NumRows())
		}
		all = append(all, textOf(b)...)
	}
	return all
}

// merged gives the rows of inputs as Merger.rows does.
func (w *world) merged(t *testing.T, inputs []*input) []string {
	if len(w.sortBy) == 0 {
		return collect(t, concatenated(t.Context(), w.now.Arrow(), inputs))
	}
	s, n, err := newSorted(t.Context(), w.now.Arrow(), orderOf(w.now, w.sortBy), inputs, math.MaxInt64)
	if err != nil || n != len(inputs) {
		t.Fatalf("%d of %d inputs, %v", n, len(inputs), err)
	}
	return collect(t, s.rows(t.Context()))
}

// TestRowsAgainstSort: a merge gives what sorting all rows at once gives, row
// by row, for tables of any columns and segments of any of their schemas.
func TestRowsAgainstSort(t *testing.T) {
	for seed := range uint64(300) {
		w := newWorld(t, seed)
		inputs, rows := w.inputs(t, 60)
		got, want := w.merged(t, inputs), textOf(w.inOrder(t, w.now, rows))
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d: %v by %v:\n got %q\nwant %q", seed, w.now.Fields, w.sortBy, got, want)
		}
	}
}

// TestRowsOfManyBlocks: inputs of several blocks, of which only parts are in
// memory.
func TestRowsOfManyBlocks(t *testing.T) {
	w := &world{Rand: rand.New(rand.NewPCG(1, 6)), now: &schema.Schema{ID: 1, Fields: []schema.Field{columnOf(t, 0, "int64"), columnOf(t, 1, "string")}}}
	w.sortBy = []schema.SortKey{{FieldID: 1}}
	var inputs []*input
	var want []int64
	for n := range 3 {
		b := array.NewRecordBuilder(memory.DefaultAllocator, w.now.Arrow())
		for i := range 150_000 {
			b.Field(0).(*array.Int64Builder).Append(int64(i*(n+1) + n))
			b.Field(1).(*array.StringBuilder).Append("x")
			want = append(want, int64(i*(n+1)+n))
		}
		inputs = append(inputs, &input{segment: &catalog.Segment{}, reader: segmentOf(t, w.now, b.NewRecordBatch()), table: w.now})
	}
	slices.Sort(want)
	s, _, err := newSorted(t.Context(), w.now.Arrow(), orderOf(w.now, w.sortBy), inputs, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	var got []int64
	for b, err := range s.rows(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, b.Column(0).(*array.Int64).Int64Values()...)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d rows are not the %d in order", len(got), len(want))
	}
}

// TestBudget: as many inputs are merged as memory allows for, but two.
func TestBudget(t *testing.T) {
	w := &world{Rand: rand.New(rand.NewPCG(1, 6)), now: &schema.Schema{ID: 1, Fields: []schema.Field{columnOf(t, 0, "int64")}}}
	w.sortBy = []schema.SortKey{{FieldID: 1}}
	for _, c := range []struct {
		budget int64
		want   int
	}{{0, 2}, {90_000, 3}, {1 << 30, 5}} {
		var inputs []*input
		for range 5 {
			inputs = append(inputs, &input{segment: &catalog.Segment{}, reader: segmentOf(t, w.now, w.inOrder(t, w.now, w.batch(w.now, 1000))), table: w.now})
		}
		s, n, err := newSorted(t.Context(), w.now.Arrow(), orderOf(w.now, w.sortBy), inputs, c.budget)
		if err != nil || n != c.want {
			t.Fatalf("budget %d: %d inputs, %v; want %d", c.budget, n, err, c.want)
		}
		if rows := len(collect(t, s.rows(t.Context()))); rows != 1000*n {
			t.Errorf("budget %d: %d rows of %d inputs", c.budget, rows, n)
		}
	}
}

// TestDamagedInput: the error names the segment that cannot be read.
func TestDamagedInput(t *testing.T) {
	w := &world{Rand: rand.New(rand.NewPCG(1, 6)), now: &schema.Schema{ID: 1, Fields: []schema.Field{columnOf(t, 0, "string")}}}
	r := segmentOf(t, w.now, w.batch(w.now, 10))
	in := &input{segment: &catalog.Segment{ID: 7}, reader: r, table: &schema.Schema{ID: 2, Fields: []schema.Field{columnOf(t, 0, "int64")}}}
	var bad *InputError
	for _, err := range concatenated(t.Context(), in.table.Arrow(), []*input{in}) {
		if !errors.As(err, &bad) || bad.Segment != 7 {
			t.Errorf("got %v; want one of segment 7", err)
		}
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	for _, err := range concatenated(stopped, in.table.Arrow(), []*input{in}) {
		if errors.As(err, &bad) || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v; want that it was canceled", err)
		}
	}
}
