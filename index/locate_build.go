package index

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
)

// LookupBuilder makes the filter and the locator of a column from its blocks,
// in order. It is not safe for concurrent use.
//
// It keeps the hash of each key that is not null, an entry, in the order of
// rows. As long as there are no nulls the number of an entry is its row.
type LookupBuilder struct {
	hashes  [][]uint64 // chunks of chunkEntries, the last one shorter
	rowsOf  [][]uint32 // as hashes; nil while entries are rows
	entries int
	rows    uint64
}

// chunkEntries is how many entries are allocated at a time: what has been
// gathered is never moved.
const (
	chunkBits    = 16
	chunkEntries = 1 << chunkBits
)

// NewLookupBuilder returns a builder for a column of a Bounded type.
func NewLookupBuilder() *LookupBuilder { return new(LookupBuilder) }

// Held returns the bytes that the builder holds between blocks, and those that
// Finish will take beside them, about.
func (l *LookupBuilder) Held() int64 {
	const finish = 10 // bytes of an entry: where it stands, and the section
	return chunkEntries * int64((8+finish)*len(l.hashes)+4*len(l.rowsOf))
}

// Add takes the next block. It reports whether there is any use in adding
// more: a segment of more than MaxLookupRows has no index for lookups.
func (l *LookupBuilder) Add(s *Scratch, arr arrow.Array) bool {
	if l.rows+uint64(arr.Len()) > MaxLookupRows {
		l.hashes, l.rowsOf = nil, nil
		return false
	}
	valid := validity(arr)
	if valid.bits != nil && l.rowsOf == nil {
		l.numberRows()
	}
	words, isWords := appendWords(s.words[:0], arr)
	s.words = words
	if isWords && arr.DataType().ID() != arrow.BOOL {
		l.addWords(words, valid)
	} else {
		l.addKeys(s, arr, valid)
	}
	l.rows += uint64(arr.Len())
	return true
}

// addWords adds keys that are numbers. Equal ones often stand together.
func (l *LookupBuilder) addWords(words []uint64, valid rowBits) {
	if len(words) == 0 {
		return
	}
	last, hash := words[0], hashWord(words[0])
	for i, word := range words {
		if word != last {
			last, hash = word, hashWord(word)
		}
		if valid.at(i) {
			l.add(hash, i)
		}
	}
}

func (l *LookupBuilder) addKeys(s *Scratch, arr arrow.Array, valid rowBits) {
	s.key = slices.Grow(s.key[:0], 16) // the longest that is not a value's own memory
	for i := range arr.Len() {
		if valid.at(i) {
			l.add(HashKey(keyAt(s.key, arr, i)), i)
		}
	}
}

// add adds the hash of row i of the block.
func (l *LookupBuilder) add(hash uint64, i int) {
	chunk := l.entries >> chunkBits
	if chunk == len(l.hashes) {
		l.hashes = append(l.hashes, make([]uint64, 0, chunkEntries))
	}
	l.hashes[chunk] = append(l.hashes[chunk], hash)
	if l.rowsOf != nil {
		if chunk == len(l.rowsOf) {
			l.rowsOf = append(l.rowsOf, make([]uint32, 0, chunkEntries))
		}
		l.rowsOf[chunk] = append(l.rowsOf[chunk], uint32(l.rows)+uint32(i))
	}
	l.entries++
}

// numberRows notes the rows of the entries so far: from now on some rows are
// none.
func (l *LookupBuilder) numberRows() {
	l.rowsOf = make([][]uint32, 0, len(l.hashes)+1)
	for entry := range l.entries {
		if entry&(chunkEntries-1) == 0 {
			l.rowsOf = append(l.rowsOf, make([]uint32, 0, chunkEntries))
		}
		chunk := &l.rowsOf[entry>>chunkBits]
		*chunk = append(*chunk, uint32(entry))
	}
}

func (l *LookupBuilder) hash(entry uint32) uint64 {
	return l.hashes[entry>>chunkBits][entry&(chunkEntries-1)]
}

func (l *LookupBuilder) row(entry uint32) uint32 {
	if l.rowsOf == nil {
		return entry
	}
	return l.rowsOf[entry>>chunkBits][entry&(chunkEntries-1)]
}

// Finish returns the sections of the filter and of the locator. It ends the
// builder.
func (l *LookupBuilder) Finish() (bloom, locator []byte) {
	if l.rows == 0 {
		return nil, nil
	}
	w := newLocatorWriter(l)
	w.writePages()
	filter := newBloomFilter(w.distinct)
	for i, chunk := range l.hashes {
		filter.add(chunk)
		l.hashes[i] = nil
	}
	return filter.section(), w.pages.finish()
}

// locatorWriter writes the section of a locator.
type locatorWriter struct {
	from     *LookupBuilder
	pageBits uint
	width    uint // of a row id
	pages    *pagesWriter
	distinct int // hashes
	sorter   pageSorter
	rows     []uint64 // scratch
}

