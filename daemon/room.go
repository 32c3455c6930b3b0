package daemon

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/members"
	"github.com/tarnlake/tarn/tiering"
)

// DefaultLogReserve is what a node of a cluster wants free on the disk of the
// catalog while it takes rows: the log of a voter must never be what fills it.
const DefaultLogReserve = 2 << 30

// ParseWatermarks reads four percentages that do not fall, such as
// "85,90,93,95", or "none". With marks the catalog's log has a reserve, too.
func ParseWatermarks(text string) (w tiering.Watermarks, logReserve int64, err error) {
	if text == "none" {
		return w, 0, nil
	}
	parts := strings.Split(text, ",")
	for i := range w {
		v := -1.0
		if len(parts) == len(w) {
			v, err = strconv.ParseFloat(strings.TrimSpace(parts[i]), 64)
		}
		if err != nil || !(v > 0 && v <= 100) || i > 0 && v < w[i-1] {
			return tiering.Watermarks{}, 0, wire.Errorf(wire.InvalidArgument, "%q are no watermarks", text).
				WithHint("write four percentages that do not fall, such as 85,90,93,95, or none")
		}
		w[i] = v
	}
	return w, DefaultLogReserve, nil
}

// roomForLog refuses rows where the catalog's disk is nearly full. Reads,
// deletes and what the cluster needs go on.
func (n *Node) roomForLog() error {
	if n.network == nil || n.cfg.LogReserve <= 0 || !n.votesHere() {
		return nil
	}
	space, err := tiering.OSFS{}.Space(n.cfg.Dir)
	if err != nil || space.Free >= n.cfg.LogReserve {
		return nil // where it is not known, the log finds out
	}
	return wire.Errorf(wire.DiskFull, "no rows were taken: the disk of the catalog on node %s has %d bytes free; %d are kept for the catalog's log", n.cfg.Name, space.Free, n.cfg.LogReserve).
		WithHint("free space on the disk that holds %s; reads and deletes still work, and so do other nodes", n.cfg.Dir)
}

func (n *Node) votesHere() bool {
	for _, s := range n.catalog.Servers() {
		if s.Node == n.id.Node {
			return s.Voter
		}
	}
	return false
}

// How often a node looks at its disks, and asks other nodes how full theirs
// are: all of them in a time that grows with their number.
const (
	lookEvery = 10 * time.Second
	askEach   = 100 * time.Millisecond
)

// watchDisks looks at the disks for as long as the node runs: how full they
// are, and whether they can be trusted.
func (n *Node) watchDisks(ctx context.Context) {
	for {
		n.lookAtDisks(ctx)
		select {
		case <-time.After(lookEvery + askEach*time.Duration(len(n.catalog.View().Nodes()))):
		case <-ctx.Done():
			return
		}
	}
}

func (n *Node) lookAtDisks(ctx context.Context) {
	for _, m := range n.members.Media() {
		if _, err := m.Space(); err != nil { // which notes the level
			n.cfg.Logger.Warn("a disk does not say how full it is", "disk", m.ID(), "error", err)
		}
		if err := m.Check(); err != nil && !members.NoFilesLeft(err) && !errors.Is(err, members.ErrAway) {
			m.Doubt(err)
		}
		n.tellDoubt(ctx, m)
	}
	n.learnFills(ctx)
}

// learnFills asks the other nodes how full their disks are.
func (n *Node) learnFills(ctx context.Context) {
	fills := map[string]tiering.Fill{}
	for _, r := range n.reports(ctx, n.catalog.View()) {
		for _, d := range r.Disks {
			fills[d.ID] = d.Fill
		}
	}
	n.fills.Store(&fills)
}

// fillElsewhere is how full a disk of another node was when that was last
// asked.
func (n *Node) fillElsewhere(disk string) tiering.Fill {
	if fills := n.fills.Load(); fills != nil {
		return (*fills)[disk]
	}
	return tiering.FillOpen
}

// tellDoubt has the catalog know of a disk that has failed or stalled: after the
// first fault it takes nothing new, after another one it is down and read last.
// One that was only stalled is up again once it has done well for a while. An
// operator's word stands above that.
func (n *Node) tellDoubt(ctx context.Context, m *tiering.Medium) {
	d, ok := n.catalog.View().Disk(m.ID())
	if !ok {
		return
	}
	state, why := doubted(m)
	switch {
	case d.State == state:
		return
	case d.State == catalog.DiskUp, d.State == catalog.DiskSuspect:
	default:
		return
	}
	reason := ""
	if why != nil {
		reason = why.Error()
		n.cfg.Logger.Error("a disk of this node has failed", "disk", m.ID(), "path", m.Dir(), "state", state, "error", why)
	} else {
		n.cfg.Logger.Info("a disk of this node is well again", "disk", m.ID(), "path", m.Dir())
	}
	cmd := catalog.Command{SetDiskState: &catalog.SetDiskState{Disk: m.ID(), State: state, Reason: reason}}
	if _, err := n.propose(ctx, cmd); err != nil {
		n.cfg.Logger.Warn("telling the cluster how a disk is", "disk", m.ID(), "error", err)
	}
}

// doubted returns the state that a medium should have in the catalog, and why.
func doubted(m *tiering.Medium) (catalog.DiskState, error) {
	if why := m.Suspect(); why != nil {
		if m.Faults() > 1 {
			return catalog.DiskDown, why
		}
		return catalog.DiskSuspect, why
	}
	if why := m.Wary(); why != nil {
		return catalog.DiskSuspect, why
	}
	return catalog.DiskUp, nil
}
