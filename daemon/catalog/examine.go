package catalog

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"github.com/tarnlake/tarn/client/wire"
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Replica is what a node's catalog holds while the node does not run.
type Replica struct {
	Node, Cluster string // whose it is, as it says itself

	Term     uint64    // of the newest vote
	Last     uint64    // index of the newest entry, of log or snapshot
	LastTerm uint64    // its term
	Time     time.Time // of the newest command; zero: there is none

	Snapshot uint64   // index of the newest snapshot that is whole; 0: none
	Entries  uint64   // in the log
	Servers  []Server // of the newest configuration; none on a joiner that was not added

	// State is what snapshot and log add up to: all that was ever acknowledged
	// to this replica, and perhaps entries that never were, for it does not know
	// how far a majority has gone. Nil when Problems leave a gap.
	State *State

	// Problems are what is damaged, in words.
	Problems []error
}

// Examine reads the catalog in a directory and changes nothing. Damage is in
// Replica.Problems; the error is for a directory that cannot be read at all, or
// that a process uses (wire.Conflict).
func Examine(dir string) (*Replica, error) {
	at := filepath.Join(storeDir(dir), "log.db")
	if _, err := os.Stat(at); err != nil {
		return nil, wire.Errorf(wire.Corrupt, "the catalog is missing: %w", err).WithHint("check that the right disk is mounted")
	}
	x := &examination{dir: dir, r: &Replica{}}
	if err := x.snapshots(); err != nil {
		return nil, err
	}
	err := checkLog(at)
	if err == nil {
		err = guarded(at, func() error { return x.log(at) })
	}
	if wire.IsCode(err, wire.Conflict) {
		return nil, err
	}
	if err != nil {
		x.problem(err)
		x.broken = true
	}
	x.conclude()
	return x.r, nil
}

// guarded makes an error of damage to a log of any kind: what decodes entries
// believes them.
func guarded(at string, f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("what is in it contradicts itself: %v", p)
		}
		if err != nil && wire.FromError(err).Code == wire.Internal {
			err = damagedLog(at, err)
		}
	}()
	return f()
}

// examination is one Examine under way.
type examination struct {
	dir    string
	r      *Replica
	state  *State // of the newest whole snapshot, then of what follows
	broken bool   // something between state and the end is not there
}

func (x *examination) problem(err error) { x.r.Problems = append(x.r.Problems, err) }

func (x *examination) conclude() {
	if x.state == nil && !x.broken {
		x.state = NewState()
	}
	if !x.broken {
		x.r.State = x.state
	}
	if x.state != nil {
		x.r.Time = x.state.Time()
	}
}

// snapshots takes the newest snapshot that is whole, and looks at all.
func (x *examination) snapshots() error {
	at := filepath.Join(storeDir(x.dir), "snapshots")
	entries, err := os.ReadDir(at)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() || strings.HasSuffix(e.Name(), ".tmp") {
			continue
		}
		meta, s, err := readSnapshot(filepath.Join(at, e.Name()))
		switch {
		case err != nil:
			x.problem(wire.Errorf(wire.Corrupt, "the catalog's snapshot %s is damaged: %w", filepath.Join(at, e.Name()), err))
		case x.state == nil || meta.Index > x.r.Snapshot:
			x.state, x.r.Snapshot, x.r.Last, x.r.LastTerm = s, meta.Index, meta.Index, meta.Term
			x.r.Servers = serversOf(meta.Configuration)
		}
	}
	return nil
}

// maxMetaBytes bounds the description of a snapshot.
const maxMetaBytes = 1 << 20

