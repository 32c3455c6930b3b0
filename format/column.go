package format

import (
	"bytes"
	"context"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/format/codec"
)

// Column is one column of a block as a scan wants it: verified, and decoded
// no further than its user asks. Once opened it is safe for concurrent use.
type Column struct {
	opened
	typ   arrow.DataType
	r     *Reader
	at    pageAt
	bytes []byte
	kept  *keptPage // nil: there is no cache

	shared *codec.SharedTexts // the column's dictionary, if the page needs it
}

// opened is what is known of a page that was looked into.
type opened struct {
	valid []byte // bitmap; nil: no nulls
	nulls int

	ints *codec.Ints // integers, dates, times, and decimals of which the block's values fit 64 bits
	text *codec.Text // strings and bytes
}

// keptPage is a page in the cache: its bytes, and what is known of them where
// that does not hold much more memory than they do.
type keptPage struct {
	bytes  []byte
	opened atomic.Pointer[opened]
}

// Rows returns the number of rows.
func (c *Column) Rows() int { return int(c.at.zone.Rows) }

// Type returns the type of the values.
func (c *Column) Type() arrow.DataType { return c.typ }

// Validity returns the bitmap of rows that are not null, least significant
// bit first, and the number of nulls; without nulls the bitmap is nil. It is
// not to be changed. The column has been opened.
func (c *Column) Validity() (bitmap []byte, nulls int) { return c.valid, c.nulls }

// Open looks into the column, so that Validity, Ints and Text can tell of it.
// It is not safe for concurrent use.
func (c *Column) Open() error {
	return c.openAnd((*codec.Text).Check)
}

// OpenFor is Open for a column of which only those rows will be read, and in
// which nothing will be searched: other rows are not checked.
func (c *Column) OpenFor(rows []int32) error {
	return c.openAnd(func(t *codec.Text) error { return t.CheckRows(rows) })
}

func (c *Column) openAnd(check func(*codec.Text) error) error {
	if err := c.look(); err != nil || c.text == nil {
		return err
	}
	if err := check(c.text); err != nil {
		return c.r.corruptPage(c.at, "%w", err)
	}
	return nil
}

// look sets what is known of the page.
func (c *Column) look() error {
	if c.kept != nil {
		if known := c.kept.opened.Load(); known != nil {
			c.opened = *known
			return nil
		}
	}
	used, spent, err := c.view(c.bytes, c.r.budget)
	if err != nil {
		return c.r.corruptPage(c.at, "%w", err)
	}
	if !c.lazy() {
		return nil // its page is checked when it is decoded
	}
	_, nullable := c.r.typeOf(c.at.place)
	if int64(c.nulls) != c.at.zone.Nulls || c.nulls > 0 && !nullable || used != c.at.encodings {
		return c.r.corruptPage(c.at, "%d nulls in encodings %v; its meta says %d in %v", c.nulls, used.List(), c.at.zone.Nulls, c.at.encodings.List())
	}
	c.keep(spent)
	return nil
}

// What a page may hold in the cache beside its bytes, once it is opened, and
// what it always holds.
const (
	openedSpare    = 16 << 10
	openedOverhead = 1 << 10
)

// keep leaves what is known of the page with it, for the next who opens it.
func (c *Column) keep(spent int64) {
	if c.kept == nil || spent > int64(len(c.bytes))+openedSpare {
		return
	}
	known := c.opened
	if c.kept.opened.CompareAndSwap(nil, &known) {
		c.r.cache.grow(c.at.off, c.kept, spent+openedOverhead)
	}
}

// Ints returns the values of integers, dates, times and timestamps, and the
// unscaled values of decimals that fit 64 bits; nil for anything else. Under
// a null there may be any value.
func (c *Column) Ints() *codec.Ints { return c.ints }

// Text returns the values of strings and bytes; nil for anything else.
func (c *Column) Text() *codec.Text { return c.text }

// Array decodes the column, with memory of mem alone.
func (c *Column) Array(mem memory.Allocator) (arrow.Array, error) {
	return c.r.decodeChecked(mem, c.at, c.shared, c.bytes)
}

// ReadColumns returns the columns of those fields in a block, in the order
// asked for. Checksums are always verified, encodings as far as they are read.
// Pages that are not in the reader's cache are read, those that lie close
// together at once, and put there.
func (r *Reader) ReadColumns(ctx context.Context, block int, fieldIDs []int32) ([]*Column, error) {
	columns := newColumns(len(fieldIDs))
	if err := r.ReadInto(ctx, columns, block, fieldIDs); err != nil {
		return nil, err
	}
	return columns, nil
}

func newColumns(n int) []*Column {
	columns, all := make([]*Column, n), make([]Column, n)
	for i := range all {
		columns[i] = &all[i]
	}
	return columns
}

