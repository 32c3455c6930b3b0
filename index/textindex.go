package index

import (
	"bytes"
	"cmp"
	"fmt"
	"unicode"
)

// TextIndex tells in which rows of a column of texts a token is. It is safe
// for concurrent use.
//
// Fields of the head: tokenizer u16 (1 is EachToken), its version u16, zero
// u32, rows u64, terms u64, width of row ids u8, length of the Unicode version
// u8, that version; then the first term of each page, as terms.
//
// A page: terms; a byte for the width of counts and one for that of ends; 2
// bits for each term that say where its rows are (termPlace); the number of
// rows of each term, packed; the ends of their data, packed; data.
type TextIndex struct {
	pages  *pages
	firsts terms
	rows   int64
	terms  uint64
	width  uint
}

const (
	tokenizerID      = 1
	tokenizerVersion = 1
	textPageBytes    = 16 << 10 // a page is closed when it has so many
	// MaxTokenBytes is the length of the longest token that is indexed.
	MaxTokenBytes = 128
)

// termPlace says where the rows of a term are. Numbers reach disk.
type termPlace uint8

const (
	tooMany  termPlace = 0 // not kept: the term is in many rows
	inList   termPlace = 1 // row ids, packed
	inBitmap termPlace = 2 // a roaring bitmap of row ids
)

// OpenTextIndex opens the index in a section of size bytes, of a segment of
// rows rows. It is nil if it was made by other rules than this code's: by
// another tokenizer, or another version of Unicode.
func OpenTextIndex(read ReadFunc, size uint64, rows int64) (*TextIndex, error) {
	p, c, err := openPages(read, size)
	if p == nil || err != nil {
		return nil, err
	}
	tokenizer, version := c.u16(), c.u16()
	c.zero(4)
	x := &TextIndex{pages: p, rows: int64(c.u64()), terms: c.u64(), width: c.width()}
	letters := string(c.bytes(uint64(c.u8())))
	if c.err == nil && (tokenizer != tokenizerID || version != tokenizerVersion || letters != unicode.Version) {
		return nil, nil
	}
	x.firsts = c.terms()
	if err := c.done(); err != nil {
		return nil, err
	}
	if x.rows != rows || x.firsts.n != p.n {
		return nil, fmt.Errorf("%d rows, %d first terms; want %d, %d", x.rows, x.firsts.n, rows, p.n)
	}
	if x.width != widthOf(uint64(rows-1)) { // a list of row ids of no bits would claim any number of them for free
		return nil, fmt.Errorf("row ids of %d bits for %d rows", x.width, rows)
	}
	return x, x.firsts.check()
}

// Held returns the bytes of memory that it takes.
func (x *TextIndex) Held() int {
	if x == nil {
		return 0
	}
	return x.pages.held()
}

// Terms returns how many different tokens there are.
func (x *TextIndex) Terms() int64 { return int64(x.terms) }

// textPage is a page taken apart.
type textPage struct {
	terms        terms
	places       packedUints
	counts, ends packedUints
	data         []byte
}

func (x *TextIndex) page(i int) (p textPage, err error) {
	b, err := x.pages.page(i)
	if err != nil {
		return p, err
	}
	c := cursor{b: b}
	p.terms = c.terms()
	counts, ends := c.width(), c.width()
	p.places = c.packed(p.terms.n, 2)
	p.counts, p.ends = c.packed(p.terms.n, counts), c.packed(p.terms.n, ends)
	p.data = c.b
	return p, c.err
}

// posting is the rows of a term.
type posting struct {
	place termPlace
	count uint64
	data  []byte
}

func (x *TextIndex) posting(p textPage, i int) (t posting, err error) {
	from, to := uint64(0), p.ends.at(i)
	if i > 0 {
		from = p.ends.at(i - 1)
	}
	t = posting{place: termPlace(p.places.at(i)), count: p.counts.at(i)}
	switch {
	case to < from || to > uint64(len(p.data)):
		return t, fmt.Errorf("rows from byte %d to %d of %d", from, to, len(p.data))
	case t.count == 0 || t.count > uint64(x.rows) || t.place > inBitmap:
		return t, fmt.Errorf("%d rows of %d, kept as %d", t.count, x.rows, t.place)
	}
	t.data = p.data[from:to]
	if t.place == inList && len(t.data) != packedBytes(int(t.count), x.width) || t.place == tooMany && len(t.data) > 0 {
		return t, fmt.Errorf("%d bytes for %d rows", len(t.data), t.count)
	}
	return t, nil
}

