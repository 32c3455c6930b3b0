package wire

import "time"

// Health is how a cluster is, as the node that answers knows it. Programs may
// rely on the names: fields are added, never renamed.
type Health struct {
	Level    string         `json:"level"`        // one of the levels below
	Summary  string         `json:"summary"`      // in words: what may be lost right now
	NextLoss string         `json:"next_loss"`    // in words: what is lost if one more disk fails
	Survives Survives       `json:"survives"`     // the same as numbers
	Risk     []Risk         `json:"risk"`         // by what stripes can lose, the least first
	Work     []Work         `json:"work"`         // what is being done
	Parked   int            `json:"parked"`       // members that could not be rebuilt
	Aside    []ParkedMember `json:"parked_items"` // the first hundred of them
	Problems []Problem      `json:"problems"`     // the worst first
	Votes    Votes          `json:"votes"`
}

// Levels of Health and of a Problem.
const (
	LevelOK      = "ok"      // nothing is to be done
	LevelBusy    = "busy"    // members are on their way
	LevelWarning = "warning" // somebody should look
	LevelDanger  = "danger"  // rows are out of reach, or the next loss takes some away that should survive it
)

// Survives is what may be lost with every row still there: so many disks, or
// so many nodes, or so many zones, whichever they are.
type Survives struct {
	Disks int `json:"disks"`
	Nodes int `json:"nodes"`
	Zones int `json:"zones"`
}

// Risk is the stripes that can lose the same number of members more.
type Risk struct {
	Spare   int   `json:"spare"` // members that they can lose; negative: they cannot be read now
	Stripes int   `json:"stripes"`
	Rows    int64 `json:"rows"`  // of the newest versions
	Bytes   int64 `json:"bytes"` // of segments of all versions that are kept
}

// Work is one kind of thing that is being done.
type Work struct {
	Kind    string `json:"kind"`                  // one of the kinds below
	Count   int    `json:"count"`                 // of members; of scrub disks, of merge fresh segments
	Waiting int    `json:"waiting,omitempty"`     // of them those whose disk or node is not there to take them
	Bytes   int64  `json:"bytes_left,omitempty"`  // 0: not known
	Rate    int64  `json:"rate,omitempty"`        // bytes a second, over the last minute
	Seconds int64  `json:"eta_seconds,omitempty"` // 0: not known
}

// Kinds of Work.
const (
	WorkRebuild   = "rebuild"   // members that were lost are made anew
	WorkDrain     = "drain"     // members leave disks that are to be empty
	WorkReplace   = "replace"   // members go to a disk that is in the place of theirs
	WorkRebalance = "rebalance" // members leave disks that are fuller than others
	WorkScrub     = "scrub"     // disks are read back
	WorkMerge     = "merge"     // fresh segments wait to be merged
)

// ParkedMember is a member that could not be rebuilt, and why.
type ParkedMember struct {
	Stripe string    `json:"stripe"`
	Slot   int       `json:"slot"`
	Disk   string    `json:"disk"`
	Node   string    `json:"node"` // its name
	Reason string    `json:"reason"`
	Since  time.Time `json:"since,omitzero"`
}

// Problem is something that is not as it should be.
type Problem struct {
	Code  string    `json:"code"`  // stable, such as node_down: see docs/operations/health.md
	Level string    `json:"level"` // warning or danger
	Node  string    `json:"node,omitempty"`
	Disk  string    `json:"disk,omitempty"`
	Since time.Time `json:"since,omitzero"`
	Text  string    `json:"text"`
	Next  string    `json:"next,omitempty"` // what to do about it: mostly a command
}

// Votes is who takes part in agreement.
type Votes struct {
	Voters int    `json:"voters"`
	Up     int    `json:"up"`
	Leader string `json:"leader,omitempty"` // name of the node; empty: none that this one knows
}
