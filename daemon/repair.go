package daemon

import (
	"context"
	"time"

	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/repair"
)

// movesAtOnce is how many slots of placement groups may be on their way to
// another disk at a time.
const movesAtOnce = 16

// repairEvery is how often the node looks for what it should place or
// rebuild.
const repairEvery = 2 * time.Second

// place gives the placement groups the disks that they should have. In a
// cluster that is for the node that leads.
func (n *Node) place(ctx context.Context) error {
	if !n.catalog.Leads() {
		return nil
	}
	plan, err := repair.Placement(n.catalog.View(), movesAtOnce, n.members.Fill)
	if err != nil {
		return err
	}
	for _, cmd := range plan {
		if _, err := n.propose(ctx, cmd); err != nil {
			return err
		}
	}
	return nil
}

// keepRepaired places and rebuilds for as long as the node runs.
func (n *Node) keepRepaired(ctx context.Context) {
	rebuilder := &repair.Rebuilder{Members: n.members, Logger: n.cfg.Logger, Report: n.reportDamage, Meter: n.rebuilt, Propose: n.must, Pace: n.repairPace()}
	tick := time.NewTicker(repairEvery)
	defer tick.Stop()
	seen, waits := map[string]bool{}, outage{what: "repair"}
	for {
		n.forgetRemoved(n.catalog.View(), seen)
		placed, err := n.repair(ctx, rebuilder)
		if ctx.Err() == nil {
			waits.note(n.cfg.Logger, time.Now(), err)
		}
		if placed > 0 && err == nil {
			continue // there may be more
		}
		select {
		case <-ctx.Done():
			return
		case <-n.repairNow:
		case at := <-n.damaged:
			rebuilder.Miss(ctx, n.catalog.View(), at)
		case <-tick.C:
		}
	}
}

// reportDamage is told of a member whose bytes are wrong. It never waits: what
// finds no room is found again.
func (n *Node) reportDamage(at catalog.MemberAt, err error) {
	n.cfg.Logger.Error("a member is damaged", "stripe", at.Stripe, "slot", at.Slot, "disk", at.Disk, "error", err)
	select {
	case n.damaged <- at:
	default:
	}
}

// wakeRepair has repair look at once.
func (n *Node) wakeRepair() {
	select {
	case n.repairNow <- struct{}{}:
	default: // it will look anyway
	}
}

func (n *Node) repair(ctx context.Context, r *repair.Rebuilder) (placed int, err error) {
	if err := n.place(ctx); err != nil {
		return 0, err
	}
	view, err := n.catalog.Read(ctx)
	if err != nil {
		return 0, err
	}
	n.repairing.Store(true)
	defer n.repairing.Store(false)
	return r.Pass(ctx, view)
}
