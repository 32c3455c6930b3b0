package wire

import (
	"time"

	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/schema"
)

// The actions that a node answers (Flight DoAction). The body and the single
// result of each are the JSON of the messages named beside it.
const (
	ActionCreateTable = "tarn.table.create"   // CreateTable → TableInfo
	ActionListTables  = "tarn.table.list"     // {} → TableList
	ActionGetTable    = "tarn.table.get"      // GetTable → TableInfo
	ActionHistory     = "tarn.table.history"  // GetTable → History
	ActionAlterTable  = "tarn.table.alter"    // AlterTable → TableInfo
	ActionDropTable   = "tarn.table.drop"     // DropTable → {}
	ActionSegments    = "tarn.segment.list"   // GetTable → SegmentList
	ActionSegment     = "tarn.segment.verify" // VerifySegments → SegmentReport
	ActionExplain     = "tarn.query.explain"  // expr.Query → Explanation
	ActionStatus      = "tarn.status"         // {} → Status
	ActionDisks       = "tarn.disk.list"      // {} → DiskList
	ActionSetDisk     = "tarn.disk.set"       // SetDisk → {}
	ActionScrubDisk   = "tarn.disk.scrub"     // DiskName → {}
)

// CreateTable asks for a new table. Field ids are given by the node.
type CreateTable struct {
	Name        string         `json:"name"`
	Fields      []schema.Field `json:"fields"`
	PartitionBy []string       `json:"partition_by,omitempty"` // text, see schema.ParseTransform
	SortBy      []string       `json:"sort_by,omitempty"`      // column, or "column desc"
	IfNotExists bool           `json:"if_not_exists,omitempty"`
	Options     TableOptions   `json:"options,omitzero"`
}

// TableOptions are a table's settings. Zero means the default.
type TableOptions struct {
	FlushInterval  time.Duration `json:"flush_interval,omitempty"`  // group commit; 5 ms to 5 s, default 20 ms
	RetainVersions int64         `json:"retain_versions,omitempty"` // keep at least this many; default 1000
	RetainFor      time.Duration `json:"retain_for,omitempty"`      // and every one this young; default 7 days

	// Profile says how segments written from now on are encoded: "default",
	// "fast" (to write) or "compact" (on disk).
	Profile string `json:"profile,omitempty"`

	// The columns whose values are looked up one by one, and the texts whose
	// words are looked for: segments written from now on index them. In an
	// alteration nil leaves them as they are, and a list of none ends it.
	Lookup []string `json:"lookup,omitzero"`
	Text   []string `json:"text,omitzero"`
}

// GetTable names a table and a snapshot of it.
type GetTable struct {
	Name string  `json:"name"`
	At   expr.At `json:"at,omitzero"`
}

// DropTable drops a table; with ID and IfVersion only if that is still its
// newest version, else it fails with Conflict.
type DropTable struct {
	Name      string `json:"name"`
	ID        string `json:"id,omitempty"`
	IfVersion int64  `json:"if_version,omitempty"`
}

// TableInfo describes one snapshot of a table.
type TableInfo struct {
	Name        string             `json:"name"`
	ID          string             `json:"id"`
	Schema      SchemaInfo         `json:"schema"`
	PartitionBy []schema.Transform `json:"partition_by,omitempty"`
	SortBy      []schema.SortKey   `json:"sort_by,omitempty"`
	Options     TableOptions       `json:"options"`
	Version     int64              `json:"version"`
	Committed   time.Time          `json:"committed"`
	Rows        int64              `json:"rows"`
	Bytes       int64              `json:"bytes"`
	Segments    int                `json:"segments"`
	Partitions  int                `json:"partitions"`
}

// SchemaInfo is a schema on the wire.
type SchemaInfo struct {
	ID     int            `json:"id"`
	Fields []schema.Field `json:"fields"`
}

// Schema returns the schema that s describes.
func (s SchemaInfo) Schema() *schema.Schema { return &schema.Schema{ID: s.ID, Fields: s.Fields} }

// TableList is every table's newest snapshot, by name.
type TableList struct {
	Tables []TableInfo `json:"tables"`
}

// Commit is one version of a table.
type Commit struct {
	Version   int64     `json:"version"`
	Time      time.Time `json:"time"`
	Operation string    `json:"operation"` // create, append, alter
	Detail    string    `json:"detail,omitempty"`
	Rows      int64     `json:"rows"`  // added by this version
	Bytes     int64     `json:"bytes"` // added by this version
	Segments  int       `json:"segments"`
	TotalRows int64     `json:"total_rows"` // in the table at this version
	SchemaID  int       `json:"schema_id"`
	Key       string    `json:"key,omitempty"` // idempotency key
}

// History is the versions that retention has kept, oldest first.
type History struct {
	Commits []Commit `json:"commits"`
}

// AlterTable changes the schema or the options of a table. Exactly one of the
// pointers is set.
type AlterTable struct {
	Name    string        `json:"name"`
	Add     *schema.Field `json:"add,omitempty"` // nullable; old rows read as null
	Drop    string        `json:"drop,omitempty"`
	Rename  *Rename       `json:"rename,omitempty"`
	Widen   *Widen        `json:"widen,omitempty"`
	Options *TableOptions `json:"options,omitempty"`
}

