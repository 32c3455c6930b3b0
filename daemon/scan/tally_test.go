package scan

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// tallyLake is two blocks of columns that are stored in many ways: runs,
// dictionaries, packed words with and without nulls, decimals, wide integers.
func tallyLake(t testing.TB, rng *rand.Rand, n int) *lake {
	l := newLake(t, "runs int16", "tiny int8", "some int32", "day date", "price decimal(12,2)", "rate decimal(4,2)", "wide int64", "huge int64", "word string", "flag string", "f float64")
	b := array.NewRecordBuilder(mem, l.snap.Schema.Arrow())
	at := func(i int) array.Builder { return b.Field(i) }
	orNull := func(f array.Builder, rare int, add func()) {
		if rng.IntN(rare) == 0 {
			f.AppendNull()
			return
		}
		add()
	}
	for row := range n {
		at(0).(*array.Int16Builder).Append(int16(row / 700))
		at(1).(*array.Int8Builder).Append(int8(rng.IntN(5) - 2))
		orNull(at(2), 9, func() { at(2).(*array.Int32Builder).Append(rng.Int32N(3000) - 1000) })
		at(3).(*array.Date32Builder).Append(arrow.Date32(18000 + rng.IntN(400)))
		at(4).(*array.Decimal128Builder).Append(decimal128.FromI64(rng.Int64N(5_000_000) - 100))
		orNull(at(5), 50, func() { at(5).(*array.Decimal128Builder).Append(decimal128.FromI64(rng.Int64N(11))) })
		orNull(at(6), 1000, func() { at(6).(*array.Int64Builder).Append(rng.Int64() >> 20) })
		at(7).(*array.Int64Builder).Append(int64(rng.Uint64()))
		orNull(at(8), 30, func() { at(8).(*array.StringBuilder).Append(fmt.Sprint("word ", rng.IntN(300))) })
		at(9).(*array.StringBuilder).Append([]string{"N", "Y", "?"}[rng.IntN(3)])
		at(10).(*array.Float64Builder).Append(rng.NormFloat64())
	}
	l.add(t, b.NewRecordBatch())
	return l
}

// TestTallies holds tallied queries against the same ones by rows and values.
func TestTallies(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 1))
	l := tallyLake(t, rng, 1<<16+5000)
	keys := []string{"tiny", "some", "day", "word", "flag", "runs", "rate"}
	aggs := []string{
		"count(*)", "count(some)", "count(word)", "sum(some)", "avg(some)", "sum(price)", "min(price)", "max(day)", "min(wide)", "max(wide)", "sum(wide)",
		"sum(price * rate)", "sum(price * (1 - rate))", "sum(price * (1 - rate) * (1 + rate))", "avg(price)", "sum(some * tiny + 3)", "sum(2 - some)", "max(some - tiny)",
		"sum(price + some)", "sum(rate - price)", "sum(day - DATE '2020-01-01')", "sum(tiny * 0.25)",
	}
	filters := []string{"", " WHERE tiny > 0", " WHERE price BETWEEN 100 AND 20000.5 AND flag = 'Y'", " WHERE some IS NULL", " WHERE word LIKE '%7' OR some < 0",
		" WHERE day = DATE '2019-07-01'", " WHERE runs = 3", " WHERE tiny > 100", " WHERE huge > 0"}
	tallied, queries := 0, 80
	if testing.Short() {
		queries = 10
	}
	for n := range queries {
		by := sample(rng, keys, rng.IntN(4))
		list := strings.Join(append(slices.Clone(by), sample(rng, aggs, 1+rng.IntN(5))...), ", ")
		query := "SELECT " + list + " FROM t" + filters[rng.IntN(len(filters))]
		if len(by) > 0 {
			query += " GROUP BY " + strings.Join(by, ", ")
		}
		got, want := bothWays(t, l, query)
		if !slices.Equal(got, want) {
			t.Fatalf("query %d: %s\n got %d rows: %q\nwant %d rows: %q", n, query, len(got), clip(got), len(want), clip(want))
		}
		if isTallied(t, l, query) {
			tallied++
		}
	}
	if tallied < queries/2 {
		t.Errorf("%d of %d queries were tallied; want most", tallied, queries)
	}
}

func clip(rows []string) []string { return rows[:min(5, len(rows))] }

func sample(rng *rand.Rand, from []string, n int) []string {
	var out []string
	for _, i := range rng.Perm(len(from))[:n] {
		out = append(out, from[i])
	}
	return out
}

// bothWays runs a query with and without tallies.
func bothWays(t *testing.T, l *lake, query string) (with, without []string) {
	t.Helper()
	p := mustPlan(t, l, query, Options{Pool: NewPool(math.MaxInt64, 2)})
	with, err := rowsOf(p, l)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	p.tallies = nil
	if without, err = rowsOf(p, l); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return with, without
}

// isTallied reports whether the first block of a query is tallied, for what is
// in it all.
func isTallied(t *testing.T, l *lake, query string) bool {
	t.Helper()
	p := mustPlan(t, l, query, Options{NoPrune: true})
	for task, err := range p.tasks(t.Context(), l) {
		if err != nil {
			t.Fatal(err)
		}
		task.all = true
		s := p.survivors(task)
		defer s.release()
		if _, err := p.load(t.Context(), task, s, int64(task.rows)); err != nil {
			t.Fatal(err)
		}
		if err := p.read(t.Context(), task, s, forOutput); err != nil {
			t.Fatal(err)
		}
		return p.tallied(s) != nil
	}
	return false
}

// TestWhatIsTallied pins which queries are, and that what could overflow is not.
func TestWhatIsTallied(t *testing.T) {
	l := tallyLake(t, rand.New(rand.NewPCG(3, 3)), 5000)
	for query, want := range map[string]bool{
		"SELECT count(*) FROM t WHERE tiny = 1":                  true,
		"SELECT flag, sum(price * rate) FROM t GROUP BY flag":    true,
		"SELECT some, count(*) FROM t GROUP BY some":             true,
		"SELECT some, runs, count(*) FROM t GROUP BY some, runs": true,
		"SELECT wide, count(*) FROM t GROUP BY wide":             false, // too far apart
		"SELECT some, day, count(*) FROM t GROUP BY some, day":   false, // too many
		"SELECT sum(huge) FROM t":                                false, // could overflow
		"SELECT sum(wide * wide) FROM t WHERE wide < 2":          false, // could overflow
		"SELECT sum(f) FROM t":                                   false, // a float
		"SELECT count(DISTINCT some) FROM t":                     false,
		"SELECT sum(some / 2) FROM t":                            false,
	} {
		if got := isTallied(t, l, query); got != want {
			t.Errorf("%s: tallied: %v; want %v", query, got, want)
		}
	}
}
