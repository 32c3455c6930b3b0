package e2e

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestJSONSuite: what must be refused is refused, what must be taken is taken.
func TestJSONSuite(t *testing.T) {
	dir := testData(t, "formats", "json-test-suite")
	files, err := filepath.Glob(filepath.Join(dir, "[yn]_*.json"))
	if err != nil || len(files) < 200 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	n := startNode(t, t.TempDir())
	for i, path := range files {
		name := filepath.Base(path)
		r := n.try("ingest", fmt.Sprintf("t%d", i), path, "--create", "--format", "json")
		if taken := r.status == 0; taken != strings.HasPrefix(name, "y_") {
			t.Errorf("%s: status %d: %s", name, r.status, r.err)
		}
		if strings.Contains(r.err, "panic") || strings.Contains(r.err, "goroutine") {
			t.Errorf("%s: %s", name, r.err)
		}
	}
}

// TestDamagedFiles cuts and flips good files: the command ends with an error
// or with rows, never with a panic, and the node goes on.
func TestDamagedFiles(t *testing.T) {
	dir := testData(t, "formats")
	n := startNode(t, t.TempDir())
	rng := rand.New(rand.NewPCG(3, 5))
	good := []string{
		filepath.Join(dir, "parquet", "alltypes_plain.parquet"), filepath.Join(dir, "parquet", "nested_lists.snappy.parquet"),
		filepath.Join(dir, "avro", "weather-zstd.avro"), filepath.Join(dir, "avro", "weather-snappy.avro"),
	}
	for round := range 40 {
		path := good[round%len(good)]
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if round%2 == 0 {
			b = b[:rng.IntN(len(b))]
		} else {
			for range 3 {
				b[rng.IntN(len(b))] ^= byte(1 << rng.IntN(8))
			}
		}
		bad := filepath.Join(t.TempDir(), "bad"+filepath.Ext(path))
		if err := os.WriteFile(bad, b, 0o644); err != nil {
			t.Fatal(err)
		}
		r := n.try("ingest", fmt.Sprintf("d%d", round), bad, "--create")
		if strings.Contains(r.err, "panic") || strings.Contains(r.err, "goroutine") || r.status == 2 && strings.Contains(r.err, "runtime") {
			t.Errorf("round %d: %s", round, r.err)
		}
		if round%2 == 0 && r.status == 0 && len(b) > 0 && filepath.Ext(path) == ".parquet" {
			t.Errorf("round %d: a Parquet file cut to %d bytes was taken", round, len(b))
		}
	}
	n.tarn("status")
}

// TestDamagedSegments flips bytes of a stored segment: a scan gives an error
// that says so, or the right rows; never wrong ones.
func TestDamagedSegments(t *testing.T) {
	dir := t.TempDir()
	n := startNode(t, dir)
	var csv strings.Builder
	csv.WriteString("id,name\n")
	for i := range 3000 {
		fmt.Fprintf(&csv, "%d,name %d\n", i, i%37)
	}
	if r := n.tryIn(csv.String(), "ingest", "t", "-", "--create", "--format", "csv"); r.status != 0 {
		t.Fatal(r.err)
	}
	const question = "SELECT count(*), sum(id), count(distinct name) FROM t WHERE id >= 0"
	want := n.query(question)
	n.stop()
	var segment string
	filepath.WalkDir(dir, func(path string, _ os.DirEntry, _ error) error {
		if strings.HasSuffix(path, ".seg") {
			segment = path
		}
		return nil
	})
	whole, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	os.Chmod(segment, 0o644)
	rng := rand.New(rand.NewPCG(1, 1))
	noticed := 0
	for range 12 {
		broken := append([]byte{}, whole...)
		broken[rng.IntN(len(broken))] ^= 0x10
		if err := os.WriteFile(segment, broken, 0o644); err != nil {
			t.Fatal(err)
		}
		n := startNode(t, dir)
		r := n.try("query", question, "--output", "csv")
		if r.status == 0 && !strings.Contains(r.out, want) {
			t.Errorf("wrong rows from a damaged segment: %s", r.out)
		}
		if v := n.try("segment", "verify", "t"); v.status == 0 {
			t.Errorf("verify found nothing in a damaged segment: %s", v.out)
		} else {
			noticed++
		}
		n.kill()
	}
	t.Logf("verify noticed %d of 12 flips", noticed)
}

