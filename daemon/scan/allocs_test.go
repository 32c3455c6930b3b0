package scan

import (
	"math"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/tarnlake/tarn/format"
)

// allocQueries are queries and what a block may cost them, in allocations,
// when its pages are in the cache and what was opened of them is, too.
var allocQueries = []struct {
	name, sql string
	most      float64
}{
	{"count", `SELECT count(*) FROM t WHERE part BETWEEN 1000 AND 150000`, 0},
	{"product", `SELECT sum(price * discount), count(*) FROM t WHERE day >= 4000 AND day < 16000 AND discount BETWEEN 0.05 AND 0.07 AND quantity < 24`, 0},
	{"like", `SELECT count(*) FROM t WHERE comment LIKE '%zeppelin%'`, 0},
	{"extremes", `SELECT min(price), max(price), avg(quantity) FROM t WHERE part < 150000`, 0},
	{"two texts", `SELECT flag, mode, sum(quantity), sum(price), avg(discount), min(day), max(price), count(*) FROM t WHERE day <= 80000 GROUP BY flag, mode ORDER BY flag, mode`, 0},
	{"text as it comes", `SELECT mode, count(*), sum(quantity) FROM t GROUP BY mode`, 0},
	{"number", `SELECT quantity, count(*), sum(price) FROM t GROUP BY quantity`, 0},
	{"one text", `SELECT count(*), sum(price) FROM t WHERE mode = 'RAIL' AND flag IN ('A', 'N')`, 0},
	{"nulls", `SELECT mode, sum(tax), count(tax), min(tax) FROM t WHERE tax < 40 GROUP BY mode ORDER BY mode`, 0},
	{"top, of a later block nothing", `SELECT * FROM t WHERE part < 300000 ORDER BY price DESC LIMIT 10`, 0},
}

// TestBlocksAllocateNothing runs queries over few blocks and over more: what
// the others cost is that of a block in the steady state.
func TestBlocksAllocateNothing(t *testing.T) {
	if raced {
		t.Skip("under the race detector memory is thrown away on purpose")
	}
	const few, many = 2, 8
	small, large := linesInCache(t, few), linesInCache(t, many)
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection takes what waits for the next block
	for _, q := range allocQueries {
		t.Run(q.name, func(t *testing.T) {
			got := (allocsOf(t, large, q.sql) - allocsOf(t, small, q.sql)) / (many - few)
			t.Logf("%.2f allocations a block", got)
			if got > q.most+0.5 { // the list of all tasks of a top query still grows
				t.Errorf("%s: got %.1f allocations a block; want at most %v", q.sql, got, q.most)
			}
		})
	}
}

// allocsOf returns what a run of a query allocates, at least: a worker that
// runs ahead for the first time needs memory of its own.
func allocsOf(t testing.TB, l *lake, sql string) float64 {
	p := mustPlan(t, l, sql, Options{MemoryBytes: 1 << 30, Pool: NewPool(1<<30, 1)})
	least := math.Inf(1)
	for range 4 {
		least = min(least, testing.AllocsPerRun(1, func() {
			if _, err := rowsWith(t.Context(), p, l); err != nil {
				t.Fatal(err)
			}
		}))
	}
	return least
}

// BenchmarkBlock runs the same queries.
func BenchmarkBlock(b *testing.B) {
	l := linesInCache(b, 40)
	for _, q := range allocQueries {
		b.Run(q.name, func(b *testing.B) {
			p := mustPlan(b, l, q.sql, Options{MemoryBytes: 1 << 30, Pool: NewPool(1<<30, 1)})
			b.ReportAllocs()
			for b.Loop() {
				if _, err := rowsWith(b.Context(), p, l); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// linesInCache returns a lake of one segment of so many blocks of order lines,
// all of which fits the cache.
func linesInCache(t testing.TB, blocks int) *lake {
	l := newLake(t, "part int32", "day int32", "quantity int32", "price decimal(12,2)", "discount decimal(12,2)", "flag string", "mode string", "comment string", "tax int32")
	l.cache = format.NewCache(1 << 30)
	s := l.snap.Schema.Arrow()
	rng := rand.New(rand.NewPCG(1, uint64(blocks)))
	l.addAll(t, func(yield func(arrow.RecordBatch) bool) {
		for nth := range blocks {
			if !yield(orderBlock(s, rng, nth)) {
				return
			}
		}
	}, format.Options{})
	return l
}

// orderBlock returns random lines, a block of them. The highest price is that
// of an odd part, in all blocks, and the next ones are in the first.
func orderBlock(s *arrow.Schema, rng *rand.Rand, nth int) arrow.RecordBatch {
	b := array.NewRecordBuilder(mem, s)
	words := []string{"quick", "silent", "zeppelin", "bold", "deposits", "sleep", "above", "ironic"}
	for row := range format.BlockRows {
		price, part := rng.Int64N(10_000_000), rng.IntN(200_000)
		switch {
		case row == 0:
			price, part = 20_000_000, 500_000
		case row <= 10 && nth == 0:
			price += 10_000_000
		}
		for i, v := range []int{part, rng.IntN(100_000), rng.IntN(50)} {
			b.Field(i).(*array.Int32Builder).Append(int32(v))
		}
		b.Field(3).(*array.Decimal128Builder).Append(decimal128.FromI64(price))
		b.Field(4).(*array.Decimal128Builder).Append(decimal128.FromI64(rng.Int64N(11)))
		b.Field(5).(*array.StringBuilder).Append([]string{"A", "N", "R"}[rng.IntN(3)])
		b.Field(6).(*array.StringBuilder).Append([]string{"AIR", "RAIL", "SHIP", "TRUCK", "MAIL"}[rng.IntN(5)])
		comment := b.Field(7).(*array.StringBuilder)
		text := slices.Concat([]byte(words[rng.IntN(8)]), []byte(" "), []byte(words[rng.IntN(8)]), []byte{byte('a' + rng.IntN(26)), byte('a' + rng.IntN(26)), byte('a' + rng.IntN(26)), byte('a' + rng.IntN(26))})
		comment.BinaryBuilder.Append(text)
		if tax := b.Field(8).(*array.Int32Builder); row%7 == 0 {
			tax.AppendNull()
		} else {
			tax.Append(int32(rng.IntN(60)))
		}
	}
	return b.NewRecordBatch()
}
