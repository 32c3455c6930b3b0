// Package health says in words how a cluster is: what may be lost now, what is
// being done about it, what is wrong, and what to do next. It is a pure
// function of what is known.
package health

import (
	"slices"
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/repair"
	"github.com/tarnlake/tarn/tiering"
)

// Facts is what a node knows of its cluster.
type Facts struct {
	Now       time.Time
	Members   repair.Health
	Nodes     []*catalog.Node
	Disks     []*catalog.Disk
	Votes     map[string]string // by node: leader, voter or learner
	Held      map[string]string // why nodes that seem to be gone are not judged
	Reports   map[string]Report // by node; those that are up and not here did not answer
	Recovered time.Time         // when the cluster was recovered last; zero: never
}

// Report is what only a node itself knows of it. Nodes of one cluster send it
// to each other: names may be added, never changed.
type Report struct {
	Node    string       `json:"node"`
	Rate    int64        `json:"rate"`              // bytes a second of members rebuilt over the last minute
	Rebuilt int64        `json:"rebuilt"`           // bytes since it started
	Backlog int          `json:"backlog"`           // fresh segments that wait for a merge, as it sees it
	Clock   string       `json:"clock,omitempty"`   // what is wrong with its clock
	Unready string       `json:"unready,omitempty"` // why it takes no calls
	Disks   []DiskReport `json:"disks"`
}

// DiskReport is a disk as its node sees it.
type DiskReport struct {
	ID    string       `json:"id"`
	Path  string       `json:"path"`
	Total int64        `json:"total"` // bytes; 0: it does not say
	Free  int64        `json:"free"`  // likewise
	Fill  tiering.Fill `json:"fill"`
	Doubt string       `json:"doubt,omitempty"`
	Scrub wire.Scrub   `json:"scrub"`
}

// Of says how the cluster is.
func Of(f Facts) wire.Health {
	h := wire.Health{
		Summary: f.Members.String(), NextLoss: nextLoss(f.Members),
		Survives: wire.Survives{Disks: f.Members.Spare.Disks, Nodes: f.Members.Spare.Nodes, Zones: f.Members.Spare.Zones},
		Work:     f.work(), Parked: f.Members.Parked, Problems: f.problems(), Votes: f.votes(),
	}
	for _, c := range f.Members.Classes {
		h.Risk = append(h.Risk, wire.Risk{Spare: c.Spare, Stripes: c.Stripes, Rows: c.Rows, Bytes: c.Bytes})
	}
	for _, a := range f.Members.Aside {
		h.Aside = append(h.Aside, wire.ParkedMember{
			Stripe: a.Stripe.String(), Slot: a.Slot, Disk: a.Disk, Node: f.nodeOf(a.Disk), Reason: a.Reason, Since: a.Since,
		})
	}
	h.Level = level(h)
	return h
}

// level is the worst of the problems.
func level(h wire.Health) string {
	switch {
	case len(h.Problems) > 0:
		return h.Problems[0].Level // the worst comes first
	case h.Summary != "" && moves(h.Work):
		return wire.LevelBusy
	}
	return wire.LevelOK
}

func moves(work []wire.Work) bool {
	for _, w := range work {
		if w.Kind != wire.WorkScrub && w.Kind != wire.WorkMerge {
			return true
		}
	}
	return false
}

// votes counts who takes part in agreement.
func (f Facts) votes() (v wire.Votes) {
	for _, n := range f.Nodes {
		switch f.Votes[n.ID] {
		case "leader":
			v.Leader = n.Name
			fallthrough
		case "voter":
			v.Voters++
			if n.State == catalog.NodeUp && !f.silent(n) {
				v.Up++
			}
		}
	}
	return v
}

// Silent lists the nodes that nobody has judged, and that seem to be gone: it
// takes ten seconds until one is judged, and a minute from one to the next.
// What they hold is not to be counted on meanwhile.
func (f Facts) Silent() (all []string) {
	for _, n := range f.Nodes {
		if n.State == catalog.NodeUp && f.silent(n) {
			all = append(all, n.ID)
		}
	}
	slices.Sort(all)
	return all
}

func (f Facts) silent(n *catalog.Node) bool {
	_, reported := f.Reports[n.ID]
	return f.Held[n.ID] != "" || !reported
}

func (f Facts) node(id string) *catalog.Node {
	for _, n := range f.Nodes {
		if n.ID == id {
			return n
		}
	}
	return nil
}

func (f Facts) disk(id string) *catalog.Disk {
	for _, d := range f.Disks {
		if d.ID == id {
			return d
		}
	}
	return nil
}

// nodeOf returns the name of the node of a disk.
func (f Facts) nodeOf(disk string) string {
	d := f.disk(disk)
	if d == nil {
		return ""
	}
	if n := f.node(d.Node); n != nil {
		return n.Name
	}
	return d.Node
}
