package source

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/tarnlake/tarn/schema"
)

// A batchBuilder gathers rows. A row that turns out bad half-way has been
// added like any other, with nulls in the rest of it, and is cut out when the
// batch is finished: no builder has to take values back.
type batchBuilder struct {
	schema   *arrow.Schema
	builders []array.Builder
	rows     int
	bad      []int // rows to cut out, rising
}

func newBatchBuilder(s *schema.Schema) *batchBuilder {
	b := &batchBuilder{schema: s.Arrow()}
	for _, f := range s.Fields {
		b.builders = append(b.builders, array.NewBuilder(mem, f.Type))
	}
	return b
}

// finish returns the good rows and starts anew. Columns that got no value in
// any row are null throughout.
func (b *batchBuilder) finish() (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, len(b.builders))
	for i, builder := range b.builders {
		if builder.Len() == 0 {
			builder.AppendNulls(b.rows)
		}
		cols[i] = builder.NewArray()
		b.reserve(builder, cols[i])
	}
	good := b.rows - len(b.bad)
	if len(b.bad) > 0 {
		for i := range cols {
			var err error
			if cols[i], err = without(cols[i], b.bad); err != nil {
				return nil, err
			}
		}
	}
	b.rows, b.bad = 0, b.bad[:0]
	return array.NewRecordBatch(b.schema, cols, int64(good)), nil
}

// reserve makes room for another batch, which is likely as large as the one
// that last is a column of.
func (b *batchBuilder) reserve(builder array.Builder, last arrow.Array) {
	builder.Reserve(b.rows)
	if texts, ok := last.(*array.String); ok {
		builder.(*array.StringBuilder).ReserveData(len(texts.ValueBytes()))
	}
}

// without returns a but for the rows of bad.
func without(a arrow.Array, bad []int) (arrow.Array, error) {
	var runs []arrow.Array
	start := 0
	for _, end := range append(bad[:len(bad):len(bad)], a.Len()) {
		if end > start {
			runs = append(runs, array.NewSlice(a, int64(start), int64(end)))
		}
		start = end + 1
	}
	if len(runs) == 0 {
		return array.NewSlice(a, 0, 0), nil
	}
	return array.Concatenate(runs, mem)
}
