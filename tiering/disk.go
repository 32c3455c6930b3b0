package tiering

// Disk is a place for one member of a stripe.
type Disk struct {
	ID     string // of its medium
	Node   string
	Zone   string // where nodes fail together; empty if nobody said
	Tier   string
	Weight float64 // its capacity in bytes, above 0; the share of members it gets is the share of weight
	State  DiskState
}

// DiskState is what placement may do with a disk.
type DiskState uint8

// The states of a disk. One that is not in the list at all is like one that leaves.
const (
	DiskOpen    DiskState = iota // keeps what it has and takes more
	DiskFull                     // keeps what it has and takes nothing
	DiskLeaving                  // draining or lost: what it has goes elsewhere
)
