// Package result is what a run of the benchmarks leaves behind: one JSON file
// for each work, from which docs/benchmarks.md is made.
package result

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Work is one thing measured: what Tarn takes and what its peers take.
//
// Ratios say how many times better Tarn is: above 1 it is ahead, whatever the
// unit.
type Work struct {
	Name    string   `json:"work"`
	Title   string   `json:"title"`
	Data    string   `json:"data"`
	Rows    int64    `json:"rows"`
	Threads int      `json:"threads"`
	Unit    string   `json:"unit"` // ms, s, MB, GiB/s, …
	SQL     string   `json:"sql,omitempty"`
	Ours    Figure   `json:"ours"`
	Peers   []Figure `json:"peers,omitempty"`
	Targets []Target `json:"targets,omitempty"`
	Growth  []Curve  `json:"growth,omitempty"`
	Notes   []string `json:"notes,omitempty"`
	Order   int      `json:"order"` // among all works
	Run     Run      `json:"run"`
}

// Figure is what one engine takes.
type Figure struct {
	Engine string    `json:"engine"`
	Median float64   `json:"median"`         // warm
	Runs   []float64 `json:"runs,omitempty"` // warm, in order
	Ratio  float64   `json:"ratio,omitempty"`

	Cold      float64   `json:"cold,omitempty"` // median; 0 if not measured
	ColdRuns  []float64 `json:"cold_runs,omitempty"`
	ColdRatio float64   `json:"cold_ratio,omitempty"`
}

// Target is a promise and what became of it.
type Target struct {
	Against string  `json:"against"` // a peer, or in words
	Ratio   float64 `json:"ratio"`
	Least   float64 `json:"at_least"`
	Aim     float64 `json:"aim,omitempty"`
	Met     bool    `json:"met"`
	Aimed   bool    `json:"aim_met"`
}

// Curve is how one engine's cost of a work grows with the rows.
type Curve struct {
	Engine string  `json:"engine"`
	Query  string  `json:"query"`
	Points []Point `json:"points"`
}

// Point is one size of a Curve.
type Point struct {
	Rows   int64   `json:"rows"`
	Millis float64 `json:"ms"`
	PeakMB float64 `json:"peak_mb"` // of the whole process
}

// Run says when and where.
type Run struct {
	Date     time.Time         `json:"date"`
	Machine  Machine           `json:"machine"`
	Versions map[string]string `json:"versions"`
}

// Machine is what the figures depend on.
type Machine struct {
	CPU         string  `json:"cpu"`
	Cores       int     `json:"cores"`
	MemoryGB    float64 `json:"memory_gb"`
	Kernel      string  `json:"kernel"`
	ReadGBs1    float64 `json:"read_gbs_1"`   // memory read by one core, GB/s
	ReadGBs     float64 `json:"read_gbs"`     // by all threads of the run together
	ColdReally  bool    `json:"cold_really"`  // pages were out of the cache when a cold run began
	LoadAverage float64 `json:"load_average"` // when the run began, without us
}

// Against makes the target of being better than a peer, or a bound, by a ratio.
func Against(what string, ratio, least, aim float64) Target {
	return Target{Against: what, Ratio: ratio, Least: least, Aim: aim, Met: ratio >= least, Aimed: ratio >= max(aim, least)}
}

// Median returns the middle of the values; of an even number the upper one.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(values))
	return s[len(s)/2]
}

// Compare fills the ratios of all peers in, for units of which less is better.
func (w *Work) Compare() {
	for i := range w.Peers {
		p := &w.Peers[i]
		p.Ratio = ratio(p.Median, w.Ours.Median)
		p.ColdRatio = ratio(p.Cold, w.Ours.Cold)
	}
}

func ratio(peer, ours float64) float64 {
	if ours == 0 {
		return 0
	}
	return peer / ours
}

// Peer returns the figure of an engine.
func (w *Work) Peer(engine string) (Figure, bool) {
	for _, p := range w.Peers {
		if p.Engine == engine {
			return p, true
		}
	}
	return Figure{}, false
}

// Met reports whether every target was met.
func (w *Work) Met() bool {
	return !slices.ContainsFunc(w.Targets, func(t Target) bool { return !t.Met })
}

// Write puts the work into dir as NAME.json.
func (w *Work) Write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	b, err := json.MarshalIndent(w, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, w.Name+".json"), append(b, '\n'), 0o644)
}

// ReadAll reads every work of a directory, in the order of the works.
func ReadAll(dir string) ([]*Work, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	var works []*Work
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		w := &Work{}
		if err := json.Unmarshal(b, w); err != nil {
			return nil, err
		}
		works = append(works, w)
	}
	slices.SortFunc(works, func(a, b *Work) int {
		return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.Name, b.Name))
	})
	return works, nil
}

// Percentile returns the value below which a share of the values lies.
func Percentile(values []float64, share float64) float64 {
	s := slices.Sorted(slices.Values(values))
	return s[min(int(share*float64(len(s))), len(s)-1)]
}
