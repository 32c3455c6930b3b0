// Package catalog holds what the cluster agrees on: tables, their schemas,
// their segments and their versions. The nouns and the transitions between
// states are pure (no clock, no randomness, no I/O); Raft stands around them
// and makes a transition durable before anybody sees it.
package catalog

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/index"
	"github.com/tarnlake/tarn/schema"
)

// TableID names a table for ever; a table's name may come back after a drop,
// its id never does.
type TableID int64

// Version numbers the states of one table from 1 (its creation).
type Version int64

// SegmentID names a segment in the whole cluster and for ever. The high half
// is the epoch in which the id was given out, the low half counts within it.
type SegmentID uint64

// NewSegmentID returns the n-th id of an epoch.
func NewSegmentID(epoch Epoch, n uint32) SegmentID { return SegmentID(epoch)<<32 | SegmentID(n) }

// Epoch returns the epoch that gave out the id.
func (id SegmentID) Epoch() Epoch { return Epoch(id >> 32) }

// String returns the id as it stands in file names: "0000000a-0000002f".
func (id SegmentID) String() string { return fmt.Sprintf("%08x-%08x", uint32(id>>32), uint32(id)) }

// ParseSegmentID reads what String wrote.
func ParseSegmentID(s string) (SegmentID, error) {
	hi, lo, ok := strings.Cut(s, "-")
	h, err1 := strconv.ParseUint(hi, 16, 32)
	l, err2 := strconv.ParseUint(lo, 16, 32)
	if !ok || err1 != nil || err2 != nil || len(hi) != 8 || len(lo) != 8 {
		return 0, fmt.Errorf("segment id %q is not of the form 0000000a-0000002f", s)
	}
	return SegmentID(h<<32 | l), nil
}

// Epoch is one life of one node, numbered by the catalog. A node that starts
// opens a new epoch, which closes its last one: from then on no file of the
// closed epoch can be committed, and its uncommitted files are garbage.
type Epoch uint32

// Segment is the catalog's entry for one segment. It is immutable but for
// Removed, which is set once.
type Segment struct {
	ID        SegmentID               `json:"id"`
	SchemaID  int                     `json:"schema"`
	Partition []schema.PartitionValue `json:"partition,omitempty"` // one per transform of the table
	Rows      int64                   `json:"rows"`
	Bytes     int64                   `json:"bytes"`
	Hash      string                  `json:"hash"` // xxh3-128 of the file, hexadecimal, as its receiver computed it
	Level     int                     `json:"level"`
	Zones     map[int32]index.Zone    `json:"zones,omitempty"` // by field id; absent means unknown
	Added     Version                 `json:"added"`
	Removed   Version                 `json:"removed,omitempty"` // 0: live
}

// Commit is the entry of one version of a table.
type Commit struct {
	Version   Version   `json:"version"`
	Time      time.Time `json:"time"`  // leader's wall clock, never before the last commit's: for display and retention
	Index     uint64    `json:"index"` // Raft index that made it
	Operation string    `json:"operation"`
	Detail    string    `json:"detail,omitempty"`
	Rows      int64     `json:"rows"`  // added
	Bytes     int64     `json:"bytes"` // added
	Segments  int       `json:"segments"`
	TotalRows int64     `json:"total_rows"`
	SchemaID  int       `json:"schema"`
	Key       string    `json:"key,omitempty"`
}

// Snapshot is one table at one version: everything a scan needs. It is
// immutable and safe for concurrent use; its slices are not to be changed.
type Snapshot struct {
	ID          TableID
	Name        string
	Version     Version
	Commit      Commit
	Schema      *schema.Schema         // as of Version
	Schemas     map[int]*schema.Schema // every schema a live segment was written under
	PartitionBy []schema.Transform
	SortBy      []schema.SortKey
	Options     wire.TableOptions
	Segments    []*Segment // live at Version, in order of SegmentID commit (Added, then ID)
}
