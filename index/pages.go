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

// appendPages appends a section of pages behind a head with those fields.
func appendPages(b, fields []byte, pages [][]byte) []byte {
	start := len(b)
	b = le.AppendUint32(b, uint32(pagesFixed+len(fields)+pageEntry*len(pages)+8))
	b = le.AppendUint32(b, uint32(len(pages)))
	b = le.AppendUint16(b, pagesVersion)
	b = le.AppendUint16(b, 0)
	b = le.AppendUint32(b, uint32(len(fields)))
	b = append(b, fields...)
	end := 0
	for _, p := range pages {
		end += len(p)
		b = le.AppendUint64(b, uint64(end))
		b = le.AppendUint64(b, xxh3.Hash(p))
	}
	b = le.AppendUint64(b, xxh3.Hash(b[start:]))
	for _, p := range pages {
		b = append(b, p...)
	}
	return b
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
