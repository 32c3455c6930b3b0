package wire

import (
	"iter"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/schema"
)

// Slices cuts a batch into runs of rows of about maxBytes each, in order; a
// single row larger than that is a run of its own. Many Flight clients refuse
// messages over 4 MiB, and large messages are slower besides. A slice is
// valid until the next one is asked for.
func Slices(batch arrow.RecordBatch, maxBytes int64) iter.Seq[arrow.RecordBatch] {
	return func(yield func(arrow.RecordBatch) bool) { slice(batch, maxBytes, yield) }
}

// slice halves a batch until each part fits: rows differ in size, so an even
// cut by the mean would not do.
func slice(batch arrow.RecordBatch, maxBytes int64, yield func(arrow.RecordBatch) bool) bool {
	if batch.NumRows() <= 1 || schema.BatchBytes(batch) <= maxBytes {
		return yield(batch)
	}
	middle := batch.NumRows() / 2
	for _, bounds := range [][2]int64{{0, middle}, {middle, batch.NumRows()}} {
		part := batch.NewSlice(bounds[0], bounds[1])
		more := slice(part, maxBytes, yield)
		part.Release()
		if !more {
			return false
		}
	}
	return true
}
