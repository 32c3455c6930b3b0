package catalog

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/tarnlake/tarn/client/wire"
	"pgregory.net/rapid"
)

// proposed returns a command as an entry of a proposal.
func proposed(cmd Command, id string, after uint64) Command {
	cmd.Proposal = Proposal{id, after}
	return cmd
}

func TestAProposalCountsOnce(t *testing.T) {
	s := NewState()
	s, r := s.Apply(proposed(openEpoch("n"), "a", 0), 1)
	if r.Err != nil || r.Epoch != 1 {
		t.Fatalf("got %+v; want epoch 1", r)
	}
	for index := uint64(2); index < 5; index++ {
		if s, r = s.Apply(proposed(openEpoch("n"), "a", 0), index); r.Err != errAgain || s.lastEpoch != 1 {
			t.Errorf("at %d again: got %v, epoch %d; want %v", index, r.Err, s.lastEpoch, errAgain)
		}
	}
	if _, r = s.Apply(proposed(openEpoch("n"), "b", 5), 5); r.Err == nil || r.Err.Code != wire.InvalidArgument {
		t.Errorf("made after its own turn: got %v; want INVALID_ARGUMENT", r.Err)
	}
}

// TestARejectionCountsToo: what was rejected once is not taken later.
func TestARejectionCountsToo(t *testing.T) {
	s := NewState()
	drop := proposed(dropTable("t"), "a", 0)
	s, r := s.Apply(drop, 1)
	if r.Err == nil {
		t.Fatal("a table that is not there was dropped")
	}
	s, _ = s.Apply(createTable("t"), 2)
	if s, r = s.Apply(drop, 3); r.Err != errAgain || len(s.Tables()) != 1 {
		t.Errorf("again: got %v and %d tables; want %v and 1", r.Err, len(s.Tables()), errAgain)
	}
}

// TestProposalsAgainstAModel applies entries of few proposals near and beyond
// the window: each counts at most once, and always if it is in time.
func TestProposalsAgainstAModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, counted := NewState(), map[string]bool{}
		index := uint64(rapid.IntRange(1, 3).Draw(t, "start"))
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			n := rapid.IntRange(0, 3).Draw(t, "proposal")
			id, after := fmt.Sprint("p", n), uint64(n)*proposalWindow/3
			late := after >= index || index > after+proposalWindow
			before := s.lastEpoch
			settled := s.settled(Proposal{id, after})
			s, _ = s.Apply(proposed(openEpoch("n"), id, after), index)
			took := s.lastEpoch == before+1
			if want := !late && !counted[id]; took != want {
				t.Fatalf("%s at %d: took effect %v; want %v", id, index, took, want)
			}
			if took && settled {
				t.Fatalf("%s at %d was settled before, and counts", id, index)
			}
			counted[id] = counted[id] || took
			if rapid.IntRange(0, 9).Draw(t, "restart") == 9 { // costs the most
				restored, err := DecodeState(bytes.NewReader(encoded(t, s)))
				if err != nil {
					t.Fatal(err)
				}
				s = restored
			}
			index += uint64(rapid.SampledFrom([]int{1, 1, 1, 2, proposalWindow / 3, proposalWindow - 1}).Draw(t, "gap"))
		}
		if n := s.proposals.byAge.Len(); n > proposalWindow {
			t.Fatalf("%d proposals are remembered; want at most %d", n, proposalWindow)
		}
	})
}

func TestTheWindowIsBounded(t *testing.T) {
	s := NewState()
	for i := range uint64(proposalWindow + 100) {
		s, _ = s.Apply(proposed(Command{UnparkMembers: &UnparkMembers{}}, fmt.Sprint(i), i), i+1)
	}
	if n := s.proposals.byAge.Len(); n != proposalWindow {
		t.Errorf("%d proposals are remembered; want %d", n, proposalWindow)
	}
}
