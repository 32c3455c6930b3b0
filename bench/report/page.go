package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tarnlake/tarn/bench/result"
)

// page is docs/benchmarks.md.
func page(works []*result.Work, why map[string]string) string {
	p := &text{}
	p.line("# Benchmarks")
	p.line("")
	p.line("This page and its plots are made from `bench/results/*.json` by `bench/report`; `make bench` measures again and writes both. All engines")
	p.line("run side by side: the same rows, the same number of threads, one after the other in turn within each round, and only after their answers")
	p.line("were found equal. A time is the median of the warm runs; cold is a fresh process with its files out of the page cache.")
	p.line("**A ratio says how many times better Tarn is: above 1 it is ahead.**")
	p.line("")
	machines(p, works)
	small(p, works)
	summary(p, works)
	if slices.ContainsFunc(works, isQuery) {
		p.line("![Ratios of all queries with their targets](benchmarks/ratios.svg)")
		p.line("")
	}
	misses(p, works, why)
	times(p, works)
	others(p, works)
	growthSection(p, works)
	p.line("## What is measured")
	p.line("")
	for _, w := range works {
		p.line("- `%s`: %s, %s rows of %s, %d threads.%s%s", w.Name, lower(w.Title), thousands(w.Rows), w.Data, w.Threads, sqlText(w), notes(w))
	}
	p.line("")
	p.line("The table *lines* is generated (`generate.Wholesale`, seed 42); *flights* (vega-datasets) and *cremona* (elliptic curves) are fetched from")
	p.line("public packages; *retail* is a year of a shop's sales (UCI *Online Retail*), twenty times over. Machines are noisy, shared ones above all:")
	p.line("read the ratios, and measure on your own.")
	return p.String()
}

type text struct{ strings.Builder }

func (t *text) line(format string, args ...any) { fmt.Fprintf(t, format+"\n", args...) }

// machines says where and when; results of several runs are told apart.
func machines(p *text, works []*result.Work) {
	seen := map[string]bool{}
	for _, w := range works {
		m, v := w.Run.Machine, w.Run.Versions
		var versions []string
		for _, k := range slices.Sorted(maps.Keys(v)) {
			versions = append(versions, k+" "+v[k])
		}
		where := fmt.Sprintf("%s, %d cores, %.0f GB, Linux %s; %s", m.CPU, m.Cores, m.MemoryGB, m.Kernel, strings.Join(versions, ", "))
		if seen[where] {
			continue
		}
		seen[where] = true
		p.line("Measured on %s: %s. Memory reads %.1f GB/s with one core, %.1f GB/s with all threads of the run; load average at the start %.1f.",
			w.Run.Date.Format("2006-01-02"), where, m.ReadGBs1, m.ReadGBs, m.LoadAverage)
		p.line("")
	}
}

// small warns of figures that are not of the size that targets are about.
func small(p *text, works []*result.Work) {
	for _, w := range works {
		if w.Data == "lines" && w.Rows < 6_000_000 && len(w.Growth) == 0 {
			p.line("**These are figures of fewer rows than the 6,000,000 that the targets are about**: fixed costs weigh more here.")
			p.line("")
			return
		}
	}
}

func summary(p *text, works []*result.Work) {
	p.line("## Targets")
	p.line("")
	p.line("| work | against | ratio | at least | aim | |")
	p.line("|---|---|---:|---:|---:|---|")
	for _, w := range works {
		for _, t := range w.Targets {
			p.line("| %s (`%s`) | %s | %s | %s | %s | %s |", w.Title, w.Name, t.Against, number(t.Ratio), number(t.Least), aim(t), verdict(t))
		}
	}
	p.line("")
}

func aim(t result.Target) string {
	if t.Aim == 0 {
		return ""
	}
	return number(t.Aim)
}

func verdict(t result.Target) string {
	switch {
	case t.Met && t.Aim > 0 && t.Aimed:
		return "met, with the aim"
	case t.Met:
		return "met"
	}
	return "**missed**"
}

// misses names what was promised and not kept, each with its reason.
func misses(p *text, works []*result.Work, why map[string]string) {
	all, missed := 0, &text{}
	for _, w := range works {
		for _, t := range w.Targets {
			all++
			if !t.Met {
				missed.line("- `%s` against %s, %s instead of %s: %s", w.Name, t.Against, number(t.Ratio), number(t.Least), reason(why, w.Name, t.Against))
			}
		}
	}
	count := strings.Count(missed.String(), "\n")
	p.line("%d of %d targets are met.", all-count, all)
	p.line("")
	if count > 0 {
		p.line("## Missed, and why")
		p.line("")
		p.line("%s", missed.String())
	}
}

