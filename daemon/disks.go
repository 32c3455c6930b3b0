package daemon

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/tiering"
	"golang.org/x/sys/unix"
)

// DiskConfig is a directory on a disk of its own that the node may use.
type DiskConfig struct {
	Path string
	Tier string // hot, warm, cold or archive; default hot
}

// Tiers are the classes that a disk may belong to, the fastest first.
var Tiers = []string{"hot", "warm", "cold", "archive"}

// ParseDisk reads "PATH" or "PATH,tier=warm".
func ParseDisk(text string) (DiskConfig, error) {
	path, options, given := strings.Cut(text, ",")
	d := DiskConfig{Path: path, Tier: Tiers[0]}
	if given {
		tier, ok := strings.CutPrefix(options, "tier=")
		if !ok || !slices.Contains(Tiers, tier) {
			return d, wire.Errorf(wire.InvalidArgument, "disk %q: want PATH,tier=%s", text, strings.Join(Tiers, "|"))
		}
		d.Tier = tier
	}
	if path == "" {
		return d, wire.Errorf(wire.InvalidArgument, "disk %q has no path", text)
	}
	return d, nil
}

// diskPlace is a disk as node.json has it. The header on the disk says the
// same of it: a path where another disk is mounted, or none, is noticed.
type diskPlace struct {
	ID   string `json:"id"` // of the medium
	Path string `json:"path"`
	Tier string `json:"tier"`
}

// openDisks mounts the disks that the node has, and makes its own of those
// that it is given for the first time: what is empty is formatted, and a disk
// that comes from another node of the cluster is taken as it is. A disk that
// has gone missing is never made anew: the node goes on without it, unless it
// was the last one.
func (n *Node) openDisks() ([]*tiering.Medium, error) {
	given := n.cfg.Disks
	if len(given) == 0 && len(n.id.Disks) == 0 {
		given = []DiskConfig{{Path: filepath.Join(n.cfg.Dir, "media", "0"), Tier: Tiers[0]}}
	}
	media, missing := n.mountKnown()
	for _, d := range given {
		m, err := n.addDisk(d)
		if err != nil {
			return nil, err
		}
		if m != nil {
			media, n.added = append(media, m), append(n.added, m.ID())
		}
	}
	if len(media) == 0 {
		return nil, missing
	}
	if missing != nil {
		n.cfg.Logger.Error("the node starts without some of its disks", "error", missing)
	}
	for _, m := range media {
		if err := m.RemoveLeftovers(); err != nil { // of writes that a crash cut off
			return nil, wire.Errorf(wire.Unavailable, "clearing unfinished writes away: %w", err)
		}
	}
	n.warnOfShared(media)
	return media, nil
}

// mountKnown mounts the disks of node.json, and says which are not there.
func (n *Node) mountKnown() (media []*tiering.Medium, missing error) {
	for _, d := range n.id.Disks {
		m, err := tiering.Mount(tiering.NewGuard(tiering.OSFS{}, n.cfg.StallAfter), absolute(n.cfg.Dir, d.Path), n.id.Cluster)
		if err == nil && m.ID() != d.ID {
			err = wire.Errorf(wire.Conflict, "the medium in %s is %s; this node's is %s", d.Path, m.ID(), d.ID).
				WithHint("put back the node's own disk")
		}
		if err == nil {
			err = n.lockDisk(m.Dir())
		}
		if err != nil {
			missing = errors.Join(missing, err)
			continue
		}
		media = append(media, m)
	}
	return media, missing
}

// addDisk takes a disk that the node has not had; nil if it has it already.
func (n *Node) addDisk(d DiskConfig) (*tiering.Medium, error) {
	dir, id := n.cfg.Dir, &n.id
	at, err := filepath.Abs(d.Path)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(id.Disks, func(have diskPlace) bool { return absolute(dir, have.Path) == absolute(dir, at) }) {
		return nil, nil
	}
	m, err := mountOrFormat(tiering.NewGuard(tiering.OSFS{}, n.cfg.StallAfter), at, id.Cluster)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(id.Disks, func(have diskPlace) bool { return have.ID == m.ID() }) {
		return nil, wire.Errorf(wire.Conflict, "the medium in %s is one that this node has elsewhere: it was copied or moved", at).
			WithHint("mount it where it was, or take the copy away")
	}
	if err := n.lockDisk(at); err != nil {
		return nil, err
	}
	id.Disks = append(id.Disks, diskPlace{ID: m.ID(), Path: relative(dir, at), Tier: d.Tier})
	return m, id.write(dir)
}

