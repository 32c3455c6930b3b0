package e2e

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestGeneratedLake makes the same lake in every format, and gets the answers
// that the model of the shop gives, from each.
func TestGeneratedLake(t *testing.T) {
	n := startNode(t, t.TempDir())
	var lines string
	for _, format := range []string{"parquet", "arrow", "ndjson", "csv"} {
		dir := filepath.Join(t.TempDir(), "shop")
		out := strings.Split(strings.TrimSpace(n.tarn("generate", dir, "--rows", "40000", "--format", format, "--file-rows", "9000")), "\n")
		question := strings.ReplaceAll(out[len(out)-2], "FROM orders", "FROM orders_"+format)
		want, _ := strings.CutPrefix(out[len(out)-1], "must answer: ")
		for _, table := range []string{"products", "orders", "order_lines", "clicks"} {
			n.tarn("ingest", table+"_"+format, filepath.Join(dir, table), "--create")
		}
		n.wantQuery(question, plainDecimals(want))
		n.wantQuery("SELECT sum(quantity * unit_price) FROM order_lines_"+format, plainDecimals(strings.Split(want, ",")[1]))
		n.wantQuery("SELECT count(*), count(distinct session) FROM clicks_"+format, "11900,1984")
		rows := n.query("SELECT product_id, count(*), sum(quantity), min(unit_price) FROM order_lines_" + format + " GROUP BY 1 ORDER BY 1")
		if rows = plainDecimals(rows); lines == "" {
			lines = rows
		} else if rows != lines {
			t.Errorf("order_lines from %s are not those from Parquet", format)
		}
	}
}
