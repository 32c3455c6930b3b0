package cluster

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/client"
	"github.com/tarnlake/tarn/client/wire"
)

var measureInto = flag.String("measure", "", "measure, and write results and page into this `DIR`")

// measured is one run of TestMeasure. Times are in milliseconds.
type measured struct {
	When      string    `json:"when"`
	CPUs      int       `json:"cpus"`
	Kernel    string    `json:"kernel"`
	Load      string    `json:"load"` // average at the start
	Fsync     quantiles `json:"fsync_ms"`
	DiskWrite float64   `json:"disk_write_mb_s"` // sequential, with one fsync at the end

	Appends  []appendTimes `json:"appends"`
	Failover []float64     `json:"failover_ms"` // from kill -9 of the leader to the next acknowledged append
	Ingest   []ingestRate  `json:"ingest"`
	Scans    []scanRate    `json:"scans"`
	Rebuild  rebuildRate   `json:"rebuild"`
	Encode   []encodeRate  `json:"encode"`
}

type quantiles struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

type appendTimes struct {
	Nodes   int       `json:"nodes"`
	Append  quantiles `json:"append_ms"`  // until it is acknowledged
	Visible quantiles `json:"visible_ms"` // from there until a read of another node has seen it
}

type ingestRate struct {
	Nodes   int     `json:"nodes"`
	Batch   int     `json:"batch_rows"`
	PerSec  float64 `json:"rows_s"`
	Writers int     `json:"writers"`
}

type scanRate struct {
	Nodes    int     `json:"nodes"`
	Rows     int64   `json:"rows"`
	PerSec   float64 `json:"rows_s"`
	Degraded float64 `json:"degraded_rows_s,omitempty"` // while one node is away
}

type rebuildRate struct {
	Bytes  int64   `json:"bytes"`
	MBPerS float64 `json:"mb_s"`
}

type encodeRate struct {
	Code   string  `json:"code"`
	GBPerS float64 `json:"gb_s"`
}

// flushInterval is what a table waits for others to share a commit with.
const flushInterval = 20.0 // ms, the default

// TestMeasure measures a cluster on this machine, when it is asked to.
func TestMeasure(t *testing.T) {
	if *measureInto == "" {
		t.Skip("make bench-cluster")
	}
	m := &measured{When: time.Now().UTC().Format(time.DateOnly), CPUs: runtime.NumCPU(), Kernel: firstWords("/proc/sys/kernel/osrelease", 1), Load: firstWords("/proc/loadavg", 1)}
	m.disk(t)
	for _, nodes := range []int{1, 3, 5} {
		t.Run(fmt.Sprintf("%d nodes", nodes), func(t *testing.T) { m.cluster(t, nodes) })
	}
	t.Run("rebuild", m.rebuild)
	m.encode(t)
	m.write(t, *measureInto)
}

func firstWords(file string, n int) string {
	b, _ := os.ReadFile(file)
	return strings.Join(strings.Fields(string(b))[:n], " ")
}

