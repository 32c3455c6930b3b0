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

// PageAbilities is the set of abilities that DecodePages has: what it takes to
// decode a page that nothing beside it in the file is needed for but the
// dictionary of its column. An encoding is in it once somebody has made sure of
// that.
const PageAbilities = known & (1<<(codec.Prefixed+1) - 1)

// Stored is what the metas tell of a page.
type Stored struct {
	Type       arrow.DataType // of the values
	Bytes      int64          // as stored
	Dictionary int64          // bytes of the column's dictionary, as stored; 0: it has none
	Shares     bool           // the page refers to the dictionary
	Needs      Features       // of who decodes it
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
	p := metas[0].pages[block]
	out := Stored{Bytes: int64(p.len), Shares: p.encodings.Has(codec.Shared), Needs: Features(p.encodings)}
	out.Type, _ = r.typeOf(places[0])
	if d, ok := metas[0].dictionarySpan(); ok {
		out.Dictionary = int64(d.len)
	}
	if out.Shares { // of the dictionary's encodings only the trailer knows
		out.Needs |= r.trailer.required
	}
	return out, nil
}

// Pages returns the columns of a block as they are stored, for DecodePages
// somewhere else: the bytes of those that ReadColumns returns, of which none is
// looked into. They are shared and not to be changed.
func (r *Reader) Pages(ctx context.Context, block int, fieldIDs []int32) ([][]byte, error) {
	columns := newColumns(len(fieldIDs))
	if err := r.readInto(ctx, columns, block, fieldIDs); err != nil {
		return nil, err
	}
	out := make([][]byte, len(columns))
	for i, c := range columns {
		out[i] = c.bytes
	}
	return out, nil
}

// Dictionaries returns the dictionaries of columns as they are stored, for
// OpenDictionaries somewhere else; nil for a column that has none. Checksums
// are verified. They are read each time.
func (r *Reader) Dictionaries(ctx context.Context, fieldIDs []int32) ([][]byte, error) {
	places, err := r.places(fieldIDs)
	if err != nil {
		return nil, err
	}
	metas, err := r.load(ctx, places)
	if err != nil {
		return nil, err
	}
	var have []int
	var spans []span
	for i, m := range metas {
		if s, ok := m.dictionarySpan(); ok {
			have, spans = append(have, i), append(spans, s)
		}
	}
	read, err := fetch(ctx, r.file, spans)
	if err != nil {
		return nil, err
	}
	out := make([][]byte, len(fieldIDs))
	for k, i := range have {
		if err := spans[k].check(r.file, sectionDictionary.String(), read[k]); err != nil {
			return nil, err
		}
		out[i] = read[k]
	}
	return out, nil
}

// Dictionaries are those that the pages of some columns refer to. They are safe
// for concurrent use and do not change. A nil Dictionaries has none.
type Dictionaries struct {
	columns []*codec.SharedTexts // nil where there is none
	bytes   int64
}

// OpenDictionaries opens what Reader.Dictionaries has read, one for each column
// of s, an empty one where there is none. It keeps none of the bytes, which may
// come from anywhere: the error wraps ErrCorrupt, or ErrTooLarge if the
// dictionaries hold more than budget bytes once they are open.
func OpenDictionaries(s *arrow.Schema, stored [][]byte, budget int64) (*Dictionaries, error) {
	if len(stored) != s.NumFields() {
		return nil, fmt.Errorf("%w: %d dictionaries for %d columns", ErrCorrupt, len(stored), s.NumFields())
	}
	out := &Dictionaries{columns: make([]*codec.SharedTexts, len(stored))}
	for i, b := range stored {
		if len(b) == 0 {
			continue
		}
		f := s.Field(i)
		if !isText(f.Type) {
			return nil, fmt.Errorf("%w: dictionary of column %s, which is %s", ErrCorrupt, f.Name, f.Type)
		}
		d, _, err := codec.OpenSharedTexts(b)
		if err != nil {
			return nil, fmt.Errorf("%w: dictionary of column %s: %v", ErrCorrupt, f.Name, err)
		}
		out.columns[i] = d
		if out.bytes += int64(d.Bytes()); out.bytes > budget {
			return nil, fmt.Errorf("dictionaries of %d columns: %w", i+1, ErrTooLarge)
		}
	}
	return out, nil
}

// Bytes returns the memory that is held.
func (d *Dictionaries) Bytes() int64 {
	if d == nil {
		return 0
	}
	return d.bytes
}

func (d *Dictionaries) of(column int) *codec.SharedTexts {
	if d == nil || column >= len(d.columns) {
		return nil
	}
	return d.columns[column]
}

// DecodePages returns a batch of the rows that pages hold, one page for each
// column of s, some of the values maybe in the dictionaries of those columns,
// with memory of mem alone. The pages may come from anywhere: unless they
// decode to rows values of the schema's types each, the error wraps ErrCorrupt,
// or ErrTooLarge if that takes more than budget bytes, whichever way the values
// are stored.
func DecodePages(mem memory.Allocator, s *arrow.Schema, rows int, pages [][]byte, shared *Dictionaries, budget int64) (arrow.RecordBatch, error) {
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
		a, d, err := decodePage(mem, pages[i], shared.of(i), f.Type, rows, budget)
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
