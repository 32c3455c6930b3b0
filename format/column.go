package format

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/format/codec"
)

// Column is one column of a block as a scan wants it: verified, and decoded
// no further than its user asks. Once opened it is safe for concurrent use.
type Column struct {
	typ   arrow.DataType
	rows  int
	valid []byte // bitmap; nil: no nulls
	nulls int

	ints *codec.Ints // integers, dates, times, and decimals of which the block's values fit 64 bits
	text *codec.Text // strings and bytes

	page func(memory.Allocator) (arrow.Array, error)
	open func() error
}

// Rows returns the number of rows.
func (c *Column) Rows() int { return c.rows }

// Type returns the type of the values.
func (c *Column) Type() arrow.DataType { return c.typ }

// Validity returns the bitmap of rows that are not null, least significant
// bit first, and the number of nulls; without nulls the bitmap is nil. It is
// not to be changed. The column has been opened.
func (c *Column) Validity() (bitmap []byte, nulls int) { return c.valid, c.nulls }

// Open looks into the column, so that Validity, Ints and Text can tell of it.
// It is not safe for concurrent use.
func (c *Column) Open() error { return c.open() }

// Ints returns the values of integers, dates, times and timestamps, and the
// unscaled values of decimals that fit 64 bits; nil for anything else. Under
// a null there may be any value.
func (c *Column) Ints() *codec.Ints { return c.ints }

// Text returns the values of strings and bytes; nil for anything else.
func (c *Column) Text() *codec.Text { return c.text }

// Array decodes the column, with memory of mem alone.
func (c *Column) Array(mem memory.Allocator) (arrow.Array, error) { return c.page(mem) }

// ReadColumns returns the columns of those fields in a block, in the order
// asked for. Checksums are always verified, encodings as far as they are read.
// Pages that are not in the reader's cache are read, those that lie close
// together at once, and put there.
func (r *Reader) ReadColumns(ctx context.Context, block int, fieldIDs []int32) ([]*Column, error) {
	places, err := r.find(fieldIDs, block)
	if err != nil {
		return nil, err
	}
	metas, err := r.load(ctx, places)
	if err != nil {
		return nil, err
	}
	bufs, err := r.pages(ctx, places, metas, block)
	if err != nil {
		return nil, err
	}
	out := make([]*Column, len(metas))
	for i, m := range metas {
		out[i] = r.column(pageAt{places[i], block, m.pages[block]}, bufs[i])
	}
	return out, nil
}

// pages returns the bytes of the pages of a block, checked.
func (r *Reader) pages(ctx context.Context, places []int, metas []*meta, block int) ([][]byte, error) {
	bufs := make([][]byte, len(metas))
	var missing []int
	var spans []span
	for i, m := range metas {
		if bufs[i] = r.cache.page(m.pages[block].off); bufs[i] == nil {
			missing, spans = append(missing, i), append(spans, m.pages[block].span)
		}
	}
	if len(missing) == 0 {
		return bufs, nil
	}
	read, err := fetch(ctx, r.file, spans)
	if err != nil {
		return nil, err
	}
	for k, i := range missing {
		p := pageAt{places[i], block, metas[i].pages[block]}
		if err := r.checkPage(p, read[k]); err != nil {
			return nil, err
		}
		bufs[i] = r.cache.keep(p.off, read[k])
	}
	return bufs, nil
}

// column makes a column of the checked bytes of a page.
func (r *Reader) column(p pageAt, b []byte) *Column {
	field := r.schema.Fields[r.columns[p.place].position]
	c := &Column{typ: field.Type, rows: int(p.zone.Rows)}
	c.page = func(mem memory.Allocator) (arrow.Array, error) { return r.decodeChecked(mem, p, b) }
	c.open = func() error {
		used, err := c.view(b, r.budget)
		if err != nil {
			return r.corruptPage(p, "%w", err)
		}
		if !c.lazy() {
			return nil // its page is checked when it is decoded
		}
		if int64(c.nulls) != p.zone.Nulls || c.nulls > 0 && !field.Nullable || used != p.encodings {
			return r.corruptPage(p, "%d nulls in encodings %v; its meta says %d in %v", c.nulls, used.List(), p.zone.Nulls, p.encodings.List())
		}
		return nil
	}
	return c
}

func (c *Column) lazy() bool { return c.ints != nil || c.text != nil }

// view reads validity and values of the types that have a view.
func (c *Column) view(b []byte, budget int64) (codec.Set, error) {
	d, err := codec.NewDecoder(b, budget)
	if err != nil {
		return 0, err
	}
	cr := columnReader{d, memory.DefaultAllocator}
	validity, nulls, err := cr.validity(c.rows)
	if err != nil {
		return 0, err
	}
	if validity != nil {
		c.valid, c.nulls = validity.Bytes(), nulls
	}
	switch t := c.typ.(type) {
	case *arrow.StringType, *arrow.BinaryType:
		c.text, err = d.ViewStrings(c.rows)
	case *arrow.Decimal128Type:
		c.ints, err = d.ViewNarrow(c.rows)
	case *arrow.BooleanType, *arrow.Uint64Type, *arrow.Float16Type, *arrow.Float32Type, *arrow.Float64Type:
		return 0, nil
	case arrow.FixedWidthDataType:
		c.ints, err = viewInts(d, t, c.rows)
	}
	if err != nil || !c.lazy() {
		return 0, err
	}
	return d.Used(), d.Done()
}

func viewInts(d *codec.Decoder, t arrow.FixedWidthDataType, rows int) (*codec.Ints, error) {
	signed := !arrow.IsUnsignedInteger(t.ID())
	if t.ID() == arrow.FIXED_SIZE_BINARY {
		return nil, nil
	}
	switch t.BitWidth() {
	case 8:
		return codec.ViewInts[uint8](d, rows, signed)
	case 16:
		return codec.ViewInts[uint16](d, rows, signed)
	case 32:
		return codec.ViewInts[uint32](d, rows, signed)
	case 64:
		return codec.ViewInts[uint64](d, rows, signed)
	}
	return nil, nil
}
