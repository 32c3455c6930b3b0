package catalog

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/cluster/trust"
	"github.com/tarnlake/tarn/schema"
	"github.com/tarnlake/tarn/tiering"
	"github.com/zeebo/xxh3"
)

// Command is one change that is asked of the catalog. Exactly one of the
// pointers is set. Its JSON is part of the disk format (the Raft log): names
// may be added, never changed. A command belongs to the catalog once it is
// proposed and is not to be changed any more.
type Command struct {
	// Time is the proposer's clock; Apply never lets it run backwards.
	// Catalog.Propose fills it in.
	Time time.Time `json:"time,omitzero"`

	// Proposal lets the command have its effect once; Catalog.Propose fills
	// it in.
	Proposal Proposal `json:"proposal,omitzero"`

	// Needs is the protocol that a node must speak to understand the command;
	// zero: the first. As long as the cluster speaks an older one it is refused.
	Needs Protocol `json:"needs,omitempty"`

	OpenEpoch      *OpenEpoch        `json:"open_epoch,omitempty"`
	CreateTable    *wire.CreateTable `json:"create_table,omitempty"`
	AlterTable     *wire.AlterTable  `json:"alter_table,omitempty"`
	DropTable      *DropTable        `json:"drop_table,omitempty"`
	CommitSegments *CommitSegments   `json:"commit_segments,omitempty"`
	ExpireVersions *ExpireVersions   `json:"expire_versions,omitempty"`
	ForgetMembers  *ForgetMembers    `json:"forget_members,omitempty"`

	RegisterNode  *RegisterNode  `json:"register_node,omitempty"`
	SetNodeState  *SetNodeState  `json:"set_node_state,omitempty"`
	RemoveNode    *RemoveNode    `json:"remove_node,omitempty"`
	SetDiskState  *SetDiskState  `json:"set_disk_state,omitempty"`
	AddDisk       *AddDisk       `json:"add_disk,omitempty"`
	RemoveDisk    *RemoveDisk    `json:"remove_disk,omitempty"`
	ReplaceDisk   *ReplaceDisk   `json:"replace_disk,omitempty"`
	SetGroup      *SetGroup      `json:"set_group,omitempty"`
	RemoveGroup   *RemoveGroup   `json:"remove_group,omitempty"`
	PlaceMembers  *PlaceMembers  `json:"place_members,omitempty"`
	MissMembers   *MissMembers   `json:"miss_members,omitempty"`
	ParkMember    *ParkMember    `json:"park_member,omitempty"`
	UnparkMembers *UnparkMembers `json:"unpark_members,omitempty"`
	RaiseProtocol *RaiseProtocol `json:"raise_protocol,omitempty"`

	InitTrust         *trust.State       `json:"init_trust,omitempty"` // once, see trust.NewState
	CreateJoin        *trust.JoinSecret  `json:"create_join,omitempty"`
	RevokeJoin        *RevokeJoin        `json:"revoke_join,omitempty"`
	AdmitNode         *AdmitNode         `json:"admit_node,omitempty"`
	CreateToken       *trust.AccessToken `json:"create_token,omitempty"`
	RevokeToken       *RevokeToken       `json:"revoke_token,omitempty"`
	IssueCertificate  *trust.Certificate `json:"issue_certificate,omitempty"`
	RevokeCertificate *RevokeCertificate `json:"revoke_certificate,omitempty"`
}

// OpenEpoch begins a new life of a node and closes its last one.
type OpenEpoch struct {
	Node string `json:"node"`
}

// DropTable drops a table with all its versions; its segments become garbage.
// With ID and IfVersion it does so only if that is still the table's newest
// version.
type DropTable struct {
	Name      string  `json:"name"`
	ID        TableID `json:"id,omitempty"`
	IfVersion Version `json:"if_version,omitempty"`
}

