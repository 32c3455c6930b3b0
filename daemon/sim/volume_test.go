package sim

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/plant"
)

// volume is what Raft has on its disk: each change is durable when its call
// returns, whole or not at all.
type volume struct {
	mu        sync.Mutex
	logs      map[uint64]raft.Log
	keys      map[string][]byte
	snapshots []*snapshot // the newest first

	last *volume // before the newest append, for logs that are not synced
}

func newVolume() *volume { return &volume{logs: map[uint64]raft.Log{}, keys: map[string][]byte{}} }

func (v *volume) clone() *volume {
	return &volume{logs: maps.Clone(v.logs), keys: maps.Clone(v.keys), snapshots: slices.Clone(v.snapshots)}
}

// log is the volume in one life. Once the power is gone the life writes to a
// copy, so that it can end in peace.
type log struct {
	life *life
	mu   sync.Mutex
	vol  *volume
}

var (
	_ raft.LogStore    = (*log)(nil)
	_ raft.StableStore = (*log)(nil)
)

func (v *volume) mount(l *life) *catalog.Volume {
	s := &log{life: l, vol: v}
	return &catalog.Volume{Log: s, Snapshots: snapshots{s}}
}

func (s *log) change(f func(*volume)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life.power.change() {
		s.vol.mu.Lock()
		defer s.vol.mu.Unlock()
		f(s.vol)
		return nil
	}
	s.detach()
	f(s.vol)
	return nil
}

// detach has the life go on with a copy. The next life has not begun yet.
func (s *log) detach() {
	if s.vol == s.life.node.volume {
		s.vol.mu.Lock()
		defer s.vol.mu.Unlock()
		s.vol = s.vol.clone()
	}
}

func (s *log) read(f func(*volume)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.life.power.on() {
		s.detach()
	}
	s.vol.mu.Lock()
	defer s.vol.mu.Unlock()
	f(s.vol)
}

func (s *log) FirstIndex() (first uint64, _ error) {
	s.read(func(v *volume) {
		for i := range v.logs {
			if first == 0 || i < first {
				first = i
			}
		}
	})
	return first, nil
}

func (s *log) LastIndex() (last uint64, _ error) {
	s.read(func(v *volume) {
		for i := range v.logs {
			last = max(last, i)
		}
	})
	return last, nil
}

func (s *log) GetLog(index uint64, l *raft.Log) (err error) {
	s.read(func(v *volume) {
		got, ok := v.logs[index]
		if *l = got; !ok {
			err = raft.ErrLogNotFound
		}
	})
	return err
}

func (s *log) StoreLog(l *raft.Log) error { return s.StoreLogs([]*raft.Log{l}) }

func (s *log) StoreLogs(logs []*raft.Log) error {
	time.Sleep(time.Duration(s.life.c.dice.below(3000)) * time.Microsecond)
	return s.change(func(v *volume) {
		if plant.On(plant.SkipLogSync) {
			v.last = nil
			v.last = v.clone()
		}
		for _, l := range logs {
			v.logs[l.Index] = *l
		}
	})
}

func (s *log) DeleteRange(first, last uint64) error {
	return s.change(func(v *volume) {
		for i := first; i <= last; i++ {
			delete(v.logs, i)
		}
	})
}

func (s *log) Set(key, value []byte) error {
	return s.change(func(v *volume) { v.keys[string(key)] = bytes.Clone(value) })
}

func (s *log) Get(key []byte) (value []byte, err error) {
	s.read(func(v *volume) {
		var ok bool
		if value, ok = v.keys[string(key)]; !ok {
			err = raftboltdb.ErrKeyNotFound
		}
	})
	return bytes.Clone(value), err
}

func (s *log) SetUint64(key []byte, n uint64) error { return s.Set(key, fmt.Append(nil, n)) }

func (s *log) GetUint64(key []byte) (n uint64, err error) {
	b, err := s.Get(key)
	if err == nil {
		_, err = fmt.Sscan(string(b), &n)
	}
	return n, err
}

// snapshot is one that is whole.
type snapshot struct {
	meta raft.SnapshotMeta
	data []byte
}

// snapshots keeps the two newest.
type snapshots struct{ log *log }

func (s snapshots) Create(version raft.SnapshotVersion, index, term uint64, conf raft.Configuration, at uint64, _ raft.Transport) (raft.SnapshotSink, error) {
	return &sink{log: s.log, snapshot: snapshot{meta: raft.SnapshotMeta{
		Version: version, ID: fmt.Sprint(term, "-", index), Index: index, Term: term, Configuration: conf, ConfigurationIndex: at,
	}}}, nil
}

func (s snapshots) List() (all []*raft.SnapshotMeta, _ error) {
	s.log.read(func(v *volume) {
		for _, one := range v.snapshots {
			meta := one.meta
			all = append(all, &meta)
		}
	})
	return all, nil
}

func (s snapshots) Open(id string) (meta *raft.SnapshotMeta, r io.ReadCloser, err error) {
	err = fmt.Errorf("there is no snapshot %s", id)
	s.log.read(func(v *volume) {
		for _, one := range v.snapshots {
			if one.meta.ID == id {
				m := one.meta
				meta, r, err = &m, io.NopCloser(bytes.NewReader(one.data)), nil
				return
			}
		}
	})
	return meta, r, err
}

// sink is a snapshot that is being written; it is there when it is closed.
type sink struct {
	snapshot
	log *log
}

func (s *sink) ID() string { return s.meta.ID }

func (s *sink) Write(p []byte) (int, error) {
	s.data = append(s.data, p...)
	return len(p), nil
}

func (s *sink) Cancel() error { return nil }

func (s *sink) Close() error {
	s.meta.Size = int64(len(s.data))
	return s.log.change(func(v *volume) {
		v.snapshots = append([]*snapshot{&s.snapshot}, v.snapshots...)
		v.snapshots = v.snapshots[:min(2, len(v.snapshots))]
	})
}
