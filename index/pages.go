package index

import (
	"bytes"
	"fmt"

	"github.com/zeebo/xxh3"
)

// A large index is read in pages: a question needs one or a few of them, each
// with a checksum of its own.
//
//	0  4  bytes of the head    4  4  pages
//	8  2  version, 1          10  2  zero     12  4  bytes of fields
//	…     fields of the index
//	…     16 for each page: end u64 (from the end of the head), xxh3 u64
//	…  8  xxh3 of the head up to here
const (
	pagesVersion = 1
	pagesFixed   = 16
	pageEntry    = 16
	// firstRead is how much is read for a head. Most heads need no more.
	firstRead = 16 << 10
)

// ReadFunc returns n bytes at offset off of a section, for which check returns
// nil: bytes that it has kept since they were checked need no other check. A
// nil check lets all bytes pass, and none of them are kept. They are not to be
// changed.
type ReadFunc func(off, n uint64, check func([]byte) error) ([]byte, error)

// pagesWriter makes a section of pages in place: append a page to b and call
// endPage, n times, then finish.
type pagesWriter struct {
	b    []byte
	head int // bytes
	n    int // pages ended
}

// newPagesWriter begins a section of n pages, behind a head with those fields,
// with room for about so many bytes of pages.
func newPagesWriter(fields []byte, n, room int) *pagesWriter {
	head := pagesFixed + len(fields) + pageEntry*n + 8
	b := make([]byte, 0, head+room)
	b = le.AppendUint32(b, uint32(head))
	b = le.AppendUint32(b, uint32(n))
	b = le.AppendUint16(b, pagesVersion)
	b = le.AppendUint16(b, 0)
	b = le.AppendUint32(b, uint32(len(fields)))
	return &pagesWriter{b: append(b, fields...)[:head], head: head}
}

// table returns the entries of the pages.
func (w *pagesWriter) table() []byte {
	return w.b[pagesFixed+le.Uint32(w.b[12:]) : w.head-8]
}

// endPage ends the page that has been appended to b.
func (w *pagesWriter) endPage() {
	start, table := w.head, w.table()
	if w.n > 0 {
		start += int(le.Uint64(table[pageEntry*(w.n-1):]))
	}
	le.PutUint64(table[pageEntry*w.n:], uint64(len(w.b)-w.head))
	le.PutUint64(table[pageEntry*w.n+8:], xxh3.Hash(w.b[start:]))
	w.n++
}

// finish returns the section.
func (w *pagesWriter) finish() []byte {
	le.PutUint64(w.b[w.head-8:], xxh3.Hash(w.b[:w.head-8]))
	return w.b
}

// pagesOf returns a section of these pages.
func pagesOf(fields []byte, pages [][]byte) []byte {
	w := newPagesWriter(fields, len(pages), 0)
	for _, p := range pages {
		w.b = append(w.b, p...)
		w.endPage()
	}
	return w.finish()
}

// pages reads a section of pages. It is safe for concurrent use if read is.
type pages struct {
	read  ReadFunc
	head  uint64 // bytes
	n     int
	table []byte
}

// openPages reads and checks the head of a section of size bytes and returns
// its fields. Of a version that this code does not know pages are nil.
func openPages(read ReadFunc, size uint64) (*pages, *cursor, error) {
	b, err := read(0, min(size, firstRead), nil)
	if err != nil {
		return nil, nil, err
	}
	c := cursor{b: b}
	p := &pages{read: read, head: uint64(c.u32()), n: int(c.u32())}
	if c.err != nil || p.head > size || p.head < pagesFixed+8 {
		return nil, nil, fmt.Errorf("head of %d bytes in a section of %d", p.head, size)
	}
	if p.head > uint64(len(b)) {
		if b, err = read(0, p.head, nil); err != nil {
			return nil, nil, err
		}
	}
	if b = b[:p.head]; xxh3.Hash(b[:p.head-8]) != le.Uint64(b[p.head-8:]) {
		return nil, nil, fmt.Errorf("checksum of the head does not match")
	}
	c = cursor{b: b[8:]}
	if version := c.u16(); version != pagesVersion {
		return nil, nil, nil
	}
	c.zero(2)
	fields := uint64(c.u32())
	if c.err == nil && p.head != pagesFixed+fields+pageEntry*uint64(p.n)+8 {
		c.fail("head of %d bytes with %d of fields and %d pages", p.head, fields, p.n)
	}
	if c.err != nil {
		return nil, nil, c.err
	}
	b = bytes.Clone(b) // let go of what was read beside it
	p.table = b[pagesFixed+fields : p.head-8]
	return p, &cursor{b: b[pagesFixed : pagesFixed+fields]}, p.check(size - p.head)
}

// check checks that the pages are all of the rest.
func (p *pages) check(rest uint64) error {
	last := uint64(0)
	for i := range p.n {
		if p.end(i) < last {
			return fmt.Errorf("page %d ends before it starts", i)
		}
		last = p.end(i)
	}
	if last != rest {
		return fmt.Errorf("pages have %d bytes; the section has %d for them", last, rest)
	}
	return nil
}

func (p *pages) end(i int) uint64 { return le.Uint64(p.table[pageEntry*i:]) }

// page returns page i, checked.
func (p *pages) page(i int) ([]byte, error) {
	from := uint64(0)
	if i > 0 {
		from = p.end(i - 1)
	}
	if from == p.end(i) {
		return nil, nil
	}
	return p.read(p.head+from, p.end(i)-from, func(b []byte) error {
		if xxh3.Hash(b) != le.Uint64(p.table[pageEntry*i+8:]) {
			return fmt.Errorf("checksum of page %d does not match", i)
		}
		return nil
	})
}

// held returns the bytes that an index of these pages holds.
func (p *pages) held() int { return int(p.head) + 256 }
