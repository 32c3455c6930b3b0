package catalog

import (
	"bytes"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/schema"
	"github.com/tarnlake/tarn/tiering"
)

func TestRecoveredState(t *testing.T) {
	s := NewState()
	s, _ = s.Apply(Command{RegisterNode: &RegisterNode{Node: "a", Name: "a"}}, 1)
	s, _ = s.Apply(Command{RegisterNode: &RegisterNode{Node: "b", Name: "b"}}, 2)
	s, _ = s.Apply(Command{OpenEpoch: &OpenEpoch{Node: "a"}}, 3)
	s, _ = s.Apply(Command{OpenEpoch: &OpenEpoch{Node: "a"}}, 4) // closes epoch 1
	next := s.Recovered("a", "x", time.Unix(100, 0), 0)
	var b bytes.Buffer
	if err := next.Encode(&b); err != nil {
		t.Fatal(err)
	}
	next, err := DecodeState(&b)
	if err != nil {
		t.Fatal(err)
	}
	if next.Index() != 5 || next.Lineage() != "1-x" || s.Lineage() != "0" || next.EpochOf("a") != 0 {
		t.Errorf("index %d, lineage %s after %s, open epoch %d; want 5, 1-x after 0, none", next.Index(), next.Lineage(), s.Lineage(), next.EpochOf("a"))
	}
	if n, _ := next.Node("b"); n.State != NodeDown {
		t.Errorf("the other node is %s; want down", n.State)
	}
	for epoch, want := range map[Epoch]Verdict{1: Trash, 2: Wait, 3: Wait, 1 << 16: Wait} {
		if got := next.Verdict("d", SegmentFile(NewSegmentID(epoch, 7))); got != want {
			t.Errorf("a file of epoch %d: %v; want %v", epoch, got, want)
		}
	}
	_, r := next.Apply(Command{OpenEpoch: &OpenEpoch{Node: "a"}}, 6)
	if r.Epoch <= 2+doubtEpochs {
		t.Errorf("the next epoch is %d; want one that the lost branch cannot have given out", r.Epoch)
	}
	again := next.Recovered("a", "y", time.Unix(200, 0), 0)
	if again.Recovery().Number != 2 || !NewerLineage(again.Lineage(), next.Lineage()) || SameLineage(again.Lineage(), next.Lineage()) {
		t.Errorf("a second recovery has lineage %s after %s", again.Lineage(), next.Lineage())
	}
}

// TestNothingGoesFromTheWrongPlaceAfterARecovery: a slot may have moved without
// this catalog knowing, so a member on another disk stays until all are found.
func TestNothingGoesFromTheWrongPlaceAfterARecovery(t *testing.T) {
	s := NewState()
	apply := func(cmd Command) {
		t.Helper()
		var r Result
		if s, r = s.Apply(cmd, s.Index()+1); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	apply(Command{RegisterNode: &RegisterNode{Node: "a", Name: "a", Disks: []DiskFacts{{ID: "d1", Tier: "hot"}, {ID: "d2", Tier: "hot"}, {ID: "d3", Tier: "hot"}}}})
	apply(Command{OpenEpoch: &OpenEpoch{Node: "a"}})
	apply(Command{SetGroup: &SetGroup{ID: 1, Tier: "hot", Scheme: tiering.Scheme{Data: 1, Parity: 1}, Disks: []string{"d1", "d2"}}})
	apply(Command{CreateTable: &wire.CreateTable{Name: "t", Fields: []schema.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int64}}}})
	id := NewSegmentID(1, 1)
	apply(Command{CommitSegments: &CommitSegments{
		Txn: "x", Epoch: 1, Table: 1, SchemaID: 1, Segments: []Segment{{ID: id, SchemaID: 1, Rows: 1, Bytes: 1, Hash: "h"}},
		Stripes: []NewStripe{{Stripe{ID: id, Group: 1, Data: []Member{{Segment: id, Bytes: 1, Hash: "h"}}}, []string{"d1", "d2"}}},
	}})
	if got := s.Verdict("d3", SegmentFile(id)); got != Trash {
		t.Errorf("without a recovery: %v; want %v", got, Trash)
	}
	s = s.Recovered("a", "x", time.Unix(1, 0), 0)
	apply(Command{MissMembers: &MissMembers{[]MemberAt{{id, 0, "d1"}}}})
	if got := s.Verdict("d3", SegmentFile(id)); got != Wait {
		t.Errorf("while a member is missing: %v; want %v", got, Wait)
	}
	apply(Command{PlaceMembers: &PlaceMembers{[]MemberAt{{id, 0, "d1"}}}})
	if got := s.Verdict("d3", SegmentFile(id)); got != Trash {
		t.Errorf("when all are there: %v; want %v", got, Trash)
	}
}
