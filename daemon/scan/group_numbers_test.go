package scan

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/format/codec"
)

// sharedRows makes rows whose text repeats in blocks in many ways: in all of
// them, in one alone, hardly in this one, never, and under nulls.
func sharedRows(rng *rand.Rand, l *lake, rows int) arrow.RecordBatch {
	b := array.NewRecordBuilder(mem, l.snap.Schema.Arrow())
	text := func(i int, s string, null bool) {
		if f := b.Field(i).(*array.StringBuilder); null {
			f.AppendNull()
		} else {
			f.Append(s)
		}
	}
	for row := range rows {
		block := row / format.BlockRows
		text(0, fmt.Sprint("city ", rng.IntN(230)), rng.IntN(40) == 0)
		text(1, []string{"", "air", "rail", "ship"}[rng.IntN(4)], false)
		many := 3000
		if block == 1 {
			many = 30
		}
		text(2, fmt.Sprint("thing ", rng.IntN(many)*(block+1)), block == 2)
		text(3, fmt.Sprint("order ", row/20), false)
		b.Field(4).(*array.Int32Builder).Append(rng.Int32N(1000))
		b.Field(5).(*array.Float64Builder).Append(float64(rng.IntN(100)))
	}
	return b.NewRecordBatch()
}

// TestSharedDictionaries holds segments whose blocks share dictionaries against
// the same rows in segments of less than a block, which have none.
func TestSharedDictionaries(t *testing.T) {
	columns := []string{"city string", "mode string", "thing string", "ordered string", "n int32", "f float64"}
	large, small := newLake(t, columns...), newLake(t, columns...)
	large.cache = format.NewCache(8 << 20)
	rng := rand.New(rand.NewPCG(38, 1))
	for range 2 {
		rows := sharedRows(rng, large, 3*format.BlockRows+700)
		large.addAll(t, slices.Values([]arrow.RecordBatch{rows}), format.Options{})
		for from := int64(0); from < rows.NumRows(); from += 50_000 {
			few := rows.NewSlice(from, min(from+50_000, rows.NumRows()))
			small.addAll(t, slices.Values([]arrow.RecordBatch{few}), format.Options{})
		}
	}
	checkIsShared(t, large, map[int32]bool{1: true, 2: true, 3: true, 4: false})
	keys := []string{"city", "mode", "thing", "n"}
	aggs := []string{"count(*)", "sum(n)", "min(city)", "max(thing)", "sum(f)", "count(DISTINCT mode)", "count(thing)", "avg(n)"}
	filters := []string{"", "city = 'city 7'", "city IN ('city 1', 'city 229', 'none')", "thing LIKE '%99'", "thing LIKE 'thing 1%' AND mode <> ''", "city > 'city 5'",
		"city IS NULL", "thing IS NULL AND mode = 'air'", "length(city) > 7 OR thing = 'thing 28'", "mode = ''", "ordered = 'order 77'", "thing < 'thing 2' AND n < 100"}
	queries := 60
	if testing.Short() {
		queries = 12
	}
	for i := range queries {
		query := "FROM t"
		if f := filters[i%len(filters)]; f != "" {
			query += " WHERE " + f
		}
		switch by := sample(rng, keys, rng.IntN(4)); {
		case i%5 == 4:
			query = "SELECT city, thing, n " + query + " ORDER BY thing DESC, city, n LIMIT 20"
		case len(by) > 0:
			query = fmt.Sprint("SELECT ", list(append(slices.Clone(by), sample(rng, aggs, 1+rng.IntN(3))...)), " ", query, " GROUP BY ", list(by))
		default:
			query = "SELECT " + list(sample(rng, aggs, 2)) + " " + query
		}
		got, err := large.query(parse(t, query), Options{})
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		want, err := small.query(parse(t, query), Options{NoPrune: i%2 == 0})
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%s\n got %d rows: %q\nwant %d rows: %q", query, len(got), clip(got), len(want), clip(want))
		}
	}
}

func list(items []string) string {
	out := items[0]
	for _, s := range items[1:] {
		out += ", " + s
	}
	return out
}

// checkIsShared checks which columns of the first segment share a dictionary in
// all blocks, by field id.
func checkIsShared(t *testing.T, l *lake, want map[int32]bool) {
	t.Helper()
	stats, err := l.readers[l.snap.Segments[0].ID].Stats()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range stats {
		if is, asked := want[c.FieldID]; asked && is != (c.Encodings[codec.Shared] > 1) {
			t.Errorf("column %s has encodings %v; want shared: %v", c.Name, c.Encodings, is)
		}
	}
}