// CommitSegments makes one version of a table: all of it or nothing.
//
// Its outcome is one of three. It is committed (Result.Err nil, Duplicate
// false), also when it had been committed before under the same Txn. It adds
// nothing because Key was committed before (Duplicate). It is rejected (Err),
// for good: no later try of it can be committed unless the caller changes it.
// In the last two cases nothing refers to its segments, and only then may
// their files be given up.
type CommitSegments struct {
	Txn      string    `json:"txn"`   // names the commit for all its tries; unique within the epoch
	Epoch    Epoch     `json:"epoch"` // that gave out the segments' ids; must be open
	Table    TableID   `json:"table"`
	SchemaID int       `json:"schema"` // under which the segments were written; any that the table ever had
	Segments []Segment `json:"segments,omitempty"`

	// Stripes hold the segments, each exactly once, and say where they are
	// durable. A commit that too few disks have is rejected.
	Stripes []NewStripe `json:"stripes,omitempty"`

	// Remove names live segments that this version replaces.
	Remove []SegmentID `json:"remove,omitempty"`

	// Producers lists the batches in the segments. If one of them has been
	// committed before, the commit is rejected with Result.Duplicates, and
	// the caller tries again without those. The batches of a producer must be
	// committed in the order of their numbers.
	Producers []wire.BatchID `json:"producers,omitempty"`

	Key       string `json:"key,omitempty"`       // idempotency key of the table
	Operation string `json:"operation,omitempty"` // for people; default "append"
	Detail    string `json:"detail,omitempty"`
}

// ExpireVersions lets go of the versions of all tables that are past their
// retention, by the time of the command.
type ExpireVersions struct{}

// NewStripe is a stripe of a commit. Placed says by slot on which disk its
// member is durable; an empty text, or a slot beyond the end: on none.
type NewStripe struct {
	Stripe
	Placed []string `json:"placed"`
}

// ForgetMembers takes members of garbage off the list, once their files are
// in the trash.
type ForgetMembers struct {
	Members []DeadMembers `json:"members"`
}

// DeadMembers are members of a stripe that no version refers to.
type DeadMembers struct {
	Stripe SegmentID `json:"stripe"`
	Slots  Slots     `json:"slots"`
}

// RegisterNode makes a node known, or says what has changed about it.
type RegisterNode struct {
	Node    string      `json:"node"` // UUID
	Name    string      `json:"name"`
	Address string      `json:"address,omitempty"` // host:port
	Gossip  string      `json:"gossip,omitempty"`  // host:port
	Zone    string      `json:"zone,omitempty"`
	Version string      `json:"version,omitempty"`
	Speaks  Speaks      `json:"speaks,omitzero"`
	Disks   []DiskFacts `json:"disks,omitempty"` // all that it has
}

// DiskFacts is what a node says of a disk of its own.
type DiskFacts struct {
	ID    string `json:"id"` // of the medium's header
	Tier  string `json:"tier"`
	Bytes int64  `json:"bytes"`
}

// SetNodeState says what the cluster thinks of a node from now on. With Epoch
// it does so only while that is the node's life.
type SetNodeState struct {
	Node   string    `json:"node"`
	State  NodeState `json:"state"`
	Epoch  Epoch     `json:"epoch,omitempty"`
	Reason string    `json:"reason,omitempty"`
}

// RemoveNode forgets a node without disks.
type RemoveNode struct {
	Node string `json:"node"`
}

// SetDiskState says what the cluster thinks of a disk from now on.
type SetDiskState struct {
	Disk   string    `json:"disk"`
	State  DiskState `json:"state"`
	Reason string    `json:"reason,omitempty"`
}

// AddDisk is a disk that a node has got since it was registered.
type AddDisk struct {
	Node string    `json:"node"`
	Disk DiskFacts `json:"disk"`
}

// RemoveDisk forgets a disk that is in no group.
type RemoveDisk struct {
	Disk string `json:"disk"`
}

// ReplaceDisk gives the places of a disk to another one, directly. The disk
// may be there, away or lost. The other is up; with Node it comes with this
// command, as a disk of that node.
type ReplaceDisk struct {
	Disk string    `json:"disk"`
	By   DiskFacts `json:"by"`
	Node string    `json:"node,omitempty"`
}

// SetGroup makes a placement group (IfIndex 0) or gives the one that was last
// changed at IfIndex other disks. A group of copies may also get more slots.
type SetGroup struct {
	ID      GroupID        `json:"id"`
	IfIndex uint64         `json:"if_index,omitempty"`
	Tier    string         `json:"tier"`
	Scheme  tiering.Scheme `json:"scheme"`
	Disks   []string       `json:"disks"` // by slot
}

// RemoveGroup forgets a placement group that has no stripes, if it was last
// changed at IfIndex.
type RemoveGroup struct {
	ID      GroupID `json:"id"`
	IfIndex uint64  `json:"if_index"`
}

