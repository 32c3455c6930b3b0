package e2e

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/client"
	"github.com/tarnlake/tarn/client/sink"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon"
	"github.com/tarnlake/tarn/format/codec"
)

// TestDifferential asks Tarn and DuckDB the same random questions about the
// same random rows, and the scan with and without pruning. docs/sql.md lists
// where the two may differ.
//
// TARN_DIFF_SEED=n makes other tables and questions, TARN_DIFF_QUERIES=n more
// of them; TARN_DIFF_ONLY=n asks only question n. A failure names all that it
// takes to ask it again.
func TestDifferential(t *testing.T) {
	seed, queries, only := envInt(t, "TARN_DIFF_SEED", 1), envInt(t, "TARN_DIFF_QUERIES", 400), envInt(t, "TARN_DIFF_ONLY", -1)
	tables := diffTables(rand.New(rand.NewPCG(uint64(seed), 0)))
	d := &differ{t: t, tarn: diffNode(t, tables), duck: diffDuck(t, tables), lake: newDiffLake(t, tables), excused: map[string]int{}}
	for i := range queries {
		if only >= 0 && i != only {
			continue
		}
		rng := rand.New(rand.NewPCG(uint64(seed), uint64(i+1)))
		q := (&asker{Rand: rng, table: tables[[]int{0, 0, 0, 1, 1, 2, 2, 2, 3, 4, 4, 5, 6, 7}[rng.IntN(14)]]}).query()
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			d.compare(t, q)
			if t.Failed() {
				t.Logf("TARN_DIFF_SEED=%d TARN_DIFF_ONLY=%d TARN_DIFF_QUERIES=%d\n%s", seed, i, queries, q.sql)
			}
		})
	}
	t.Logf("%d answers alike, %d errors alike, pruning at work in %d; excused: %v", d.alike, d.refused, d.lake.pruned, d.excused)
	if only < 0 && d.lake.pruned*10 < queries {
		t.Errorf("pruning left out something in %d of %d queries; want a tenth", d.lake.pruned, queries)
	}
}

// TestPruning asks ten times as many questions of the scan alone, with and
// without pruning.
func TestPruning(t *testing.T) {
	seed, queries, only := envInt(t, "TARN_DIFF_SEED", 1), 10*envInt(t, "TARN_DIFF_QUERIES", 400), envInt(t, "TARN_DIFF_ONLY", -1)
	tables := diffTables(rand.New(rand.NewPCG(uint64(seed), 0)))
	lake := newDiffLake(t, tables)
	for i := range queries {
		if only >= 0 && i != only {
			continue
		}
		rng := rand.New(rand.NewPCG(uint64(seed), uint64(i+1)))
		table := tables[1+rng.IntN(5)]
		if i%50 == 0 {
			table = tables[0]
		}
		query := (&asker{Rand: rng, table: table}).pruned()
		lake.compareWays(t, query)
		if t.Failed() {
			t.Fatalf("TARN_DIFF_SEED=%d TARN_DIFF_ONLY=%d TARN_DIFF_QUERIES=%d\n%s", seed, i, queries/10, query)
		}
	}
	t.Logf("pruning at work in %d of %d", lake.pruned, queries)
}

// TestShapes asks about tables that reach every encoding and every index, over
// several blocks: the scan by itself, by every tier of kernels, with and
// without pruning, and DuckDB.
func TestShapes(t *testing.T) {
	seed, queries, only := envInt(t, "TARN_DIFF_SEED", 1), envInt(t, "TARN_DIFF_QUERIES", 400), envInt(t, "TARN_DIFF_ONLY", -1)
	tables := shapeTables(rand.New(rand.NewPCG(uint64(seed), 0)))
	d := &differ{t: t, duck: diffDuck(t, tables), lake: newDiffLake(t, tables), excused: map[string]int{}}
	checkShapes(t, d.lake)
	for i := range queries {
		if only >= 0 && i != only {
			continue
		}
		rng := rand.New(rand.NewPCG(uint64(seed), uint64(i+1)))
		q := (&shapeAsker{asker{Rand: rng, table: tables[rng.IntN(len(tables))]}}).query()
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			got, err := d.lake.compareWays(t, q.sql)
			d.compareDuck(t, q, got, err)
			if t.Failed() {
				t.Logf("TARN_DIFF_SEED=%d TARN_DIFF_ONLY=%d TARN_DIFF_QUERIES=%d\n%s", seed, i, queries, q.sql)
			}
		})
	}
	t.Logf("%d answers alike, %d errors alike, pruning at work in %d; excused: %v", d.alike, d.refused, d.lake.pruned, d.excused)
}

