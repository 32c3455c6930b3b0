package ingest

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/members"
	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/schema"
	"github.com/tarnlake/tarn/tiering"
)

// numbers returns n rows of one column.
func numbers(s *schema.Schema, n int) arrow.RecordBatch {
	b := array.NewInt64Builder(memory.DefaultAllocator)
	for i := range n {
		b.Append(int64(i) * 7919 % 100_003)
	}
	return array.NewRecordBatch(s.Arrow(), []arrow.Array{b.NewArray()}, int64(n))
}

func newIngester(t *testing.T, memory int64) *Ingester {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "m")
	if err := tiering.Format(tiering.OSFS{}, dir, "c", "m"); err != nil {
		t.Fatal(err)
	}
	m, err := tiering.Mount(tiering.OSFS{}, dir, "c")
	if err != nil {
		t.Fatal(err)
	}
	m.SetReserve(0)
	g := New(Config{Catalog: openCatalog(t, "m"), Members: members.NewStore(m), Epoch: 1, Logger: slog.New(slog.DiscardHandler), Memory: memory})
	g.loads.Add(1)
	return g
}

// openCatalog makes a catalog that knows one disk.
func openCatalog(t *testing.T, disk string) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Open(catalog.Config{Dir: filepath.Join(t.TempDir(), "raft"), Node: "n", Cluster: "c", Bootstrap: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	for _, cmd := range []catalog.Command{
		{RegisterNode: &catalog.RegisterNode{Node: "n", Name: "n", Disks: []catalog.DiskFacts{{ID: disk, Tier: "hot", Bytes: 1 << 40}}}},
		{SetGroup: &catalog.SetGroup{ID: 1, Tier: "hot", Scheme: tiering.Scheme{Data: 1}, Disks: []string{disk}}},
	} {
		if r, err := c.Propose(t.Context(), cmd); err != nil || r.Err != nil {
			t.Fatal(err, r.Err)
		}
	}
	return c
}

// TestFillingIsBounded fills more partitions than segments may be open, with
// little memory and with much, by a block at a time and by less: what is held
// stays within bounds, no row is lost, and the same rows make the same
// segments.
func TestFillingIsBounded(t *testing.T) {
	table := &catalog.Snapshot{Schema: testSchema(t, "x int64 not null")}
	for _, c := range []struct {
		memory      int64
		rows, times int
	}{{64 << 20, format.BlockRows, 3}, {4 << 20, format.BlockRows, 2}, {4 << 20, 20_000, 4}} {
		var before []int64
		for range 2 {
			g := newIngester(t, c.memory)
			var mu sync.Mutex
			var all []int64
			f := newFilling(t.Context(), g, table, func(s *newSegment) error {
				mu.Lock()
				defer mu.Unlock()
				all = append(all, s.Rows)
				return nil
			})
			f.most = 3
			batch := numbers(table.Schema, c.rows)
			for range c.times {
				for part := range 7 {
					if err := f.gather(fmt.Sprint(part), nil, batch); err != nil {
						t.Fatal(err)
					}
					if f.open > f.most || f.held+f.busy > f.share() || f.held < 0 || f.busy < 0 || len(f.tasks) > tasksPerLoad {
						t.Fatalf("%+v: %d segments are open, %d bytes held, %d by %d tasks; may be %d, %d, %d", c, f.open, f.held, f.busy, len(f.tasks), f.most, f.share(), tasksPerLoad)
					}
				}
			}
			if err := f.finish(); err != nil {
				t.Fatal(err)
			}
			rows := int64(0)
			for _, n := range all {
				rows += n
			}
			slices.Sort(all)
			if want := int64(7 * c.times * c.rows); rows != want || before != nil && !slices.Equal(all, before) {
				t.Errorf("%+v: segments of %v rows, together %d, before %v; want %d, and the same", c, all, rows, before, want)
			}
			before = all
		}
	}
}
