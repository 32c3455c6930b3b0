package catalog

import (
	"encoding/json"
	"fmt"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/schema"
)

// Origin is what a segment's file says of where it belongs, beside its ids and
// its schema: what is needed to make a catalog of files when there is nothing
// else left. It is known before the segment is committed, so it does not tell
// whether it was. It reaches disk as JSON: names may be added, never changed.
type Origin struct {
	Table       string                  `json:"table"`   // name
	Version     Version                 `json:"version"` // of the table when the segment was begun
	PartitionBy []schema.Transform      `json:"partition_by,omitempty"`
	SortBy      []schema.SortKey        `json:"sort_by,omitempty"`
	Options     wire.TableOptions       `json:"options,omitzero"`
	Partition   []schema.PartitionValue `json:"partition,omitempty"`
	Merged      *Merged                 `json:"merged,omitempty"` // nil: the rows came from outside
}

// OriginProperty is the property of a segment's info that holds its origin.
const OriginProperty = "origin"

// Origin returns what a segment of a partition of t is to say. merged is nil
// for rows that come from outside.
func (t *Snapshot) Origin(values []schema.PartitionValue, merged *Merged) Origin {
	return Origin{
		Table: t.Name, Version: t.Version, PartitionBy: t.PartitionBy, SortBy: t.SortBy,
		Options: t.Options, Partition: values, Merged: merged,
	}
}

// String returns the JSON.
func (o Origin) String() string {
	b, err := json.Marshal(o)
	if err != nil {
		panic(fmt.Sprintf("BUG: catalog: an origin that has no JSON: %v", err))
	}
	return string(b)
}

// ParseOrigin reads what String wrote. It trusts nothing.
func ParseOrigin(text string) (o Origin, err error) {
	if err = strictJSON([]byte(text), &o); err == nil {
		err = o.check()
	}
	if err != nil {
		return Origin{}, fmt.Errorf("origin of a segment: %w", err)
	}
	return o, nil
}

func (o Origin) check() error {
	if err := checkTableName(o.Table); err != nil {
		return err
	}
	if len(o.Partition) != len(o.PartitionBy) || o.Version < 1 || o.Version > maxVersion {
		return fmt.Errorf("version %d, %d values for %d partition expressions", o.Version, len(o.Partition), len(o.PartitionBy))
	}
	if err := o.Merged.check(); err != nil {
		return err
	}
	return checkOptions(o.Options)
}

// maxVersion bounds what a file may claim: there is room above it for ever.
const maxVersion = 1 << 48
