package main

import (
	"fmt"

	"github.com/tarnlake/tarn/bench/engine"
	"github.com/tarnlake/tarn/bench/result"
	"github.com/tarnlake/tarn/generate"
)

// The queries that more than one work asks.
const (
	sumProductSQL = `SELECT sum(extended_price * discount), count(*) FROM lines WHERE shipped >= DATE '2019-01-01' AND shipped < DATE '2020-01-01' AND discount BETWEEN 0.05 AND 0.07 AND quantity < 24`
	eightSQL      = `SELECT return_flag, line_status, sum(quantity), sum(extended_price), sum(extended_price * (1 - discount)), sum(extended_price * (1 - discount) * (1 + tax)), avg(quantity), avg(extended_price), avg(discount), count(*) FROM lines WHERE shipped <= DATE '2023-08-01' GROUP BY return_flag, line_status ORDER BY return_flag, line_status`
	byModeSQL     = `SELECT mode, count(*), sum(quantity) FROM lines GROUP BY mode ORDER BY mode`
	topSQL        = `SELECT * FROM lines ORDER BY extended_price DESC LIMIT 10`
)

func likeSQL(word string) string {
	return fmt.Sprintf(`SELECT count(*) FROM lines WHERE comment LIKE '%%%s%%'`, word)
}

// works is everything that is measured, in the order of the report.
var works []work

func init() { works = allWorks() }

func allWorks() []work {
	ws := []work{
		ask("sum-product", "Range filters on three columns and a sum of products",
			question{data: "lines", sql: sumProductSQL, promise: []promise{{engine.DuckDB, 2, 4}, {engine.DuckParquet, 4, 10}}}),
		ask("group-eight", "Grouped aggregation over two small columns, eight aggregates",
			question{data: "lines", sql: eightSQL, ordered: true, promise: against(engine.DuckDB, 1.5, 3)}),
		ask("group-string", "Count and sum grouped by a low-cardinality string",
			question{data: "lines", sql: byModeSQL, ordered: true, promise: against(engine.DuckDB, 2, 4)}),
		ask("group-string-flights", "Count and sum grouped by one of 229 airports",
			question{data: "flights", sql: `SELECT origin, count(*), sum(distance) FROM flights GROUP BY origin ORDER BY origin`, ordered: true, promise: against(engine.DuckDB, 2, 4)}),
		ask("group-count", "Count alone grouped by a low-cardinality string",
			question{data: "lines", sql: `SELECT mode, count(*) FROM lines GROUP BY mode ORDER BY mode`, ordered: true, promise: against(engine.DuckDB, 10, 50)}),
		ask("group-count-retail", "Count alone grouped by one of 38 countries",
			question{data: "retail", sql: `SELECT Country, count(*) FROM retail GROUP BY Country ORDER BY Country`, ordered: true, promise: against(engine.DuckDB, 10, 50)}),
		ask("lookup", "Point lookup of an order key, all columns; order_key and part_key are declared lookup keys (DuckDB has no index)",
			question{data: "lines", keyColumn: "order_key", promise: []promise{{engine.DuckParquet, 10, 50}, {engine.DuckDB, 3, 10}}}),
		ask("lookup-scattered", "Point lookup of a part key, whose 30 rows are anywhere, all columns; it is a declared lookup key",
			question{data: "lines", keyColumn: "part_key", promise: []promise{{engine.DuckParquet, 10, 50}, {engine.DuckDB, 3, 10}}}),
		ask("substring-rare", "Substring search in free text, one hit in 10,000 rows",
			question{data: "lines", sql: likeSQL(generate.RareWord), promise: against(engine.DuckDB, 1, 2)}),
		ask("substring-common", "Substring search in free text, a hit in every 26th row",
			question{data: "lines", sql: likeSQL(generate.CommonWord), promise: against(engine.DuckDB, 1, 2)}),
		ask("substring-cremona", "Substring search among 2.2 million short names",
			question{data: "cremona", sql: `SELECT count(*) FROM cremona WHERE class LIKE '%abc%'`, promise: against(engine.DuckDB, 1, 2)}),
		ask("substring-retail", "Substring search in 4,000 descriptions",
			question{data: "retail", sql: `SELECT count(*), sum(Quantity) FROM retail WHERE Description LIKE '%HEART%'`, promise: against(engine.DuckDB, 1, 2)}),
		ask("top", "Top 10 by one column, all columns",
			question{data: "lines", sql: topSQL, topN: true, tie: 5, promise: against(engine.DuckDB, 2, 5)}),
		ask("top-flights", "Top 10 flights by delay, all columns",
			question{data: "flights", sql: `SELECT date, delay, distance, origin, destination FROM flights ORDER BY delay DESC LIMIT 10`, topN: true, tie: 1, promise: against(engine.DuckDB, 2, 5)}),
		ask("count-range", "Cached count(*) with a range filter, one thread",
			question{data: "lines", threads: 1, sql: `SELECT count(*) FROM lines WHERE part_key BETWEEN 1000 AND 150000`, figure: rowsPerSecond}),
	}
	for _, data := range []string{"lines", "flights", "cremona", "retail"} {
		ws = append(ws, work{"bytes-" + data, "Bytes stored, default profile", bytesStored(data)})
	}
	return append(ws,
		work{"load", "CSV to durable segments", load(withoutKeys)},
		work{"load-keys", "CSV to durable segments, and two lookup keys indexed, which no peer has", load(withKeys)},
		work{"export", "Full export over Flight on loopback", export},
		work{"open-wide", "Opening 10 of 10,000 columns", openWide},
		work{"append", "Acknowledged append of 100 rows", appendLatency},
		work{"growth", "How cost grows with the rows", growth},
	)
}

func ask(name, title string, q question) work { return work{name, title, q.run} }

func against(peer engine.Kind, least, aim float64) []promise { return []promise{{peer, least, aim}} }

// rowsPerSecond is the one promise that is not in times of a peer.
func rowsPerSecond(w *result.Work, p *prepared) {
	giga := float64(p.rows) / w.Ours.Median / 1e6
	w.Targets = append(w.Targets, result.Against("3 billion rows/s of a core", giga/3, 1, 0))
	w.Notes = append(w.Notes, fmt.Sprintf("%.2f billion rows/s of one core", giga))
}
