package scan

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/schema"
)

// wideRows makes a batch of n rows: numbers, texts with nulls, decimals.
func wideRows(first, n int) arrow.RecordBatch {
	s := arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "d", Type: &arrow.Decimal128Type{Precision: 9, Scale: 2}, Nullable: true},
	}, nil)
	b := array.NewRecordBuilder(mem, s)
	for i := first; i < first+n; i++ {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		if b.Field(1).(*array.StringBuilder).Append(fmt.Sprint("text ", i%5)); i%7 == 0 {
			b.Field(2).AppendNull()
		} else if err := b.Field(2).AppendValueFromString(fmt.Sprintf("%d.25", i%1000)); err != nil {
			panic(err)
		}
	}
	return b.NewRecordBatch()
}

// storedBatches returns the rows of a plan in their order, and how many blocks
// came as they are stored.
func storedBatches(p *Plan, o Opener, accept format.Features) (batches []arrow.RecordBatch, rows int64, blocks int, err error) {
	return decoded(p, p.RunStored(context.Background(), o, accept))
}

// decoded is storedBatches for parts of a result.
func decoded(p *Plan, parts iter.Seq2[Part, error]) (batches []arrow.RecordBatch, rows int64, blocks int, err error) {
	var shared *format.Dictionaries
	for part, err := range parts {
		if err != nil {
			return nil, 0, 0, err
		}
		batch := part.Batch
		if batch == nil {
			blocks++
			if part.Dictionaries != nil {
				if shared, err = format.OpenDictionaries(p.Schema(), part.Dictionaries, 1<<30); err != nil {
					return nil, 0, 0, err
				}
			}
			if batch, err = format.DecodePages(mem, p.Schema(), part.Rows, part.Pages, shared, 1<<30); err != nil {
				return nil, 0, 0, err
			}
		}
		if batch.NumRows() != int64(part.Rows) {
			return nil, 0, 0, fmt.Errorf("%d rows; want %d", batch.NumRows(), part.Rows)
		}
		batch.Retain()
		batches, rows = append(batches, batch), rows+batch.NumRows()
	}
	return batches, rows, blocks, nil
}

// sameRows reports whether two results have the same rows, wherever their
// batches end.
func sameRows(t *testing.T, s *arrow.Schema, a, b []arrow.RecordBatch) bool {
	t.Helper()
	x, y := array.NewTableFromRecords(s, a), array.NewTableFromRecords(s, b)
	return array.TableEqual(x, y)
}

// addPlain adds a segment without indexes, which is quicker.
func (l *lake) addPlain(t testing.TB, rec arrow.RecordBatch) {
	l.addAll(t, slices.Values([]arrow.RecordBatch{rec}), format.Options{})
}

// TestRunStored holds blocks as they are stored against batches, row by row.
func TestRunStored(t *testing.T) {
	l := newLake(t, "id int64", "s string", "d decimal(9,2)")
	l.addPlain(t, wideRows(0, 66_000))      // two blocks, of which the second is small
	l.addPlain(t, wideRows(70_000, 100))    // too small to leave as it is stored
	l.addPlain(t, wideRows(80_000, 10_000)) // one block
	tests := []struct {
		query  string
		blocks int
	}{
		{`SELECT * FROM t`, 2},
		{`SELECT d, id, d AS again FROM t`, 2},
		{`SELECT * FROM t WHERE id >= 70000`, 1},
		{`SELECT * FROM t WHERE id >= 80001`, 0},
		{`SELECT s FROM t WHERE id >= 0 AND id < 85000`, 1}, // all rows of one block, some of another
		{`SELECT * FROM t WHERE id % 2 = 0`, 0},
		{`SELECT id + 1 AS next FROM t`, 0},
		{`SELECT * FROM t LIMIT 70000`, 0},
		{`SELECT * FROM t OFFSET 7`, 0},
		{`SELECT id FROM t ORDER BY s, id`, 0},
		{`SELECT s, count(*) FROM t GROUP BY s`, 0},
		{`SELECT id FROM t WHERE id < 0`, 0},
	}
	for _, test := range tests {
		p := mustPlan(t, l, test.query, Options{})
		want, rows, none, err := storedBatches(p, l, 0)
		if err != nil || none != 0 {
			t.Fatalf("%s: %d blocks, %v; want batches alone", test.query, none, err)
		}
		got, gotRows, blocks, err := storedBatches(p, l, format.PageAbilities)
		if err != nil || blocks != test.blocks || gotRows != rows || !sameRows(t, p.Schema(), got, want) {
			t.Errorf("%s: %d rows, %d blocks, %v; want the %d rows of the plain way, %d blocks", test.query, gotRows, blocks, err, rows, test.blocks)
		}
	}
}

// texts makes a batch of n rows of few texts that come again and again.
func texts(first, n int) arrow.RecordBatch {
	s := arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true},
	}, nil)
	b := array.NewRecordBuilder(mem, s)
	random := rand.New(rand.NewPCG(uint64(first), 5))
	for i := first; i < first+n; i++ {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		b.Field(1).(*array.StringBuilder).Append(fmt.Sprintf("text %d of the segment at %d", random.IntN(900), first))
	}
	return b.NewRecordBatch()
}

