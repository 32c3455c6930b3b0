package daemon

import (
	rt "runtime/metrics"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/merge"
	"github.com/tarnlake/tarn/daemon/repair"
	"github.com/tarnlake/tarn/tiering"
)

// startMerging merges small segments from now on, unless the node was told
// not to.
func (n *Node) startMerging() {
	if n.cfg.NoMerge {
		return
	}
	n.merger = merge.New(n.mergeConfig())
	n.merger.Start()
}

func (n *Node) mergeConfig() merge.Config {
	return merge.Config{
		Node: n.id.Node, View: n.catalog.View, Ingest: n.ingest, Members: n.members, Open: n.readers.OpenSegment,
		Scheme: func(view *catalog.State) tiering.Scheme { return repair.MergedScheme(view, Tiers[0]) },
		Logger: n.cfg.Logger, Target: n.cfg.MergeTarget, Memory: n.cfg.MemoryLimit / 8, Room: n.hasRoom,
	}
}

func (n *Node) stopMerging() {
	if n.merger != nil {
		n.merger.Close()
	}
}

// backlog returns how many fresh segments of a table wait for a merge.
func (n *Node) backlog(t catalog.TableID) int {
	if !n.merging() {
		return 0
	}
	return n.merger.Backlog(t)
}

// backlogOfAll returns how many fresh segments of all tables wait for a merge.
func (n *Node) backlogOfAll() (waiting int) {
	for _, t := range n.catalog.View().Tables() {
		waiting += n.backlog(t.ID)
	}
	return waiting
}

// hasRoom reports whether what is in use leaves memory for a merge: merges
// are in no hurry, and queries and loads are.
func (n *Node) hasRoom() bool {
	live := []rt.Sample{{Name: "/gc/heap/live:bytes"}}
	rt.Read(live)
	return live[0].Value.Kind() != rt.KindUint64 || live[0].Value.Uint64() < uint64(n.cfg.MemoryLimit)*7/8
}

// watchMerges adds what is to be seen of merges.
func (m *metrics) watchMerges(n *Node) {
	for kind, is := range map[string]func(level int) bool{
		"fresh":  func(level int) bool { return level == 0 },
		"merged": func(level int) bool { return level > 0 && level < merge.Final },
		"final":  func(level int) bool { return level >= merge.Final },
	} {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "tarn_segments", Help: "Segments of the newest versions: fresh, merged and still to grow, and final.",
			ConstLabels: prometheus.Labels{"kind": kind},
		}, func() float64 { return float64(segmentsOf(n.catalog.View(), is)) }))
	}
	counter := func(name, help string, of func(merge.Totals) int64) {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(of(n.merges())) }))
	}
	counter("tarn_merges_total", "Merges that made a version.", func(t merge.Totals) int64 { return t.Merges })
	counter("tarn_merges_failed_total", "Merges that failed.", func(t merge.Totals) int64 { return t.Failed })
	counter("tarn_merge_read_bytes_total", "Bytes of segments that merges have replaced.", func(t merge.Totals) int64 { return t.Read })
	counter("tarn_merge_written_bytes_total", "Bytes of segments that merges have made.", func(t merge.Totals) int64 { return t.Written })
	counter("tarn_stripes_sealed_total", "Stripes with parity that merges have formed and read back.", func(t merge.Totals) int64 { return t.Stripes })
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tarn_merge_backlog_segments", Help: "Fresh segments that wait for a merge.",
	}, func() float64 { return float64(n.backlogOfAll()) }))
}

func (n *Node) merges() merge.Totals {
	if !n.merging() {
		return merge.Totals{}
	}
	return n.merger.Totals()
}

// merging reports whether there is a merger to be asked: metrics are asked for
// before the start is through.
func (n *Node) merging() bool { return n.serving.Load() && n.merger != nil }

// segmentsOf counts segments by their level.
func segmentsOf(view *catalog.State, is func(level int) bool) int {
	count := 0
	for _, t := range view.Tables() {
		for _, s := range t.Segments {
			if is(s.Level) {
				count++
			}
		}
	}
	return count
}