// MemberAt is a member of a stripe on a disk.
type MemberAt struct {
	Stripe SegmentID `json:"stripe"`
	Slot   int       `json:"slot"`
	Disk   string    `json:"disk"`
}

// PlaceMembers says that members are durable, and were read back, on the disk
// of their slot.
type PlaceMembers struct {
	Members []MemberAt `json:"members"`
}

// MissMembers says that members are damaged, or not there, on a disk.
type MissMembers struct {
	Members []MemberAt `json:"members"`
}

// ParkMember sets a member aside that could not be rebuilt.
type ParkMember struct {
	Stripe SegmentID `json:"stripe"`
	Slot   int       `json:"slot"`
	Reason string    `json:"reason"`
}

// UnparkMembers lets every parked member be tried again.
type UnparkMembers struct{}

// Result is what became of a command.
type Result struct {
	Index      uint64      // of the log entry that decided
	Err        *wire.Error // rejected: nothing was changed, and why
	Epoch      Epoch       // OpenEpoch
	Table      *Snapshot   // newest snapshot of the table of the command; nil if there is none any more
	Version    Version     // CommitSegments, CreateTable, AlterTable: the version made, or made before
	Duplicate  bool        // CommitSegments: the key was there; CreateTable: the table was there
	Duplicates []Duplicate // CommitSegments rejected for these batches
}

// Duplicate is a batch that was committed before.
type Duplicate struct {
	wire.BatchID
	Version Version // see State.CommittedBatch
}

// MaxCommandBytes bounds an encoded command: a Raft entry is copied and
// synced as a whole, and holds up every other commit meanwhile.
const MaxCommandBytes = 8 << 20

// An encoded command is one byte commandVersion, the xxh3-64 of the rest
// (little-endian) and the JSON of the command.
const (
	commandVersion  = 1
	commandHeadSize = 9
)

// encode returns the bytes of the command for the Raft log.
func (c Command) encode() ([]byte, error) {
	if err := c.checkTypes(); err != nil {
		return nil, err
	}
	body, err := json.Marshal(c)
	if err != nil {
		return nil, wire.Errorf(wire.InvalidArgument, "the command cannot be written down: %w", err)
	}
	if len(body)+commandHeadSize > MaxCommandBytes {
		return nil, wire.Errorf(wire.LimitExceeded, "the catalog command has %d bytes; at most %d are possible", len(body), MaxCommandBytes).
			WithHint("commit fewer segments or columns at a time")
	}
	return sealCommand(body), nil
}

func sealCommand(body []byte) []byte {
	head := binary.LittleEndian.AppendUint64([]byte{commandVersion}, xxh3.Hash(body))
	return append(head, body...)
}

// checkTypes finds types without a text, which JSON could not carry.
func (c Command) checkTypes() error {
	var fields []schema.Field
	if c.CreateTable != nil {
		fields = append(fields, c.CreateTable.Fields...)
	}
	if c.AlterTable != nil && c.AlterTable.Add != nil {
		fields = append(fields, *c.AlterTable.Add)
	}
	for _, f := range fields {
		if err := checkType(f); err != nil {
			return err
		}
	}
	return nil
}

// decodeCommand reads what encode wrote. A field that this build does not
// know is an error: to pass over it would make this node's state differ.
func decodeCommand(b []byte) (Command, error) {
	var c Command
	if len(b) < commandHeadSize || len(b) > MaxCommandBytes {
		return c, fmt.Errorf("catalog command: %d bytes; want %d to %d", len(b), commandHeadSize, MaxCommandBytes)
	}
	if b[0] != commandVersion {
		return c, fmt.Errorf("catalog command: version %d; this build knows %d", b[0], commandVersion)
	}
	body := b[commandHeadSize:]
	if binary.LittleEndian.Uint64(b[1:]) != xxh3.Hash(body) {
		return c, fmt.Errorf("catalog command: its checksum does not match")
	}
	if err := strictJSON(body, &c); err != nil {
		return c, fmt.Errorf("catalog command: %w", err)
	}
	return c, nil
}

// strictJSON reads one JSON value without unknown fields and nothing behind it.
func strictJSON(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("there is something behind the JSON value")
	}
	return nil
}