// readSnapshot reads a snapshot as raft keeps it: meta.json, which holds the
// CRC-64 of state.bin.
func readSnapshot(dir string) (meta raft.SnapshotMeta, s *State, err error) {
	b, err := readBounded(filepath.Join(dir, "meta.json"), maxMetaBytes)
	if err != nil {
		return meta, nil, err
	}
	var file struct {
		raft.SnapshotMeta
		CRC []byte
	}
	if err := json.Unmarshal(b, &file); err != nil {
		return meta, nil, fmt.Errorf("meta.json: %w", err)
	}
	f, err := os.Open(filepath.Join(dir, "state.bin"))
	if err != nil {
		return meta, nil, err
	}
	defer f.Close()
	sum := crc64.New(crc64.MakeTable(crc64.ECMA))
	if _, err := io.Copy(sum, bufio.NewReaderSize(f, 1<<20)); err != nil {
		return meta, nil, err
	}
	if !bytes.Equal(sum.Sum(nil), file.CRC) {
		return meta, nil, errors.New("state.bin does not have the checksum of meta.json")
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return meta, nil, err
	}
	s, err = DecodeState(bufio.NewReaderSize(f, 1<<20))
	return file.SnapshotMeta, s, err
}

func readBounded(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("%s is longer than %d bytes", path, most)
	}
	return b, err
}

func serversOf(c raft.Configuration) (all []Server) {
	for _, s := range c.Servers {
		all = append(all, Server{string(s.ID), s.Suffrage == raft.Voter})
	}
	return all
}

// log applies the entries of a log whose pages have been checked.
func (x *examination) log(at string) error {
	bolt, err := raftboltdb.New(raftboltdb.Options{Path: at, BoltOptions: &bbolt.Options{ReadOnly: true, Timeout: lockWait}})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return inUse(at)
	}
	if err != nil {
		return err
	}
	defer bolt.Close()
	node, err1 := bolt.Get(keyNode)
	cluster, err2 := bolt.Get(keyCluster)
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("it does not say whose it is: %w", err)
	}
	x.r.Node, x.r.Cluster = string(node), string(cluster)
	x.r.Term, _ = bolt.GetUint64(keyTerm) // none: it has never voted
	return x.entries(sealed{bolt})
}

// keyTerm is raft's own.
var keyTerm = []byte("CurrentTerm")

// entries applies what follows the snapshot, and checks all of the log.
func (x *examination) entries(log sealed) error {
	first, err1 := log.FirstIndex()
	last, err2 := log.LastIndex()
	if err := errors.Join(err1, err2); err != nil || last == 0 {
		return err
	}
	if x.r.Snapshot == 0 && first > 1 || first > x.r.Snapshot+1 {
		x.problem(wire.Errorf(wire.Corrupt, "the catalog's log begins at entry %d, and no snapshot reaches that far", first))
		x.broken = true
	}
	for i := first; i <= last; i++ {
		var l raft.Log
		err := log.GetLog(i, &l)
		if errors.Is(err, raft.ErrLogNotFound) && i <= x.r.Snapshot {
			continue // a snapshot leaves a gap
		}
		if err != nil {
			x.problem(damagedLog(filepath.Join(storeDir(x.dir), "log.db"), fmt.Errorf("entry %d: %w", i, err)))
			x.broken = x.broken || i > x.r.Snapshot
			continue
		}
		x.r.Entries++
		x.entry(&l)
	}
	return nil
}

func (x *examination) entry(l *raft.Log) {
	if l.Index <= x.r.Snapshot {
		return
	}
	x.r.Last, x.r.LastTerm = l.Index, l.Term
	switch {
	case l.Type == raft.LogConfiguration:
		x.r.Servers = serversOf(raft.DecodeConfiguration(l.Data))
	case l.Type != raft.LogCommand || isMark(l.Data) || x.broken:
	default:
		cmd, err := decodeCommand(l.Data)
		if err != nil {
			x.problem(damagedLog(filepath.Join(storeDir(x.dir), "log.db"), fmt.Errorf("entry %d: %w", l.Index, err)))
			x.broken = true
			return
		}
		if x.state == nil {
			x.state = NewState()
		}
		x.state, _ = x.state.Apply(cmd, l.Index)
	}
}

// SoleVoter reports whether the node of the replica is the cluster's one voter:
// then every entry of its log is committed.
func (r *Replica) SoleVoter() bool {
	voters := slices.DeleteFunc(slices.Clone(r.Servers), func(s Server) bool { return !s.Voter })
	return len(voters) == 1 && voters[0].Node == r.Node
}