// ReadInto is ReadColumns into columns of the caller, one for each field, which
// may have been others before: nothing of those is left, nor is it changed
// whatever was had from them. It allocates nothing where all pages are in the
// cache and none refers to a dictionary that is not in use. After an error the
// columns are good for nothing but to be read into again.
func (r *Reader) ReadInto(ctx context.Context, columns []*Column, block int, fieldIDs []int32) error {
	if err := r.readInto(ctx, columns, block, fieldIDs); err != nil {
		return err
	}
	return r.shareDictionaries(ctx, columns)
}

// readInto is ReadInto without the dictionaries.
func (r *Reader) readInto(ctx context.Context, columns []*Column, block int, fieldIDs []int32) error {
	if err := r.loadAll(ctx, block, fieldIDs); err != nil {
		return err
	}
	var missing []int
	for i, id := range fieldIDs {
		place, _ := r.columns.find(id)
		r.setColumn(columns[i], pageAt{place, block, r.metas[place].Load().pages[block]})
		if columns[i].kept == nil {
			missing = append(missing, i)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return r.fill(ctx, columns, missing)
}

// loadAll makes sure that the metas of fields are there, and that there is
// such a block.
func (r *Reader) loadAll(ctx context.Context, block int, fieldIDs []int32) error {
	there := block >= 0 && block < r.Blocks()
	for _, id := range fieldIDs {
		place, ok := r.columns.find(id)
		there = there && ok && r.metas[place].Load() != nil
	}
	if there {
		return nil
	}
	places, err := r.find(fieldIDs, block)
	if err == nil {
		_, err = r.load(ctx, places)
	}
	return err
}

// setColumn makes c a column, with its bytes if they are in the cache.
func (r *Reader) setColumn(c *Column, at pageAt) {
	*c = Column{r: r, at: at}
	c.typ, _ = r.typeOf(at.place)
	if kept, ok := r.cache.get(at.off).(*keptPage); ok {
		c.kept, c.bytes = kept, kept.bytes
	}
}

// fill reads the pages of those columns that are missing, checks them and
// leaves them in the cache.
func (r *Reader) fill(ctx context.Context, columns []*Column, missing []int) error {
	spans := make([]span, len(missing))
	for k, i := range missing {
		spans[k] = columns[i].at.span
	}
	read, err := r.fetchPages(ctx, spans)
	if err != nil {
		return err
	}
	for k, i := range missing {
		c := columns[i]
		if err := r.checkPage(c.at, read[k]); err != nil {
			return err
		}
		if c.bytes = read[k]; r.cache.cache != nil {
			c.kept = &keptPage{bytes: c.bytes}
			r.cache.put(c.at.off, c.kept, len(c.bytes))
		}
	}
	return nil
}

// fetchPages returns the bytes of spans. Those that may stay in a cache are in
// memory of their own each: a read of many pages does not stay because one of
// them does.
func (r *Reader) fetchPages(ctx context.Context, spans []span) ([][]byte, error) {
	if r.cache.cache == nil {
		return fetch(ctx, r.file, spans)
	}
	if file, ok := r.file.(expecter); ok {
		return fetchApart(ctx, r.file, file, spans)
	}
	read, err := fetch(ctx, r.file, spans)
	for i := range read {
		read[i] = bytes.Clone(read[i])
	}
	return read, err
}

func (c *Column) lazy() bool { return c.ints != nil || c.text != nil }

// view reads validity and values of the types that have a view, and returns
// the encodings met and the bytes of memory taken.
func (c *Column) view(b []byte, budget int64) (used codec.Set, spent int64, err error) {
	d, err := codec.NewDecoder(b, budget)
	if err != nil {
		return 0, 0, err
	}
	d.Share(c.shared)
	cr, rows := columnReader{d, memory.DefaultAllocator}, c.Rows()
	validity, nulls, err := cr.validity(rows)
	if err != nil {
		return 0, 0, err
	}
	if validity != nil {
		c.valid, c.nulls = validity.Bytes(), nulls
	}
	switch t := c.typ.(type) {
	case *arrow.StringType, *arrow.BinaryType:
		c.text, err = d.ViewStrings(rows)
	case *arrow.Decimal128Type:
		c.ints, err = d.ViewNarrow(rows)
	case *arrow.BooleanType, *arrow.Uint64Type, *arrow.Float16Type, *arrow.Float32Type, *arrow.Float64Type:
		return 0, 0, nil
	case arrow.FixedWidthDataType:
		c.ints, err = viewInts(d, t, rows)
	}
	if err != nil || !c.lazy() {
		return 0, 0, err
	}
	return d.Used(), budget - d.Left(), d.Done()
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
