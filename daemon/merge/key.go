package merge

import (
	"bytes"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/tarnlake/tarn/index"
	"github.com/tarnlake/tarn/schema"
)

// order turns the sort key of a row into bytes whose order under
// bytes.Compare is that in which ingest sorts: by each column in turn, values
// up or down, then NaN, then null, whichever way values go.
type order []sortColumn

type sortColumn struct {
	position int // in the schema
	desc     bool
}

func orderOf(s *schema.Schema, keys []schema.SortKey) order {
	o := make(order, len(keys))
	for i, k := range keys {
		o[i] = sortColumn{s.ByID(k.FieldID), k.Desc}
	}
	return o
}

// What stands before a value.
const (
	keyValue = iota
	keyNaN
	keyNull
)

func (o order) appendKey(dst []byte, cols []arrow.Array, row int) []byte {
	for _, k := range o {
		col := cols[k.position]
		switch {
		case col.IsNull(row):
			dst = append(dst, keyNull)
			continue
		case isNaN(col, row):
			dst = append(dst, keyNaN)
			continue
		}
		dst = append(dst, keyValue)
		from := len(dst)
		dst = appendValue(dst, col, row)
		if k.desc {
			for i := range dst[from:] {
				dst[from+i] = ^dst[from+i]
			}
		}
	}
	return dst
}

// appendValue appends a key of which no other of the column is the beginning.
func appendValue(dst []byte, col arrow.Array, row int) []byte {
	from := len(dst)
	dst = index.AppendKey(dst, col, row)
	switch col.(type) {
	case *array.String, *array.Binary:
		return endText(dst, from)
	}
	return dst
}

// endText ends a text with two zeros; a zero within it becomes 0x00 0xff,
// which is more.
func endText(dst []byte, from int) []byte {
	if bytes.IndexByte(dst[from:], 0) >= 0 {
		text := bytes.ReplaceAll(dst[from:], []byte{0}, []byte{0, 0xff})
		dst = append(dst[:from], text...)
	}
	return append(dst, 0, 0)
}

func isNaN(col arrow.Array, row int) bool {
	switch col := col.(type) {
	case *array.Float16:
		return col.Value(row).IsNaN()
	case *array.Float32:
		return math.IsNaN(float64(col.Value(row)))
	case *array.Float64:
		return math.IsNaN(col.Value(row))
	}
	return false
}

// rowKeys are the keys of the rows of a block.
type rowKeys struct {
	bytes []byte
	ends  []int
}

func (o order) keysOf(cols []arrow.Array, rows int) rowKeys {
	k := rowKeys{ends: make([]int, rows)}
	for i := range rows {
		k.bytes = o.appendKey(k.bytes, cols, i)
		k.ends[i] = len(k.bytes)
	}
	return k
}

func (k rowKeys) at(row int) []byte {
	if row == 0 {
		return k.bytes[:k.ends[0]]
	}
	return k.bytes[k.ends[row-1]:k.ends[row]]
}
