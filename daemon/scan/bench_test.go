package scan

import "testing"

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
