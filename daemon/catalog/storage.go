package catalog

import (
	"math/bits"
	"time"

	"github.com/tarnlake/tarn/tiering"
	"github.com/tidwall/btree"
)

// Where bytes are, as the cluster has agreed on it: nodes hold disks, disks
// fill the slots of placement groups, stripes belong to groups, and members
// of stripes are segments or parity. See docs/decisions/0100-cluster.md.

// Node is one machine of the cluster. It is its UUID and its epoch, never its
// name or address.
type Node struct {
	ID      string    `json:"id"`   // UUID
	Name    string    `json:"name"` // for people
	Address string    `json:"address,omitempty"`
	Gossip  string    `json:"gossip,omitempty"`  // its address, a hint
	Zone    string    `json:"zone,omitempty"`    // failure domain above the node; empty: none given
	Version string    `json:"version,omitempty"` // of its build
	Speaks  Speaks    `json:"speaks,omitzero"`
	State   NodeState `json:"state"`
	Reason  string    `json:"reason,omitempty"` // of the state, for people
	Since   time.Time `json:"since,omitzero"`   // of the state
}

// NodeState is what the cluster thinks of a node.
type NodeState string

// Node states. A node that is down is read and written around, and comes back
// as it was. One that is lost has been given up: its epoch is closed and what
// its disks held is missing.
const (
	NodeUp   NodeState = "up"
	NodeDown NodeState = "down"
	NodeLost NodeState = "lost"
)

// Disk is one medium: a directory that was formatted for this cluster. It may
// move from node to node.
type Disk struct {
	ID     string    `json:"id"` // UUID, as in the medium's header
	Node   string    `json:"node"`
	Tier   string    `json:"tier"`  // hot, warm, cold or archive
	Bytes  int64     `json:"bytes"` // size of its filesystem
	State  DiskState `json:"state"`
	Reason string    `json:"reason,omitempty"`
	Since  time.Time `json:"since,omitzero"`

	// LostWithNode is set on a lost disk whose node was lost: it is taken
	// back when the node returns.
	LostWithNode bool `json:"lost_with_node,omitempty"`

	// ReplacedBy is the disk that gets the slots of this one, which takes
	// nothing any more; empty: none.
	ReplacedBy string `json:"replaced_by,omitempty"`
}

// DiskState is what the cluster thinks of a disk.
type DiskState string

// Disk states. Only a disk that is up takes new members. A suspect disk has
// failed or stalled once; one that is down was not there when its node
// started; one that drains is read until it is empty; what a lost disk held is
// missing.
const (
	DiskUp       DiskState = "up"
	DiskSuspect  DiskState = "suspect"
	DiskDown     DiskState = "down"
	DiskDraining DiskState = "draining"
	DiskLost     DiskState = "lost"
)

// GroupID names a placement group, from 1.
type GroupID uint32

// Group is a placement group: slot i of every stripe of the group lies on the
// disk of its slot i. All disks of a group are different ones.
type Group struct {
	ID     GroupID        `json:"id"`
	Tier   string         `json:"tier"`
	Scheme tiering.Scheme `json:"scheme"`
	Slots  []Slot         `json:"slots"` // Scheme.Width() of them
	Index  uint64         `json:"index"` // of the last command that chose its disks
}

// Slot is one place of a group.
type Slot struct {
	Disk string `json:"disk"`           // where members of the slot belong
	From string `json:"from,omitempty"` // while the slot moves: where they were, and are kept until all have moved
}

// Stripe is what protects each other: data members, each a whole segment, and
// parity. It has the id of its first data member.
//
// With one data member (k = 1) parity equals data: every slot holds the same
// file. Otherwise data member i is in slot i, and parity member i in slot
// k+i; a stripe of fewer than k data members, but two or more, leaves slots
// empty.
type Stripe struct {
	ID     SegmentID `json:"id"`
	Group  GroupID   `json:"group"`
	Data   []Member  `json:"data"`             // 2 to k; 1 of copies
	Parity []Member  `json:"parity,omitempty"` // m; none with k = 1
}

// Member is one file of a stripe.
type Member struct {
	Segment SegmentID `json:"segment,omitempty"` // 0: parity
	Bytes   int64     `json:"bytes"`
	Hash    string    `json:"hash"` // xxh3-128 of the file, hexadecimal, as its receiver computed it
}

// Slots is a set of slots of a group, slot i as bit i.
type Slots uint64

// Has reports whether the slot is in the set.
func (s Slots) Has(slot int) bool { return s>>slot&1 != 0 }

// Len counts the slots.
func (s Slots) Len() int { return bits.OnesCount64(uint64(s)) }

func slotBit(slot int) Slots { return 1 << slot }

// maxWidth bounds the slots of a group.
const maxWidth = 64

// used returns the slots of a group of that scheme that the stripe fills.
func (s *Stripe) used(scheme tiering.Scheme) Slots {
	if scheme.Copies() {
		return slotBit(scheme.Width()) - 1
	}
	return slotBit(len(s.Data)) - 1 | (slotBit(scheme.Parity)-1)<<scheme.Data
}

// Member returns the file in a slot of a group of that scheme, or false for a
// slot that the stripe leaves empty.
func (s *Stripe) Member(scheme tiering.Scheme, slot int) (Member, bool) {
	switch {
	case scheme.Copies():
		return s.Data[0], slot < scheme.Width()
	case slot < len(s.Data):
		return s.Data[slot], true
	case slot >= scheme.Data && slot < scheme.Width():
		return s.Parity[slot-scheme.Data], true
	}
	return Member{}, false
}

// slotBytes returns how much the stripe takes in a slot: as much as its
// longest member, which is how long parity is.
func (s *Stripe) slotBytes() int64 {
	longest := int64(0)
	for _, m := range s.Data {
		longest = max(longest, m.Bytes)
	}
	return longest
}

// dataBytes returns how much the data members hold.
func (s *Stripe) dataBytes() (bytes int64) {
	for _, m := range s.Data {
		bytes += m.Bytes
	}
	return bytes
}

// slotOf returns the slot of a data member. With k = 1 that is the first of
// those that hold it.
func (s *Stripe) slotOf(id SegmentID) int {
	for i, m := range s.Data {
		if m.Segment == id {
			return i
		}
	}
	return -1
}

// Parked is a member that could not be rebuilt: listed, and not tried again
// until an operator or a change of its group says so.
type Parked struct {
	Slot   int       `json:"slot"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since,omitzero"`
}

// stripe is a stripe with what is known of its members.
type stripe struct {
	Stripe
	live    int      // data members that a version of a table refers to
	missing Slots    // not on the slot's Disk
	gone    Slots    // not on the slot's From; empty for slots without one
	parked  []Parked // of the missing
}

// group is a placement group with the stripes in it.
type group struct {
	Group
	stripes *btree.Set[SegmentID]
	missing []int // stripes that miss the slot, by slot
	bytes   int64 // of all stripes, in each slot
	data    int64 // bytes of the data members of all stripes
}

// dead is a stripe that no version refers to any more, and the slots whose
// files may still be there.
type dead struct {
	Stripe
	slots Slots
}
