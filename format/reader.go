package format

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"weak"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/format/codec"
	"github.com/tarnlake/tarn/index"
	"github.com/tarnlake/tarn/schema"
)

// Reader gives back what a Writer wrote. It reads the metas of a column when
// that column is first asked for and keeps them; pages and indexes are kept by
// its Cache, if it has one. It is safe for concurrent use if its io.ReaderAt
// is.
type Reader struct {
	file    io.ReaderAt
	size    int64
	trailer trailer
	footer  footer
	fields  *fields
	info    Info
	columns directory
	metas   []atomic.Pointer[meta]
	budget  int64 // bytes of values that one page may decode to
	cache   cachedSegment

	dictionaries []atomic.Pointer[weak.Pointer[codec.SharedTexts]] // by place, as long as somebody uses them
}

// tailSize is how much Open reads at once. Narrow files need no more.
const tailSize = 64 << 10

// Open reads the tail of a segment file of that size and checks trailer,
// footer and sections. Errors wrap ErrCorrupt or ErrUnsupported, or are those
// of r.
func Open(r io.ReaderAt, size int64) (*Reader, error) { return openIn(cachedSegment{}, r, size) }

func openIn(cache cachedSegment, r io.ReaderAt, size int64) (*Reader, error) {
	if m, ok := r.(Mirrored); ok {
		return openCopies(cache, m, size)
	}
	return openFrom(cache, r, size)
}

func openFrom(cache cachedSegment, r io.ReaderAt, size int64) (*Reader, error) {
	if size < headSize+trailerSize {
		return nil, corrupt("file", 0, "%d bytes are too few for a segment", size)
	}
	t := tail{file: r, size: size, at: max(0, size-tailSize)}
	if t.bytes = make([]byte, size-t.at); len(t.bytes) > 0 {
		if err := readFull(r, t.bytes, t.at); err != nil {
			return nil, err
		}
	}
	s := &Reader{file: r, size: size, budget: codec.MaxPageValues, cache: cache}
	return s, s.open(t)
}

func readFull(r io.ReaderAt, b []byte, at int64) error {
	n, err := r.ReadAt(b, at)
	switch {
	case n == len(b):
		return nil
	case errors.Is(err, io.EOF):
		return corrupt("file", at, "ends %d bytes early", len(b)-n)
	}
	return fmt.Errorf("read %d bytes at %d: %w", len(b), at, err)
}

func (r *Reader) open(t tail) (err error) {
	if r.trailer, err = parseTrailer(t.bytes[len(t.bytes)-trailerSize:], r.size); err != nil {
		return err
	}
	b, err := t.read("footer", r.trailer.footer)
	if err != nil {
		return err
	}
	if r.footer, err = parseFooter(b, r.trailer.footer); err != nil {
		return err
	}
	return r.openSections(t)
}

// tail is the end of the file in memory.
type tail struct {
	file  io.ReaderAt
	size  int64
	at    int64
	bytes []byte
}

// read returns the bytes of a span, from memory if they are there, and checks
// them.
func (t tail) read(part string, s span) ([]byte, error) {
	b := []byte(nil)
	if int64(s.off) >= t.at {
		b = t.bytes[int64(s.off)-t.at:][:s.len]
	} else {
		b = make([]byte, s.len)
		if err := readFull(t.file, b, int64(s.off)); err != nil {
			return nil, err
		}
	}
	return b, s.check(t.file, part, b)
}

func (r *Reader) openSections(t tail) error {
	found := map[sectionID]section{}
	for _, s := range r.footer.sections {
		if _, twice := found[s.id]; twice {
			return corrupt("footer", int64(r.trailer.footer.off), "%s is there twice", s.id)
		}
		found[s.id] = s
		if s.id > sectionInfo && s.flags&mustKnow != 0 {
			return fmt.Errorf("%w: %s cannot be skipped", ErrUnsupported, s.id)
		}
	}
	for _, id := range []sectionID{sectionSchema, sectionColumns, sectionInfo} {
		s, ok := found[id]
		if !ok {
			return corrupt("footer", int64(r.trailer.footer.off), "%s is missing", id)
		}
		b, err := t.read(id.String(), s.span)
		if err != nil {
			return err
		}
		if len(b) <= tailSize { // let go of the tail
			b = bytes.Clone(b)
		}
		if err := r.parseSection(id, b); err != nil {
			return corrupt(id.String(), int64(s.off), "%w", err)
		}
	}
	return nil
}

