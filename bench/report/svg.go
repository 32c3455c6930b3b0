package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// drawing is an SVG that is readable on light and dark pages alike: it has no
// background, and its text and lines follow the reader's scheme.
type drawing struct {
	strings.Builder
	width, height float64
}

// colours of the engines: far apart for the colour-blind too (after Okabe and
// Ito), and of a lightness that stands out from white and from black.
var colours = map[string]string{
	"tarn": "#d55e00", "tarn-flight": "#cc79a7", "duckdb": "#0090d8", "duckdb-parquet": "#009e73", "clickhouse-parquet": "#b8900b",
}

const style = `<style>
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.dim { fill: #59636e; font-size: 11px }
.head { font-weight: 600 }
.grid { stroke: #8c959f; stroke-opacity: .3 }
.one { stroke: #59636e; stroke-width: 1.5 }
.miss { fill: #cf222e; font-weight: 600 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .dim { fill: #9198a1 } .one { stroke: #9198a1 } .miss { fill: #ff7b72 }
}
</style>
`

func (d *drawing) add(format string, args ...any) { fmt.Fprintf(d, format+"\n", args...) }

func (d *drawing) text(x, y float64, class, anchor, format string, args ...any) {
	d.add(`<text x="%.1f" y="%.1f" class="%s" text-anchor="%s">%s</text>`, x, y, class, anchor, html.EscapeString(fmt.Sprintf(format, args...)))
}

func (d *drawing) rule(x1, y1, x2, y2 float64, class string) {
	d.add(`<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" class="%s"/>`, x1, y1, x2, y2, class)
}

func (d *drawing) dot(x, y float64, engine, tip string) {
	d.add(`<circle cx="%.1f" cy="%.1f" r="5" fill="%s"><title>%s</title></circle>`, x, y, colours[engine], html.EscapeString(tip))
}

// svg closes the drawing. The label is for those who cannot see it.
func (d *drawing) svg(label string) string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" role="img" aria-label="%s">`+"\n",
		d.width, d.height, d.width, html.EscapeString(label)) + style + d.String() + "</svg>\n"
}

func (d *drawing) legend(x, y float64, kinds ...string) {
	for _, k := range kinds {
		d.dot(x, y-4, k, k)
		d.text(x+10, y, "dim", "start", "%s", k)
		x += 28 + 6.2*float64(len(k))
	}
}

// axis maps values to pixels on a logarithmic scale.
type axis struct{ low, high, from, to float64 }

// logAxis spans the values with room on both sides, on whole powers of base.
func logAxis(values []float64, base, from, to float64) axis {
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if v > 0 {
			low, high = math.Min(low, v), math.Max(high, v)
		}
	}
	log := math.Log(base)
	return axis{math.Pow(base, math.Floor(math.Log(low)/log-1e-9)), math.Pow(base, math.Ceil(math.Log(high)/log+1e-9)), from, to}
}

func (a axis) at(v float64) float64 {
	v = math.Min(math.Max(v, a.low), a.high)
	return a.from + (a.to-a.from)*math.Log(v/a.low)/math.Log(a.high/a.low)
}

// ticks are the powers of base on the axis.
func (a axis) ticks(base float64) []float64 {
	var ts []float64
	for v := a.low; v <= a.high*1.0001; v *= base {
		ts = append(ts, v)
	}
	return ts
}
