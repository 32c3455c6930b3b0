package index

import (
	"fmt"
	"slices"
)

// Locator tells in which rows a key is: every row that has it, and about one
// time in a thousand a row that has not, so the value has to be compared
// again. It is safe for concurrent use.
//
// The rows stand in the order of the hashes of their keys. The first bits of a
// hash are the page, the next four the part of the page, and the next 16 are
// kept. A page: 16 ends of parts u32, the kept bits of all u16, row ids packed.
//
// Fields of the head: entries u64, rows u64, bits of a page u8, width of row
// ids u8, six zero.
type Locator struct {
	pages   *pages
	entries uint64
	rows    uint64
	bits    uint // of the hash that are the page
	width   uint // of a row id
}

const (
	locatorParts    = 16
	locatorPartBits = 4
	locatorKept     = 16
	locatorPageMost = 1024 // rows of a page, on average
	locatorBitsMost = 24
	// MaxLookupRows is how many rows a Locator is built for at most.
	MaxLookupRows = 1 << 24
)

func topBits(hash uint64, n uint) uint64 { return hash >> (64 - n) } // none of 64 are 0

// partOf returns where in its page a hash is, and what is kept of it.
func partOf(hash uint64, pageBits uint) (part int, kept uint16) {
	rest := hash << pageBits
	return int(topBits(rest, locatorPartBits)), uint16(topBits(rest<<locatorPartBits, locatorKept))
}

// OpenLocator opens the locator in a section of size bytes, of a segment of
// rows rows. One of a version that this code does not know is nil.
func OpenLocator(read ReadFunc, size uint64, rows int64) (*Locator, error) {
	p, c, err := openPages(read, size)
	if p == nil || err != nil {
		return nil, err
	}
	l := &Locator{pages: p, entries: c.u64(), rows: c.u64(), bits: uint(c.u8()), width: c.width()}
	c.zero(6)
	if err := c.done(); err != nil {
		return nil, err
	}
	if l.bits > locatorBitsMost || p.n != 1<<l.bits || l.rows != uint64(rows) || l.entries > l.rows {
		return nil, fmt.Errorf("%d entries of %d rows in %d pages; the segment has %d rows", l.entries, l.rows, p.n, rows)
	}
	return l, nil
}

// Held returns the bytes of memory that it takes.
func (l *Locator) Held() int {
	if l == nil {
		return 0
	}
	return l.pages.held()
}

// Entries returns how many rows can be located: those that are not null.
func (l *Locator) Entries() int64 { return int64(l.entries) }

// locatorPart is a page taken apart.
type locatorPart struct {
	ends, kept []byte
	n          int
	rows       packedUints
}

func (l *Locator) page(i int) (p locatorPart, err error) {
	b, err := l.pages.page(i)
	if err != nil || len(b) == 0 {
		return p, err
	}
	c := cursor{b: b}
	p.ends = c.bytes(4 * locatorParts)
	if c.err == nil {
		p.n = p.end(locatorParts - 1)
	}
	if uint64(p.n) > l.entries {
		c.fail("%d rows of %d", p.n, l.entries)
	}
	p.kept, p.rows = c.bytes(2*uint64(p.n)), c.packed(p.n, l.width)
	last := 0
	for part := 0; part < locatorParts && c.err == nil; part++ {
		if p.end(part) < last || p.end(part) > p.n {
			c.fail("part %d ends before it starts", part)
		}
		last = p.end(part)
	}
	if err := c.done(); err != nil {
		return p, fmt.Errorf("page %d: %w", i, err)
	}
	return p, nil
}

func (p locatorPart) end(part int) int { return int(le.Uint32(p.ends[4*part:])) }

// Append appends the rows in which a key with that hash may be.
func (l *Locator) Append(rows []uint32, hash uint64) ([]uint32, error) {
	p, err := l.page(int(topBits(hash, l.bits)))
	if err != nil || p.n == 0 {
		return rows, err
	}
	part, want := partOf(hash, l.bits)
	from := 0
	if part > 0 {
		from = p.end(part - 1)
	}
	for i := from; i < p.end(part); i++ {
		if le.Uint16(p.kept[2*i:]) != want {
			continue
		}
		row := p.rows.at(i)
		if row >= l.rows {
			return rows, fmt.Errorf("row %d of %d", row, l.rows)
		}
		rows = append(rows, uint32(row))
	}
	return rows, nil
}

// Check reads every page, and checks that each row is there once.
func (l *Locator) Check() error {
	seen := make([]uint64, l.rows/64+1)
	n := uint64(0)
	for i := range l.pages.n {
		p, err := l.page(i)
		if err != nil {
			return err
		}
		for k := range p.n {
			row := p.rows.at(k)
			if row >= l.rows || seen[row/64]>>(row%64)&1 == 1 {
				return fmt.Errorf("page %d: row %d is there twice or past the last", i, row)
			}
			seen[row/64] |= 1 << (row % 64)
			n++
		}
	}
	if n != l.entries {
		return fmt.Errorf("%d rows; want %d", n, l.entries)
	}
	return nil
}

// maxLookupKeys bounds the keys of one leaf that are looked up: past it a scan
// is quicker.
const maxLookupKeys = 1024

// ProbeLookup returns what filter (nil: there is none) and locator know of a
// leaf, or nil if that is nothing.
func ProbeLookup(leaf *Pred, filter *Bloom, locator *Locator) (Probe, error) {
	if leaf.Op != Eq && leaf.Op != In || len(leaf.Keys) > maxLookupKeys {
		return nil, nil
	}
	var rows []uint32
	for _, key := range leaf.Keys {
		hash := HashKey(key)
		if filter != nil {
			switch may, err := filter.MayHold(hash); {
			case err != nil:
				return nil, err
			case !may:
				continue
			}
		}
		var err error
		if rows, err = locator.Append(rows, hash); err != nil {
			return nil, err
		}
	}
	slices.Sort(rows)
	return someRows(rows), nil
}

// someRows are ascending rows outside of which a leaf is not true.
type someRows []uint32

func (s someRows) Block(block int, m *Mask) (Found, error) {
	first := uint64(block) * BlockRows
	at, _ := slices.BinarySearchFunc(s, first, func(row uint32, from uint64) int {
		if uint64(row) < from {
			return -1
		}
		return 1
	})
	found := NoRow
	for ; at < len(s) && uint64(s[at]) < first+BlockRows; at++ {
		if found == NoRow {
			*m, found = Mask{}, Candidates
		}
		m.set(int(uint64(s[at]) - first))
	}
	return found, nil
}
