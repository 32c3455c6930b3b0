package repair

import (
	"fmt"

	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/tiering"
)

// Health is what the state of the members means for the rows.
type Health struct {
	Stripes int          // that hold rows of some version
	Spare   tiering.Loss // what may be lost now, anywhere, with every row still there
	Missing int          // members that are not where they belong
	Lost    int          // of them those that are nowhere: less than a stripe was made with
	Parked  int          // of them those that could not be rebuilt
	Gone    int          // stripes that have lost more than they can
}

// HealthOf judges a state. It looks at every group and at every stripe that
// misses something.
func HealthOf(view *catalog.State) Health {
	h := Health{Spare: tiering.Loss{Disks: 1 << 30, Nodes: 1 << 30, Zones: 1 << 30}}
	tops := map[string]*tiering.Topology{}
	for _, g := range view.Groups() {
		n, _, _ := view.GroupLoad(g.ID)
		h.Stripes += n
		if n > 0 {
			h.spare(view, tops, g, 0)
		}
	}
	view.Incomplete(func(at catalog.Location) bool {
		lost := at.Lost()
		h.Missing, h.Lost, h.Parked = h.Missing+at.Missing.Len(), h.Lost+lost.Len(), h.Parked+len(at.Parked)
		if at.Spare() < 0 {
			h.Gone++
		}
		if lost != 0 {
			h.spare(view, tops, at.Group, lost)
		}
		return true
	})
	if h.Stripes == 0 {
		h.Spare = tiering.Loss{}
	}
	return h
}

// spare notes what a group survives without some of its slots.
func (h *Health) spare(view *catalog.State, tops map[string]*tiering.Topology, g catalog.Group, lost catalog.Slots) {
	top := tops[g.Tier]
	if top == nil {
		var err error
		if top, err = tiering.NewTopology(disksOf(view, g.Tier), g.Tier); err != nil {
			h.Spare = tiering.Loss{} // nothing can be promised of disks that make no sense
			return
		}
		tops[g.Tier] = top
	}
	slots := make([]string, len(g.Slots))
	for i, s := range g.Slots {
		switch {
		case lost.Has(i):
		case s.From != "": // whatever is not on the one is on the other; the nearer loss counts
			slots[i] = s.From
		default:
			slots[i] = s.Disk
		}
	}
	now := top.Survives(tiering.Group{ID: uint64(g.ID), Scheme: g.Scheme, Slots: slots})
	h.Spare = tiering.Loss{Disks: min(h.Spare.Disks, now.Disks), Nodes: min(h.Spare.Nodes, now.Nodes), Zones: min(h.Spare.Zones, now.Zones)}
}

// String says in words what may be lost right now, and what is being done.
func (h Health) String() string {
	return h.promise() + h.work()
}

func (h Health) promise() string {
	switch {
	case h.Gone > 0:
		return fmt.Sprintf("ROWS ARE OUT OF REACH: %s lost more members than can be rebuilt; bring the disks back that were there", count(h.Gone, "stripe has", "stripes have"))
	case h.Stripes == 0:
		return "there are no rows yet"
	case h.Spare.Disks == 0:
		return "not redundant: losing one disk loses rows"
	case h.Spare.Nodes == 0:
		return fmt.Sprintf("any %s may be lost, but not a node", count(h.Spare.Disks, "disk", "disks"))
	}
	return fmt.Sprintf("any %s or %s may be lost", count(h.Spare.Disks, "disk", "disks"), count(h.Spare.Nodes, "node", "nodes"))
}

func (h Health) work() string {
	if h.Missing == 0 {
		return ""
	}
	text := fmt.Sprintf("; %s on the way to the disk where they belong", count(h.Missing-h.Parked, "member is", "members are"))
	if h.Lost > 0 {
		text += fmt.Sprintf(", of which %d are rebuilt from others", h.Lost)
	}
	if h.Parked > 0 {
		text += fmt.Sprintf("; %s set aside, as rebuilding failed", count(h.Parked, "member is", "members are"))
	}
	return text
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
