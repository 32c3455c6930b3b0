package engine

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/tarnlake/tarn/schema"
)

// batches is a result in Arrow.
type batches struct {
	kept  []arrow.RecordBatch // while there are few
	rows  int64
	bytes int64
}

// keepRows bounds what is kept to be compared. What is larger is an export,
// of which rows and bytes are counted.
const keepRows = 1 << 16

func (b *batches) add(batch arrow.RecordBatch) {
	b.rows += batch.NumRows()
	b.bytes += schema.BatchBytes(batch)
	if b.rows <= keepRows {
		batch.Retain()
		b.kept = append(b.kept, batch)
	}
}

func (b *batches) size() (rows, bytes int64) { return b.rows, b.bytes }

func (b *batches) answer() (Answer, error) {
	out := Answer{}
	for _, batch := range b.kept {
		for i := range int(batch.NumRows()) {
			row := make([]string, batch.NumCols())
			for c, col := range batch.Columns() {
				row[c] = arrowText(col, i)
			}
			out = append(out, row)
		}
		batch.Release()
	}
	return out, nil
}

func arrowText(a arrow.Array, i int) string {
	if a.IsNull(i) {
		return null
	}
	switch a := a.(type) {
	case *array.Float64:
		return floatText(a.Value(i))
	case *array.Float32:
		return floatText(float64(a.Value(i)))
	case *array.Date32:
		return timeText(a.Value(i).ToTime())
	case *array.Timestamp:
		return timeText(a.Value(i).ToTime(a.DataType().(*arrow.TimestampType).Unit))
	case *array.Decimal128, *array.Decimal256:
		return decimalText(a.ValueStr(i))
	}
	return a.ValueStr(i)
}
