package daemon

import (
	"net/http"
	"net/http/pprof"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/tarnlake/tarn/format"
)

// metrics is what a node counts about itself.
type metrics struct {
	registry *prometheus.Registry
	rowsIn   prometheus.Counter
	appends  prometheus.Counter
	rowsOut  prometheus.Counter
	scans    prometheus.Counter
	errors   *prometheus.CounterVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		rowsIn:   prometheus.NewCounter(prometheus.CounterOpts{Name: "tarn_rows_ingested_total", Help: "Rows committed by appends and loads."}),
		appends:  prometheus.NewCounter(prometheus.CounterOpts{Name: "tarn_appends_total", Help: "Batches of appends, and loads, that were committed."}),
		rowsOut:  prometheus.NewCounter(prometheus.CounterOpts{Name: "tarn_rows_returned_total", Help: "Rows sent to clients by scans."}),
		scans:    prometheus.NewCounter(prometheus.CounterOpts{Name: "tarn_scans_total", Help: "Scans begun."}),
		errors:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tarn_call_errors_total", Help: "Calls that failed, by error code."}, []string{"code"}),
	}
	m.registry.MustRegister(m.rowsIn, m.appends, m.rowsOut, m.scans, m.errors, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// committed counts an append or a load.
func (m *metrics) committed(rows int64) {
	m.appends.Inc()
	m.rowsIn.Add(float64(rows))
}

// watch adds the gauges that are read off the node when somebody asks.
func (m *metrics) watch(n *Node) {
	gauge := func(name, help string, f func() float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f))
	}
	gauge("tarn_tables", "Tables in the catalog.", func() float64 { return float64(len(n.catalog.View().Tables())) })
	gauge("tarn_catalog_index", "Index of the last applied catalog command.", func() float64 { return float64(n.catalog.View().Index()) })
	cache := n.readers.cache
	counter := func(name, help string, f func(format.CacheStats) int64) {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(f(cache.Stats())) }))
	}
	m.watchMerges(n)
	m.watchClock(n)
	counter("tarn_cache_hits_total", "Parts of segments (pages, indexes) that were in memory.", func(s format.CacheStats) int64 { return s.Hits })
	counter("tarn_cache_misses_total", "Parts of segments that were read from their file.", func(s format.CacheStats) int64 { return s.Misses })
	gauge("tarn_cache_bytes", "Bytes of segments that are kept in memory.", func() float64 { return float64(cache.Stats().Bytes) })
	m.registry.MustRegister(newHealthMetrics(n))
}

// httpHandler serves health, metrics and profiles. It shows no rows.
func (n *Node) httpHandler() http.Handler {
	n.metrics.watch(n)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", n.healthz)
	mux.HandleFunc("GET /readyz", n.readyz)
	mux.Handle("GET /metrics", promhttp.HandlerFor(n.metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}
