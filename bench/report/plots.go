package main

import (
	"fmt"
	"slices"

	"github.com/tarnlake/tarn/bench/result"
)

// ratioPlot shows each query as a row: how many times as fast as each peer,
// and where the targets are.
func ratioPlot(works []*result.Work) string {
	queries := slices.Collect(filter(works, isQuery))
	if len(queries) == 0 {
		return ""
	}
	const rowHeight, left, top = 30, 190, 60
	peers := []string{"duckdb", "duckdb-parquet", "clickhouse-parquet"}
	values := []float64{1}
	for _, w := range queries {
		for _, k := range peers {
			if f, ok := w.Peer(k); ok {
				values = append(values, f.Ratio)
			}
			if t, ok := target(w, k); ok {
				values = append(values, t.Least, t.Aim)
			}
		}
	}
	d := &drawing{width: 860, height: top + rowHeight*float64(len(queries)) + 30}
	x := logAxis(values, 10, left, 840)
	d.text(8, 20, "head", "start", "How many times as fast as its peers Tarn is (median, warm)")
	d.legend(14, 42, peers...)
	d.text(400, 42, "dim", "start", "| target, ‖ aim, in the peer's colour; a name in red missed a target")
	bottom := d.height - 26
	for _, v := range x.ticks(10) {
		class := "grid"
		if v > .99 && v < 1.01 {
			class = "one"
		}
		d.rule(x.at(v), top-6, x.at(v), bottom, class)
		d.text(x.at(v), bottom+16, "dim", "middle", "%g×", v)
	}
	for i, w := range queries {
		y := top + rowHeight*(float64(i)+.5)
		d.text(left-12, y+4, nameClass(w), "end", "%s", w.Name)
		for _, k := range peers {
			if t, ok := target(w, k); ok {
				d.mark(x.at(t.Least), y, k, 1)
				d.mark(x.at(t.Aim), y, k, 2)
			}
		}
		for _, k := range peers {
			if f, ok := w.Peer(k); ok {
				d.dot(x.at(f.Ratio), y, k, fmt.Sprintf("%s: %s times as fast as %s", w.Name, number(f.Ratio), k))
			}
		}
	}
	return d.svg("Ratios of Tarn to its peers for each query, with targets")
}

func nameClass(w *result.Work) string {
	if w.Met() {
		return "name"
	}
	return "miss"
}

func target(w *result.Work, peer string) (result.Target, bool) {
	for _, t := range w.Targets {
		if t.Against == peer {
			return t, true
		}
	}
	return result.Target{}, false
}

// mark draws one or two short strokes where a target is.
func (d *drawing) mark(x, y float64, engine string, strokes int) {
	for i := range strokes {
		at := x + 4*float64(i)
		d.add(`<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="2" stroke-opacity=".75"/>`, at, y-9, at, y+9, colours[engine])
	}
}

// bytesPlot shows what each data set takes on the disk.
func bytesPlot(works []*result.Work) string {
	stored := slices.Collect(filter(works, isBytes))
	if len(stored) == 0 {
		return ""
	}
	const barHeight, left, top = 16, 110, 60
	kinds := []string{"tarn", "duckdb-parquet", "duckdb"}
	d := &drawing{width: 860, height: top + float64(len(stored))*(barHeight*3+18) + 10}
	d.text(8, 20, "head", "start", "Bytes stored, as a share of the zstd Parquet")
	d.legend(14, 42, kinds...)
	d.text(400, 42, "dim", "start", "a name in red missed its target")
	widest := 1.0
	for _, w := range stored {
		for _, k := range kinds {
			widest = max(widest, share(w, k))
		}
	}
	y := float64(top)
	for _, w := range stored {
		d.text(left-10, y+barHeight*1.5+5, nameClass(w), "end", "%s", w.Data)
		for _, k := range kinds {
			length := 600 * share(w, k) / widest
			d.add(`<rect x="%d" y="%.1f" width="%.1f" height="%d" fill="%s"/>`, left, y, length, barHeight-2, colours[k])
			d.text(left+length+6, y+12, "dim", "start", "%s MB (%.2f)", number(megabytes(w, k)), share(w, k))
			y += barHeight
		}
		y += 18
	}
	return d.svg("Bytes stored by Tarn, DuckDB's Parquet and DuckDB")
}

func megabytes(w *result.Work, kind string) float64 {
	if kind == "tarn" {
		return w.Ours.Median
	}
	f, _ := w.Peer(kind)
	return f.Median
}

func share(w *result.Work, kind string) float64 {
	return megabytes(w, kind) / megabytes(w, "duckdb-parquet")
}

// growthPlot shows time and memory against rows, a column for each query.
func growthPlot(works []*result.Work) string {
	for _, w := range works {
		if len(w.Growth) > 0 {
			return growthOf(w.Growth)
		}
	}
	return ""
}

// The two rows of the growth plot.
var growthRows = []struct {
	title string
	value func(result.Point) float64
}{
	{"ms", func(p result.Point) float64 { return p.Millis }},
	{"peak memory, MB", func(p result.Point) float64 { return p.PeakMB }},
}

func growthOf(curves []result.Curve) string {
	var queries []string
	for _, c := range curves {
		if !slices.Contains(queries, c.Query) {
			queries = append(queries, c.Query)
		}
	}
	const panel, height, left, top = 158.0, 170.0, 50.0, 94.0
	d := &drawing{width: left + panel*float64(len(queries)) + 20, height: top + 2*(height+64)}
	d.text(8, 20, "head", "start", "Time and peak memory at 1, 4 and 16 times the rows (both axes logarithmic)")
	d.legend(14, 42, "tarn", "duckdb")
	for r, row := range growthRows {
		y := top + float64(r)*(height+64)
		var all, rows []float64
		for _, c := range curves {
			for _, p := range c.Points {
				all, rows = append(all, row.value(p)), append(rows, float64(p.Rows))
			}
		}
		scale := logAxis(all, 10, y+height, y)
		d.text(8, y-26, "head", "start", "%s", row.title)
		for _, v := range scale.ticks(10) {
			d.rule(left, scale.at(v), left+panel*float64(len(queries))-20, scale.at(v), "grid")
			d.text(left-6, scale.at(v)+4, "dim", "end", "%g", v)
		}
		for i, q := range queries {
			from := left + panel*float64(i) + 8
			d.text(from+panel/2-18, y-8, "dim", "middle", "%s", q)
			d.curves(curves, q, row.value, axis{slices.Min(rows), slices.Max(rows), from, from + panel - 40}, scale)
		}
	}
	return d.svg("Time and peak memory of five scans against the number of rows")
}

func (d *drawing) curves(all []result.Curve, query string, value func(result.Point) float64, x, y axis) {
	for _, c := range all {
		if c.Query != query {
			continue
		}
		path := ""
		for _, p := range c.Points {
			path += fmt.Sprintf("%.1f,%.1f ", x.at(float64(p.Rows)), y.at(value(p)))
		}
		d.add(`<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`, path, colours[c.Engine])
		for _, p := range c.Points {
			d.dot(x.at(float64(p.Rows)), y.at(value(p)), c.Engine, fmt.Sprintf("%s, %s rows: %s", c.Engine, thousands(p.Rows), number(value(p))))
			if c.Engine == "tarn" {
				d.text(x.at(float64(p.Rows)), y.from+15, "dim", "middle", "%s", millions(p.Rows))
			}
		}
	}
}

func millions(n int64) string {
	if n < 100_000 {
		return fmt.Sprintf("%.3g k", float64(n)/1e3)
	}
	return fmt.Sprintf("%.3g M", float64(n)/1e6)
}