func (r *Reader) parseSection(id sectionID, b []byte) (err error) {
	switch id {
	case sectionSchema:
		if r.fields, err = parseFields(b); err == nil && r.fields.len() != int(r.footer.columns) {
			err = fmt.Errorf("%d fields; the footer says %d", r.fields.len(), r.footer.columns)
		}
	case sectionColumns:
		r.columns, err = parseDirectory(b, r.fields, r.trailer.footer.off)
		r.metas = make([]atomic.Pointer[meta], r.columns.len())
		r.dictionaries = make([]atomic.Pointer[weak.Pointer[codec.SharedTexts]], r.columns.len())
	case sectionInfo:
		r.info, err = parseInfo(b)
	}
	return err
}

// Info returns what the segment is part of. Do not change its map.
func (r *Reader) Info() Info { return r.info }

// Schema returns the schema under which the segment was written.
func (r *Reader) Schema() *schema.Schema { return r.fields.schema() }

// Rows returns the number of rows.
func (r *Reader) Rows() int64 { return int64(r.footer.rows) }

// Blocks returns the number of blocks.
func (r *Reader) Blocks() int { return int(blocksOf(r.Rows())) }

// BlockRows returns the number of rows of block b: BlockRows, or fewer in the
// last one.
func (r *Reader) BlockRows(b int) int { return rowsOf(r.Rows(), b) }

// Zone returns the zone of a column in a block. Its bounds are shared: do not
// change them. Asking for a field or a block that is not there is an error.
func (r *Reader) Zone(fieldID int32, block int) (index.Zone, error) {
	if at, ok := r.columns.find(fieldID); ok && block >= 0 && block < r.Blocks() {
		if m := r.metas[at].Load(); m != nil { // most often; it allocates nothing
			return m.pages[block].zone, nil
		}
	}
	at, err := r.find([]int32{fieldID}, block)
	if err != nil {
		return index.Zone{}, err
	}
	metas, err := r.load(context.Background(), at)
	if err != nil {
		return index.Zone{}, err
	}
	return metas[0].pages[block].zone, nil
}

// field returns the field of the column at a place of the directory.
func (r *Reader) field(place int) schema.Field { return r.fields.at(r.columns.at(place).position) }

// typeOf returns the type of that column, and whether it may be null.
func (r *Reader) typeOf(place int) (t arrow.DataType, nullable bool) {
	return r.fields.typeOf(r.columns.at(place).position)
}

// find returns the places of fields in the directory, if there is such a block.
func (r *Reader) find(fieldIDs []int32, block int) ([]int, error) {
	if block < 0 || block >= r.Blocks() {
		return nil, fmt.Errorf("block %d of a segment of %d", block, r.Blocks())
	}
	return r.places(fieldIDs)
}

// places returns the places of fields in the directory.
func (r *Reader) places(fieldIDs []int32) ([]int, error) {
	places := make([]int, len(fieldIDs))
	for i, id := range fieldIDs {
		at, ok := r.columns.find(id)
		if !ok {
			return nil, fmt.Errorf("segment has no field %d", id)
		}
		places[i] = at
	}
	return places, nil
}

// load returns the metas of the columns at those places of the directory.
func (r *Reader) load(ctx context.Context, places []int) ([]*meta, error) {
	metas := make([]*meta, len(places))
	var missing []int
	var spans []span
	for i, at := range places {
		if metas[i] = r.metas[at].Load(); metas[i] == nil {
			missing, spans = append(missing, i), append(spans, r.columns.at(at).meta)
		}
	}
	if len(missing) == 0 {
		return metas, nil
	}
	bufs, err := fetch(ctx, r.file, spans)
	if err != nil {
		return nil, err
	}
	for k, i := range missing {
		if metas[i], err = r.parseMeta(places[i], bufs[k]); err != nil {
			return nil, err
		}
	}
	return metas, nil
}