func TestFailedIngestChangesNothing(t *testing.T) {
	n := startNode(t, t.TempDir())
	n.tarn("table", "create", "t", "--schema", "id int64, at date")
	if r := n.tryIn("id,at\n1,2020-01-01\n", "ingest", "t", "-", "--format", "csv"); r.status != 0 {
		t.Fatal(r.err)
	}
	bad := "id,at\n2,2020-01-02\nthree,2020-01-03\n4,2020-13-04\n5,2020-01-05\n"
	r := n.tryIn(bad, "ingest", "t", "-", "--format", "csv")
	if r.status != 7 || !strings.Contains(r.err, "line 3") || !strings.Contains(r.err, `"id"`) {
		t.Errorf("status %d: %s; want 7 and the line and column of the bad row", r.status, r.err)
	}
	n.wantQuery("SELECT count(*) FROM t", "1")
	n.wantQuery("SELECT count(*) FROM t", "1", "--at", "2")

	rejects := filepath.Join(t.TempDir(), "rejects.csv")
	r = n.tryIn(bad, "ingest", "t", "-", "--format", "csv", "--max-rejects", "2", "--reject-file", rejects)
	if r.status != 0 {
		t.Fatalf("with --max-rejects 2: %s", r.err)
	}
	n.wantQuery("SELECT count(*), sum(id) FROM t", "3,8")
	b, err := os.ReadFile(rejects)
	if err != nil || !strings.Contains(string(b), "three") || strings.Count(string(b), "\n") != 3 {
		t.Errorf("reject file: %v\n%s", err, b)
	}
	if r := n.tryIn(bad, "ingest", "t", "-", "--format", "csv", "--max-rejects", "1"); r.status != 7 {
		t.Errorf("with --max-rejects 1: status %d; want 7", r.status)
	}
	n.wantQuery("SELECT count(*) FROM t", "3")
}

// TestMemory streams a CSV of four times the limit through the client and the
// node: both stay under the limit. TARN_MEMORY_TEST=full makes it 512 MiB and
// 2 GiB; otherwise it is 512 MiB and 700 MiB, enough to see growth.
func TestMemory(t *testing.T) {
	const limit = 512 << 20
	size := int64(700 << 20)
	if os.Getenv("TARN_MEMORY_TEST") == "full" {
		size = 4 * limit
	}
	n := startNode(t, t.TempDir(), "--memory-limit", strconv.Itoa(limit))
	cmd := exec.Command(bin, "ingest", "big", "-", "--create", "--format", "csv", "--partition-by", "day(at)", "--sort-by", "id")
	cmd.Env = append(os.Environ(), "TARN_ADDR="+n.addr)
	cmd.Dir = t.TempDir()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	rows := writeCSV(t, in, size)
	client := peakOf(t, cmd.Process.Pid) // not its rusage, which begins with the peak of the process that forked it: this one
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, &log)
	}
	if client > limit {
		t.Errorf("the client's memory peaked at %d MiB; the limit is %d", client>>20, limit>>20)
	}
	n.wantQuery("SELECT count(*) FROM big", fmt.Sprint(rows))
	if got := n.peak(); got > limit {
		t.Errorf("the node's memory peaked at %d MiB; the limit is %d", got>>20, limit>>20)
	}
	t.Logf("%d MiB of CSV, %d rows: node peaked at %d MiB, client at %d", size>>20, rows, n.peak()>>20, client>>20)
}

func writeCSV(t *testing.T, w io.Writer, size int64) (rows int64) {
	t.Helper()
	fmt.Fprintln(w, "id,at,name,price")
	var chunk []byte
	for written := int64(0); written < size; {
		chunk = chunk[:0]
		for range 10000 {
			rows++
			chunk = fmt.Appendf(chunk, "%d,2024-%02d-%02d 10:%02d:00,customer number %d of the shop,%d.%02d\n",
				rows, rows%12+1, rows%28+1, rows%60, rows*7919%100003, rows%1000, rows%100)
		}
		if _, err := w.Write(chunk); err != nil {
			t.Fatal(err)
		}
		written += int64(len(chunk))
	}
	return rows
}
