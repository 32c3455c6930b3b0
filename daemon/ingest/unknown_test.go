package ingest

import (
	"context"
	"log/slog"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/members"
	"github.com/tarnlake/tarn/schema"
	"github.com/tarnlake/tarn/tiering"
)

// alone is an Ingester of a node with one disk and the table t.
func alone(t *testing.T) *Ingester {
	t.Helper()
	fs := tiering.NewCrashFS()
	if err := tiering.Format(fs, "/m", "c", "d"); err != nil {
		t.Fatal(err)
	}
	m, err := tiering.Mount(fs, "/m", "c")
	if err != nil {
		t.Fatal(err)
	}
	c, err := catalog.Open(catalog.Config{Dir: t.TempDir(), Node: "n", Cluster: "c", Bootstrap: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	var epoch catalog.Epoch
	for _, cmd := range []catalog.Command{
		{RegisterNode: &catalog.RegisterNode{Node: "n", Name: "n", Disks: []catalog.DiskFacts{{ID: "d", Tier: "hot", Bytes: 1 << 40}}}},
		{SetGroup: &catalog.SetGroup{ID: 1, Tier: "hot", Scheme: tiering.Scheme{Data: 1}, Disks: []string{"d"}}},
		{CreateTable: &wire.CreateTable{Name: "t", Fields: []schema.Field{{Name: "x", Type: arrow.PrimitiveTypes.Int64}}}},
		{OpenEpoch: &catalog.OpenEpoch{Node: "n"}},
	} {
		r, err := c.Propose(t.Context(), cmd)
		if err != nil || r.Err != nil {
			t.Fatal(err, r.Err)
		}
		epoch = r.Epoch
	}
	g := New(Config{Catalog: c, Members: members.NewStore(m), Epoch: epoch, Cluster: "c", Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(g.Close)
	return g
}

// TestUnknownOutcomeKeepsFiles: whatever befalls the first tries of a commit,
// what the catalog counts on in the end is on its disk; and so it is at each
// moment, for a commit without an answer may have been made.
func TestUnknownOutcomeKeepsFiles(t *testing.T) {
	unknown, refused := wire.Errorf(wire.Unavailable, "no answer"), wire.Errorf(wire.DiskFull, "no room for the entry")
	for name, tries := range map[string][]struct {
		made bool // the catalog gets it
		err  error
	}{
		"the answer gets lost":             {{true, unknown}, {true, nil}},
		"the command gets lost":            {{false, unknown}, {true, nil}},
		"lost answer, then refused":        {{true, unknown}, {false, refused}, {true, nil}},
		"lost command, then refused twice": {{false, unknown}, {false, refused}, {false, refused}, {true, nil}},
	} {
		t.Run(name, func(t *testing.T) {
			g := alone(t)
			table, err := g.find(t.Context(), "t")
			if err != nil {
				t.Fatal(err)
			}
			b := array.NewInt64Builder(memory.DefaultAllocator)
			b.Append(7)
			s, err := g.placeSegment(t.Context(), table, nil, []arrow.RecordBatch{array.NewRecordBatch(table.Schema.Arrow(), []arrow.Array{b.NewArray()}, 1)})
			if err != nil {
				t.Fatal(err)
			}
			cmd := catalog.CommitSegments{
				Txn: g.newTxn(), Epoch: g.Epoch, Table: table.ID, SchemaID: table.Schema.ID,
				Segments: []catalog.Segment{s.Segment}, Stripes: []catalog.NewStripe{s.stripe},
			}
			n := 0
			r, err := g.settle(t.Context(), cmd, func(ctx context.Context, cmd catalog.Command) (r catalog.Result, err error) {
				try := tries[n]
				n++
				if try.made {
					r, err = g.Catalog.Propose(ctx, cmd)
				}
				if try.err != nil {
					return catalog.Result{}, try.err
				}
				return r, err
			})
			if err != nil || r.Err != nil || n != len(tries) {
				t.Errorf("got %v, %v after %d tries; want it done after %d", err, r.Err, n, len(tries))
				_, _ = g.Catalog.Propose(t.Context(), catalog.Command{CommitSegments: &cmd}) // a try on its way comes late
			}
			g.countedOn(t, s.ID)
		})
	}
}

// countedOn wants a segment to be committed, and its file where the catalog
// says, as it was written.
func (g *Ingester) countedOn(t *testing.T, id catalog.SegmentID) {
	t.Helper()
	at, ok := g.Catalog.View().Locate(id)
	if !ok {
		t.Fatal("the catalog does not know the segment")
	}
	for _, m := range at.DataCopies() {
		got, err := g.Members.HashHere(t.Context(), m.Disk, catalog.SegmentFile(id), nil)
		if err != nil || got.Hash != at.Data[0].Hash {
			t.Errorf("the catalog counts on a file that is not there: got hash %q, %v; want %s", got.Hash, err, at.Data[0].Hash)
		}
	}
}
