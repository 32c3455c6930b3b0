package repair

import (
	"fmt"

	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/tiering"
)

// Health is what the state of the members means for the rows.
type Health struct {
	Stripes int             // that hold rows of some version
	Spare   tiering.Loss    // what may be lost now, anywhere, with every row still there
	Classes []Class         // of stripes, by what they can lose now, the least first
	Missing int             // members that are not where they belong
	Lost    int             // of them those that are nowhere: less than a stripe was made with
	Parked  int             // of them those that could not be rebuilt
	Aside   []Aside         // those, the first maxAside of them
	Gone    int             // stripes that have lost more than they can
	Unread  int             // stripes without enough members on disks that are there now, Gone among them
	Left    []Left          // what is on its way
	Held    map[string]Held // what disks hold, by their id
}

// Class is the stripes that can lose the same number of members more, of those
// on disks that are there now.
type Class struct {
	Spare   int // negative: they cannot be read
	Stripes int
	Rows    int64 // of the newest versions
	Bytes   int64 // of segments of all versions
}

// Aside is a member that was set aside: rebuilding it has failed.
type Aside struct {
	catalog.Parked
	Stripe catalog.SegmentID
	Disk   string // where it belongs
}

// maxAside bounds what is listed of members that were set aside.
const maxAside = 100

// Kind is why a member is on its way.
type Kind string

// Kinds of ways.
const (
	Rebuild   Kind = "rebuild"   // it is made anew: no disk that is there has it
	Drain     Kind = "drain"     // it leaves a disk that is to be empty
	Replace   Kind = "replace"   // it goes to the disk that is to be in the place of its own
	Rebalance Kind = "rebalance" // it leaves a disk that is fuller than others
)

// Left is members of one kind that are on their way to a disk, and of stripes
// that can lose the same number of members more. Those set aside do not count.
type Left struct {
	Disk    string
	Kind    Kind
	Spare   int
	Members int
	Bytes   int64
}

// Held is what would have to go before a disk may.
type Held struct {
	Slots int   // of placement groups, with those that are moving away
	Bytes int64 // in them that are on no other disk of their slot yet
}

// String says in words what may be lost right now, and what is being done.
func (h Health) String() string {
	return h.promise() + h.work()
}

func (h Health) promise() string {
	switch {
	case h.Gone > 0:
		return fmt.Sprintf("ROWS ARE OUT OF REACH: %s lost more members than can be rebuilt; bring the disks back that were there", count(h.Gone, "stripe has", "stripes have"))
	case h.Unread > 0:
		return fmt.Sprintf("ROWS ARE OUT OF REACH for now: %s too many members on disks that are away; bring them back", count(h.Unread, "stripe has", "stripes have"))
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
