package catalog

import (
	"fmt"
	"io"
	"sync/atomic"

	"github.com/hashicorp/raft"
)

// fsm lets Raft drive the state: one goroutine applies, everybody reads.
type fsm struct {
	now    atomic.Pointer[published]
	poison *poison
}

var _ raft.BatchingFSM = (*fsm)(nil)

// published is a state and the channel that is closed when it is replaced.
type published struct {
	state   *State
	changed chan struct{}
}

func newFSM(p *poison) *fsm {
	f := &fsm{poison: p}
	f.now.Store(&published{NewState(), make(chan struct{})})
	return f
}

func (f *fsm) publish(s *State) {
	old := f.now.Swap(&published{s, make(chan struct{})})
	close(old.changed)
}

// Apply applies one entry.
func (f *fsm) Apply(l *raft.Log) any { return f.ApplyBatch([]*raft.Log{l})[0] }

// ApplyBatch applies entries in order and shows their last state, before any
// of them is acknowledged.
func (f *fsm) ApplyBatch(logs []*raft.Log) []any {
	s := f.now.Load().state
	results := make([]any, len(logs))
	for i, l := range logs {
		if l.Type != raft.LogCommand {
			continue
		}
		cmd, err := decodeCommand(l.Data)
		if err != nil {
			// To go on would make this replica differ from the others.
			f.poison.kill(fmt.Errorf("raft log entry %d: %w", l.Index, err))
		}
		var r Result
		s, r = s.Apply(cmd, l.Index)
		results[i] = r
	}
	f.publish(s)
	return results
}

// Snapshot takes the state as it is; it costs nothing.
func (f *fsm) Snapshot() (raft.FSMSnapshot, error) {
	return &snapshot{f.now.Load().state, f.poison}, nil
}

// Restore replaces the state by that of a snapshot.
func (f *fsm) Restore(r io.ReadCloser) error {
	defer r.Close()
	s, err := DecodeState(r)
	if err != nil {
		return err
	}
	f.publish(s)
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