// Rename gives a column another name.
type Rename struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Widen gives a column a wider type (see schema.Widens), as text.
type Widen struct {
	Column string `json:"column"`
	Type   string `json:"type"`
}

// Segment describes one segment of a snapshot.
type Segment struct {
	ID        string                  `json:"id"`
	Partition []schema.PartitionValue `json:"partition,omitempty"`
	Rows      int64                   `json:"rows"`
	Bytes     int64                   `json:"bytes"`
	Level     int                     `json:"level"`
	SchemaID  int                     `json:"schema_id"`
	Added     int64                   `json:"added"` // version
	Committed time.Time               `json:"committed"`
	Hash      string                  `json:"hash"`
	Path      string                  `json:"path"` // on the node that holds it
}

// SegmentList is the segments of one snapshot, in commit order.
type SegmentList struct {
	Version  int64     `json:"version"`
	Segments []Segment `json:"segments"`
}

// VerifySegments asks a node to read segments back and check every byte; no
// ids means all of the table.
type VerifySegments struct {
	Table string   `json:"table"`
	IDs   []string `json:"ids,omitempty"`
}

// SegmentReport lists what a verification found; a sound segment has no Problem.
type SegmentReport struct {
	Checked  int              `json:"checked"`
	Bytes    int64            `json:"bytes"`
	Problems []SegmentProblem `json:"problems,omitempty"`
}

// SegmentProblem is one damaged or missing segment.
type SegmentProblem struct {
	ID      string `json:"id"`
	Problem string `json:"problem"`
}

// Explanation tells what a query would read and why.
type Explanation struct {
	Query           string   `json:"query"`
	Version         int64    `json:"version"`
	Segments        int      `json:"segments"`
	SegmentsRead    int      `json:"segments_read"`
	PrunedPartition int      `json:"pruned_by_partition"`
	PrunedZone      int      `json:"pruned_by_zone_map"`
	Blocks          int      `json:"blocks"`
	BlocksRead      int      `json:"blocks_read"`
	BlocksByIndex   int      `json:"blocks_pruned_by_index,omitempty"`
	Rows            int64    `json:"rows"`
	RowsRead        int64    `json:"rows_read"`
	Columns         []string `json:"columns"`
	Plan            []string `json:"plan"` // one line a step, outermost first
}

// Status is a node's own word on how it is.
type Status struct {
	Version    string    `json:"version"`
	Node       string    `json:"node"`
	Cluster    string    `json:"cluster"`
	Started    time.Time `json:"started"`
	Ready      bool      `json:"ready"`
	Tables     int       `json:"tables"`
	Redundancy string    `json:"redundancy"` // in words: what may be lost right now
	Health     Health    `json:"health"`     // of the cluster
	Protocol   int       `json:"protocol"`   // that the cluster speaks
}

// DiskList lists the disks of the cluster.
type DiskList struct {
	Disks []Disk `json:"disks"`
}

// Disk is a disk of the cluster and what it holds.
type Disk struct {
	ID      string    `json:"id"`
	Node    string    `json:"node"` // its name
	Path    string    `json:"path,omitempty"`
	Tier    string    `json:"tier"`
	State   string    `json:"state"`
	Reason  string    `json:"reason,omitempty"` // of the state
	Since   time.Time `json:"since,omitzero"`
	Bytes   int64     `json:"bytes"`           // size of its filesystem
	Free    int64     `json:"free,omitempty"`  // 0 too if its node did not answer
	Used    int64     `json:"used"`            // by members that belong there
	Slots   int       `json:"slots"`           // of placement groups, with those that are moving away
	Missing int       `json:"missing"`         // members that belong there and are not there yet
	Scrub   *Scrub    `json:"scrub,omitempty"` // nil: its node did not answer

	ReplacedBy string `json:"replaced_by,omitempty"` // the disk that gets its slots
}

// Scrub is how far the reading back of a disk is.
type Scrub struct {
	Running bool      `json:"running"`
	Started time.Time `json:"started,omitzero"` // of the pass under way
	Members int64     `json:"members"`          // that it has read
	Bytes   int64     `json:"bytes"`            // likewise
	Left    int64     `json:"left"`             // bytes that it has not read yet
	Bad     int64     `json:"bad"`              // members that it has found to be wrong, unreadable or gone
	Stuck   int64     `json:"stuck"`            // of them those that there is nothing to rebuild from

	Last      time.Time `json:"last,omitzero"` // when the last pass ended
	LastBytes int64     `json:"last_bytes"`    // what it has read
	LastBad   int64     `json:"last_bad"`
	LastStuck int64     `json:"last_stuck"`
}

// DiskName names a disk by its id or enough of its beginning.
type DiskName struct {
	ID string `json:"id"`
}

// SetDisk changes what becomes of a disk.
type SetDisk struct {
	ID     string `json:"id"`              // or enough of its beginning
	Change string `json:"change"`          // one of the changes below
	Force  bool   `json:"force,omitempty"` // lose it though rows go with it
}

// What may become of a disk.
const (
	DiskUse    = "use"    // it takes members again
	DiskDrain  = "drain"  // what it holds goes to others
	DiskLose   = "lose"   // it is given up: what it held is rebuilt from others
	DiskRemove = "remove" // it is forgotten, once it holds nothing
)
