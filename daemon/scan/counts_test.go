package scan

import (
	"slices"
	"testing"
)

// TestCountsFromDirectories: how many rows have each value is the same with
// and without the directory of values, in the same order.
func TestCountsFromDirectories(t *testing.T) {
	l := numbers(t, 2, 1<<17)
	for _, query := range []string{
		`SELECT k, count(*) FROM t GROUP BY k`,
		`SELECT k, count(k), count(*) FROM t GROUP BY k ORDER BY k DESC LIMIT 3`,
		`SELECT DISTINCT k FROM t`,
		`SELECT count(*) FROM t GROUP BY k HAVING count(*) > 10`,
	} {
		indexed := mustPlan(t, l, query, Options{})
		got, err := rowsOf(indexed, l)
		if err != nil {
			t.Fatal(err)
		}
		want, err := rowsOf(mustPlan(t, l, query, Options{NoPrune: true}), l)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v; want %v", query, got, want)
		}
		if e, err := indexed.Explain(t.Context(), l, Spread{}); err != nil || e.RowsRead != 0 {
			t.Errorf("%s: %d rows are read, %v; want none", query, e.RowsRead, err)
		}
	}
}