// reason looks for "WORK against PEER", then for WORK, in bench/why.json.
func reason(why map[string]string, work, against string) string {
	for _, key := range []string{work + " against " + against, work} {
		if r := why[key]; r != "" {
			return r
		}
	}
	return "no reason is written down yet."
}

func isQuery(w *result.Work) bool { return w.Unit == "ms" && len(w.Peers) > 1 }

// engines are the columns of the table of times.
var engines = []struct{ kind, name string }{
	{"tarn-flight", "Tarn, Flight"}, {"duckdb", "DuckDB"}, {"duckdb-parquet", "DuckDB, Parquet"}, {"clickhouse-parquet", "ClickHouse, Parquet"},
}

func times(p *text, works []*result.Work) {
	queries := slices.Collect(filter(works, isQuery))
	if len(queries) == 0 {
		return
	}
	p.line("## Queries: ms warm, cold in brackets, ratio warm")
	p.line("")
	head, rule := "| work | rows | Tarn |", "|---|---:|---:|"
	for _, e := range engines {
		head, rule = head+" "+e.name+" |", rule+"---:|"
	}
	p.line("%s", head)
	p.line("%s", rule)
	for _, w := range queries {
		row := fmt.Sprintf("| `%s` | %s | %s |", w.Name, thousands(w.Rows), figure(w.Ours))
		for _, e := range engines {
			f, ok := w.Peer(e.kind)
			if !ok {
				row += " |"
				continue
			}
			row += fmt.Sprintf(" %s %s× |", figure(f), number(f.Ratio))
		}
		p.line("%s", row)
	}
	p.line("")
}

func figure(f result.Figure) string {
	if f.Cold == 0 {
		return number(f.Median)
	}
	return fmt.Sprintf("%s (%s)", number(f.Median), number(f.Cold))
}

func others(p *text, works []*result.Work) {
	rest := slices.Collect(filter(works, func(w *result.Work) bool { return !isQuery(w) && len(w.Growth) == 0 }))
	if len(rest) == 0 {
		return
	}
	p.line("## Storing, loading, exporting")
	p.line("")
	p.line("| work | rows | Tarn | peers |")
	p.line("|---|---:|---:|---|")
	for _, w := range rest {
		var peers []string
		for _, f := range w.Peers {
			peers = append(peers, fmt.Sprintf("%s %s %s (%s×)", f.Engine, number(f.Median), w.Unit, number(f.Ratio)))
		}
		p.line("| %s (`%s`) | %s | %s %s | %s |", w.Title, w.Name, thousands(w.Rows), number(w.Ours.Median), w.Unit, strings.Join(peers, "; "))
	}
	p.line("")
	if slices.ContainsFunc(rest, isBytes) {
		p.line("![Bytes stored](benchmarks/bytes.svg)")
		p.line("")
	}
}

func isBytes(w *result.Work) bool { return strings.HasPrefix(w.Name, "bytes-") }

func growthSection(p *text, works []*result.Work) {
	for _, w := range works {
		if len(w.Growth) == 0 {
			continue
		}
		p.line("## How cost grows")
		p.line("")
		p.line("The same five scans at 1, 4 and 16 times the rows; memory is the most that the engine's whole process has held during a scan.")
		p.line("")
		p.line("![Time and memory against rows](benchmarks/growth.svg)")
		p.line("")
	}
}

func sqlText(w *result.Work) string {
	if w.SQL == "" {
		return ""
	}
	return " `" + w.SQL + "`."
}

func notes(w *result.Work) string {
	if len(w.Notes) == 0 {
		return ""
	}
	return " Here: " + strings.Join(w.Notes, "; ") + "."
}

func lower(s string) string {
	if strings.HasPrefix(s, "CSV") {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// number shows three digits that count.
func number(v float64) string {
	switch {
	case v >= 100:
		return thousands(int64(v + .5))
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= .1 || v == 0:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.2g", v)
}

func filter(works []*result.Work, keep func(*result.Work) bool) func(func(*result.Work) bool) {
	return func(yield func(*result.Work) bool) {
		for _, w := range works {
			if keep(w) && !yield(w) {
				return
			}
		}
	}
}
