package daemon_test

import (
	"fmt"
	"io/fs"
	"iter"
	"path/filepath"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/client"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon"
	"github.com/tarnlake/tarn/schema"
)

// visits yields rows 0 to n in batches of size: id i, kind i%kinds, and a
// text. With flaw, the last id is null.
func visits(n, size, kinds int, flaw bool) iter.Seq2[arrow.RecordBatch, error] {
	s := arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{Name: "kind", Type: arrow.PrimitiveTypes.Int64},
		{Name: "page", Type: arrow.BinaryTypes.String},
	}, nil)
	return func(yield func(arrow.RecordBatch, error) bool) {
		for from := 0; from < n; from += size {
			b := array.NewRecordBuilder(memory.DefaultAllocator, s)
			for i := from; i < min(n, from+size); i++ {
				if flaw && i == n-1 {
					b.Field(0).AppendNull()
				} else {
					b.Field(0).(*array.Int64Builder).Append(int64(i))
				}
				b.Field(1).(*array.Int64Builder).Append(int64(i % kinds))
				b.Field(2).(*array.StringBuilder).Append(fmt.Sprintf("/page/%d of the guide for visitors from near and far away, with maps", i*7919%100_003))
			}
			if !yield(b.NewRecordBatch(), nil) {
				return
			}
		}
	}
}

func createVisits(t *testing.T, c *client.Client, name string, partitionBy ...string) {
	t.Helper()
	id := field("id", "int64")
	id.Nullable = false
	_, err := c.CreateTable(t.Context(), wire.CreateTable{
		Name: name, Fields: []schema.Field{id, field("kind", "int64"), field("page", "string")},
		PartitionBy: partitionBy, Options: wire.TableOptions{Lookup: []string{"id"}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// files returns the sizes of the files in a folder of the node's medium.
func files(t *testing.T, dir, folder string) (sizes []int64) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(dir, "media", "0", folder), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		sizes = append(sizes, info.Size())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(sizes)
	return sizes
}

// TestLoadFillsSegments: a load without partitions is one segment of many
// blocks, its rows in their order; with more partitions than fit into memory
// it is more segments, and the same ones each time.
func TestLoadFillsSegments(t *testing.T) {
	const rows = 5*65536 + 1234
	for _, c := range []struct {
		kinds          int
		partitionBy    []string
		fewest, most   int // segments
		limit          int64
		everyBatchRows int
	}{
		{kinds: 3, fewest: 1, most: 1, everyBatchRows: 10_000},
		{kinds: 3, partitionBy: []string{"kind"}, fewest: 3, most: 3, everyBatchRows: 100_000},
		{kinds: 40, partitionBy: []string{"kind"}, fewest: 41, most: 400, limit: 64 << 20, everyBatchRows: 7000},
	} {
		var before []int64
		for range 2 {
			dir := t.TempDir()
			_, cl := startWith(t, daemon.Config{Dir: dir, MemoryLimit: c.limit})
			createVisits(t, cl, "visits", c.partitionBy...)
			r, err := cl.Load(t.Context(), "visits", "", visits(rows, c.everyBatchRows, c.kinds, false))
			if err != nil {
				t.Fatal(err)
			}
			if r.Rows != rows || r.Segments < c.fewest || r.Segments > c.most {
				t.Errorf("%d kinds by %v: %d rows in %d segments; want %d in %d to %d", c.kinds, c.partitionBy, r.Rows, r.Segments, rows, c.fewest, c.most)
			}
			checkVisits(t, cl, rows, c.kinds)
			sizes := files(t, dir, "data")
			if before != nil && !slices.Equal(sizes, before) {
				t.Errorf("%d kinds by %v: the same rows made segments of %v bytes, and of %v", c.kinds, c.partitionBy, before, sizes)
			}
			before = sizes
		}
	}
}

// checkVisits holds counts, sums and rows against what visits yields.
func checkVisits(t *testing.T, c *client.Client, n, kinds int) {
	t.Helper()
	wantRows(t, c, "SELECT count(*), sum(id), min(id), max(id) FROM visits", fmt.Sprintf("%d|%d|0|%d", n, n*(n-1)/2, n-1))
	for _, id := range []int{0, 65_535, 65_536, n - 1} {
		wantRows(t, c, fmt.Sprintf("SELECT kind, page FROM visits WHERE id = %d", id), fmt.Sprintf("%d|/page/%d of the guide for visitors from near and far away, with maps", id%kinds, id*7919%100_003))
	}
}

// TestLoadThatFailsLeavesNothing: rows of several blocks are written when the
// last one turns out not to fit.
func TestLoadThatFailsLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	_, c := start(t, dir)
	createVisits(t, c, "visits", "kind")
	if _, err := c.Load(t.Context(), "visits", "", visits(4*65536, 10_000, 2, true)); err == nil {
		t.Fatal("a null in a column that has none was taken")
	}
	if got := append(files(t, dir, "tmp"), files(t, dir, "data")...); len(got) != 0 {
		t.Errorf("files of %v bytes are left", got)
	}
	wantRows(t, c, "SELECT count(*) FROM visits", "0")
}
