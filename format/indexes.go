package format

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/tarnlake/tarn/index"
	"github.com/tarnlake/tarn/schema"
)

// Indexes are sections of a column's meta: what package index builds and
// reads, put into the file, found, checked and given back. A reader that does
// not know one passes over it.

// minIndexRows is the least number of rows worth an index: one page of fewer
// is scanned as fast as an index is read.
const minIndexRows = 4096

// Room of the value directory, as shares of the bytes of its column.
const (
	listedShare    = 2       // percent, of all listed rows
	directoryShare = 25      // percent, of all the rest
	directoryFloor = 4 << 10 // bytes that the rest may always take
)

// check refuses indexes on columns that are not there or cannot have them.
func (o Options) check(s *schema.Schema) error {
	for _, id := range o.Lookup {
		if i := s.ByID(id); i < 0 || !index.Bounded(s.Fields[i].Type) {
			return fmt.Errorf("lookup index on field %d: no such column, or one without an order", id)
		}
	}
	for _, id := range o.Text {
		if i := s.ByID(id); i < 0 || s.Fields[i].Type.ID() != arrow.STRING {
			return fmt.Errorf("text index on field %d: no such column, or not one of strings", id)
		}
	}
	return nil
}

// columnIndexes are the indexes of one column that are being built.
type columnIndexes struct {
	values *index.ValuesBuilder
	held   int64 // by values, as counted in Writer.valuesHeld
	lookup *index.LookupBuilder
	text   *index.TextIndexBuilder
}

// newIndexes returns the indexes that a column gets.
func (w *Writer) newIndexes(f schema.Field) *columnIndexes {
	c := &columnIndexes{}
	least := w.opts.IndexRows
	if least == 0 {
		least = minIndexRows
	}
	if w.waiting < least || !index.Bounded(f.Type) {
		return c
	}
	c.values = index.NewValuesBuilder(f.Type)
	if slices.Contains(w.opts.Lookup, f.ID) {
		c.lookup = index.NewLookupBuilder()
	}
	if slices.Contains(w.opts.Text, f.ID) {
		c.text = index.NewTextIndexBuilder()
	}
	return c
}

// index adds a block of column i, whose page has been made, to its indexes,
// and returns its zone.
func (w *Writer) index(s *index.Scratch, i int, col arrow.Array) index.Zone {
	if w.indexes[i] == nil {
		w.indexes[i] = w.newIndexes(w.schema.Fields[i])
	}
	c := w.indexes[i]
	c.addValues(s, col, w.metas[i])
	if c.lookup != nil && !c.lookup.Add(s, col) {
		c.lookup = nil
	}
	if c.text != nil && !c.text.Add(col.(*array.String)) {
		c.text = nil
	}
	if c.values != nil {
		return c.values.Zone(col)
	}
	return index.ZoneOf(col)
}

// maxValuesHeld bounds what the value directories of all columns hold while a
// segment is written. A column that would pass it gets none.
const maxValuesHeld = 256 << 20

// bytesHeld returns what the indexes hold.
func (c *columnIndexes) bytesHeld() (n int64) {
	if c == nil {
		return 0
	}
	if n = c.held; c.lookup != nil {
		n += c.lookup.Held()
	}
	if c.text != nil {
		n += c.text.Held()
	}
	return n
}

// boundValues is called in the order of columns: which ones get no directory
// must not depend on goroutines.
func (w *Writer) boundValues(c *columnIndexes) {
	w.valuesHeld -= c.held
	if c.held = 0; c.values != nil {
		c.held = c.values.Held()
	}
	if w.valuesHeld += c.held; w.valuesHeld > maxValuesHeld {
		w.valuesHeld -= c.held
		c.values, c.held = nil, 0
	}
}

func (c *columnIndexes) addValues(s *index.Scratch, col arrow.Array, m meta) {
	if c.values == nil {
		return
	}
	more := c.values.Add(s, col, m.bytes()*listedShare/100)
	if !more || hopeless(c.values, col.Len(), int64(m.pages[len(m.pages)-1].len)) {
		c.values = nil
	}
}

// hopeless reports whether the directory of a column, after a block of so many
// rows, outgrows the share of the pages that it may take, by far: most columns
// of keys and of amounts are like that.
func hopeless(values *index.ValuesBuilder, rows int, page int64) bool {
	return rows == BlockRows && values.Growth(rows) > 2*max(page*directoryShare/100, directoryFloor)
}

// bytes returns the size of all pages.
func (m meta) bytes() (n int64) {
	for _, p := range m.pages {
		n += int64(p.len)
	}
	return n
}

