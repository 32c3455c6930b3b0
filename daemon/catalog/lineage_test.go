package catalog

import (
	"bytes"
	"testing"
	"time"
)

func TestRecoveredState(t *testing.T) {
	s := NewState()
	s, _ = s.Apply(Command{RegisterNode: &RegisterNode{Node: "a", Name: "a"}}, 1)
	s, _ = s.Apply(Command{RegisterNode: &RegisterNode{Node: "b", Name: "b"}}, 2)
	s, _ = s.Apply(Command{OpenEpoch: &OpenEpoch{Node: "a"}}, 3)
	s, _ = s.Apply(Command{OpenEpoch: &OpenEpoch{Node: "a"}}, 4) // closes epoch 1
	next := s.Recovered("a", "x", time.Unix(100, 0))
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
	again := next.Recovered("a", "y", time.Unix(200, 0))
	if again.Recovery().Number != 2 || !NewerLineage(again.Lineage(), next.Lineage()) || SameLineage(again.Lineage(), next.Lineage()) {
		t.Errorf("a second recovery has lineage %s after %s", again.Lineage(), next.Lineage())
	}
}