// lockDisk takes a disk for this process, until it ends: another node of this
// machine that is given the same directory is refused before it touches it.
func (n *Node) lockDisk(at string) error {
	f, err := os.Open(at)
	if err != nil {
		return unusableDir(at, err)
	}
	if slices.ContainsFunc(n.locks, func(have *os.File) bool { return sameFile(have, f) }) {
		return f.Close() // a disk that was removed and comes back
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return wire.Errorf(wire.Conflict, "the disk in %s is one of a node that runs: %w", at, err).WithHint("give each node directories of its own")
	}
	n.locks = append(n.locks, f)
	return nil
}

func sameFile(a, b *os.File) bool {
	x, err1 := a.Stat()
	y, err2 := b.Stat()
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

// refusedDisks lets go of the disks that this start has brought, where the
// cluster refuses them: the next start without them is to succeed.
func (n *Node) refusedDisks(reason error) {
	if len(n.added) == 0 || !wire.IsCode(reason, wire.Conflict) {
		return
	}
	n.id.Disks = slices.DeleteFunc(n.id.Disks, func(d diskPlace) bool { return slices.Contains(n.added, d.ID) })
	if err := n.id.write(n.cfg.Dir); err != nil {
		n.cfg.Logger.Error("a disk that was refused is still this node's", "error", err)
	}
}

// warnOfShared says which disks are directories of one filesystem: they are
// counted as two, and lost together.
func (n *Node) warnOfShared(media []*tiering.Medium) {
	first := map[uint64]string{}
	for _, m := range media {
		var st unix.Stat_t
		if unix.Stat(m.Dir(), &st) != nil {
			continue
		}
		if other, ok := first[st.Dev]; ok {
			n.cfg.Logger.Warn("two disks are directories of one filesystem: copies on both are lost together", "disk", m.Dir(), "other", other)
			continue
		}
		first[st.Dev] = m.Dir()
	}
}

func mountOrFormat(disk tiering.FS, at, cluster string) (*tiering.Medium, error) {
	m, err := tiering.Mount(disk, at, cluster)
	if !errors.Is(err, fs.ErrNotExist) {
		return m, err
	}
	if err := os.MkdirAll(at, 0o755); err != nil {
		return nil, unusableDir(at, err)
	}
	if err := tiering.Format(disk, at, cluster, uuid.NewString()); err != nil {
		return nil, wire.Errorf(wire.InvalidArgument, "%s cannot be a disk of the node: %w", at, err)
	}
	for _, d := range []string{filepath.Dir(at), filepath.Dir(filepath.Dir(at))} {
		if err := syncDir(d); err != nil {
			return nil, err
		}
	}
	return tiering.Mount(disk, at, cluster)
}

// relative shortens a path below the node's directory, which may be moved.
func relative(dir, path string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		if rel, err := filepath.Rel(abs, path); err == nil && filepath.IsLocal(rel) {
			return rel
		}
	}
	return path
}

func absolute(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	abs, err := filepath.Abs(filepath.Join(dir, path))
	if err != nil {
		return path
	}
	return abs
}

// registration is what the node says of itself when it starts.
func (n *Node) registration() (*catalog.RegisterNode, error) {
	reg := &catalog.RegisterNode{Node: n.id.Node, Name: n.cfg.Name, Version: n.cfg.Version, Zone: n.cfg.Zone, Speaks: n.cfg.speaks}
	if w := n.network; w != nil {
		reg.Address, reg.Gossip = w.address, w.gossip.Addr()
	}
	for _, m := range n.members.Media() {
		facts, err := n.id.facts(m)
		if err != nil {
			return nil, err
		}
		reg.Disks = append(reg.Disks, facts)
	}
	return reg, nil
}

// facts is what the node says of a disk of its own.
func (id *identity) facts(m *tiering.Medium) (catalog.DiskFacts, error) {
	space, err := m.Space()
	if err != nil {
		return catalog.DiskFacts{}, err
	}
	i := slices.IndexFunc(id.Disks, func(d diskPlace) bool { return d.ID == m.ID() })
	return catalog.DiskFacts{ID: m.ID(), Tier: id.Disks[i].Tier, Bytes: space.Total}, nil
}
