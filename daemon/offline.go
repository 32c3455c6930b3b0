package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/recovery"
	"github.com/tarnlake/tarn/tiering"
	"golang.org/x/sys/unix"
)

// Work on the directory of a node that does not run.

// lockStopped takes the lock of a node's directory that is there already, and
// makes nothing. A directory that is no node's is refused.
func lockStopped(dir string, how int) (*os.File, error) {
	if dir == "" {
		return nil, wire.Errorf(wire.InvalidArgument, "no directory of a node was given").WithHint("--dir DIR")
	}
	if _, err := os.Stat(filepath.Join(dir, "node.json")); err != nil {
		return nil, wire.Errorf(wire.InvalidArgument, "%s is not a node's directory: %w", dir, err).
			WithHint("give the --dir that the node is started with")
	}
	f, err := os.Open(filepath.Join(dir, lockName))
	if err != nil {
		return nil, wire.Errorf(wire.InvalidArgument, "%s is not a node's directory: %w", dir, err)
	}
	if err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, wire.Errorf(wire.Conflict, "the node in %s runs: %w", dir, err).WithHint("stop it first")
	}
	return f, nil
}

// openStopped locks the directory of a stopped node as lockStopped does, and
// says who the node is.
func openStopped(dir string, how int) (*os.File, identity, error) {
	lock, err := lockStopped(dir, how)
	if err != nil {
		return nil, identity{}, err
	}
	id, err := loadIdentity(dir, "")
	if err != nil {
		lock.Close()
	}
	return lock, id, err
}

// CatalogReport is what the catalog of a stopped node holds.
type CatalogReport struct {
	Whole    bool      `json:"whole"`
	Term     uint64    `json:"term"`      // of the newest vote
	Last     uint64    `json:"last"`      // index of the newest entry
	LastTerm uint64    `json:"last_term"` // its term: of two nodes, the one with the higher (last_term, last) knows more
	Time     time.Time `json:"time"`      // of the newest command
	Snapshot uint64    `json:"snapshot"`
	Entries  uint64    `json:"entries"`
	Voters   []string  `json:"voters"`
	Tables   int       `json:"tables"`
	Segments int       `json:"segments"` // live
	Rows     int64     `json:"rows"`     // live
}

func reportCatalog(r *catalog.Replica) CatalogReport {
	c := CatalogReport{
		Whole: r.State != nil, Term: r.Term, Last: r.Last, LastTerm: r.LastTerm, Time: r.Time, Snapshot: r.Snapshot, Entries: r.Entries,
	}
	for _, s := range r.Servers {
		if s.Voter {
			c.Voters = append(c.Voters, s.Node)
		}
	}
	if r.State == nil {
		return c
	}
	for _, t := range r.State.Tables() {
		c.Tables++
		c.Segments += len(t.Segments)
		for _, s := range t.Segments {
			c.Rows += s.Rows
		}
	}
	return c
}

// Checkup is what Fsck has found.
type Checkup struct {
	Node     string                `json:"node"`
	Cluster  string                `json:"cluster"`
	Catalog  CatalogReport         `json:"catalog"`
	Disks    []recovery.DiskReport `json:"disks"`
	Problems []recovery.Problem    `json:"problems"`
}

func (c *Checkup) problem(p recovery.Problem) { c.Problems = append(c.Problems, p) }

// Fsck reads everything that a stopped node has: who it is, its catalog, and
// every file of its disks and of those given besides. It changes nothing. What
// is wrong is in the Checkup; the error is for what cannot be checked at all.
func Fsck(ctx context.Context, dir string, disks []DiskConfig) (c Checkup, err error) {
	lock, id, err := openStopped(dir, unix.LOCK_SH)
	if err != nil {
		return c, err
	}
	defer lock.Close()
	c.Node, c.Cluster = id.Node, id.Cluster
	state, err := c.catalog(dir, id)
	if err != nil {
		return c, err
	}
	return c, c.disks(ctx, dir, id, state, disks)
}

const nextCatalog = "of a cluster: tarn recover --rejoin --dir DIR, if other voters have the catalog; else: tarn recover --from-disks --dir DIR"

// catalog checks the catalog, and returns its state if it is whole.
func (c *Checkup) catalog(dir string, id identity) (*catalog.State, error) {
	r, err := catalog.Examine(raftDir(dir))
	if wire.IsCode(err, wire.Conflict) {
		return nil, err
	}
	if err != nil {
		c.problem(recovery.Problem{Kind: recovery.Unreadable, Where: raftDir(dir), What: err.Error(), Next: nextCatalog})
		return nil, nil
	}
	for _, p := range r.Problems {
		c.problem(recovery.Problem{Kind: recovery.Damaged, Where: raftDir(dir), What: p.Error(), Next: nextCatalog})
	}
	if r.Node != "" && (r.Node != id.Node || r.Cluster != id.Cluster) {
		c.problem(recovery.Problem{Kind: recovery.Unreadable, Where: raftDir(dir), Next: "put back the right directory",
			What: fmt.Sprintf("it is the catalog of node %s in cluster %s; this is node %s in cluster %s", r.Node, r.Cluster, id.Node, id.Cluster)})
	}
	c.Catalog = reportCatalog(r)
	return r.State, nil
}

// disks checks the node's disks, and others.
func (c *Checkup) disks(ctx context.Context, dir string, id identity, state *catalog.State, more []DiskConfig) error {
	places := id.Disks
	for _, d := range more {
		places = append(places, diskPlace{Path: d.Path})
	}
	check := &recovery.Checker{State: state, Report: c.problem}
	seen := map[string]bool{}
	for _, p := range places {
		at := absolute(dir, p.Path)
		if p.ID == "" { // given: from where the operator is
			at = p.Path
		}
		m, err := tiering.Mount(tiering.OSFS{}, at, id.Cluster)
		if err == nil && p.ID != "" && m.ID() != p.ID {
			err = fmt.Errorf("the medium there is %s; this node's is %s", m.ID(), p.ID)
		}
		if err != nil {
			c.problem(recovery.Problem{Kind: recovery.Unreadable, Where: at, What: err.Error(), Next: nextDisk(err)})
			continue
		}
		if seen[m.ID()] {
			continue
		}
		seen[m.ID()] = true
		r, err := check.Disk(ctx, m)
		if err != nil {
			return err
		}
		c.Disks = append(c.Disks, r)
	}
	return nil
}

func nextDisk(err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return "mount the disk; if it is gone for good: tarn disk lose DISK, in the running cluster"
	}
	return "put the right disk there; if it is damaged: tarn disk lose DISK, in the running cluster"
}
