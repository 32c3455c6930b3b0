package daemon

import (
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/members"
	"github.com/tarnlake/tarn/schema"
	"github.com/tarnlake/tarn/tiering"
)

// TestGoneOrDamaged: a file that is not there is damage only where a table
// still has it.
func TestGoneOrDamaged(t *testing.T) {
	dir := t.TempDir()
	if err := tiering.Format(tiering.OSFS{}, dir, "c", "m"); err != nil {
		t.Fatal(err)
	}
	m, err := tiering.Mount(tiering.OSFS{}, dir, "c")
	if err != nil {
		t.Fatal(err)
	}
	seg := catalog.Segment{ID: catalog.NewSegmentID(1, 7), SchemaID: 1, Rows: 1, Bytes: 1, Hash: "00"}
	for want, view := range map[wire.Code]*catalog.State{wire.Corrupt: stateWith(t, "m", seg), wire.VersionNotFound: stateWith(t, "m")} {
		rs := newReaders(members.NewStore(m), func() *catalog.State { return view }, nil, nil)
		if _, err := rs.OpenSegment(t.Context(), &seg); !wire.IsCode(err, want) {
			t.Errorf("%v; want %s", err, want)
		}
	}
}

// stateWith returns a state with one disk and a table of these segments.
func stateWith(t *testing.T, disk string, segments ...catalog.Segment) *catalog.State {
	commit := &catalog.CommitSegments{Txn: "t", Epoch: 1, Table: 1, SchemaID: 1, Segments: segments}
	for _, seg := range segments {
		commit.Stripes = append(commit.Stripes, catalog.NewStripe{Placed: []string{disk}, Stripe: catalog.Stripe{
			ID: seg.ID, Group: 1, Data: []catalog.Member{{Segment: seg.ID, Bytes: seg.Bytes, Hash: seg.Hash}},
		}})
	}
	s := catalog.NewState()
	for i, cmd := range []catalog.Command{
		{RegisterNode: &catalog.RegisterNode{Node: "n", Name: "n", Disks: []catalog.DiskFacts{{ID: disk, Tier: "hot", Bytes: 1}}}},
		{SetGroup: &catalog.SetGroup{ID: 1, Tier: "hot", Scheme: tiering.Scheme{Data: 1}, Disks: []string{disk}}},
		{OpenEpoch: &catalog.OpenEpoch{Node: "n"}},
		{CreateTable: &wire.CreateTable{Name: "t", Fields: []schema.Field{{Name: "x", Type: arrow.PrimitiveTypes.Int64}}}},
		{CommitSegments: commit},
	} {
		var r catalog.Result
		if s, r = s.Apply(cmd, uint64(i+1)); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	return s
}
