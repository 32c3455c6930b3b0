package cluster

import (
	"fmt"
	"slices"
	"strings"
)

// page is what a run says to people.
func (m *measured) page() string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Benchmarks of a cluster

This page is made by `+"`make bench-cluster`"+`, which measures again and writes it and [the numbers](benchmarks/cluster.json). All nodes are processes
on **one** machine, with one disk and a bridge between them: ratios and shapes count here, not absolutes. More nodes share the same CPUs and
the same disk, and every copy is written to that disk again.

Measured on %s: %d CPUs, Linux %s, load average %s at the start. An fsync of 4 KiB takes %.2f ms at p50 and %.2f ms at p99 on the
disk of the nodes; it takes %.0f MB/s in sequence.

`, m.When, m.CPUs, m.Kernel, m.Load, m.Fsync.P50, m.Fsync.P99, m.DiskWrite)
	m.appendTable(&b)
	m.ingestTable(&b)
	m.scanTable(&b)
	m.others(&b)
	return b.String()
}

// maxFsyncs is how many fsyncs an append may take, beside the flush interval.
var maxFsyncs = map[int]float64{1: 5, 3: 8}

func (m *measured) appendTable(b *strings.Builder) {
	fmt.Fprintf(b, "## Appends\n\nOne client appends %d rows at a time; every append waits for the flush interval (%.0f ms), the copies and the catalog.\n\n", rowsPerBatch, flushInterval)
	b.WriteString("| nodes | acknowledged p50 | p99 | target of p50 | | seen through another node after, p50 | p99 | target 100 ms |\n|---:|---:|---:|---:|---|---:|---:|---|\n")
	for _, a := range m.Appends {
		target := maxFsyncs[a.Nodes]*m.Fsync.P50 + flushInterval
		fmt.Fprintf(b, "| %d | %.1f ms | %.1f ms | %.1f ms (%.0f fsyncs and the interval) | %s | %.1f ms | %.1f ms | %s |\n", a.Nodes, a.Append.P50, a.Append.P99,
			target, maxFsyncs[a.Nodes], met(a.Append.P50 <= target), a.Visible.P50, a.Visible.P99, met(a.Visible.P99 <= 100))
	}
}

func (m *measured) ingestTable(b *strings.Builder) {
	fmt.Fprintf(b, "\n## Ingest\n\n%d clients append batches of three columns as fast as they are acknowledged.\n\n| nodes | rows a batch | rows/s |\n|---:|---:|---:|\n", ingestWriters)
	for _, r := range m.Ingest {
		fmt.Fprintf(b, "| %d | %d | %.0f |\n", r.Nodes, r.Batch, r.PerSec)
	}
}

func (m *measured) scanTable(b *strings.Builder) {
	b.WriteString("\n## Scans\n\nA scan that computes with three columns of every row, asked of one node. Degraded: another node is away.\n\n")
	b.WriteString("| nodes | rows/s | degraded | healthy / degraded | target 3 |\n|---:|---:|---:|---:|---|\n")
	for _, s := range m.Scans {
		if s.Degraded == 0 {
			fmt.Fprintf(b, "| %d | %.0f | | | |\n", s.Nodes, s.PerSec)
			continue
		}
		fmt.Fprintf(b, "| %d | %.0f | %.0f | %.2f | %s |\n", s.Nodes, s.PerSec, s.Degraded, s.PerSec/s.Degraded, met(s.PerSec <= 3*s.Degraded))
	}
}

func (m *measured) others(b *strings.Builder) {
	b.WriteString("\n## Fail-over, rebuild, parity\n\n| | | target | |\n|---|---:|---:|---|\n")
	slowest := slices.Max(append(m.Failover, 0))
	fmt.Fprintf(b, "| kill -9 of the leader to the next acknowledged append, slowest of %d | %.1f s | 5 s | %s |\n", len(m.Failover), slowest/1000, met(slowest <= 5000))
	want := min(0.7*m.DiskWrite, 500)
	fmt.Fprintf(b, "| rebuild of %.0f MB of a lost disk, of 4 nodes | %.0f MB/s | %.0f MB/s | %s |\n", float64(m.Rebuild.Bytes)/1e6, m.Rebuild.MBPerS, want, met(m.Rebuild.MBPerS >= want))
	for _, e := range m.Encode {
		fmt.Fprintf(b, "| erasure code %s, one core | %.1f GB/s | 10 GB/s | %s |\n", e.Code, e.GBPerS, met(e.GBPerS >= 10))
	}
}

func met(ok bool) string {
	if ok {
		return "met"
	}
	return "**missed**"
}
