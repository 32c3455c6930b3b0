package daemon

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/recovery"
	"github.com/tarnlake/tarn/tiering"
)

// Rebuilt is what a catalog that is made of disks has.
type Rebuilt struct {
	Replica    uint64                 `json:"replica"`    // last entry of the node's own catalog, if it begins with that
	Checkpoint uint64                 `json:"checkpoint"` // index of the one that it begins with; 0: with none
	Kept       time.Time              `json:"kept"`       // of what it begins with
	Disks      int                    `json:"disks"`
	Tables     []catalog.AdoptedTable `json:"tables"`     // with segments that it does not begin with
	Superseded int                    `json:"superseded"` // segments whose rows others have
	Deleted    int                    `json:"deleted"`    // segments that are known to be deleted
	Problems   []recovery.Problem     `json:"problems"`
	NoTrust    bool                   `json:"no_trust"` // the authority is lost: the node is alone until "tarn cluster init"
}

// RecoverFromDisks makes the catalog of the stopped node of dir of what is on
// its disks and on those given, which become its own: of its own catalog or the
// newest checkpoint on any of them, whichever knows more, if there is one, and of
// segments that this does not know. A node that can start by itself is refused.
// dir may be empty; then it becomes a node of the cluster that the disks are of.
// confirm is shown what comes of it. Before that, nothing is changed.
func RecoverFromDisks(ctx context.Context, dir string, more []DiskConfig, confirm func(Survivor) (string, error)) (done Recovered, err error) {
	lock, err := lockDir(dir)
	if err != nil {
		return done, err
	}
	defer lock.Close()
	r := &rebuilding{dir: dir}
	if err := r.identify(more); err != nil {
		return done, err
	}
	if err := r.begin(); err != nil {
		return done, err
	}
	if err := r.adopt(ctx); err != nil {
		return done, err
	}
	if err := confirmed(confirm, r.survivor()); err != nil {
		return done, err
	}
	return r.finish()
}

// rebuilding is one RecoverFromDisks under way.
type rebuilding struct {
	dir   string
	id    identity
	own   *catalog.Replica // nil: none, or damaged
	media []*tiering.Medium
	state *catalog.State
	told  Rebuilt
}

// identify finds out whose catalog it is, and mounts the disks.
func (r *rebuilding) identify(more []DiskConfig) error {
	_, err := os.Stat(filepath.Join(r.dir, "node.json"))
	switch {
	case err == nil:
		r.id, err = loadIdentity(r.dir, "")
	case errors.Is(err, fs.ErrNotExist) && len(more) > 0:
		r.id, err = identityOfDisk(r.dir, more[0].Path)
	case errors.Is(err, fs.ErrNotExist):
		err = wire.Errorf(wire.InvalidArgument, "%s is not a node's directory, and no disk was given", r.dir).WithHint("--disk PATH")
	}
	if err != nil {
		return err
	}
	if err := r.examine(); err != nil {
		return err
	}
	return r.mount(more)
}

// examine looks at the catalog that the node has.
func (r *rebuilding) examine() error {
	x, err := catalog.Examine(raftDir(r.dir))
	if err != nil || x.State == nil || x.Last == 0 {
		return nil // gone or damaged, which is why there are disks
	}
	if x.SoleVoter() {
		return wire.Errorf(wire.Conflict, "the catalog of the node in %s is there and whole, and needs no other voter", r.dir).
			WithHint("tarn server --dir %s", r.dir)
	}
	r.own = x
	return checkReplica(x, r.id)
}

// identityOfDisk is that of a new node of the cluster that a disk is of. It is
// not written yet.
func identityOfDisk(dir, path string) (identity, error) {
	if err := refuseForeign(dir); err != nil {
		return identity{}, err
	}
	cluster, err := tiering.ClusterOf(tiering.OSFS{}, path)
	if err != nil {
		return identity{}, wire.Errorf(wire.InvalidArgument, "%s is not a disk of a node: %w", path, err)
	}
	return identity{FormatVersion: identityVersion, Node: uuid.NewString(), Cluster: cluster}, nil
}

func (r *rebuilding) mount(more []DiskConfig) error {
	known := len(r.id.Disks)
	for _, d := range more {
		at, err := filepath.Abs(d.Path)
		if err != nil {
			return err
		}
		r.id.Disks = append(r.id.Disks, diskPlace{Path: relative(r.dir, at), Tier: cmp.Or(d.Tier, Tiers[0])})
	}
	var mounted []diskPlace
	for i, d := range r.id.Disks {
		m, err := tiering.Mount(tiering.OSFS{}, absolute(r.dir, d.Path), r.id.Cluster)
		if err == nil && d.ID != "" && m.ID() != d.ID {
			err = fmt.Errorf("the medium in %s is %s; this node's is %s", d.Path, m.ID(), d.ID)
		}
		if err != nil && i < known {
			r.problem(recovery.Problem{Kind: recovery.Unreadable, Where: d.Path, What: err.Error(), Next: "mount it, if it can be"})
			mounted = append(mounted, d)
			continue
		}
		if err != nil {
			return wire.Errorf(wire.InvalidArgument, "disk %s: %w", d.Path, err)
		}
		if slices.ContainsFunc(mounted, func(have diskPlace) bool { return have.ID == m.ID() }) {
			continue // given twice
		}
		d.ID = m.ID()
		mounted, r.media = append(mounted, d), append(r.media, m)
	}
	r.id.Disks, r.told.Disks = mounted, len(r.media)
	if len(r.media) == 0 {
		return wire.Errorf(wire.InvalidArgument, "no disk is there to make a catalog of").WithHint("--disk PATH")
	}
	return nil
}

