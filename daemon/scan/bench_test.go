package scan

import (
	"testing"

	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/generate"
	"github.com/tarnlake/tarn/schema"
)

// BenchmarkQuery runs queries over a million rows in sixteen blocks.
func BenchmarkQuery(b *testing.B) {
	l := numbers(b, 4, 1<<18)
	for name, query := range map[string]string{
		"filter int and sum":   `SELECT sum(id) FROM t WHERE k < 5`,
		"arithmetic":           `SELECT sum(id * k + 1) FROM t`,
		"decimal product":      `SELECT sum(id * 1.25) FROM t`,
		"group by int":         `SELECT k, count(*), sum(id) FROM t GROUP BY k`,
		"group by many texts":  `SELECT s, count(*) FROM t WHERE id < 200000 GROUP BY s`,
		"like":                 `SELECT count(*) FROM t WHERE s LIKE '%77%'`,
		"top ten":              `SELECT id, s FROM t ORDER BY s DESC LIMIT 10`,
		"distinct":             `SELECT count(DISTINCT id) FROM t WHERE id < 200000`,
		"select all":           `SELECT * FROM t`,
		"select few":           `SELECT * FROM t WHERE id % 1000 = 7`,
		"pruned to one block":  `SELECT s FROM t WHERE id = 777777`,
		"answered by the zone": `SELECT count(*), max(id) FROM t`,
	} {
		b.Run(name, func(b *testing.B) {
			p := mustPlan(b, l, query, Options{MemoryBytes: 1 << 30})
			for b.Loop() {
				if _, err := rowsWith(b.Context(), p, l); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(1<<20), "ns/row")
		})
	}
}

// BenchmarkLines runs the queries of the benchmark page over a million order
// lines in sixteen blocks of one segment.
func BenchmarkLines(b *testing.B) {
	l := orderLines(b, 1<<20)
	for _, c := range []struct{ name, query string }{
		{"count-range", `SELECT count(*) FROM t WHERE part_key BETWEEN 1000 AND 150000`},
		{"sum-product", `SELECT sum(extended_price * discount), count(*) FROM t WHERE shipped >= DATE '2019-01-01' AND shipped < DATE '2020-01-01' AND discount BETWEEN 0.05 AND 0.07 AND quantity < 24`},
		{"group-eight", `SELECT return_flag, line_status, sum(quantity), sum(extended_price), sum(extended_price * (1 - discount)), sum(extended_price * (1 - discount) * (1 + tax)), avg(quantity), avg(extended_price), avg(discount), count(*) FROM t WHERE shipped <= DATE '2023-08-01' GROUP BY return_flag, line_status ORDER BY return_flag, line_status`},
		{"group-string", `SELECT mode, count(*), sum(quantity) FROM t GROUP BY mode ORDER BY mode`},
		{"group-keys", `SELECT supplier_key, count(*), sum(quantity) FROM t GROUP BY supplier_key ORDER BY supplier_key LIMIT 5`},
		{"top", `SELECT * FROM t ORDER BY extended_price DESC LIMIT 10`},
		{"lookup", `SELECT * FROM t WHERE order_key = 439869`},
	} {
		b.Run(c.name, func(b *testing.B) {
			p := mustPlan(b, l, c.query, Options{MemoryBytes: 1 << 30, Pool: NewPool(1<<30, 1)})
			b.ReportAllocs()
			for b.Loop() {
				if _, err := rowsWith(b.Context(), p, l); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(1<<20), "ns/row")
		})
	}
}

// orderLines returns a lake of the wholesaler's table.
func orderLines(b *testing.B, rows int64) *lake {
	t := generate.Wholesale(42, rows)
	columns := make([]string, t.Schema.NumFields())
	for i, f := range t.Schema.Fields() {
		columns[i] = f.Name + " " + schema.TypeText(f.Type)
	}
	l := newLake(b, columns...)
	l.addAll(b, t.Batches(), format.Options{Lookup: []int32{1, 2}})
	return l
}
