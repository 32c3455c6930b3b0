package catalog

import (
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/plant"
)

// Proposal names one try to change the catalog, so that its entry has one
// effect however often it gets into the log: whoever has no answer hands the
// same entry to the next leader. Two numbers bound what has to be remembered for
// that. An entry counts only in the proposalWindow positions of the log behind
// After, and the state remembers the proposals of as many positions: two
// entries of one proposal that both count never lie further apart.
type Proposal struct {
	ID    string `json:"id"`    // unique for ever
	After uint64 `json:"after"` // a position of the log that was committed before the entry was made
}

// proposalWindow is how many entries the log may grow by between the making of
// an entry and its turn. One that is later is made again (see Catalog.Propose).
const proposalWindow = 1 << 14

// Why the entry of a proposal has no effect. They are told apart by identity,
// and never leave the package but in Result.Err of a State.Apply.
var (
	errAgain = wire.Errorf(wire.Conflict, "the proposal was applied before")
	errLate  = wire.Errorf(wire.Conflict, "the proposal came too late in the log")
)

// checkProposal refuses what no proposer makes.
func checkProposal(p Proposal) error {
	return checkText("proposal id", p.ID, maxIDBytes)
}

// admitProposal takes note of a proposal that is to have its effect now,
// whatever becomes of its command: one that was rejected must not be taken
// later. Commands without one have no such protection.
func (s *State) admitProposal(p Proposal) error {
	if p == (Proposal{}) {
		return nil
	}
	if err := checkProposal(p); err != nil {
		return err
	}
	if p.After >= s.index {
		return wire.Errorf(wire.InvalidArgument, "proposal %q at position %d of the log says to have been made after %d", p.ID, s.index, p.After)
	}
	if s.index-p.After > proposalWindow {
		return errLate
	}
	if _, ok := s.proposals.get(p.ID); ok && !plant.On(plant.ApplyTwice) {
		return errAgain
	}
	s.proposals = s.proposals.edit()
	s.proposals.put(p.ID, s.index)
	return nil
}

// forgetProposals forgets those of whose entries none counts any more.
func (s *State) forgetProposals() {
	inWindow := func(at uint64) bool { return s.index-at < proposalWindow }
	if at, ok := s.proposals.oldest(); ok && !inWindow(at) {
		s.proposals = s.proposals.edit()
		s.proposals.trim(0, inWindow)
	}
}

// settled reports whether no entry of the proposal can count from now on: one
// has, or it is too late for them all.
func (s *State) settled(p Proposal) bool {
	_, applied := s.proposals.get(p.ID)
	return applied || s.index >= p.After+proposalWindow
}
