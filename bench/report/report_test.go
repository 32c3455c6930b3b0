package main

import (
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tarnlake/tarn/bench/result"
)

// sample is a work of each kind: one met, one missed, bytes and growth.
func sample() []*result.Work {
	query := func(name string, ratio float64) *result.Work {
		w := &result.Work{Name: name, Title: "A <scan>", Data: "lines", Rows: 6_000_000, Threads: 2, Unit: "ms", SQL: "SELECT 1"}
		w.Ours = result.Figure{Engine: "tarn", Median: 10, Cold: 20}
		w.Peers = []result.Figure{{Engine: "duckdb", Median: 10 * ratio, Cold: 30}, {Engine: "duckdb-parquet", Median: 50}}
		w.Compare()
		w.Targets = []result.Target{result.Against("duckdb", ratio, 2, 4)}
		return w
	}
	size := &result.Work{Name: "bytes-lines", Title: "Bytes", Data: "lines", Unit: "MB", Ours: result.Figure{Engine: "tarn", Median: 90}, Order: 3,
		Peers: []result.Figure{{Engine: "duckdb", Median: 150}, {Engine: "duckdb-parquet", Median: 100}}}
	curve := func(engine string) result.Curve {
		return result.Curve{Engine: engine, Query: "top", Points: []result.Point{{Rows: 1e6, Millis: 1, PeakMB: 50}, {Rows: 4e6, Millis: 4, PeakMB: 51}, {Rows: 16e6, Millis: 17, PeakMB: 52}}}
	}
	return []*result.Work{query("good", 5), query("bad", 0.5), size, {Name: "growth", Title: "How cost grows", Order: 4, Growth: []result.Curve{curve("tarn"), curve("duckdb")}}}
}

func TestReport(t *testing.T) {
	in, out := t.TempDir(), t.TempDir()
	for _, w := range sample() {
		if err := w.Write(in); err != nil {
			t.Fatal(err)
		}
	}
	why := filepath.Join(in, "why")
	if err := os.WriteFile(why, []byte(`{"bad against duckdb": "It rains."}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(in, out, why); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(out, "benchmarks.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"(`good`) | duckdb | 5.00 | 2.00 | 4.00 | met, with the aim |", "(`bad`) | duckdb | 0.50 | 2.00 | 4.00 | **missed** |", "1 of 2 targets are met.", "`bad` against duckdb, 0.50 instead of 2.00: It rains."} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	for _, name := range []string{"ratios.svg", "bytes.svg", "growth.svg"} {
		checkSVG(t, filepath.Join(out, "benchmarks", name))
	}
}

// checkSVG parses a plot: it must be XML and hold no number that is none.
func checkSVG(t *testing.T, file string) {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Error(err)
		return
	}
	for d := xml.NewDecoder(strings.NewReader(string(b))); ; {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Errorf("%s: %v", file, err)
			break
		}
	}
	for _, bad := range []string{"NaN", "Inf", "%!"} {
		if strings.Contains(string(b), bad) {
			t.Errorf("%s holds %s", file, bad)
		}
	}
}

func TestNoResults(t *testing.T) {
	if err := run(t.TempDir(), t.TempDir(), "why.json"); err == nil {
		t.Error("a report of nothing was made; want an error")
	}
}