// putIndexes writes the sections of all columns.
func (w *Writer) putIndexes() error {
	return inOrder(len(w.indexes), w.goroutines(int(min(w.rows, BlockRows))), w.opts.Profile, func(_ *maker, i int) (func() error, error) {
		made, err := w.indexes[i].finish(w.metas[i].bytes())
		if err != nil {
			return nil, fmt.Errorf("index of column %q: %w", w.schema.Fields[i].Name, err)
		}
		w.indexes[i] = nil
		return func() error { return w.putSections(i, made) }, nil
	})
}

// sectionBytes are the contents of a section; those of none are empty.
type sectionBytes struct {
	id    sectionID
	bytes []byte
}

// finish returns the sections of a column whose pages have so many bytes. A
// column without any block has none.
func (c *columnIndexes) finish(pages int64) (made []sectionBytes, err error) {
	if c == nil {
		return nil, nil
	}
	var values, bloom, locator, tokens []byte
	if c.values != nil {
		if values, err = c.values.Finish(max(pages*directoryShare/100, directoryFloor)); err != nil {
			return nil, err
		}
	}
	if c.lookup != nil {
		bloom, locator = c.lookup.Finish()
	}
	if c.text != nil {
		if tokens, err = c.text.Finish(); err != nil {
			return nil, err
		}
	}
	return []sectionBytes{{sectionValues, values}, {sectionBloom, bloom}, {sectionLocate, locator}, {sectionTokens, tokens}}, nil
}

// putSections writes the sections of column i that have bytes.
func (w *Writer) putSections(i int, made []sectionBytes) error {
	for _, s := range made {
		if len(s.bytes) > 0 {
			w.metas[i].sections = append(w.metas[i].sections, section{id: s.id, span: w.out.put(s.bytes, partAlign)})
		}
	}
	return w.out.err
}

// indexOf returns an index of the column at a place of the directory: one that
// is in the cache, or else what parse makes of its section, and the bytes that
// this holds. It is nil if there is none.
func indexOf[T any](ctx context.Context, r *Reader, place int, id sectionID, parse func(*meta, indexBytes) (x *T, bytes int, err error)) (*T, error) {
	metas, err := r.load(ctx, []int{place})
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(metas[0].sections, func(s section) bool { return s.id == id })
	if at < 0 {
		return nil, nil
	}
	s := metas[0].sections[at]
	if x, ok := r.cache.get(s.off).(*T); ok {
		return x, nil
	}
	x, bytes, err := parse(metas[0], indexBytes{r, s})
	if err != nil {
		return nil, r.badIndex(place, id, err)
	}
	if x != nil {
		r.cache.put(s.off, x, bytes)
	}
	return x, nil
}

// badIndex gives an error of an index its place in the file. An error of
// reading stays what it is.
func (r *Reader) badIndex(place int, id sectionID, err error) error {
	if errors.As(err, new(*readError)) || errors.Is(err, ErrCorrupt) {
		return err
	}
	f, kind := r.field(place), " index"
	if id == sectionDictionary {
		kind = ""
	}
	return fmt.Errorf("%w: %s%s of column %q: %w", ErrCorrupt, id, kind, f.Name, err)
}

// readError is an error of the file, not of what is in it.
type readError struct{ error }

func (e *readError) Unwrap() error { return e.error }

// indexBytes are the bytes of an index's section.
type indexBytes struct {
	r *Reader
	section
}

// all returns the whole section, checked.
func (b indexBytes) all() ([]byte, error) {
	out := make([]byte, b.len)
	if err := readFull(b.r.file, out, int64(b.off)); err != nil {
		return nil, &readError{err}
	}
	return out, b.check(b.r.file, b.id.String(), out)
}

// read returns n bytes of the section for which check returns nil. They stay
// in the cache; without a check they do not.
func (b indexBytes) read(off, n uint64, check func([]byte) error) ([]byte, error) {
	if off > b.len || n > b.len-off {
		return nil, fmt.Errorf("%d bytes at %d of a section of %d", n, off, b.len)
	}
	at := b.off + off
	if check != nil {
		if kept := b.r.cache.bytes(at); uint64(len(kept)) == n && n > 0 {
			return kept, nil
		}
	}
	out := make([]byte, n)
	if err := readFull(b.r.file, out, int64(at)); err != nil {
		return nil, &readError{err}
	}
	if check != nil {
		right := func(out []byte) bool { return check(out) == nil }
		if err := check(out); err != nil && !reread(b.r.file, out, int64(at), err, right) {
			return nil, err
		}
		b.r.cache.put(at, out, len(out))
	}
	return out, nil
}

// Values returns the directory of the distinct values of a column, or nil if
// it has none. Do not keep it: it may be large.
func (r *Reader) Values(ctx context.Context, fieldID int32) (*index.Values, error) {
	places, err := r.places([]int32{fieldID})
	if err != nil {
		return nil, err
	}
	return r.values(ctx, places[0])
}

