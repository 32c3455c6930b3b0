package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/tiering"
	"golang.org/x/sys/unix"
)

// defaultCheckpointEvery is how often a node keeps the catalog on a disk.
const defaultCheckpointEvery = 5 * time.Minute

// checkpointDisks is on how many of its disks a node keeps them.
const checkpointDisks = 3

// keepCheckpoints writes the state that this node has to its disks, as often as
// it has changed but no more often than the interval.
func (n *Node) keepCheckpoints(ctx context.Context) {
	tick := time.NewTicker(n.cfg.CheckpointEvery)
	defer tick.Stop()
	written := uint64(0)
	for {
		if view := n.catalog.View(); view.Index() > written {
			if err := n.checkpoint(view); err != nil {
				n.cfg.Logger.Warn("keeping a checkpoint of the catalog", "error", err)
			} else {
				written = view.Index()
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// checkpoint writes a state to the first disks that take it. The error is that
// none did.
func (n *Node) checkpoint(view *catalog.State) error {
	kept, errs := 0, []error{errors.New("no disk of the node takes it")}
	for _, m := range n.members.Media() {
		if kept == checkpointDisks {
			break
		}
		if err := m.PutCheckpoint(checkpointName(view), func(w io.Writer) error { return view.Encode(w) }); err != nil {
			errs = append(errs, err)
			continue
		}
		kept++
	}
	if kept == 0 {
		return errors.Join(errs...)
	}
	return nil
}

// checkpointName sorts by age: a recovery may go back to a lower index.
func checkpointName(s *catalog.State) string {
	return fmt.Sprintf("%08x-%016x", s.Recovery().Number, s.Index())
}

// ExportCheckpoint copies the newest whole checkpoint on the disks of the node
// of dir into a new file. The node may run. It holds the secrets of the cluster.
func ExportCheckpoint(dir, file string) (index uint64, err error) {
	if _, err := os.Stat(filepath.Join(dir, "node.json")); err != nil {
		return 0, wire.Errorf(wire.InvalidArgument, "%s is not a node's directory: %w", dir, err).WithHint("--dir DIR")
	}
	id, err := loadIdentity(dir, "")
	if err != nil {
		return 0, err
	}
	s, err := newestCheckpoint(dir, id)
	if err != nil {
		return 0, err
	}
	out, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, wire.Errorf(wire.InvalidArgument, "%w", err).WithHint("name a new file")
	}
	if err := errors.Join(s.Encode(out), out.Sync(), out.Close()); err != nil {
		return 0, errors.Join(err, os.Remove(file))
	}
	return s.Index(), nil
}

// newestCheckpoint reads the newest checkpoint of a node's disks that is whole.
func newestCheckpoint(dir string, id identity) (*catalog.State, error) {
	var media []*tiering.Medium
	var errs []error
	for _, d := range id.Disks {
		m, err := tiering.Mount(tiering.OSFS{}, absolute(dir, d.Path), id.Cluster)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		media = append(media, m)
	}
	s, err := newestOf(media)
	if err != nil {
		return nil, wire.Errorf(wire.Corrupt, "there is no whole checkpoint of the catalog in %s: %w", dir, errors.Join(append(errs, err)...))
	}
	return s, nil
}

var errNoCheckpoint = errors.New("no disk has one")

// newestOf reads the newest checkpoint of disks that is whole. If there is none
// at all the error wraps errNoCheckpoint.
func newestOf(media []*tiering.Medium) (*catalog.State, error) {
	var paths []string
	var errs []error
	for _, m := range media {
		some, err := m.Checkpoints()
		if err != nil {
			errs = append(errs, err)
		}
		paths = append(paths, some...)
	}
	slices.SortFunc(paths, func(a, b string) int { return cmp.Compare(filepath.Base(b), filepath.Base(a)) })
	for _, path := range paths {
		s, err := readCheckpoint(path)
		if err == nil {
			return s, nil
		}
		errs = append(errs, err)
	}
	if len(errs) == 0 {
		errs = append(errs, errNoCheckpoint)
	}
	return nil, errors.Join(errs...)
}

func readCheckpoint(path string) (*catalog.State, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s, err := catalog.DecodeState(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// RecoverFromCheckpoint makes the catalog of the stopped node of dir of a
// checkpoint, with the node as the only voter. What was committed after the
// checkpoint is not in it; its files are kept.
func RecoverFromCheckpoint(dir, file string, confirm func(Survivor) (string, error)) (done Recovered, err error) {
	lock, id, err := openStopped(dir, unix.LOCK_EX)
	if err != nil {
		return done, err
	}
	defer lock.Close()
	s, err := readCheckpoint(file)
	if err != nil {
		return done, wire.Errorf(wire.Corrupt, "this is no checkpoint to go by: %w", err)
	}
	if t := s.Trust().Cluster; t != "" && t != id.Cluster || len(s.Nodes()) > 0 && !knows(s, id) {
		return done, wire.Errorf(wire.Conflict, "the checkpoint does not know this node, %s of cluster %s: it is of another cluster", id.Node, id.Cluster)
	}
	r := &catalog.Replica{Node: id.Node, Cluster: id.Cluster, State: s, Last: s.Index(), Time: s.Time()}
	if err := confirmed(confirm, Survivor{Node: id.Node, Cluster: id.Cluster, Catalog: reportCatalog(r), Others: namesBut(s, id.Node)}); err != nil {
		return done, err
	}
	return remake(dir, id, s, 1)
}

func knows(s *catalog.State, id identity) bool {
	_, ok := s.Node(id.Node)
	return ok
}