// list returns the rows of a list, which ascend.
func (x *TextIndex) list(t posting) (someRows, error) {
	out := make(someRows, t.count)
	ids := packedUints{t.data, x.width}
	for i := range out {
		id := ids.at(i)
		if id >= uint64(x.rows) || i > 0 && uint32(id) <= out[i-1] {
			return nil, fmt.Errorf("row %d of %d is out of order", id, x.rows)
		}
		out[i] = uint32(id)
	}
	return out, nil
}

// Probe returns what the index knows of a leaf, or nil if that is nothing.
func (x *TextIndex) Probe(leaf *Pred) (Probe, error) {
	if leaf.Op != HasToken || len(leaf.Keys[0]) > MaxTokenBytes {
		return nil, nil
	}
	t, err := x.find(leaf.Keys[0])
	if err != nil {
		return nil, fmt.Errorf("token %q: %w", leaf.Keys[0], err)
	}
	switch {
	case t.count == 0:
		return exactRows(nil), nil
	case t.place == inList:
		rows, err := x.list(t)
		return exactRows(rows), err
	case t.place == inBitmap:
		return bitmapRows(t.data), nil
	}
	return nil, nil
}

// find returns the rows of a token; one that is nowhere has no count.
func (x *TextIndex) find(token []byte) (posting, error) {
	page, found, err := x.firsts.search(token)
	if !found {
		page--
	}
	if err != nil || page < 0 {
		return posting{}, err
	}
	p, err := x.page(page)
	if err != nil {
		return posting{}, err
	}
	i, found, err := p.terms.search(token)
	if err != nil || !found {
		return posting{}, err
	}
	return x.posting(p, i)
}

// exactRows are ascending rows, the only ones for which a leaf is true.
type exactRows someRows

func (e exactRows) Block(block int, m *Mask) (Found, error) {
	found, err := someRows(e).Block(block, m)
	if found == Candidates {
		found = TheseRows
	}
	return found, err
}

// bitmapRows are a roaring bitmap of the only rows for which a leaf is true.
type bitmapRows []byte

func (r bitmapRows) Block(block int, m *Mask) (Found, error) {
	*m = Mask{}
	n, err := addRows(r, block, m)
	if n == 0 {
		return NoRow, err
	}
	return TheseRows, err
}

// Check reads every page: terms ascend, and each has as many rows as it is
// counted, all of which are in the segment.
func (x *TextIndex) Check() error {
	var last []byte
	n := uint64(0)
	for i := range x.pages.n {
		p, err := x.page(i)
		if err == nil {
			err = p.terms.check()
		}
		if err != nil {
			return fmt.Errorf("page %d: %w", i, err)
		}
		if p.terms.n == 0 {
			return fmt.Errorf("page %d has no terms", i)
		}
		var bad error
		err = p.terms.each(func(k int, term []byte) {
			if bad == nil && n > 0 && bytes.Compare(last, term) >= 0 {
				bad = fmt.Errorf("page %d starts with a term that is out of order", i)
			}
			if bad == nil {
				bad = x.checkPosting(p, k)
			}
			last = append(last[:0], term...)
			n++
		})
		if err != nil || bad != nil {
			return fmt.Errorf("page %d: %w", i, cmp.Or(err, bad))
		}
	}
	if n != x.terms {
		return fmt.Errorf("%d terms; want %d", n, x.terms)
	}
	return nil
}

func (x *TextIndex) checkPosting(p textPage, i int) error {
	t, err := x.posting(p, i)
	if err != nil {
		return err
	}
	switch t.place {
	case inList:
		_, err = x.list(t)
	case inBitmap:
		n := int64(0)
		if n, err = checkRows(t.data, x.rows); err == nil && uint64(n) != t.count {
			err = fmt.Errorf("%d rows; want %d", n, t.count)
		}
	}
	return err
}
