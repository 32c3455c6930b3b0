package catalog

import (
	"bytes"
	"testing"

	"github.com/tarnlake/tarn/client/wire"
)

// speaking registers a node of a build.
func speaking(node string, oldest, newest Protocol) Command {
	return Command{RegisterNode: &RegisterNode{Node: node, Name: node, Speaks: Speaks{oldest, newest}}}
}

func raise(to Protocol) Command { return Command{RaiseProtocol: &RaiseProtocol{To: to}} }

// TestRollingUpgrade: nodes are upgraded one by one; the cluster speaks the
// newer protocol when the last one has come back, and never goes back.
func TestRollingUpgrade(t *testing.T) {
	w := newWorld(t)
	w.must(Command{SetNodeState: &SetNodeState{Node: "storage", State: NodeLost}}) // of withDisk
	for _, n := range []string{"a", "b", "c"} {
		w.must(speaking(n, 1, 1))
	}
	if w.s.Protocol() != 1 || w.s.Raisable() != 1 {
		t.Fatalf("protocol %d, raisable to %d; want 1, 1", w.s.Protocol(), w.s.Raisable())
	}
	w.must(speaking("a", 1, 2))
	w.must(speaking("b", 1, 2))
	w.must(Command{SetNodeState: &SetNodeState{Node: "c", State: NodeDown}})
	if w.s.Raisable() != 1 {
		t.Errorf("raisable to %d while an old node is down; want 1", w.s.Raisable())
	}
	w.refuse(raise(2), wire.Conflict)
	w.refuse(Command{Needs: 2, OpenEpoch: &OpenEpoch{Node: "a"}}, wire.Unsupported)
	w.must(speaking("c", 1, 3))
	if w.s.Raisable() != 2 {
		t.Errorf("raisable to %d; want 2", w.s.Raisable())
	}
	w.must(raise(2))
	w.must(Command{Needs: 2, OpenEpoch: &OpenEpoch{Node: "a"}})
	w.must(raise(1))
	if w.s.Protocol() != 2 {
		t.Errorf("protocol %d after a raise to 1; want 2: it is never lowered", w.s.Protocol())
	}
	var b bytes.Buffer
	if err := w.s.Encode(&b); err != nil {
		t.Fatal(err)
	}
	again, err := DecodeState(&b)
	if err != nil || again.Protocol() != 2 {
		t.Errorf("after a restart: %v, %v; want protocol 2", again, err)
	}
	if n, _ := again.Node("c"); n.Speaks != (Speaks{1, 3}) {
		t.Errorf("node c speaks %v; want 1-3", n.Speaks)
	}
}

// TestNodesOfOtherTimesAreRefused: what cannot follow the cluster must not join
// it, nor come back to it.
func TestNodesOfOtherTimesAreRefused(t *testing.T) {
	w := newWorld(t)
	w.must(Command{SetNodeState: &SetNodeState{Node: "storage", State: NodeLost}})
	w.must(speaking("a", 1, 3))
	w.must(speaking("old", 1, 2))
	w.must(Command{SetNodeState: &SetNodeState{Node: "old", State: NodeLost}})
	w.must(raise(3)) // who was given up does not count
	w.refuse(speaking("old", 1, 2), wire.Unsupported)
	w.refuse(speaking("new", 4, 5), wire.Unsupported)
	w.must(speaking("new", 3, 4))
	w.refuse(Command{RegisterNode: &RegisterNode{Node: "ancient", Name: "ancient"}}, wire.Unsupported)
}

func TestProtocolText(t *testing.T) {
	for _, s := range []Speaks{{1, 1}, {1, 2}, {7, 40}} {
		if got, err := ParseSpeaks(s.String()); err != nil || got != s {
			t.Errorf("%v is read as %v, %v", s, got, err)
		}
	}
	for _, text := range []string{"", "1", "2-1", "0-1", "1-2 ", "01-2", "1-99999999999", "x-y"} {
		if got, err := ParseSpeaks(text); err == nil {
			t.Errorf("%q is read as %v; want an error", text, got)
		}
	}
}

// TestAnOldBuildDoesNotGoOn: a replica that is given a protocol which it does
// not speak must not guess.
func TestAnOldBuildDoesNotGoOn(t *testing.T) {
	s, r := NewState().Apply(speaking("a", 1, 2), 1)
	s, _ = s.Apply(raise(2), 2)
	if err := (Speaks{1, 2}).understands(s); err != nil || r.Err != nil {
		t.Errorf("a build of 1-2: %v, %v; want that it goes on", err, r.Err)
	}
	if err := (Speaks{1, 1}).understands(s); !wire.IsCode(err, wire.Unsupported) {
		t.Errorf("a build of 1-1: %v; want a refusal", err)
	}
}

// TestNoEpochForANodeThatWasGivenUp: one that is given up between registering
// and its epoch would work, and be counted as gone for ever.
func TestNoEpochForANodeThatWasGivenUp(t *testing.T) {
	w := newWorld(t)
	register := Command{RegisterNode: &RegisterNode{Node: "a", Name: "a", Disks: []DiskFacts{{ID: "d", Tier: "hot", Bytes: 1 << 40}}}}
	w.must(register)
	w.must(Command{SetNodeState: &SetNodeState{Node: "a", State: NodeLost}})
	w.refuse(openEpoch("a"), wire.Conflict)
	w.must(register)
	w.must(openEpoch("a"))
	if n, _ := w.s.Node("a"); n.State != NodeUp {
		t.Errorf("node a is %s; want up", n.State)
	}
}
