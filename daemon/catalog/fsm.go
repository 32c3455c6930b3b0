package catalog

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/hashicorp/raft"
)

// fsm lets Raft drive the state: one goroutine applies, everybody reads.
type fsm struct {
	now     atomic.Pointer[published]
	waiters waiters
	poison  *poison
	speaks  Speaks
}

var _ raft.BatchingFSM = (*fsm)(nil)

// published is a state, how far in the log it is, and the channels that are
// closed when the one or the other is replaced.
type published struct {
	state   *State
	changed chan struct{}
	applied position
	moved   chan struct{}
}

// position is an entry of the log. Of those after a snapshot the term is known.
type position struct{ index, term uint64 }

func newFSM(p *poison, speaks Speaks) *fsm {
	f := &fsm{poison: p, speaks: speaks}
	f.now.Store(&published{NewState(), make(chan struct{}), position{}, make(chan struct{})})
	return f
}

func (f *fsm) publish(s *State, at position) {
	old := f.now.Load()
	next := &published{s, old.changed, at, make(chan struct{})}
	if s != old.state {
		next.changed = make(chan struct{})
		defer close(old.changed)
	}
	f.now.Store(next)
	close(old.moved)
}

// await returns once there is a state for which ok holds, and that state.
func (f *fsm) await(ctx context.Context, ok func(*published) bool) (*State, error) {
	for {
		p := f.now.Load()
		if ok(p) {
			return p.state, nil
		}
		select {
		case <-p.moved:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Apply applies one entry.
func (f *fsm) Apply(l *raft.Log) any { return f.ApplyBatch([]*raft.Log{l})[0] }

// ApplyBatch applies entries in order and shows their last state, before any
// of them is acknowledged.
func (f *fsm) ApplyBatch(logs []*raft.Log) []any {
	s := f.now.Load().state
	var answers []answer
	for _, l := range logs {
		if l.Type != raft.LogCommand || isMark(l.Data) {
			continue
		}
		cmd, err := decodeCommand(l.Data)
		if err != nil {
			// To go on would make this replica differ from the others.
			f.poison.kill(fmt.Errorf("raft log entry %d: %w", l.Index, err))
		}
		var r Result
		s, r = s.Apply(cmd, l.Index)
		answers = append(answers, answer{cmd.Proposal.ID, r})
	}
	if err := f.speaks.understands(s); err != nil {
		f.poison.kill(err)
	}
	last := logs[len(logs)-1]
	f.publish(s, position{last.Index, last.Term})
	f.waiters.answer(answers)
	return make([]any, len(logs)) // nobody reads them: see waiters
}

// A mark is an entry without a command. Where it is applied, everything that
// was in the log before it has been applied.
var mark []byte

func isMark(data []byte) bool { return len(data) == 0 }

// Snapshot takes the state as it is; it costs nothing.
func (f *fsm) Snapshot() (raft.FSMSnapshot, error) {
	return &snapshot{f.now.Load().state, f.poison}, nil
}

// Restore replaces the state by that of a snapshot.
func (f *fsm) Restore(r io.ReadCloser) error {
	defer r.Close()
	s, err := DecodeState(r)
	if err == nil {
		err = f.speaks.understands(s)
	}
	if err != nil {
		return err
	}
	f.publish(s, position{index: s.Index()})
	f.waiters.jump(s)
	return nil
}

// snapshot is a state on its way to disk, while others are being applied.
type snapshot struct {
	state  *State
	poison *poison
}

// Persist writes the state. A write that fails costs only this snapshot; a
// failed fsync, in Close, is the end.
func (s *snapshot) Persist(sink raft.SnapshotSink) error {
	if err := s.state.Encode(sink); err != nil {
		_ = sink.Cancel() // the first error says more
		return err
	}
	if err := sink.Close(); err != nil {
		s.poison.kill(fmt.Errorf("raft snapshot: %w", err))
	}
	return nil
}

// Release does nothing: the collector takes the state.
func (s *snapshot) Release() {}
