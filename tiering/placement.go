package tiering

import (
	"cmp"
	"fmt"
	"slices"
)

// Disk is a place for one member of a stripe.
type Disk struct {
	ID     string // of its medium
	Node   string
	Zone   string // where nodes fail together; empty if nobody said
	Tier   string
	Weight int64 // its capacity in bytes, above 0: a disk gets its share of the weight
	State  DiskState
}

// DiskState is what placement may do with a disk. A disk that is lost is not
// in the list at all.
type DiskState uint8

// The states of a disk.
const (
	DiskOpen    DiskState = iota // keeps what it has and takes more
	DiskFull                     // keeps what it has and takes nothing
	DiskLeaving                  // is drained: what it has goes elsewhere
)

// Group is a placement group: slot i of all its stripes is on disk Slots[i].
type Group struct {
	ID     uint64
	Scheme Scheme
	Slots  []string // ids of disks; empty where there is none yet
	Bytes  int64    // how much one slot holds or is expected to hold

	// Moving says that slots are on their way to the disks that they have here:
	// the group is counted there, and not moved again for now.
	Moving bool
}

// Topology is the disks of one tier, made ready for placement. It does not
// change and is safe for concurrent use. What its methods return depends on
// the disks and their arguments only, on every machine and in every order in
// which the disks were given.
type Topology struct {
	disks []Disk // by id
	index map[string]int
	nodes []int // of each disk, numbered
	zones []int

	nodeCount, zoneCount int
}

// NewTopology takes the disks of the tier out of a cluster's. Ids must be
// distinct, weights above zero, and all disks of a node in one zone.
func NewTopology(disks []Disk, tier string) (*Topology, error) {
	t := &Topology{index: map[string]int{}}
	for _, d := range disks {
		if d.Tier == tier {
			t.disks = append(t.disks, d)
		}
	}
	slices.SortFunc(t.disks, func(a, b Disk) int { return cmp.Compare(a.ID, b.ID) })
	nodes, zones, zoneOf := numbers{}, numbers{}, map[string]string{}
	for i, d := range t.disks {
		if _, twice := t.index[d.ID]; d.ID == "" || twice || d.Weight <= 0 {
			return nil, fmt.Errorf("disk %q of node %s with %d bytes: want an id of its own and a weight above 0", d.ID, d.Node, d.Weight)
		}
		if zone, ok := zoneOf[d.Node]; ok && zone != d.Zone {
			return nil, fmt.Errorf("node %s is in zone %q and in zone %q", d.Node, zone, d.Zone)
		}
		t.index[d.ID], zoneOf[d.Node] = i, d.Zone
		t.nodes = append(t.nodes, nodes.of(d.Node))
		t.zones = append(t.zones, zones.of(d.Zone))
	}
	t.nodeCount, t.zoneCount = len(nodes), len(zones)
	return t, nil
}

// numbers counts names up in the order in which they come.
type numbers map[string]int

func (n numbers) of(name string) int {
	if _, ok := n[name]; !ok {
		n[name] = len(n)
	}
	return n[name]
}

// Slots a disk has at most, over all groups: enough that what a lost disk held
// is rebuilt from and to very many others, few enough that the loss of any
// m+1 disks seldom meets in one group.
const slotsPerDisk = 64

// Groups returns how many groups of a scheme the disks should have; 0 if
// there are fewer open disks than a stripe has members. Small clusters have
// fewer slots on a disk, as there are fewer others to spread them over, and a
// stripe is formed only once a group has enough segments.
func (t *Topology) Groups(s Scheme) int {
	open := 0
	for _, d := range t.disks {
		if d.State == DiskOpen {
			open++
		}
	}
	if open < s.Width() {
		return 0
	}
	slots := open * min(4*open, slotsPerDisk)
	return (slots + s.Width() - 1) / s.Width()
}

// none stands for a slot without a disk, where disks are numbered.
const none = -1

// resolve numbers the disks of a group's slots. Disks that are not of this
// tier any more and ones that are there a second time are none.
func (t *Topology) resolve(g Group) []int {
	slots := make([]int, g.Scheme.Width())
	for i := range slots {
		slots[i] = none
		if i >= len(g.Slots) {
			continue
		}
		if d, ok := t.index[g.Slots[i]]; ok && !slices.Contains(slots[:i], d) {
			slots[i] = d
		}
	}
	return slots
}

// stay is resolve without the disks that are to be drained.
func (t *Topology) stay(g Group) []int {
	slots := t.resolve(g)
	for i, d := range slots {
		if d != none && t.disks[d].State == DiskLeaving {
			slots[i] = none
		}
	}
	return slots
}

func (t *Topology) takes(d int) bool { return t.disks[d].State == DiskOpen }