// TestRunStoredDictionaries: a dictionary comes once for each segment, with the
// first block that needs it.
func TestRunStoredDictionaries(t *testing.T) {
	l := newLake(t, "id int64", "s string")
	l.addPlain(t, texts(0, 150_000))            // three blocks
	l.addPlain(t, texts(200_000, 10_000))       // one, without a dictionary
	l.addPlain(t, texts(300_000, 135_000))      // three, the last is small
	for query, want := range map[string][]bool{ // of each block: a dictionary comes
		`SELECT * FROM t`:                                       {true, false, false, false, true, false},
		`SELECT s AS a, s AS b FROM t`:                          {true, false, false, false, true, false},
		`SELECT id FROM t`:                                      {false, false, false, false, false, false},
		`SELECT s FROM t WHERE id >= 65536 AND id < 400000`:     {true, false, false, true},
		`SELECT s FROM t WHERE id >= 65537 AND id < 300000`:     {true, false},
		`SELECT s FROM t WHERE id < 65536 OR id >= 300000 + 10`: nil,
	} {
		p := mustPlan(t, l, query, Options{})
		var got []bool
		for part, err := range p.RunStored(t.Context(), l, format.PageAbilities) {
			if err != nil {
				t.Fatal(err)
			}
			if part.Batch == nil {
				got = append(got, part.Dictionaries != nil)
			}
		}
		if want != nil && !slices.Equal(got, want) {
			t.Errorf("%s: dictionaries come with blocks %v; want %v", query, got, want)
		}
		plain, rows, _, err := storedBatches(p, l, 0)
		if err != nil {
			t.Fatal(err)
		}
		batches, gotRows, blocks, err := storedBatches(p, l, format.PageAbilities)
		if err != nil || blocks != len(got) || gotRows != rows || !sameRows(t, p.Schema(), batches, plain) {
			t.Errorf("%s: %d rows, %d blocks, %v; want the %d rows of the plain way, %d blocks", query, gotRows, blocks, err, rows, len(got))
		}
	}
}

// TestRunStoredAccept: what the caller cannot decode comes as batches.
func TestRunStoredAccept(t *testing.T) {
	l := newLake(t, "id int64", "s string", "d decimal(9,2)")
	l.addPlain(t, wideRows(0, 20_000))
	checkAccept(t, l, 20_000, `SELECT id FROM t`, `SELECT s FROM t`, `SELECT d FROM t`)
	l = newLake(t, "id int64", "s string")
	l.addPlain(t, texts(0, 65_536+10))
	checkAccept(t, l, 65_546, `SELECT id FROM t`, `SELECT s FROM t`)
}

// checkAccept takes every ability away from the caller of each query of one
// column, of which one block leaves as it is stored if he has those it needs.
func checkAccept(t *testing.T, l *lake, all int64, queries ...string) {
	t.Helper()
	for _, query := range queries {
		p := mustPlan(t, l, query, Options{})
		field := p.inputs[p.items[0].(*colNode).slot].field.ID
		c, err := l.readers[l.snap.Segments[0].ID].Stored(t.Context(), field, 0)
		if err != nil {
			t.Fatal(err)
		}
		for bit := format.Features(1); bit <= format.PageAbilities; bit <<= 1 {
			want := 1
			if c.Needs&bit != 0 {
				want = 0
			}
			_, rows, blocks, err := storedBatches(p, l, format.PageAbilities&^bit)
			if err != nil || blocks != want || rows != all {
				t.Errorf("%s without %#x: %d rows, %d blocks, %v; want %d in %d", query, bit, rows, blocks, err, all, want)
			}
		}
	}
}

// TestRunStoredEvolution: columns that are younger than a segment, or have
// another type now, come as batches; so does what is too large.
func TestRunStoredEvolution(t *testing.T) {
	l := newLake(t, "id int64", "s string", "d decimal(9,2)")
	l.addPlain(t, wideRows(0, 10_000))
	wider, _ := schema.ParseType("decimal(20,2)")
	fields := slices.Clone(l.snap.Schema.Fields)
	fields[2].Type = wider
	l.evolve(append(fields, schema.Field{ID: 9, Name: "note", Type: arrow.BinaryTypes.String, Nullable: true})...)
	for query, want := range map[string]int{
		`SELECT id, s FROM t`:                                 1,
		`SELECT id, d FROM t`:                                 0,
		`SELECT id, note FROM t`:                              0,
		`SELECT id` + strings.Repeat(", id", 900) + ` FROM t`: 0,
	} {
		_, rows, blocks, err := storedBatches(mustPlan(t, l, query, Options{}), l, format.PageAbilities)
		if err != nil || blocks != want || rows != 10_000 {
			t.Errorf("%.40s: %d rows, %d blocks, %v; want 10000 in %d", query, rows, blocks, err, want)
		}
	}
}

// TestRunStoredStops: whoever leaves the loop ends the scan.
func TestRunStoredStops(t *testing.T) {
	l := newLake(t, "id int64", "s string", "d decimal(9,2)")
	rec := wideRows(0, 10_000)
	for range 30 {
		l.addPlain(t, rec)
	}
	for range mustPlan(t, l, `SELECT * FROM t`, Options{}).RunStored(t.Context(), l, format.PageAbilities) {
		break
	}
	if n := len(l.opened); n == 30 {
		t.Errorf("all %d segments were opened for one block", n)
	}
}
