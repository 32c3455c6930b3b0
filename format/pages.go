package format

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/format/codec"
)

// ErrTooLarge says that pages decode to more than the caller's budget. They
// may well be whole.
var ErrTooLarge = codec.ErrTooLarge

// AlonePages is the set of abilities that DecodePages has: what it takes to
// decode a page that nothing beside it in the file is needed for. An encoding
// is in it once somebody has made sure of that.
const AlonePages = known & (1<<(codec.Fields+1) - 1 | 1<<codec.Prefixed)

// Stored is what the metas tell of a page.
type Stored struct {
	Type  arrow.DataType // of the values
	Bytes int64          // as stored
	Needs Features       // of who decodes it
}

// Stored returns what the metas tell of the page of a column in a block. It
// reads no page. Asking for a field or a block that is not there is an error.
func (r *Reader) Stored(ctx context.Context, fieldID int32, block int) (Stored, error) {
	places, err := r.find([]int32{fieldID}, block)
	if err != nil {
		return Stored{}, err
	}
	metas, err := r.load(ctx, places)
	if err != nil {
		return Stored{}, err
	}
	t, _ := r.typeOf(places[0])
	p := metas[0].pages[block]
	return Stored{Type: t, Bytes: int64(p.len), Needs: Features(p.encodings)}, nil
}

// Page returns the column as it is stored, for DecodePages somewhere else. Its
// checksum was right. It is shared and not to be changed.
func (c *Column) Page() []byte { return c.bytes }

// DecodePages returns a batch of the rows that pages hold, one page for each
// column of s, with memory of mem alone. The pages may come from anywhere:
// unless they decode to rows values of the schema's types each, the error wraps
// ErrCorrupt, or ErrTooLarge if that takes more than budget bytes.
func DecodePages(mem memory.Allocator, s *arrow.Schema, rows int, pages [][]byte, budget int64) (arrow.RecordBatch, error) {
	if rows < 0 || rows > BlockRows || len(pages) != s.NumFields() {
		return nil, fmt.Errorf("%w: %d pages of %d rows for %d columns", ErrCorrupt, len(pages), rows, s.NumFields())
	}
	columns := make([]arrow.Array, 0, len(pages))
	defer func() {
		for _, c := range columns {
			c.Release()
		}
	}()
	for i, f := range s.Fields() {
		a, d, err := decodePage(mem, pages[i], nil, f.Type, rows, budget)
		switch {
		case errors.Is(err, ErrTooLarge):
			return nil, fmt.Errorf("page of column %s: %w", f.Name, err)
		case err != nil:
			return nil, fmt.Errorf("%w: page of column %s: %w", ErrCorrupt, f.Name, err)
		}
		columns, budget = append(columns, a), d.Left()
		if a.NullN() > 0 && !f.Nullable {
			return nil, fmt.Errorf("%w: page of column %s has %d nulls", ErrCorrupt, f.Name, a.NullN())
		}
	}
	return array.NewRecordBatch(s, columns, int64(rows)), nil
}
