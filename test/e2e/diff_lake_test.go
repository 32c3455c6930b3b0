package e2e

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"github.com/tarnlake/tarn/client/sql"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/scan"
	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/format/kern"
	"github.com/tarnlake/tarn/index"
	"github.com/tarnlake/tarn/schema"
)

// diffLake is the tables as segments in memory, one a batch, scanned without
// a node: there pruning can be turned off.
type diffLake struct {
	tables  map[string]*catalog.Snapshot
	readers map[catalog.SegmentID]*format.Reader

	pruned int // queries that left blocks or segments out
}

func newDiffLake(t testing.TB, tables []*diffTable) *diffLake {
	t.Helper()
	l := &diffLake{tables: map[string]*catalog.Snapshot{}, readers: map[catalog.SegmentID]*format.Reader{}}
	for i, table := range tables {
		s := table.schema()
		snap := &catalog.Snapshot{ID: catalog.TableID(i + 1), Name: table.name, Version: 1, Schema: s, Schemas: map[int]*schema.Schema{1: s}}
		for segment, b := range table.batches {
			opts := format.Options{IndexRows: 1, Lookup: lookups(s)}
			if table.options != nil {
				opts = table.options(segment)
			}
			var file bytes.Buffer
			w, err := format.NewWriter(&file, s, format.Info{}, opts)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Write(b); err != nil {
				t.Fatal(err)
			}
			sum, err := w.Close()
			if err != nil {
				t.Fatal(err)
			}
			l.add(t, snap, sum, file.Bytes())
		}
		l.tables[table.name] = snap
	}
	return l
}

func (l *diffLake) add(t testing.TB, snap *catalog.Snapshot, sum format.Summary, file []byte) {
	t.Helper()
	r, err := format.Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	seg := &catalog.Segment{
		ID: catalog.NewSegmentID(1, uint32(len(l.readers)+1)), SchemaID: 1, Rows: sum.Rows, Bytes: sum.Bytes, Zones: map[int32]index.Zone{},
	}
	for _, c := range sum.Columns {
		seg.Zones[c.FieldID] = c.Zone
	}
	snap.Segments = append(snap.Segments, seg)
	l.readers[seg.ID] = r
}

// OpenSegment implements scan.Opener.
func (l *diffLake) OpenSegment(_ context.Context, seg *catalog.Segment) (*format.Reader, error) {
	return l.readers[seg.ID], nil
}

// run answers a query, with or without pruning.
func (l *diffLake) run(ctx context.Context, text string, noPrune bool) ([]cells, error) {
	p, err := l.plan(text, noPrune)
	if err != nil {
		return nil, err
	}
	out := []cells{}
	for b, err := range p.Run(ctx, l) {
		if err != nil {
			return nil, err
		}
		out = appendRows(out, b)
	}
	return out, nil
}

func (l *diffLake) plan(text string, noPrune bool) (*scan.Plan, error) {
	q, err := sql.Parse(text)
	if err != nil {
		return nil, err
	}
	return scan.New(l.tables[q.Table], q, scan.Options{NoPrune: noPrune})
}

func (l *diffLake) countPruned(ctx context.Context, text string) {
	p, err := l.plan(text, false)
	if err != nil {
		return
	}
	x, err := p.Explain(ctx, l, scan.Spread{})
	if err == nil && (x.BlocksRead < x.Blocks || x.SegmentsRead < x.Segments) {
		l.pruned++
	}
}

// compareWays holds the scan by scalar kernels without pruning against the
// scan by every other tier, with and without: the same rows in the same order,
// to the last digit. Pruning may only leave out rows whose values cannot be
// computed, and so turn an error into rows. It returns the answer.
func (l *diffLake) compareWays(t *testing.T, text string) ([]cells, error) {
	t.Helper()
	defer kern.SetTier(kern.Tier())
	l.countPruned(t.Context(), text)
	var want []cells
	var wantErr error
	for i, tier := range kern.Tiers() { // the first one is scalar
		if err := kern.SetTier(tier); err != nil {
			t.Fatal(err)
		}
		for _, noPrune := range []bool{true, false} {
			got, err := l.run(t.Context(), text, noPrune)
			switch {
			case i == 0 && noPrune:
				want, wantErr = got, err
			case noPrune && (err == nil) != (wantErr == nil):
				t.Errorf("tier %s: %v; scalar: %v", tier, err, wantErr)
			case wantErr != nil:
			case err != nil:
				t.Errorf("tier %s, pruned %v: %v; scalar, not pruned: %d rows", tier, !noPrune, err, len(want))
			case !slices.EqualFunc(got, want, slices.Equal):
				t.Errorf("tier %s, pruned %v: another answer\n got %.800s\nwant %.800s", tier, !noPrune, got, want)
			}
		}
	}
	return want, wantErr
}

// lookups are the columns that can have an index for lookups: all of them get
// one, so that pruning on and off compares indexes too.
func lookups(s *schema.Schema) []int32 {
	var ids []int32
	for _, f := range s.Fields {
		if index.Bounded(f.Type) {
			ids = append(ids, f.ID)
		}
	}
	return ids
}