// checkShapes fails if an encoding or an index is nowhere in the segments.
func checkShapes(t *testing.T, l *diffLake) {
	t.Helper()
	var used codec.Set
	indexes := map[string]int{}
	for _, r := range l.readers {
		stats, err := r.Stats()
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range stats {
			for e := range c.Encodings {
				used |= 1 << e
			}
			for _, x := range c.Indexes {
				indexes[x.Name]++
			}
		}
	}
	if used != codec.Known {
		t.Errorf("no page uses %v", (codec.Known &^ used).List())
	}
	for _, name := range []string{"values", "bloom", "locate", "tokens"} {
		if indexes[name] == 0 {
			t.Errorf("no column has the index %s", name)
		}
	}
}

func envInt(t *testing.T, name string, n int) int {
	t.Helper()
	if s := os.Getenv(name); s != "" {
		if _, err := fmt.Sscan(s, &n); err != nil {
			t.Fatalf("%s=%s: %v", name, s, err)
		}
	}
	return n
}

// differ is the engines that are compared, and what came of it.
type differ struct {
	t    *testing.T
	tarn *client.Client
	duck *sql.DB
	lake *diffLake

	alike, refused int
	excused        map[string]int // by documented difference
}

func (d *differ) compare(t *testing.T, q *diffQuery) {
	t.Helper()
	d.lake.compareWays(t, q.sql)
	got, err := d.askTarn(t.Context(), q.sql)
	d.compareDuck(t, q, got, err)
}

func (d *differ) compareDuck(t *testing.T, q *diffQuery, got []cells, err error) {
	t.Helper()
	want, wantErr := duckRows(d.duck, inDuck(cmp.Or(q.duck, q.sql)))
	switch reason := knownDifference(q.sql, err, wantErr); {
	case err != nil && wantErr != nil:
		d.refused++
	case reason != "":
		d.excused[reason]++
	case err != nil || wantErr != nil:
		t.Errorf("one of them fails\n tarn: %v\n duck: %v", err, wantErr)
	default:
		d.alike++
		if diff := firstDifference(q, got, want); diff != "" {
			t.Error(diff)
		}
	}
}

func (d *differ) askTarn(ctx context.Context, query string) ([]cells, error) {
	r, err := d.tarn.SQL(ctx, query)
	if err != nil {
		return nil, err
	}
	out := []cells{}
	for b, err := range r.Batches() {
		if err != nil {
			return nil, err
		}
		out = appendRows(out, b)
	}
	return out, nil
}

var bytesLiteral = regexp.MustCompile(`x'([0-9a-f]*)'`)

// inDuck writes x'00ff' as DuckDB does: there the same text is a string.
func inDuck(query string) string { return bytesLiteral.ReplaceAllString(query, "from_hex('$1')") }

// diffNode runs a node inside of the test and fills its tables, one commit a
// batch.
func diffNode(t *testing.T, tables []*diffTable) *client.Client {
	t.Helper()
	n, err := daemon.Start(t.Context(), daemon.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0", Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	c, err := client.Dial(t.Context(), n.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	for _, table := range tables {
		if _, err := c.CreateTable(t.Context(), wire.CreateTable{Name: table.name, Fields: diffFields(), PartitionBy: table.partitionBy, SortBy: table.sortBy}); err != nil {
			t.Fatal(err)
		}
		for _, b := range table.batches {
			if _, err := c.Load(t.Context(), table.name, "", oneBatch(b)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return c
}

func oneBatch(b arrow.RecordBatch) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) { yield(b, nil) }
}

// diffDuck is a DuckDB that has loaded the same rows from Parquet.
func diffDuck(t *testing.T, tables []*diffTable) *sql.DB {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1) // settings belong to a connection
	for _, set := range []string{"SET ieee_floating_point_ops = false", "SET TimeZone = 'UTC'"} {
		if _, err := db.Exec(set); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.Exec(hasTokenMacro); err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		path := filepath.Join(t.TempDir(), table.name+".parquet")
		writeParquet(t, path, table.batches)
		if _, err := db.Exec("CREATE TABLE " + table.name + " AS FROM '" + path + "'"); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

func writeParquet(t *testing.T, path string, batches []arrow.RecordBatch) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := sink.New("parquet", f, batches[0].Schema(), sink.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range batches {
		if err := w.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}
