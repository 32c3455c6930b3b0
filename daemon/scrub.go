package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/repair"
	"github.com/tarnlake/tarn/tiering"
)

// startScrubs begins to read back the disks of the node, each for itself.
func (n *Node) startScrubs(ctx context.Context) {
	for _, m := range n.members.Media() {
		if s, here := n.scrubOf(m.ID()); here {
			n.wg.Go(func() { s.Run(ctx) })
		}
	}
}

// scrubOf returns the scrub of a disk, if that is in this node.
func (n *Node) scrubOf(disk string) (*repair.Scrub, bool) {
	s, here := n.scrubs.Load(disk)
	if !here {
		return nil, false
	}
	return s.(*repair.Scrub), true
}

// openScrubs makes the scrubs, which go on where the last life has left them.
func (n *Node) openScrubs() error {
	if err := os.MkdirAll(scrubDir(n.cfg.Dir), 0o755); err != nil {
		return unusableDir(n.cfg.Dir, err)
	}
	for _, m := range n.members.Media() {
		n.openScrub(m)
	}
	return nil
}

// openScrub makes the scrub of a disk.
func (n *Node) openScrub(m *tiering.Medium) *repair.Scrub {
	path := filepath.Join(scrubDir(n.cfg.Dir), m.ID()+".json")
	cfg := repair.ScrubConfig{
		Disk: m.ID(), Members: n.members, View: n.catalog.View, Logger: n.cfg.Logger,
		Compare: n.sweeper.ReconcileDisk, Found: n.damagedFound, Yield: n.yieldToRepair,
		Keep: func(st repair.ScrubState) error { return writeScrub(path, st) },
	}
	s := repair.NewScrub(cfg, n.readScrub(path))
	n.scrubs.Store(m.ID(), s)
	return s
}

func scrubDir(dir string) string { return filepath.Join(dir, "scrub") }

// readScrub reads how far the reading back of a disk was. Where that is not
// known it begins anew: nothing else depends on it.
func (n *Node) readScrub(path string) (st repair.ScrubState) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return st
	}
	if err == nil {
		err = json.Unmarshal(b, &st)
	}
	if err != nil {
		n.cfg.Logger.Warn("how far a disk was read back is not known; it begins anew", "disk", strings.TrimSuffix(filepath.Base(path), ".json"), "file", path, "error", err)
		return repair.ScrubState{}
	}
	return st
}

func writeScrub(path string, st repair.ScrubState) error {
	b, err := json.MarshalIndent(st, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(path, append(b, '\n'), 0o644)
}

// damagedFound is told of a member that a scrub has found to be bad.
func (n *Node) damagedFound(ctx context.Context, at catalog.MemberAt, why error) (rebuilt bool) {
	defer n.wakeRepair()
	return n.sweeper.Damaged(ctx, at, why)
}

// yieldToRepair returns when no member is being rebuilt on this node.
func (n *Node) yieldToRepair(ctx context.Context) error {
	for n.repairing.Load() {
		select {
		case <-time.After(yieldFor):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// yieldFor is how long a scrub waits before it looks again whether repair is
// through.
const yieldFor = 100 * time.Millisecond

// scrubDisk begins a pass over a disk, wherever that is.
func (s *service) scrubDisk(ctx context.Context, req wire.DiskName) (struct{}, error) {
	_, d, err := s.disk(ctx, req.ID)
	if err != nil {
		return struct{}{}, err
	}
	if scrub, here := s.n.scrubOf(d.ID); here {
		scrub.Start()
		return struct{}{}, nil
	}
	if d.Node == s.n.id.Node || s.n.network == nil {
		return struct{}{}, wire.Errorf(wire.Unavailable, "disk %s is not there", d.ID).WithHint("tarn disk list")
	}
	return struct{}{}, s.n.network.peers.Scrub(ctx, d.Node, d.ID)
}

// scrubHere begins a pass that another node was asked for.
func (n *Node) scrubHere(disk string) error {
	scrub, here := n.scrubOf(disk)
	if !here {
		return wire.Errorf(wire.Unavailable, "disk %.64q is not there", disk)
	}
	scrub.Start()
	return nil
}
