package catalog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"
	"github.com/tarnlake/tarn/client/wire"
	"golang.org/x/sys/unix"
)

// Remake makes a store in cfg.Dir whose only voter is cfg.Node and whose state
// is s, as a snapshot of that term. A store that is there stays, under another
// name, which is returned; "" if there was none. The two change places at once:
// a crash leaves the one or the other in its place, and neither is ever removed.
func Remake(cfg Config, s *State, term uint64) (before string, err error) {
	cfg = cfg.withDefaults()
	if cfg.Node == "" || cfg.Cluster == "" || term == 0 || s.Index() == 0 {
		return "", wire.Errorf(wire.InvalidArgument, "a catalog is made of the ids of node and cluster, a term and a state that is not empty")
	}
	if err := os.MkdirAll(cfg.Dir, dirMode); err != nil {
		return "", err
	}
	tmp := storeDir(cfg.Dir) + ".tmp"
	if err := errors.Join(os.RemoveAll(tmp), os.Mkdir(tmp, dirMode)); err != nil {
		return "", err
	}
	if err := fillWith(cfg, tmp, s, term); err != nil {
		return "", fmt.Errorf("making the catalog in %s: %w", cfg.Dir, err)
	}
	if err := errors.Join(syncDir(filepath.Join(tmp, "snapshots")), syncDir(tmp)); err != nil {
		return "", err
	}
	before, err = putInPlace(cfg.Dir, tmp, s.recovery.ID)
	return before, errors.Join(err, syncDir(cfg.Dir), syncDir(filepath.Dir(cfg.Dir)))
}

func fillWith(cfg Config, dir string, s *State, term uint64) error {
	d, err := openDisk(cfg, dir)
	if err != nil {
		return err
	}
	err = errors.Join(d.bolt.Set(keyNode, []byte(cfg.Node)), d.bolt.Set(keyCluster, []byte(cfg.Cluster)), d.bolt.SetUint64(keyTerm, term))
	if err == nil {
		err = putSnapshot(cfg, d, s, term)
	}
	return errors.Join(err, d.Close())
}

func putSnapshot(cfg Config, d *disk, s *State, term uint64) error {
	voters := raft.Configuration{Servers: []raft.Server{{
		ID: raft.ServerID(cfg.Node), Address: raft.ServerAddress(cfg.Node), Suffrage: raft.Voter,
	}}}
	sink, err := d.snapshots.Create(raft.SnapshotVersionMax, s.Index(), term, voters, s.Index(), cfg.Transport)
	if err != nil {
		return err
	}
	if err := s.Encode(sink); err != nil {
		return errors.Join(err, sink.Cancel())
	}
	return sink.Close()
}

// putInPlace gives a whole store its name, and the one before it another. A
// crash on the way leaves both, under names that nobody clears away.
func putInPlace(dir, tmp, id string) (before string, err error) {
	at := storeDir(dir)
	if _, err := os.Stat(at); errors.Is(err, fs.ErrNotExist) {
		return "", os.Rename(tmp, at)
	}
	made := at + ".new-" + id
	before = at + ".before-" + id
	if err := os.Rename(tmp, made); err != nil {
		return "", err
	}
	err = unix.Renameat2(unix.AT_FDCWD, made, unix.AT_FDCWD, at, unix.RENAME_EXCHANGE)
	if err == nil {
		return before, os.Rename(made, before)
	}
	if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOSYS) {
		return "", err
	}
	return before, errors.Join(os.Rename(at, before), os.Rename(made, at)) // a filesystem that cannot do it at once
}
