package index

import (
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
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

// LookupBuilder makes the filter and the locator of a column from its blocks,
// in order. It is not safe for concurrent use.
type LookupBuilder struct {
	found []located
	rows  uint64
	*Scratch
}

// NewLookupBuilder returns a builder for a column of a Bounded type.
func NewLookupBuilder(s *Scratch) *LookupBuilder {
	s.key = slices.Grow(s.key[:0], 16) // the longest that is not a value's own memory
	return &LookupBuilder{Scratch: s}
}

type located struct {
	hash uint64
	row  uint32
}

// Add takes the next block. It reports whether there is any use in adding
// more: a segment of more than MaxLookupRows has no index for lookups.
func (l *LookupBuilder) Add(arr arrow.Array) bool {
	if l.rows+uint64(arr.Len()) > MaxLookupRows {
		l.found = nil
		return false
	}
	valid := validity(arr)
	words, isWords := appendWords(l.words[:0], arr)
	l.words = words
	for i := range arr.Len() {
		switch row := uint32(l.rows) + uint32(i); {
		case !valid.at(i):
		case isWords:
			l.key = appendWordKey(l.key[:0], words[i], arr.DataType())
			l.found = append(l.found, located{HashKey(l.key), row})
		default:
			l.found = append(l.found, located{HashKey(keyAt(l.key, arr, i)), row})
		}
	}
	l.rows += uint64(arr.Len())
	return true
}

// Finish returns the sections of the filter and of the locator.
func (l *LookupBuilder) Finish() (bloom, locator []byte) {
	if l.rows == 0 {
		return nil, nil
	}
	l.sort()
	return l.bloom(), l.locator()
}

// sort brings the rows into the order of hashes: by their first bits into
// pages, then each page by itself, which fits the cache.
func (l *LookupBuilder) sort() {
	bits := pageBitsFor(len(l.found))
	starts := make([]int, 1<<bits+1)
	for _, f := range l.found {
		starts[topBits(f.hash, bits)+1]++
	}
	for i := range len(starts) - 1 {
		starts[i+1] += starts[i]
	}
	out, at := make([]located, len(l.found)), slices.Clone(starts)
	for _, f := range l.found {
		page := topBits(f.hash, bits)
		out[at[page]] = f
		at[page]++
	}
	for i := range len(starts) - 1 {
		slices.SortFunc(out[starts[i]:starts[i+1]], func(a, b located) int {
			if a.hash == b.hash {
				return int(a.row) - int(b.row)
			}
			if a.hash < b.hash {
				return -1
			}
			return 1
		})
	}
	l.found = out
}

// pageBitsFor returns the bits of the hash that are the page of n rows.
func pageBitsFor(n int) (bits uint) {
	for n>>bits > locatorPageMost {
		bits++
	}
	return bits
}

func (l *LookupBuilder) bloom() []byte {
	var distinct []uint64
	for i, f := range l.found {
		if i == 0 || f.hash != l.found[i-1].hash {
			distinct = append(distinct, f.hash)
		}
	}
	return appendBloom(nil, distinct, len(distinct))
}

func (l *LookupBuilder) locator() []byte {
	pageBits := pageBitsFor(len(l.found))
	width := widthOf(l.rows - 1)
	fields := le.AppendUint64(nil, uint64(len(l.found)))
	fields = le.AppendUint64(fields, l.rows)
	fields = append(fields, byte(pageBits), byte(width), 0, 0, 0, 0, 0, 0)
	pages, rest := make([][]byte, 1<<pageBits), l.found
	for i := range pages {
		n := 0
		for n < len(rest) && topBits(rest[n].hash, pageBits) == uint64(i) {
			n++
		}
		pages[i], rest = locatorPage(rest[:n], pageBits, width), rest[n:]
	}
	return appendPages(nil, fields, pages)
}

func topBits(hash uint64, n uint) uint64 { return hash >> (64 - n) } // none of 64 are 0

func locatorPage(found []located, pageBits, width uint) []byte {
	if len(found) == 0 {
		return nil
	}
	var ends [locatorParts]uint32
	var kept []byte
	rows := make([]uint64, len(found))
	for i, f := range found {
		part, bits := partOf(f.hash, pageBits)
		ends[part] = uint32(i + 1)
		kept = le.AppendUint16(kept, bits)
		rows[i] = uint64(f.row)
	}
	var b []byte
	last := uint32(0)
	for _, e := range ends { // a part without rows ends where it starts
		last = max(last, e)
		b = le.AppendUint32(b, last)
	}
	return appendPacked(append(b, kept...), rows, width)
}

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
