package ingest

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/schema"
)

// A part is rows of one partition.
type part struct {
	key    string // tells partitions of one table apart
	values []schema.PartitionValue
	cols   []arrow.Array
	rows   int
}

// split cuts columns of n rows by partition, in the order in which the
// partitions first appear. Rows keep their order within a partition.
func split(ctx context.Context, s *schema.Schema, by []schema.Transform, cols []arrow.Array, n int) ([]part, error) {
	if len(by) == 0 || n == 0 {
		return []part{{cols: cols, rows: n}}, nil
	}
	values := make([][]schema.PartitionValue, len(by))
	for i, t := range by {
		var err error
		if values[i], err = t.Apply(cols[s.ByID(t.FieldID)]); err != nil {
			return nil, err
		}
	}
	parts, members := groupRows(values, n)
	if len(parts) == 1 {
		parts[0].cols, parts[0].rows = cols, n
		return parts, nil
	}
	for i := range parts {
		if err := parts[i].take(ctx, cols, members[i]); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

// groupRows numbers the partitions and lists the rows of each.
func groupRows(values [][]schema.PartitionValue, n int) (parts []part, members [][]uint32) {
	byKey := map[string]int{}
	var key []byte
	last := -1
	for row := range n {
		if row > 0 && last >= 0 && sameAsPrevious(values, row) {
			members[last] = append(members[last], uint32(row))
			continue
		}
		key = key[:0]
		for _, column := range values {
			key = appendValueKey(key, column[row])
		}
		at, ok := byKey[string(key)]
		if !ok {
			at = len(parts)
			byKey[string(key)] = at
			parts = append(parts, part{key: string(key), values: valuesAt(values, row)})
			members = append(members, nil)
		}
		members[at] = append(members[at], uint32(row))
		last = at
	}
	return parts, members
}

func sameAsPrevious(values [][]schema.PartitionValue, row int) bool {
	for _, column := range values {
		if column[row] != column[row-1] {
			return false
		}
	}
	return true
}

func appendValueKey(key []byte, v schema.PartitionValue) []byte {
	if v.Null {
		return append(key, 0)
	}
	key = binary.AppendUvarint(append(key, 1), uint64(len(v.Text)))
	return append(key, v.Text...)
}

func valuesAt(values [][]schema.PartitionValue, row int) []schema.PartitionValue {
	at := make([]schema.PartitionValue, len(values))
	for i, column := range values {
		at[i] = column[row]
	}
	return at
}

func (p *part) take(ctx context.Context, cols []arrow.Array, rows []uint32) error {
	indices := array.NewUint32Data(array.NewData(arrow.PrimitiveTypes.Uint32, len(rows),
		[]*memory.Buffer{nil, memory.NewBufferBytes(arrow.Uint32Traits.CastToBytes(rows))}, nil, 0, 0))
	p.cols, p.rows = make([]arrow.Array, len(cols)), len(rows)
	for i, col := range cols {
		var err error
		if p.cols[i], err = compute.TakeArray(ctx, col, indices); err != nil {
			return fmt.Errorf("taking %d rows of a column of type %s: %w", len(rows), col.DataType(), err)
		}
	}
	return nil
}
