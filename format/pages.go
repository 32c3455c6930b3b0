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

// SharedPages is what it takes to decode pages with their dictionaries, too.
const SharedPages = AlonePages | 1<<codec.Shared

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

// SharesWith reports whether pages of c and o need the same dictionary.
func (c *Column) SharesWith(o *Column) bool {
	return o != nil && c.shared != nil && c.r == o.r && c.at.place == o.at.place
}

// Dictionary returns the dictionary that the page of the column needs, as it is
// stored, for OpenDictionary somewhere else; nil if it needs none. It is read
// anew, and its checksum was right.
func (c *Column) Dictionary(ctx context.Context) ([]byte, error) {
	if c.shared == nil {
		return nil, nil
	}
	at, ok := c.r.metas[c.at.place].Load().dictionarySpan()
	if !ok {
		panic("BUG: format: a dictionary that its meta does not know")
	}
	read, err := fetch(ctx, c.r.file, []span{at})
	if err != nil {
		return nil, err
	}
	return read[0], at.check(c.r.file, sectionDictionary.String(), read[0])
}

// Dictionary is what pages of a column share. It is safe for concurrent use.
type Dictionary struct{ texts *codec.SharedTexts }

// OpenDictionary checks the bytes of a dictionary, which may come from
// anywhere, and does not keep them. Its error wraps ErrCorrupt.
func OpenDictionary(b []byte) (*Dictionary, error) {
	texts, _, err := codec.OpenSharedTexts(b)
	if err != nil {
		return nil, fmt.Errorf("%w: dictionary: %w", ErrCorrupt, err)
	}
	return &Dictionary{texts}, nil
}

// Bytes returns the memory that the dictionary takes, about.
func (d *Dictionary) Bytes() int64 {
	if d == nil {
		return 0
	}
	return int64(d.texts.Bytes())
}

// DecodePages returns a batch of the rows that pages hold, one page for each
// column of s, some with the dictionary at the same place (there may be fewer, or
// none), with memory of mem alone. The pages may come from anywhere:
// unless they decode to rows values of the schema's types each, the error wraps
// ErrCorrupt, or ErrTooLarge if that takes more than budget bytes.
func DecodePages(mem memory.Allocator, s *arrow.Schema, rows int, pages [][]byte, shared []*Dictionary, budget int64) (arrow.RecordBatch, error) {
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
		var texts *codec.SharedTexts
		if i < len(shared) && shared[i] != nil {
			texts = shared[i].texts
		}
		a, d, err := decodePage(mem, pages[i], texts, f.Type, rows, budget)
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