func (r *Reader) parseMeta(at int, b []byte) (*meta, error) {
	c := r.columns.at(at)
	part := fmt.Sprintf("meta of column %q", r.field(at).Name)
	if err := c.meta.check(r.file, part, b); err != nil {
		return nil, err
	}
	b = bytes.Clone(b) // zones point into it; let go of the joint read
	m, err := parseMeta(b, r.Rows(), r.trailer.footer.off, r.trailer.required)
	if err != nil {
		return nil, corrupt(part, int64(c.meta.off), "%w", err)
	}
	found := map[sectionID]bool{}
	for _, s := range m.sections {
		if found[s.id] {
			return nil, corrupt(part, int64(c.meta.off), "%s is there twice", s.id)
		}
		found[s.id] = true
		if s.flags&mustKnow != 0 && s.id != sectionDictionary {
			return nil, fmt.Errorf("%w: %s has a section %d that cannot be skipped", ErrUnsupported, part, s.id)
		}
	}
	r.metas[at].Store(m)
	return m, nil
}

// ReadBlock returns the columns of those fields in a block, in the order asked
// for: arrays of BlockRows(block) values in the types of Schema, with memory
// of mem alone; the caller releases them. Checksums are always verified.
// Pages that lie close together are read at once; what is kept in a cache is
// not used, and nothing new is kept: blocks are read so to be rewritten.
func (r *Reader) ReadBlock(ctx context.Context, mem memory.Allocator, block int, fieldIDs []int32) ([]arrow.Array, error) {
	places, err := r.find(fieldIDs, block)
	if err != nil {
		return nil, err
	}
	metas, err := r.load(ctx, places)
	if err != nil {
		return nil, err
	}
	spans := make([]span, len(metas))
	for i, m := range metas {
		spans[i] = m.pages[block].span
	}
	bufs, err := fetch(ctx, r.file, spans)
	if err != nil {
		return nil, err
	}
	out := make([]arrow.Array, 0, len(metas))
	for i, m := range metas {
		if err := ctx.Err(); err != nil {
			release(out)
			return nil, err
		}
		a, err := r.decode(mem, pageAt{places[i], block, m.pages[block]}, bufs[i])
		if err != nil {
			release(out)
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

// pageAt is a page and its place in the table.
type pageAt struct {
	place, block int
	page
}

// corruptPage is an error about a page.
func (r *Reader) corruptPage(p pageAt, format string, args ...any) error {
	return corrupt(fmt.Sprintf("page of column %q, block %d,", r.field(p.place).Name, p.block), int64(p.off), format, args...)
}

// checkPage checks the bytes of a page.
func (r *Reader) checkPage(p pageAt, b []byte) error {
	if p.right(b) {
		return nil
	}
	err := r.corruptPage(p, "checksum does not match")
	if reread(r.file, b, int64(p.off), err, p.right) {
		return nil
	}
	return err
}

// decode checks the bytes of a page and turns them into an array.
func (r *Reader) decode(mem memory.Allocator, p pageAt, b []byte) (arrow.Array, error) {
	if err := r.checkPage(p, b); err != nil {
		return nil, err
	}
	shared, err := r.dictionaryOf(p)
	if err != nil {
		return nil, err
	}
	return r.decodeChecked(mem, p, shared, b)
}

func (r *Reader) decodeChecked(mem memory.Allocator, p pageAt, shared *codec.SharedTexts, b []byte) (arrow.Array, error) {
	typ, nullable := r.typeOf(p.place)
	a, d, err := decodePage(mem, b, shared, typ, int(p.zone.Rows), r.budget)
	if err != nil {
		return nil, r.corruptPage(p, "%w", err)
	}
	used := d.Used()
	if nulls := int64(a.NullN()); nulls != p.zone.Nulls || nulls > 0 && !nullable || used != p.encodings {
		a.Release()
		return nil, r.corruptPage(p, "%d nulls in encodings %v; its meta says %d in %v", nulls, used.List(), p.zone.Nulls, p.encodings.List())
	}
	return a, nil
}