// located is an entry and its hash.
type located struct {
	hash  uint64
	entry uint32
}

// pageBitsFor returns the bits of the hash that are the page of n entries.
func pageBitsFor(n int) (bits uint) {
	for n>>bits > locatorPageMost {
		bits++
	}
	return bits
}

func newLocatorWriter(l *LookupBuilder) *locatorWriter {
	w := &locatorWriter{from: l, pageBits: pageBitsFor(l.entries), width: widthOf(l.rows - 1)}
	fields := le.AppendUint64(nil, uint64(l.entries))
	fields = le.AppendUint64(fields, l.rows)
	fields = append(fields, byte(w.pageBits), byte(w.width), 0, 0, 0, 0, 0, 0)
	const spare = 4*locatorParts + 1 // of a page: ends, a byte that is not full
	w.pages = newPagesWriter(fields, 1<<w.pageBits, packedBytes(l.entries, locatorKept+w.width)+spare<<w.pageBits+packedSpare)
	return w
}

// writePages brings the entries into the order of pages and makes each.
func (w *locatorWriter) writePages() {
	order, starts := w.byPage()
	for i, start := range starts[:len(starts)-1] {
		w.writePage(w.sorter.sort(w.from, order[start:starts[i+1]], w.pageBits))
		w.pages.endPage()
	}
}

// byPage returns the entries page by page, and where pages start and end.
func (w *locatorWriter) byPage() (order []uint32, starts []int) {
	starts = make([]int, 1<<w.pageBits+1)
	for _, chunk := range w.from.hashes {
		for _, h := range chunk {
			starts[topBits(h, w.pageBits)+1]++
		}
	}
	for i := range len(starts) - 1 {
		starts[i+1] += starts[i]
	}
	order, at, entry := make([]uint32, w.from.entries), slices.Clone(starts), uint32(0)
	for _, chunk := range w.from.hashes {
		for _, h := range chunk {
			page := &at[topBits(h, w.pageBits)]
			order[*page] = entry
			*page++
			entry++
		}
	}
	return order, starts
}

func (w *locatorWriter) writePage(found []located) {
	if len(found) == 0 {
		return
	}
	var ends [locatorParts]uint32
	start := len(w.pages.b)
	b := append(w.pages.b, make([]byte, 4*locatorParts)...)
	w.rows = w.rows[:0]
	for i, f := range found {
		part, kept := partOf(f.hash, w.pageBits)
		ends[part] = uint32(i + 1)
		b = le.AppendUint16(b, kept)
		w.rows = append(w.rows, uint64(w.from.row(f.entry)))
		if i == 0 || f.hash != found[i-1].hash {
			w.distinct++
		}
	}
	last := uint32(0)
	for part, e := range ends { // a part without rows ends where it starts
		last = max(last, e)
		le.PutUint32(b[start+4*part:], last)
	}
	w.pages.b = appendPacked(b, w.rows, w.width)
}

// pageSorter brings the entries of a page into the order of their hashes, and
// of rows where those are equal. Hashes are spread evenly, so the bits that
// follow those of the page put nearly every entry where it belongs.
type pageSorter struct {
	ends [1<<sortBits + 1]uint32
	out  []located
}

const sortBits = 10

// sort returns the entries in order; the result is good until the next call.
func (s *pageSorter) sort(l *LookupBuilder, entries []uint32, pageBits uint) []located {
	s.out = slices.Grow(s.out[:0], 2*len(entries))[:2*len(entries)]
	in, out := s.out[len(entries):], s.out[:len(entries)]
	clear(s.ends[:])
	for i, e := range entries {
		in[i] = located{l.hash(e), e}
		s.ends[topBits(in[i].hash<<pageBits, sortBits)+1]++
	}
	for i := range len(s.ends) - 1 {
		s.ends[i+1] += s.ends[i]
	}
	for _, x := range in { // ends[i] goes from the start of i to its end
		at := &s.ends[topBits(x.hash<<pageBits, sortBits)]
		out[*at] = x
		*at++
	}
	start := uint32(0)
	for _, end := range s.ends[:1<<sortBits] {
		if end-start > 1 {
			slices.SortFunc(out[start:end], compareLocated)
		}
		start = end
	}
	return out
}

func compareLocated(a, b located) int {
	if a.hash != b.hash {
		return cmp.Compare(a.hash, b.hash)
	}
	return int(a.entry) - int(b.entry)
}

// hashWord is HashKey of the key of a number: xxh64 of eight bytes.
func hashWord(word uint64) uint64 {
	const p1, p2, p3, p4, p5 uint64 = 11400714785074694791, 14029467366897019727, 1609587929392839161, 9650029242287828579, 2870177450012600261
	k := bits.RotateLeft64(bits.ReverseBytes64(word)*p2, 31) * p1
	h := bits.RotateLeft64((p5+8)^k, 27)*p1 + p4
	h = (h ^ h>>33) * p2
	h = (h ^ h>>29) * p3
	return h ^ h>>32
}