func (r *rebuilding) problem(p recovery.Problem) { r.told.Problems = append(r.told.Problems, p) }

// begin takes the node's own catalog or the newest checkpoint, or begins with nothing.
func (r *rebuilding) begin() error {
	r.state = catalog.NewState()
	if r.own != nil {
		r.state, r.told.Replica, r.told.Kept = r.own.State, r.own.Last, r.own.Time
	}
	s, err := newestOf(r.media)
	if err == nil && checkpointName(s) > checkpointName(r.state) {
		r.state, r.told.Replica, r.told.Checkpoint, r.told.Kept = s, 0, s.Index(), s.Time()
	} else if err != nil && !errors.Is(err, errNoCheckpoint) {
		r.problem(recovery.Problem{Kind: recovery.Damaged, Where: r.dir, What: err.Error(), Next: "nothing: segments are all there is"})
	}
	if t := r.state.Trust().Cluster; t != "" && t != r.id.Cluster {
		return wire.Errorf(wire.Corrupt, "the checkpoint is of cluster %s; the disks are of %s", t, r.id.Cluster)
	}
	return nil
}

// adopt adds what is on the disks to the state.
func (r *rebuilding) adopt(ctx context.Context) error {
	g := &recovery.Gatherer{Report: r.problem}
	for _, m := range r.media {
		if err := g.Add(m); err != nil {
			return err
		}
	}
	base := r.state.Recovered(r.id.Node, uuid.NewString(), time.Now(), g.Seen())
	found, err := g.Gather(ctx, base.InDoubt)
	if err != nil {
		return err
	}
	reg, err := r.registration(base)
	if err != nil {
		return err
	}
	s, told, err := base.Adopt(reg, found)
	if err != nil {
		return err
	}
	r.told.Tables, r.told.Superseded, r.told.Deleted = told.Tables, told.Superseded, told.Deleted
	for _, x := range told.Refused {
		r.problem(recovery.Problem{Kind: recovery.Unknown, Where: x.Segment.String(), What: x.Reason, Next: "keep it"})
	}
	for _, d := range told.Doubtful {
		r.problem(recovery.Problem{
			Kind: recovery.Doubtful, Where: "table " + d.Table, What: fmt.Sprintf("%d rows of %d segments may be there twice: merges that came of too many segments to list them all may have them, too", d.Rows, d.Segments),
			Next: "count rows that are there more than once when the node runs; see docs/operations/recovery.md",
		})
	}
	r.told.NoTrust = s.Trust().Cluster == "" && r.id.Secured
	r.state, err = reread(s)
	return err
}

// reread returns what the next start will make of a state.
func reread(s *catalog.State) (*catalog.State, error) {
	var b bytes.Buffer
	if err := s.Encode(&b); err != nil {
		return nil, err
	}
	again, err := catalog.DecodeState(&b)
	if err != nil {
		return nil, wire.Errorf(wire.Internal, "what was found contradicts itself; nothing was changed: %w", err)
	}
	return again, nil
}

// registration is what the node will say of itself; its name is the one that it had.
func (r *rebuilding) registration(s *catalog.State) (catalog.RegisterNode, error) {
	reg := catalog.RegisterNode{Node: r.id.Node, Name: r.id.Node, Speaks: catalog.BuildSpeaks()}
	if n, ok := s.Node(r.id.Node); ok {
		reg.Name, reg.Address, reg.Gossip, reg.Zone, reg.Version = n.Name, n.Address, n.Gossip, n.Zone, n.Version
	}
	for _, m := range r.media {
		facts, err := r.id.facts(m)
		if err != nil {
			return reg, err
		}
		reg.Disks = append(reg.Disks, facts)
	}
	return reg, nil
}

func (r *rebuilding) survivor() Survivor {
	x := &catalog.Replica{Node: r.id.Node, Cluster: r.id.Cluster, State: r.state, Last: r.state.Index(), Time: r.state.Time()}
	return Survivor{Node: r.id.Node, Cluster: r.id.Cluster, Catalog: reportCatalog(x), Others: namesBut(r.state, r.id.Node), Rebuilt: &r.told}
}

// finish makes node and catalog of it.
func (r *rebuilding) finish() (Recovered, error) {
	if r.told.NoTrust {
		r.id.Secured = false // its certificate is of an authority that is no more
	}
	r.id.Settled, r.id.Joining = true, false
	if err := r.id.write(r.dir); err != nil {
		return Recovered{}, err
	}
	term := uint64(1)
	if r.own != nil {
		term += max(r.own.Term, r.own.LastTerm)
	}
	before, err := catalog.Remake(catalog.Config{Dir: raftDir(r.dir), Node: r.id.Node, Cluster: r.id.Cluster}, r.state, term)
	return Recovered{r.state.Recovery().Number, before, r.told.NoTrust}, err
}
