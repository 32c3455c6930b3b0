package scan

import (
	"encoding/binary"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/zeebo/xxh3"
)

// rowHash is a hash of rows that does not depend on where their batches end,
// nor on what lies under nulls: two runs of one share have the same.
type rowHash struct {
	columns []columnHash
	blocks  xxh3.Hasher // of rows that come as they are stored
	rows    int64
}

// add hashes the first n rows of an item; all of them, if it is a block.
func (h *rowHash) add(it *item, n int64) {
	h.rows += n
	if it.block != nil {
		for _, page := range it.block.Pages {
			h.blocks.Write(page)
		}
		return
	}
	if h.columns == nil {
		h.columns = make([]columnHash, it.batch.NumCols())
	}
	for i, col := range it.batch.Columns() {
		if n < it.batch.NumRows() {
			col = array.NewSlice(col, 0, n)
		}
		h.columns[i].add(col)
	}
}

func (h *rowHash) equal(o *rowHash) bool {
	return h.rows == o.rows && h.blocks.Sum64() == o.blocks.Sum64() &&
		slices.EqualFunc(h.columns, o.columns, func(a, b columnHash) bool { return a.equal(&b) })
}

// columnHash hashes the values of a column: which are null, the bytes of
// those that are not, and how long each is where that differs.
type columnHash struct {
	rows                  int64
	nulls, values, widths xxh3.Hasher
	children              []columnHash
}

func (h *columnHash) equal(o *columnHash) bool {
	return h.rows == o.rows && h.nulls.Sum64() == o.nulls.Sum64() && h.values.Sum64() == o.values.Sum64() && h.widths.Sum64() == o.widths.Sum64() &&
		slices.EqualFunc(h.children, o.children, func(a, b columnHash) bool { return a.equal(&b) })
}

func (h *columnHash) add(a arrow.Array) {
	from := 0
	for i := range a.Len() {
		if a.NullN() > 0 && a.IsNull(i) {
			h.run(a, from, i)
			h.nulls.Write(binary.LittleEndian.AppendUint64(nil, uint64(h.rows)+uint64(i)))
			from = i + 1
		}
	}
	h.run(a, from, a.Len())
	h.rows += int64(a.Len())
}

// run hashes values without a null among them.
func (h *columnHash) run(a arrow.Array, from, to int) {
	if from == to {
		return
	}
	switch a := a.(type) {
	case *array.Boolean:
		for i := from; i < to; i++ {
			h.values.Write([]byte{uint8(bit(a.Value(i)))})
		}
	case *array.String:
		h.texts(a.ValueOffsets(), a.ValueBytes(), from, to)
	case *array.Binary:
		h.texts(a.ValueOffsets(), a.ValueBytes(), from, to)
	case array.ListLike:
		h.lists(a, from, to)
	case *array.Struct:
		h.grow(a.NumField())
		for i := range a.NumField() {
			h.children[i].add(array.NewSlice(a.Field(i), int64(from), int64(to)))
		}
	default:
		d := a.Data()
		width := d.DataType().(arrow.FixedWidthDataType).Bytes()
		h.values.Write(d.Buffers()[1].Bytes()[(d.Offset()+from)*width : (d.Offset()+to)*width])
	}
}

// lists hashes lists and maps. Their values need not follow each other.
func (h *columnHash) lists(a array.ListLike, from, to int) {
	h.grow(1)
	for i := from; i < to; i++ {
		start, end := a.ValueOffsets(i)
		h.widths.Write(binary.LittleEndian.AppendUint64(nil, uint64(end-start)))
		h.children[0].add(array.NewSlice(a.ListValues(), start, end))
	}
}

func (h *columnHash) grow(n int) {
	if h.children == nil {
		h.children = make([]columnHash, n)
	}
}

// texts hashes values that data has from the first offset on.
func (h *columnHash) texts(offsets []int32, data []byte, from, to int) {
	widths := make([]byte, 0, 4*(to-from))
	for i := from; i < to; i++ {
		widths = binary.LittleEndian.AppendUint32(widths, uint32(offsets[i+1]-offsets[i]))
	}
	h.widths.Write(widths)
	h.values.Write(data[offsets[from]-offsets[0] : offsets[to]-offsets[0]])
}
