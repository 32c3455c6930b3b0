package format

import (
	"fmt"

	"github.com/tarnlake/tarn/format/codec"
	"github.com/tarnlake/tarn/index"
)

// meta is the index of one column: where its pages are and what is in them.
//
//	0  4  pages     4  4  sections     8  4  bytes of bounds     12  4  zero
//	…  40 × pages      entries
//	…  32 × sections   sections of this column alone (indexes), as in the footer
//	…                  bounds: least, then greatest key of each page in turn
type meta struct {
	pages    []page
	sections []section
}

// page is one entry of a meta.
//
//	0  8  offset     8  4  length     12  4  rows     16  4  nulls
//	20 1  length of the least key     21  1  of the greatest
//	22 1  flags: 1 has least, 2 has greatest, 4 least exact, 8 greatest exact
//	23 1  zero     24  8  encodings used, bit n for encoding n     32  8  xxh3
type page struct {
	span
	zone      index.Zone
	encodings codec.Set
}

const (
	metaFixed = 16
	pageSize  = 40
)

// Flags of a page entry. Numbers reach disk.
const (
	hasMin = 1 << iota
	hasMax
	minExact
	maxExact
)

func (m meta) append(b []byte) []byte {
	bounds := 0
	for _, p := range m.pages {
		bounds += len(p.zone.Min) + len(p.zone.Max)
	}
	b = le.AppendUint32(b, uint32(len(m.pages)))
	b = le.AppendUint32(b, uint32(len(m.sections)))
	b = le.AppendUint32(b, uint32(bounds))
	b = le.AppendUint32(b, 0)
	for _, p := range m.pages {
		b = p.append(b)
	}
	b = appendSections(b, m.sections)
	for _, p := range m.pages {
		b = append(b, p.zone.Min...)
		b = append(b, p.zone.Max...)
	}
	return b
}

func (p page) append(b []byte) []byte {
	b = le.AppendUint64(b, p.off)
	b = le.AppendUint32(b, uint32(p.len))
	b = le.AppendUint32(b, uint32(p.zone.Rows))
	b = le.AppendUint32(b, uint32(p.zone.Nulls))
	b = append(b, byte(len(p.zone.Min)), byte(len(p.zone.Max)), zoneFlags(p.zone), 0)
	b = le.AppendUint64(b, uint64(p.encodings))
	return le.AppendUint64(b, p.sum)
}

func zoneFlags(z index.Zone) (flags byte) {
	if z.Min != nil {
		flags |= hasMin
	}
	if z.Max != nil {
		flags |= hasMax
	}
	if z.MinExact {
		flags |= minExact
	}
	if z.MaxExact {
		flags |= maxExact
	}
	return flags
}

// parseMeta reads a meta of a file that has rows rows and whose pages end
// before limit.
func parseMeta(b []byte, rows int64, limit uint64, required Features) (*meta, error) {
	c := cursor{b: b}
	pages, sections, bounds := c.u32(), c.u32(), c.u32()
	c.zero(4)
	if int64(pages) != blocksOf(rows) {
		return nil, fmt.Errorf("%d pages for %d rows", pages, rows)
	}
	if uint64(pages)*pageSize > uint64(len(c.b)) {
		return nil, fmt.Errorf("%d pages in %d bytes", pages, len(b))
	}
	m := &meta{pages: make([]page, pages)}
	lens := make([][2]uint8, pages)
	for i := range m.pages {
		lens[i] = c.page(&m.pages[i])
		if c.err == nil {
			c.err = m.pages[i].check(rowsOf(rows, i), limit, required)
		}
	}
	m.sections = c.sections(sections, limit)
	if c.err == nil && uint64(bounds) != uint64(len(c.b)) {
		return nil, fmt.Errorf("%d bytes of bounds; want %d", len(c.b), bounds)
	}
	for i := range m.pages {
		z := &m.pages[i].zone
		z.Min, z.Max = c.bound(z.Min, lens[i][0]), c.bound(z.Max, lens[i][1])
	}
	return m, c.done()
}

// page reads an entry and returns the lengths of its bounds; a bound that is
// there is not nil.
func (c *cursor) page(p *page) (lens [2]uint8) {
	p.off, p.len = c.u64(), uint64(c.u32())
	p.zone = index.Zone{Rows: int64(c.u32()), Nulls: int64(c.u32())}
	lens = [2]uint8{c.u8(), c.u8()}
	flags := c.u8()
	c.zero(1)
	p.encodings = codec.Set(c.u64())
	p.sum = c.u64()
	if flags&hasMin != 0 {
		p.zone.Min = []byte{}
	}
	if flags&hasMax != 0 {
		p.zone.Max = []byte{}
	}
	p.zone.MinExact, p.zone.MaxExact = flags&minExact != 0, flags&maxExact != 0
	if c.err == nil && zoneFlags(p.zone) != flags {
		c.err = fmt.Errorf("unknown page flags %#x", flags)
	}
	return lens
}

// bound reads the bytes of a bound; one that is not there has none.
func (c *cursor) bound(has []byte, n uint8) []byte {
	switch b := c.bytes(uint64(n)); {
	case c.err != nil:
	case has == nil && n != 0, n > index.MaxBoundBytes:
		c.err = fmt.Errorf("bound of %d bytes", n)
	case has != nil:
		return b
	}
	return nil
}

func (p page) check(rows int, limit uint64, required Features) error {
	switch {
	case p.zone.Rows != int64(rows):
		return fmt.Errorf("page of %d rows; want %d", p.zone.Rows, rows)
	case p.zone.Nulls > p.zone.Rows:
		return fmt.Errorf("page of %d rows with %d nulls", p.zone.Rows, p.zone.Nulls)
	case p.off < headSize || p.off%pageAlign != 0:
		return fmt.Errorf("page at byte %d", p.off)
	case Features(p.encodings)&^required != 0:
		return fmt.Errorf("page uses encodings %v that the trailer does not name", p.encodings.List())
	}
	return p.inside(limit)
}

func blocksOf(rows int64) int64 { return (rows + BlockRows - 1) / BlockRows }

// rowsOf returns the rows of block b.
func rowsOf(rows int64, b int) int { return int(min(rows-int64(b)*BlockRows, BlockRows)) }