// disk times the disk that the nodes are on.
func (m *measured) disk(t *testing.T) {
	f, err := os.CreateTemp("", prefixOf(os.Getpid())+"-fsync")
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	var times []float64
	for range 200 {
		begin := time.Now()
		if _, err := f.Write(make([]byte, 4096)); err != nil {
			t.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
		times = append(times, millis(begin))
	}
	m.Fsync = quantilesOf(times)
	const mb = 256
	begin := time.Now()
	for range mb {
		if _, err := f.Write(make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	m.DiskWrite = mb / time.Since(begin).Seconds()
}

func millis(since time.Time) float64 { return float64(time.Since(since).Microseconds()) / 1000 }

func quantilesOf(times []float64) quantiles {
	slices.Sort(times)
	return quantiles{P50: times[len(times)/2], P99: times[len(times)*99/100]}
}

// cluster measures appends, ingest, scans and fail-over on some nodes.
func (m *measured) cluster(t *testing.T, nodes int) {
	c := newCluster(t, nodes)
	if nodes < 5 {
		m.appends(c, nodes)
		for _, batch := range []int{100, 1_000, 10_000, 100_000} {
			m.ingest(c, nodes, batch)
		}
	}
	m.scans(c, nodes)
	if nodes == 3 {
		for range 3 {
			m.failover(c)
		}
	}
}

// appends times a single client that appends few rows, and how soon another
// node shows them.
func (m *measured) appends(c *cluster, nodes int) {
	w := newWorkload(c, "small")
	writer, reader := c.dialAt(c.nodes[0].addr), c.dialAt(c.nodes[nodes-1].addr)
	var acks, visible []float64
	for i := range 210 {
		begin := time.Now()
		if err := w.append(writer, patience); err != nil {
			c.t.Fatal(err)
		}
		acked := time.Now()
		took := millis(begin)
		rows, _, err := totals(c.t.Context(), reader, "small")
		if err != nil || rows != int64((i+1)*rowsPerBatch) {
			c.t.Fatalf("%d rows, %v; want %d", rows, err, (i+1)*rowsPerBatch)
		}
		if i >= 10 { // the first ones open connections
			acks, visible = append(acks, took), append(visible, millis(acked))
		}
	}
	m.Appends = append(m.Appends, appendTimes{Nodes: nodes, Append: quantilesOf(acks), Visible: quantilesOf(visible)})
}

func manyRows(from int64, rows int) arrow.RecordBatch {
	schema := batchRows(0).Schema()
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	for i := range int64(rows) {
		id := from + i
		b.Field(0).(*array.Int64Builder).Append(id)
		b.Field(1).(*array.Int64Builder).Append(id % rowsPerBatch)
		b.Field(2).(*array.Int64Builder).Append(int64(uint64(id) * 0x9e3779b97f4a7c15 >> 8)) // does not compress well
	}
	return b.NewRecordBatch()
}

const ingestWriters, ingestFor = 4, 3 * time.Second

// ingest counts the rows that several clients get in within a few seconds.
func (m *measured) ingest(c *cluster, nodes, batch int) {
	table := fmt.Sprintf("ingest%d", batch)
	newWorkload(c, table)
	ctx, cancel := context.WithCancel(c.t.Context())
	var rows, fails atomic.Int64
	var writers sync.WaitGroup
	begin := time.Now()
	for i := range ingestWriters {
		cl, sent := c.dial(c.nodes[i%nodes]), manyRows(int64(i*batch), batch)
		writers.Go(func() {
			for time.Since(begin) < ingestFor {
				if _, err := cl.Append(ctx, table, sent); err != nil {
					fails.Add(1)
					return
				}
				rows.Add(int64(batch))
			}
		})
	}
	writers.Wait()
	cancel()
	if fails.Load() > 0 {
		c.t.Errorf("%d writers of %s failed", fails.Load(), table)
	}
	m.Ingest = append(m.Ingest, ingestRate{Nodes: nodes, Batch: batch, Writers: ingestWriters, PerSec: float64(rows.Load()) / time.Since(begin).Seconds()})
}

const scanRows, scanBatch = 8_000_000, 500_000

// rebuildRows are so many that what goes by in looking what to do is little.
const rebuildRows = 16 * scanRows

// scans times a scan that looks at every row, with all nodes and, where
// others have copies, with one of them away.
func (m *measured) scans(c *cluster, nodes int) {
	c.loadRows("scanned", scanRows)
	r := scanRate{Nodes: nodes, Rows: scanRows, PerSec: c.scan("scanned")}
	if nodes > 1 {
		away := c.nodes[nodes-1]
		away.kill()
		r.Degraded = c.scan("scanned")
		c.restart(away)
		c.untilWhole()
	}
	m.Scans = append(m.Scans, r)
}

func (c *cluster) loadRows(table string, rows int64) {
	c.t.Helper()
	newWorkload(c, table)
	cl := c.dial()
	for from := int64(0); from < rows; from += scanBatch {
		if _, err := cl.Append(c.t.Context(), table, manyRows(from, scanBatch)); err != nil {
			c.t.Fatal(err)
		}
	}
	c.untilWhole()
}

// scan returns rows per second: the median of some, after one that warms.
func (c *cluster) scan(table string) float64 {
	c.t.Helper()
	cl := c.dialAt(c.nodes[0].addr)
	var times []float64
	for i := range 8 {
		begin := time.Now()
		count(c.t, cl, "SELECT count(*) FROM "+table+" WHERE amount + batch > line", scanRows-1)
		if i > 0 {
			times = append(times, millis(begin))
		}
	}
	return scanRows / quantilesOf(times).P50 * 1000
}

func count(t testing.TB, cl *client.Client, sql string, atLeast int64) {
	t.Helper()
	res, err := cl.SQL(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	for b, err := range res.Batches() {
		if err != nil {
			t.Fatal(err)
		}
		if n := b.Column(0).(*array.Int64).Value(0); n < atLeast {
			t.Fatalf("%s: %d; want at least %d", sql, n, atLeast)
		}
	}
}

// failover times how long nobody can append after the leader was killed.
func (m *measured) failover(c *cluster) {
	leader := c.leader()
	stays := c.without(leader)
	cl := c.dialAt(stays[0].addr + "," + stays[1].addr)
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	if _, err := cl.Append(ctx, "small", batchRows(1)); err != nil {
		c.t.Fatal(err)
	}
	begin := time.Now()
	leader.kill()
	if _, err := cl.Append(ctx, "small", batchRows(2)); err != nil {
		c.t.Fatal(err)
	}
	m.Failover = append(m.Failover, millis(begin))
	c.restart(leader)
	c.untilSettled()
	c.untilWhole()
}

// rebuild gives a disk up, and times how soon all has its copies again.
func (m *measured) rebuild(t *testing.T) {
	c := newCluster(t, 4)
	c.loadRows("scanned", rebuildRows)
	cl := c.dialAt(c.nodes[0].addr)
	away := c.nodes[3]
	lost := c.diskAt(away, away.disks[0])
	begin := time.Now()
	if err := cl.SetDisk(t.Context(), lost.ID, wire.DiskLose); err != nil {
		t.Fatal(err)
	}
	c.untilWhole()
	took := time.Since(begin).Seconds()
	m.Rebuild = rebuildRate{Bytes: lost.Used, MBPerS: float64(lost.Used) / 1e6 / took}
}

var benchLine = regexp.MustCompile(`(?m)^BenchmarkCode/parity/(\S+)/256k\s.*?([\d.]+) MB/s`)

// encode takes what the erasure code's own benchmark says.
func (m *measured) encode(t *testing.T) {
	cmd := exec.Command("go", "test", "-run", "^$", "-bench", "^BenchmarkCode$", "-benchtime", "200ms", "-cpu", "1", "./tiering")
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, hit := range benchLine.FindAllStringSubmatch(string(out), -1) {
		mb, err := strconv.ParseFloat(hit[2], 64)
		if err != nil {
			t.Fatal(err)
		}
		m.Encode = append(m.Encode, encodeRate{Code: hit[1], GBPerS: mb / 1000})
	}
	if len(m.Encode) == 0 {
		t.Errorf("no rate in %s", out)
	}
}

func (m *measured) write(t *testing.T, dir string) {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "benchmarks", "cluster.json"), append(b, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "benchmarks-cluster.md"), []byte(m.page()), 0o644); err != nil {
		t.Fatal(err)
	}
}
