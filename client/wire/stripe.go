package wire

// GetStripes asks for the stripe of an id, which is that of the stripe or of a
// segment in it, or a file's name; or for those of a table's newest version.
type GetStripes struct {
	ID    string `json:"id,omitempty"`
	Table string `json:"table,omitempty"`
	From  string `json:"from,omitempty"` // of a table: those behind this stripe
}

// StripeList is stripes, by id.
type StripeList struct {
	Stripes []Stripe `json:"stripes"`
	More    bool     `json:"more,omitempty"` // there are others behind the last
}

// Stripe is what protects each other: segments, and copies or parity of them.
type Stripe struct {
	ID      string         `json:"id"`
	Scheme  string         `json:"scheme"` // data and parity: 1+2, 4+2
	Group   int            `json:"group"`
	Tier    string         `json:"tier"`
	Spare   int            `json:"spare"` // members that it can lose now; negative: it cannot be read
	Members []StripeMember `json:"members"`
}

// StripeMember is one file of a stripe.
type StripeMember struct {
	Slot   int    `json:"slot"`
	Kind   string `json:"kind"`  // data, copy or parity
	State  string `json:"state"` // one of the states below
	Reason string `json:"reason,omitempty"`
	Node   string `json:"node"` // its name
	Disk   string `json:"disk"` // where it belongs
	From   string `json:"from,omitempty"`
	File   string `json:"file"`
	Bytes  int64  `json:"bytes"`
	Hash   string `json:"hash"`

	Segment   string `json:"segment,omitempty"` // of data and copies
	Table     string `json:"table,omitempty"`   // empty: no version refers to the segment any more
	Partition string `json:"partition,omitempty"`
	Rows      int64  `json:"rows,omitempty"`
	Replaced  bool   `json:"replaced,omitempty"` // only old versions of the table refer to it
}

// States of a StripeMember, as the catalog has it.
const (
	MemberPresent = "present" // it is where it belongs
	MemberAway    = "away"    // its disk or node is not there now
	MemberMoving  = "moving"  // it is on the disk that its slot moves from, and on its way
	MemberMissing = "missing" // it is nowhere, and rebuilt
	MemberParked  = "parked"  // it is nowhere, and could not be rebuilt
)
