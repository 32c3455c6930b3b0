package ingest

import (
	"iter"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/schema"
)

// Limits of one batch. The few bytes of a dictionary, of a run or of a column
// that is left out stand for any number of bytes in the table, so what a
// batch is in the table is counted before it is made.
const (
	maxBatchRows = 1 << 26
	maxRowBytes  = 64 << 20 // one row, in the table
	maxAppend    = 64 << 20 // one batch of Append, in the table
	sliceBytes   = 8 << 20  // what Load takes of a batch at a time
)

// plainBytes returns how many bytes a batch takes in a table of that schema,
// or some number past limit.
func plainBytes(s *schema.Schema, batch arrow.RecordBatch, limit int64) (total int64) {
	for _, f := range s.Fields {
		total += schema.NullBytes(f.Type, batch.NumRows())
	}
	for _, col := range batch.Columns() {
		if total > limit {
			break
		}
		total += schema.PlainBytes(col, limit-total)
	}
	return total
}

// pieces cuts a batch into parts that take about sliceBytes in the table.
func pieces(s *schema.Schema, batch arrow.RecordBatch) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) { cut(s, batch, yield) }
}

func cut(s *schema.Schema, batch arrow.RecordBatch, yield func(arrow.RecordBatch, error) bool) bool {
	n := batch.NumRows()
	switch {
	case plainBytes(s, batch, sliceBytes) <= sliceBytes:
		return yield(batch, nil)
	case n > 1:
		return cut(s, batch.NewSlice(0, n/2), yield) && cut(s, batch.NewSlice(n/2, n), yield)
	case plainBytes(s, batch, maxRowBytes) <= maxRowBytes:
		return yield(batch, nil)
	}
	yield(nil, wire.Errorf(wire.LimitExceeded, "a row takes more than %d MiB in table columns", maxRowBytes>>20).
		WithHint("keep values this large outside the table"))
	return false
}
