package merge

import (
	"context"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/schema"
)

// input reads a segment block by block, in the columns that the table has
// now: one that the segment lacks is null, a narrower type is widened, as in
// a scan.
type input struct {
	segment *catalog.Segment
	reader  *format.Reader
	table   *schema.Schema
	next    int // block
}

// InputError says which segment could not be read.
type InputError struct {
	Segment catalog.SegmentID
	Err     error
}

// Error says what went wrong.
func (e *InputError) Error() string { return fmt.Sprintf("segment %s: %v", e.Segment, e.Err) }

// Unwrap returns what went wrong.
func (e *InputError) Unwrap() error { return e.Err }

// block returns the columns of the next block, or io.EOF.
func (in *input) block(ctx context.Context) ([]arrow.Array, error) {
	if in.next == in.reader.Blocks() {
		return nil, io.EOF
	}
	cols, err := in.read(ctx, in.next)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &InputError{in.segment.ID, err}
	}
	in.next++
	return cols, nil
}

func (in *input) read(ctx context.Context, block int) ([]arrow.Array, error) {
	var have []int
	var ids []int32
	for i, f := range in.table.Fields {
		if in.reader.Has(f.ID) {
			have, ids = append(have, i), append(ids, f.ID)
		}
	}
	read, err := in.reader.ReadBlock(ctx, format.Unzeroed, block, ids)
	if err != nil {
		return nil, err
	}
	cols := make([]arrow.Array, len(in.table.Fields))
	for k, i := range have {
		if cols[i], err = schema.WidenArray(memory.DefaultAllocator, read[k], in.table.Fields[i].Type); err != nil {
			return nil, err
		}
	}
	for i, f := range in.table.Fields {
		if cols[i] == nil {
			cols[i] = array.MakeArrayOfNull(memory.DefaultAllocator, f.Type, in.reader.BlockRows(block))
		}
	}
	return cols, nil
}
