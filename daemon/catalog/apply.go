package catalog

import (
	"fmt"

	"github.com/tarnlake/tarn/client/wire"
)

// Apply returns the state after a command, and what became of it. It is a
// pure function: the same state, command and index give the same answer on
// every node. A command that breaks a rule is rejected (Result.Err) and
// changes nothing but index, time and the proposals that are remembered. One goroutine at a time may apply
// commands to states that share a history; readers need not care.
func (s *State) Apply(cmd Command, index uint64) (*State, Result) {
	before := s.tick(cmd, index)
	if err := before.admitProposal(cmd.Proposal); err != nil {
		return before, Result{Index: index, Err: wire.FromError(err)}
	}
	if err := before.checkNeeds(cmd); err != nil {
		return before, Result{Index: index, Err: wire.FromError(err)}
	}
	next := *before
	r, err := next.apply(cmd)
	if r.Index == 0 { // not decided by an earlier entry
		r.Index = index
	}
	if err != nil {
		r.Err = wire.FromError(err)
		return before, r
	}
	return &next, r
}

// tick returns s at the index and time of a command.
func (s *State) tick(cmd Command, index uint64) *State {
	next := *s
	next.index = index
	if at := cmd.Time.UTC(); at.After(s.time) && at.Year() <= 9999 { // what JSON can hold
		next.time = at.Round(0) // without the monotonic part
	}
	next.forgetProposals()
	return &next
}

// apply changes s, which nobody else knows yet, and may leave it half changed
// when it returns an error.
func (s *State) apply(cmd Command) (Result, error) {
	if n := cmd.count(); n != 1 {
		return Result{}, wire.Errorf(wire.InvalidArgument, "a catalog command holds %d changes; want 1", n)
	}
	switch {
	case cmd.OpenEpoch != nil:
		return s.openEpoch(*cmd.OpenEpoch)
	case cmd.CreateTable != nil:
		return s.createTable(*cmd.CreateTable)
	case cmd.AlterTable != nil:
		return s.alterTable(*cmd.AlterTable)
	case cmd.DropTable != nil:
		return s.dropTable(*cmd.DropTable)
	case cmd.CommitSegments != nil:
		return s.commitSegments(*cmd.CommitSegments)
	case cmd.ExpireVersions != nil:
		return s.expireVersions()
	}
	if cmd.trusts() {
		return s.applyTrust(cmd)
	}
	return s.applyStorage(cmd)
}

// applyStorage applies what changes where bytes are.
func (s *State) applyStorage(cmd Command) (Result, error) {
	switch {
	case cmd.RegisterNode != nil:
		return s.registerNode(*cmd.RegisterNode)
	case cmd.SetNodeState != nil:
		return s.setNodeState(*cmd.SetNodeState)
	case cmd.RemoveNode != nil:
		return s.removeNode(*cmd.RemoveNode)
	case cmd.SetDiskState != nil:
		return s.setDiskState(*cmd.SetDiskState)
	case cmd.AddDisk != nil:
		return s.addDisk(*cmd.AddDisk)
	case cmd.RemoveDisk != nil:
		return s.removeDisk(*cmd.RemoveDisk)
	case cmd.ReplaceDisk != nil:
		return s.replaceDisk(*cmd.ReplaceDisk)
	case cmd.SetGroup != nil:
		return s.setGroup(*cmd.SetGroup)
	case cmd.RemoveGroup != nil:
		return s.removeGroup(*cmd.RemoveGroup)
	case cmd.PlaceMembers != nil:
		return s.placeMembers(*cmd.PlaceMembers)
	case cmd.MissMembers != nil:
		return s.missMembers(*cmd.MissMembers)
	case cmd.ParkMember != nil:
		return s.parkMember(*cmd.ParkMember)
	case cmd.UnparkMembers != nil:
		return s.unparkMembers()
	case cmd.RaiseProtocol != nil:
		return s.raiseProtocol(*cmd.RaiseProtocol)
	}
	return s.forgetMembers(*cmd.ForgetMembers)
}

func (c Command) count() int {
	n := 0
	for _, set := range []bool{
		c.OpenEpoch != nil, c.CreateTable != nil, c.AlterTable != nil, c.DropTable != nil,
		c.CommitSegments != nil, c.ExpireVersions != nil, c.ForgetMembers != nil,
		c.RegisterNode != nil, c.SetNodeState != nil, c.RemoveNode != nil, c.SetDiskState != nil, c.AddDisk != nil, c.RemoveDisk != nil, c.ReplaceDisk != nil,
		c.SetGroup != nil, c.RemoveGroup != nil, c.PlaceMembers != nil, c.MissMembers != nil, c.ParkMember != nil, c.UnparkMembers != nil, c.RaiseProtocol != nil,
		c.InitTrust != nil, c.CreateJoin != nil, c.RevokeJoin != nil, c.AdmitNode != nil,
		c.CreateToken != nil, c.RevokeToken != nil, c.IssueCertificate != nil, c.RevokeCertificate != nil,
	} {
		if set {
			n++
		}
	}
	return n
}

// epoch is an open epoch.
type epoch struct {
	node string
	txns window[txn] // of its commits
}

// txn is a commit that a node may ask for again.
type txn struct {
	index   uint64
	table   TableID
	version Version
}

func (s *State) openEpoch(c OpenEpoch) (Result, error) {
	if err := checkText("node id", c.Node, maxIDBytes); err != nil {
		return Result{}, err
	}
	if s.nodeIs(c.Node, NodeLost) { // it would write, and be counted as gone
		return Result{}, wire.Errorf(wire.Conflict, "node %s was given up since it was registered", s.nodeName(c.Node)).WithHint("register it again")
	}
	if s.lastEpoch+1 == 0 {
		return Result{}, wire.Errorf(wire.LimitExceeded, "all epochs have been used up")
	}
	open := edit(&s.open)
	var last []Epoch
	open.Scan(func(e Epoch, o *epoch) bool {
		if o.node == c.Node {
			last = append(last, e)
		}
		return true
	})
	for _, e := range last {
		open.Delete(e)
	}
	s.lastEpoch++
	open.Set(s.lastEpoch, &epoch{c.Node, newWindow[txn]()})
	return Result{Epoch: s.lastEpoch}, nil
}

// Bounds of the texts that a command may hold, in bytes.
const (
	maxIDBytes  = 255  // node, transaction, producer, operation
	maxKeyBytes = 1024 // idempotency key, detail
)

// checkText refuses an empty text or one that is too long.
func checkText(what, text string, limit int) error {
	if text == "" {
		return wire.Errorf(wire.InvalidArgument, "the %s is empty", what)
	}
	if len(text) > limit {
		return wire.Errorf(wire.InvalidArgument, "the %s has %d bytes; at most %d are possible", what, len(text), limit)
	}
	return nil
}

// set replaces a table.
func (s *State) set(t *table) { edit(&s.tables).Set(t.id, t) }

// commitTo adds a version to t, which is a copy that nobody knows yet, and
// puts it in place.
func (s *State) commitTo(t *table, c Commit) Result {
	c.Version, c.Time, c.Index = 1, s.time, s.index
	if t.commits.len() > 0 {
		last := t.lastCommit()
		c.Version = last.Version + 1
		c.TotalRows += last.TotalRows
	}
	t.commits = t.commits.append(c)
	s.set(t.publish())
	return Result{Table: t.newest, Version: c.Version}
}

func invalid(err error) error { return wire.Errorf(wire.InvalidArgument, "%w", err) }

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
