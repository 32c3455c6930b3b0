package daemon

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/peer"
	"github.com/tarnlake/tarn/tiering"
)

// plug makes a directory a disk of this node while it runs, as --disk does at
// a start. One that is a disk of it already is that disk. The catalog is not
// told: that is for who has asked.
func (n *Node) plug(p peer.Plug) (facts catalog.DiskFacts, err error) {
	if !filepath.IsAbs(p.Path) {
		return facts, wire.Errorf(wire.InvalidArgument, "the path %q of a disk is not absolute", p.Path)
	}
	if !slices.Contains(Tiers, p.Tier) {
		return facts, wire.Errorf(wire.InvalidArgument, "there is no tier %q", p.Tier)
	}
	n.plugging.Lock()
	defer n.plugging.Unlock()
	if err := n.mayPlug(p); err != nil {
		return facts, err
	}
	if err := n.forgetInstead(p); err != nil {
		return facts, err
	}
	m, err := n.addDisk(DiskConfig{Path: p.Path, Tier: p.Tier})
	if err != nil {
		return facts, err
	}
	if m == nil {
		return n.plugged(p.Path)
	}
	if err := m.RemoveLeftovers(); err != nil {
		return facts, wire.Errorf(wire.Unavailable, "clearing unfinished writes away: %w", err)
	}
	m.SetWatermarks(n.cfg.Watermarks)
	n.members.Add(m)
	n.wg.Go(func() { n.openScrub(m).Run(n.background) })
	n.cfg.Logger.Info("a disk was plugged in", "disk", m.ID(), "path", p.Path, "instead", p.Instead)
	return n.id.facts(m)
}

// mayPlug refuses a directory before anything of it is touched or written down:
// one that is not there, which is a mistyped path or a disk that is not mounted,
// one that is too small, and the disk of another node.
func (n *Node) mayPlug(p peer.Plug) error {
	space, err := tiering.OSFS{}.Space(p.Path)
	if err != nil {
		return wire.Errorf(wire.InvalidArgument, "%s cannot be a disk of the node: %w", p.Path, err).
			WithHint("mount the disk and make an empty directory on it")
	}
	if err := tooSmall(p.Instead, p.Needs, space.Total); err != nil {
		return err
	}
	m, err := tiering.Mount(tiering.OSFS{}, p.Path, n.id.Cluster)
	if err != nil {
		return nil // it is told by who mounts or formats it
	}
	return n.catalog.View().CheckPlug(n.id.Node, m.ID())
}

// forgetInstead lets a directory be another disk than the one that was there:
// it is empty, as when a new disk is mounted where the old one was.
func (n *Node) forgetInstead(p peer.Plug) error {
	i := slices.IndexFunc(n.id.Disks, func(d diskPlace) bool { return absolute(n.cfg.Dir, d.Path) == p.Path && d.ID == p.Instead })
	if _, mounted := n.members.Medium(p.Instead); i < 0 || mounted {
		return nil
	}
	if _, err := tiering.Mount(tiering.OSFS{}, p.Path, n.id.Cluster); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	n.id.Disks = slices.Delete(slices.Clone(n.id.Disks), i, i+1)
	return nil // addDisk writes it down
}

// forgetRemoved lets go of disks that were removed from the cluster: at the next
// start they would be new ones. seen is the disks that the cluster has had.
func (n *Node) forgetRemoved(view *catalog.State, seen map[string]bool) {
	n.plugging.Lock()
	defer n.plugging.Unlock()
	stay := slices.DeleteFunc(slices.Clone(n.id.Disks), func(d diskPlace) bool {
		_, known := view.Disk(d.ID)
		seen[d.ID] = seen[d.ID] || known
		return !known && seen[d.ID]
	})
	if len(stay) == len(n.id.Disks) || len(stay) == 0 {
		return
	}
	before := n.id.Disks
	n.id.Disks = stay
	if err := n.id.write(n.cfg.Dir); err != nil {
		n.id.Disks = before // again
		n.cfg.Logger.Warn("a disk that was removed is not forgotten yet", "error", err)
		return
	}
	n.cfg.Logger.Info("disks that were removed from the cluster are not this node's any more", "left", len(stay))
}

// plugged finds a disk that is mounted by its path.
func (n *Node) plugged(path string) (facts catalog.DiskFacts, err error) {
	for _, m := range n.members.Media() {
		if m.Dir() == path {
			return n.id.facts(m)
		}
	}
	return facts, wire.Errorf(wire.Conflict, "%s is where this node has a disk that is not there now", path).
		WithHint("mount that disk again and restart the node, or give another directory")
}