func (r *Reader) values(ctx context.Context, place int) (*index.Values, error) {
	return indexOf(ctx, r, place, sectionValues, func(m *meta, s indexBytes) (*index.Values, int, error) {
		b, err := s.all()
		if err != nil {
			return nil, 0, err
		}
		keys, err := r.keysOf(place, m)
		if err != nil {
			return nil, 0, err
		}
		v, err := index.ParseValues(b, r.Rows(), m.nulls(), keys)
		return v, len(b), err
	})
}

func (m meta) nulls() (n int64) {
	for _, p := range m.pages {
		n += p.zone.Nulls
	}
	return n
}

// Has reports whether the segment has a column (see index.Source).
func (r *Reader) Has(fieldID int32) bool {
	_, ok := r.columns.find(fieldID)
	return ok
}

// FindRows returns what zones and indexes of the segment know of a filter. It
// reads the indexes of the columns that the filter compares.
func (r *Reader) FindRows(ctx context.Context, p *index.Pred) (*index.Rows, error) {
	return index.FindRows(ctx, p, r)
}

// Probes asks the indexes of a column about a leaf (see index.Source).
func (r *Reader) Probes(ctx context.Context, leaf *index.Pred) ([]index.Probe, error) {
	places, err := r.places([]int32{leaf.Field})
	if err != nil {
		return nil, err
	}
	var out []index.Probe
	for _, kind := range probeKinds {
		p, err := kind.probe(r, ctx, places[0], leaf)
		if err != nil {
			return nil, r.badIndex(places[0], kind.id, err)
		}
		if p != nil {
			out = append(out, &sectionProbe{p, r, places[0], kind.id})
		}
	}
	return out, nil
}

// sectionProbe says of errors in which section they are.
type sectionProbe struct {
	index.Probe
	r     *Reader
	place int
	id    sectionID
}

func (p *sectionProbe) Block(block int, m *index.Mask) (index.Found, error) {
	found, err := p.Probe.Block(block, m)
	if err != nil {
		return index.Unsure, p.r.badIndex(p.place, p.id, err)
	}
	return found, nil
}

// probeKinds are the indexes that answer leaves, the cheapest first.
var probeKinds = []struct {
	id    sectionID
	probe func(r *Reader, ctx context.Context, place int, leaf *index.Pred) (index.Probe, error)
}{
	{sectionTokens, (*Reader).probeText},
	{sectionLocate, (*Reader).probeLookup},
	{sectionValues, (*Reader).probeValues},
}

func (r *Reader) probeLookup(ctx context.Context, place int, leaf *index.Pred) (index.Probe, error) {
	if leaf.Op != index.Eq && leaf.Op != index.In {
		return nil, nil
	}
	filter, err := r.bloom(ctx, place)
	if err != nil {
		return nil, err
	}
	locator, err := r.locator(ctx, place)
	if locator == nil || err != nil {
		return nil, err
	}
	return index.ProbeLookup(leaf, filter, locator)
}

func (r *Reader) probeText(ctx context.Context, place int, leaf *index.Pred) (index.Probe, error) {
	if leaf.Op != index.HasToken {
		return nil, nil
	}
	x, err := r.text(ctx, place)
	if x == nil || err != nil {
		return nil, err
	}
	return x.Probe(leaf)
}

func (r *Reader) text(ctx context.Context, place int) (*index.TextIndex, error) {
	return indexOf(ctx, r, place, sectionTokens, func(_ *meta, s indexBytes) (*index.TextIndex, int, error) {
		x, err := index.OpenTextIndex(s.read, s.len, r.Rows())
		return x, x.Held(), err
	})
}

func (r *Reader) bloom(ctx context.Context, place int) (*index.Bloom, error) {
	return indexOf(ctx, r, place, sectionBloom, func(_ *meta, s indexBytes) (*index.Bloom, int, error) {
		x, err := index.OpenBloom(s.read, s.len)
		return x, x.Held(), err
	})
}

func (r *Reader) locator(ctx context.Context, place int) (*index.Locator, error) {
	return indexOf(ctx, r, place, sectionLocate, func(_ *meta, s indexBytes) (*index.Locator, int, error) {
		x, err := index.OpenLocator(s.read, s.len, r.Rows())
		return x, x.Held(), err
	})
}

func (r *Reader) probeValues(ctx context.Context, place int, leaf *index.Pred) (index.Probe, error) {
	v, err := r.values(ctx, place)
	if v == nil || err != nil {
		return nil, err
	}
	return v.Probe(leaf)
}
