package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/uuid"
	"github.com/tarnlake/tarn/client/wire"
	"golang.org/x/sys/unix"
)

// A node's directory:
//
//	node.json   who this node is and to which cluster it belongs
//	LOCK        held while the node runs
//	raft/       the catalog's log and snapshots
//	media/0/    a disk of its own, unless it was given others: see openDisks
//	node.pem    its certificate and key, in a cluster
//	fellows.json  where the other nodes of the cluster were when it last knew
//	node.key    of a node that is joining and has no certificate yet
func raftDir(dir string) string { return filepath.Join(dir, "raft") }

// identity is node.json. A node is its UUID, never its name or address.
type identity struct {
	FormatVersion int    `json:"format_version"`
	Node          string `json:"node"`
	Cluster       string `json:"cluster"`

	// Disks are the media of this node and where they are mounted.
	Disks []diskPlace `json:"disks,omitempty"`

	// Secured is set when the node has its certificate: from then on it speaks
	// TLS only, and others may join its cluster.
	Secured bool `json:"secured,omitempty"`

	// Joining is set while the node waits to be let into its cluster, which
	// has not heard of it yet, as far as it knows.
	Joining bool `json:"joining,omitempty"`

	// Settled is set when the first start has got through: from then on a
	// missing medium or catalog is a fault, never something to make anew.
	Settled bool `json:"settled"`

	fresh bool // no start has got through yet
}

const identityVersion = 1

// loadIdentity reads node.json, or makes it in a directory that holds nothing
// yet, for a node of a cluster; empty: of one that it makes.
func loadIdentity(dir, cluster string) (id identity, err error) {
	b, err := os.ReadFile(filepath.Join(dir, "node.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return newIdentity(dir, cluster)
	}
	if err != nil {
		return id, err
	}
	if err := json.Unmarshal(b, &id); err != nil {
		return id, wire.Errorf(wire.Corrupt, "%s does not parse: %w", filepath.Join(dir, "node.json"), err)
	}
	if id.FormatVersion != identityVersion {
		return id, wire.Errorf(wire.Unsupported, "%s was written by format version %d; this build knows %d", dir, id.FormatVersion, identityVersion).
			WithHint("use a newer tarn")
	}
	id.fresh = !id.Settled
	return id, nil
}

func newIdentity(dir, cluster string) (identity, error) {
	if err := refuseForeign(dir); err != nil {
		return identity{}, err
	}
	id := identity{FormatVersion: identityVersion, Node: uuid.NewString(), Cluster: cluster, Joining: cluster != "", fresh: true}
	if cluster == "" {
		id.Cluster = uuid.NewString()
	}
	return id, id.write(dir)
}

// refuseForeign refuses a directory that holds what is not a node's.
func refuseForeign(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return unusableDir(dir, err)
	}
	foreign := slices.DeleteFunc(entries, func(e os.DirEntry) bool { return ownNames[e.Name()] })
	if len(foreign) == 0 || slices.ContainsFunc(foreign, func(e os.DirEntry) bool { return e.Name() == "node.json" }) {
		return nil
	}
	return wire.Errorf(wire.InvalidArgument, "%s is not a node's directory and not empty (it holds %q)", dir, foreign[0].Name()).
		WithHint("give --dir an empty or new directory")
}

// ownNames may be in a directory whose first start was cut off at once.
var ownNames = map[string]bool{lockName: true, identityTmp: true, "lost+found": true}

// unusableDir says that a directory cannot be made, read or written to.
func unusableDir(dir string, err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return wire.Errorf(wire.DiskFull, "%s cannot be a node's directory: %w", dir, err)
	}
	return wire.Errorf(wire.InvalidArgument, "%s cannot be a node's directory: %w", dir, err).
		WithHint("give --dir a directory that this user may make and write to")
}

// settle records that the first start got through.
func (id *identity) settle(dir string) error {
	id.Settled = true
	return id.write(dir)
}

// write replaces node.json so that a crash leaves the old or the new one.
func (id identity) write(dir string) error {
	b, err := json.MarshalIndent(id, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(dir, "node.json"), append(b, '\n'), 0o644)
}

// replaceFile writes a file so that a crash leaves the old or the new one.
func replaceFile(path string, b []byte, mode fs.FileMode) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", tmp, err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

const (
	lockName    = "LOCK"
	identityTmp = "node.json.tmp" // of replaceFile
)

// lockDir makes dir where needed and takes the node's lock in it, which leaves
// nothing in somebody else's. The lock goes with the process, however it ends.
func lockDir(dir string) (*os.File, error) {
	if dir == "" {
		return nil, wire.Errorf(wire.InvalidArgument, "a node needs a directory").WithHint("tarn server --dir DIR")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, unusableDir(dir, err)
	}
	if err := refuseForeign(dir); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, unusableDir(dir, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, wire.Errorf(wire.Conflict, "another node runs in %s: %w", dir, err).
			WithHint("stop it first, or give this one another --dir")
	}
	return f, nil
}
