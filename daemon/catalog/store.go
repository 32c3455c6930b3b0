package catalog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"github.com/tarnlake/tarn/client/wire"
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// The catalog's directory holds one directory, made as a whole:
//
//	store/log.db      bbolt: the Raft log, votes and terms, and whose they are
//	store/snapshots/  the two newest snapshots
//	store.tmp/        a store whose making was cut off
//	ballast           takes room until the disk is full, see KeepBallast
func storeDir(dir string) string { return filepath.Join(dir, "store") }

// dirMode keeps others out: log and snapshots hold the keys of the cluster.
const dirMode fs.FileMode = 0o700

// prepareDir makes sure that there is a store, and makes one only when it is
// asked to and nothing is there that a store might have been.
func prepareDir(cfg Config) error {
	if cfg.Volume != nil {
		return prepareVolume(cfg)
	}
	if _, err := os.Stat(storeDir(cfg.Dir)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !cfg.Bootstrap && !cfg.Join {
		return wire.Errorf(wire.Corrupt, "the catalog is missing: there is no %s", storeDir(cfg.Dir)).
			WithHint("check that the right disk is mounted; a new cluster is made only in a new directory")
	}
	if err := os.MkdirAll(cfg.Dir, dirMode); err != nil {
		return err
	}
	entries, err := os.ReadDir(cfg.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != "store.tmp" {
			return wire.Errorf(wire.InvalidArgument, "no catalog is made in %s: it is not empty (it holds %q)", cfg.Dir, e.Name()).
				WithHint("give an empty or new directory")
		}
	}
	return makeStore(cfg)
}

// makeStore makes an empty store, or one of a cluster whose only voter is this
// node. It gets its name when it is whole, so a crash leaves all of it or nothing.
func makeStore(cfg Config) error {
	tmp := storeDir(cfg.Dir) + ".tmp"
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	if err := os.Mkdir(tmp, dirMode); err != nil {
		return err
	}
	if err := fill(cfg, tmp); err != nil {
		return fmt.Errorf("making the catalog in %s: %w", cfg.Dir, err)
	}
	if err := errors.Join(syncDir(filepath.Join(tmp, "snapshots")), syncDir(tmp)); err != nil {
		return err
	}
	if err := os.Rename(tmp, storeDir(cfg.Dir)); err != nil {
		return err
	}
	return errors.Join(syncDir(cfg.Dir), syncDir(filepath.Dir(cfg.Dir)))
}

func fill(cfg Config, dir string) error {
	d, err := openDisk(cfg, dir)
	if err != nil {
		return err
	}
	return errors.Join(d.begin(cfg), d.Close())
}

// begin makes an empty store this node's.
func (d *disk) begin(cfg Config) error {
	err := errors.Join(d.bolt.Set(keyNode, []byte(cfg.Node)), d.bolt.Set(keyCluster, []byte(cfg.Cluster)))
	if cfg.Bootstrap {
		err = errors.Join(err, bootstrap(cfg, d))
	}
	return err
}

// bootstrap makes this node the only voter of a cluster. Its address is its id.
func bootstrap(cfg Config, d *disk) error {
	voters := raft.Configuration{Servers: []raft.Server{{
		ID: raft.ServerID(cfg.Node), Address: raft.ServerAddress(cfg.Node), Suffrage: raft.Voter,
	}}}
	return raft.BootstrapCluster(raftConfig(cfg), sealed{d.bolt}, d.bolt, d.snapshots, cfg.Transport, voters)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Keys beside raft's own in the stable store. Part of the disk format.
var (
	keyNode    = []byte("tarn.node")
	keyCluster = []byte("tarn.cluster")
)

// disk is an open store directory.
type disk struct {
	bolt      backend
	snapshots raft.SnapshotStore
	close     func() error
}

// Volume is where Raft keeps its log, its votes and its snapshots, if not in
// files of Config.Dir: what a call has returned from outlives the node. One
// that is empty holds nothing at all.
type Volume struct {
	Log interface {
		raft.LogStore
		raft.StableStore // raftboltdb.ErrKeyNotFound for what was never set
	}
	Snapshots raft.SnapshotStore
}

func (v *Volume) disk() *disk {
	return &disk{bolt: v.Log, snapshots: v.Snapshots, close: func() error { return nil }}
}

// prepareVolume makes an empty volume this node's, where that is asked for.
func prepareVolume(cfg Config) error {
	d := cfg.Volume.disk()
	_, err := d.bolt.Get(keyNode)
	if !errors.Is(err, raftboltdb.ErrKeyNotFound) {
		return err
	}
	if !cfg.Bootstrap && !cfg.Join {
		return wire.Errorf(wire.Corrupt, "the catalog is missing: its volume is empty")
	}
	return d.begin(cfg)
}

// lockWait is how long a second process waits for the first one's lock.
const lockWait = time.Second

func openDisk(cfg Config, dir string) (*disk, error) {
	if cfg.Volume != nil {
		return cfg.Volume.disk(), nil
	}
	at := filepath.Join(dir, "log.db")
	if err := checkLog(at); err != nil {
		return nil, err
	}
	bolt, err := raftboltdb.New(raftboltdb.Options{
		Path: at,
		BoltOptions: &bbolt.Options{
			Timeout: lockWait, FreelistType: bbolt.FreelistMapType, NoFreelistSync: true,
		},
	})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, wire.Errorf(wire.Conflict, "the catalog in %s is in use by another process", cfg.Dir).WithHint("stop the other server, or give this one another directory")
	}
	if err != nil {
		return nil, wire.Errorf(wire.Corrupt, "the catalog's log %s does not open: %w", at, err)
	}
	snapshots, err := raft.NewFileSnapshotStoreWithLogger(dir, 2, newRaftLogger(cfg.Logger))
	if err != nil {
		return nil, errors.Join(err, bolt.Close())
	}
	return &disk{bolt, snapshots, bolt.Close}, nil
}

func (d *disk) Close() error { return d.close() }

// checkIdentity refuses the store of another node or cluster.
func (d *disk) checkIdentity(cfg Config) error {
	for _, want := range []struct {
		what string
		key  []byte
		id   string
	}{{"cluster", keyCluster, cfg.Cluster}, {"node", keyNode, cfg.Node}} {
		got, err := d.bolt.Get(want.key)
		if err != nil {
			return wire.Errorf(wire.Corrupt, "the catalog in %s does not say whose it is: %w", cfg.Dir, err)
		}
		if string(got) != want.id {
			return wire.Errorf(wire.Conflict, "the catalog in %s belongs to %s %s, not to %s", cfg.Dir, want.what, got, want.id).
				WithHint("check that the right disk is mounted")
		}
	}
	return nil
}

// poison stops everything after the first failure of the Raft volume: nobody
// knows then what is on disk, so nothing may be tried again and nothing may be
// answered, not even a vote.
type poison struct {
	call  func(error)
	once  sync.Once
	fatal chan struct{} // closed when cause is set
	cause error
}

func newPoison(call func(error)) *poison {
	return &poison{call: call, fatal: make(chan struct{})}
}

// kill reports the failure and never returns.
func (p *poison) kill(err error) {
	p.once.Do(func() {
		p.cause = fmt.Errorf("the catalog must not go on: %w", err)
		close(p.fatal)
		p.call(p.cause)
	})
	select {}
}

// err returns the failure, or nil.
func (p *poison) err() error {
	select {
	case <-p.fatal:
		return p.cause
	default:
		return nil
	}
}

// backend is where Raft keeps its log and its votes.
type backend interface {
	raft.LogStore
	raft.StableStore
}

// store is a backend whose first error is the last thing it does.
type store struct {
	sealed
	poison *poison
	watch  *watchdog // nil: nobody else could lead
	close  func() error
}

// write does what reaches the disk.
func (s *store) write(op string, do func() error) error { return s.check(op, s.watch.during(op, do)) }

// check kills on errors other than "there is no such entry" and "it was not
// even tried".
func (s *store) check(op string, err error) error {
	if err == nil || errors.Is(err, raft.ErrLogNotFound) || errors.Is(err, errUnsound) || errors.Is(err, raftboltdb.ErrKeyNotFound) {
		return err
	}
	s.poison.kill(fmt.Errorf("raft log: %s: %w", op, err))
	return err
}

// FirstIndex returns the index of the oldest entry.
func (s *store) FirstIndex() (uint64, error) {
	i, err := s.backend.FirstIndex()
	return i, s.check("read", err)
}

// LastIndex returns the index of the newest entry.
func (s *store) LastIndex() (uint64, error) {
	i, err := s.backend.LastIndex()
	return i, s.check("read", err)
}

// GetLog reads an entry.
func (s *store) GetLog(index uint64, l *raft.Log) error {
	return s.check("read", s.sealed.GetLog(index, l))
}

// StoreLog appends an entry.
func (s *store) StoreLog(l *raft.Log) error { return s.StoreLogs([]*raft.Log{l}) }

// StoreLogs appends entries, with one fsync.
func (s *store) StoreLogs(logs []*raft.Log) error {
	return s.write("append", func() error { return s.sealed.StoreLogs(logs) })
}

// DeleteRange deletes entries.
func (s *store) DeleteRange(first, last uint64) error {
	return s.write("truncate", func() error { return s.backend.DeleteRange(first, last) })
}

// Set keeps a vote.
func (s *store) Set(key, value []byte) error {
	return s.write("vote", func() error { return s.backend.Set(key, value) })
}

// Get reads what Set kept.
func (s *store) Get(key []byte) ([]byte, error) {
	v, err := s.backend.Get(key)
	return v, s.check("read", err)
}

// SetUint64 keeps a term.
func (s *store) SetUint64(key []byte, v uint64) error {
	return s.write("term", func() error { return s.backend.SetUint64(key, v) })
}

// GetUint64 reads what SetUint64 kept.
func (s *store) GetUint64(key []byte) (uint64, error) {
	v, err := s.backend.GetUint64(key)
	return v, s.check("read", err)
}
