package index

import (
	"math/bits"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// ValuesBuilder makes the Values of a column from its blocks, in order. It
// gives up on a column with too many distinct values, and lists rows of the
// rarest values for as much room as it is given. The same blocks make the same
// bytes. It is not safe for concurrent use.
type ValuesBuilder struct {
	t        arrow.DataType
	coder    *coder
	rows     int64
	blocks   int
	tallies  []tally // by code
	spent    int64   // bytes of all listed rows, about
	gone     bool    // given up
	late     int     // values that first came in the last tryRows rows of a block
	least    int     // code of the least value of the last block, or -1 if that is not known
	most     int     // of the greatest
	shared   bool    // the column's dictionary has the keys
	*Scratch         // while a block is added
}

// tally is what is known of a value so far.
type tally struct {
	count  int64
	rows   *roaring.Bitmap // nil until there are some, or when they are too many
	common bool            // too many rows: they are not listed
	first  uint64          // of the first 64 blocks, those that have it
	more   []uint64        // of those after them
}

// inBlock is where a value is in the block at hand.
type inBlock struct {
	count, runs uint32
	end         uint32 // of its rows among all that are gathered
}

// see notes that a block has the value.
func (t *tally) see(block int) {
	if block < 64 {
		t.first |= 1 << block
		return
	}
	for len(t.more) < block/64 {
		t.more = append(t.more, 0)
	}
	t.more[block/64-1] |= 1 << (block % 64)
}

// present returns a bit for each of the blocks.
func (t *tally) present(blocks int) []uint64 {
	out := make([]uint64, 1, 1+len(t.more))
	out[0] = t.first
	out = append(out, t.more...)
	return append(out, make([]uint64, max(0, (blocks+63)/64-len(out)))...)
}

func (t *tally) everywhere(blocks int) bool {
	return bits.OnesCount64(t.first)+countBits(t.more) == blocks
}

const (
	// A value that takes more bytes than this in one block is found as well by
	// scanning that block.
	listedBlockBytes = bitmapBytes
	listedFixed      = 16 // bytes of a bitmap before its containers, about
	listedContainer  = 8  // bytes of a container before its rows
	// A column whose values hardly repeat is given up after so many rows.
	tryRows = 1 << 13
	// Keys longer than this are not indexed.
	maxValueBytes = 1 << 12
)

// NewValuesBuilder returns a builder for a column of type t, which must be
// Bounded.
func NewValuesBuilder(t arrow.DataType) *ValuesBuilder {
	return &ValuesBuilder{t: t, coder: newCoder()}
}

// Held returns the bytes that the builder holds between blocks, about.
func (v *ValuesBuilder) Held() int64 {
	if v.gone {
		return 0
	}
	return v.coder.bytes() + tallyBytes*int64(cap(v.tallies)) + 2*v.spent
}

// tallyBytes is the size of a tally and of its bits.
const tallyBytes = 64

// Add takes the next block, BlockRows rows or, in the last one, fewer. After
// it the listed rows take at most room bytes. It reports whether there is any
// use in adding more.
func (v *ValuesBuilder) Add(s *Scratch, arr arrow.Array, room int64) bool {
	if v.gone {
		return false
	}
	v.Scratch = s
	defer func() { v.Scratch = nil }()
	if v.gone = !v.code(arr); v.gone {
		v.coder, v.tallies = nil, nil
		return false
	}
	here := v.tally()
	v.bound(here)
	v.choose(here, room)
	v.list(here)
	v.rows += int64(arr.Len())
	v.blocks++
	return true
}

// bound finds the least and the greatest of the values that a block has, if
// there are few: with many it is quicker to look at the rows.
func (v *ValuesBuilder) bound(here []uint32) {
	v.least, v.most = -1, -1
	if len(here)*boundRows > len(v.codes) {
		return
	}
	compare, _ := v.coder.order(v.t)
	for _, c := range here {
		if int(c) == v.coder.null {
			continue
		}
		if v.least < 0 || compare(c, uint32(v.least)) < 0 {
			v.least = int(c)
		}
		if v.most < 0 || compare(c, uint32(v.most)) > 0 {
			v.most = int(c)
		}
	}
}

// boundRows is how many rows are looked at in the time of one value.
const boundRows = 16

// Zone returns ZoneOf of the block that was added last, which is arr.
func (v *ValuesBuilder) Zone(arr arrow.Array) Zone {
	if v.gone || v.least < 0 {
		return ZoneOf(arr)
	}
	_, appendKey := v.coder.order(v.t)
	return zoneBetween(arr, appendKey(nil, uint32(v.least)), appendKey(nil, uint32(v.most)))
}

// Growth returns how many bytes, at the least, rows further rows would add to
// the section, listed rows aside, if they are like the last rows of the last
// block, which was full.
func (v *ValuesBuilder) Growth(rows int) int64 {
	const leastBytes = 4 // two lengths and a byte of the key, and a rank
	return int64(v.late) * leastBytes * int64(rows) / tryRows
}

// code gives every row of a block its code; false if there are too many.
func (v *ValuesBuilder) code(arr arrow.Array) bool {
	n, valid := arr.Len(), validity(arr)
	v.codes = slices.Grow(v.codes[:0], n)[:n]
	codeRows := v.coderOf(arr)
	for from := 0; from < n; from += tryRows {
		before := v.coder.len()
		if !codeRows(valid, from, min(from+tryRows, n)) || v.coder.len() > MaxValues {
			return false
		}
		if from == 0 && v.rows == 0 && n > tryRows && v.coder.len() > tryRows/16*15 {
			return false
		}
		v.late = v.coder.len() - before
	}
	return true
}

// coderOf returns what gives the rows [from, to) of arr their codes, and is
// false where one cannot have any.
func (v *ValuesBuilder) coderOf(arr arrow.Array) func(valid rowBits, from, to int) bool {
	if a, ok := arr.(*array.Decimal128); ok {
		return func(valid rowBits, from, to int) bool { return v.codeDecimals(a.Values(), valid, from, to) }
	}
	words, ok := appendWords(v.words[:0], arr)
	v.words = words
	if ok {
		return v.codeWords
	}
	return func(valid rowBits, from, to int) bool { return v.codeKeys(arr, valid, from, to) }
}

func (v *ValuesBuilder) codeWords(valid rowBits, from, to int) bool {
	last, code, known := uint64(0), uint32(0), false
	for i, word := range v.words[from:to] {
		switch {
		case !valid.at(from + i):
			v.codes[from+i] = v.coder.nullCode()
			continue
		case !known || word != last:
			last, code, known = word, v.coder.ofWord(word), true
		}
		v.codes[from+i] = code
	}
	return true
}

func (v *ValuesBuilder) codeDecimals(values []decimal128.Num, valid rowBits, from, to int) bool {
	for i := from; i < to; i++ {
		if !valid.at(i) {
			v.codes[i] = v.coder.nullCode()
			continue
		}
		v.codes[i] = v.coder.ofDecimal(values[i].LowBits(), values[i].HighBits())
	}
	return true
}

func (v *ValuesBuilder) codeKeys(arr arrow.Array, valid rowBits, from, to int) bool {
	value := keysOf(arr)
	for i := from; i < to; i++ {
		if !valid.at(i) {
			v.codes[i] = v.coder.nullCode()
			continue
		}
		key := value(i)
		if len(key) > maxValueBytes {
			return false
		}
		v.codes[i] = v.coder.ofKey(key)
	}
	return true
}

// tally counts the codes of the block and returns those that it has.
func (v *ValuesBuilder) tally() (here []uint32) {
	v.tallies = append(v.tallies, make([]tally, v.coder.len()-len(v.tallies))...)
	v.here = append(v.here, make([]inBlock, max(0, v.coder.len()-len(v.here)))...)
	last := ^uint32(0)
	for _, c := range v.codes {
		h := &v.here[c]
		if h.count == 0 {
			here = append(here, c)
		}
		h.count++
		if c != last {
			h.runs++
		}
		last = c
	}
	for _, c := range here {
		t := &v.tallies[c]
		t.count += int64(v.here[c].count)
		t.see(v.blocks)
	}
	return here
}

// bytes returns what the rows of a block take as an array or as runs.
func (b inBlock) bytes() int64 { return min(2*int64(b.count), 4*int64(b.runs)+2) }

// choose settles which values stay listed: none that is common in the block,
// and the rarest first as long as there is room.
func (v *ValuesBuilder) choose(here []uint32, room int64) {
	for _, c := range here {
		t, h := &v.tallies[c], v.here[c]
		if !t.common && h.bytes() >= listedBlockBytes {
			v.drop(t)
		}
		if !t.common {
			v.spent += t.bytesWith(h)
		}
	}
	if v.spent <= room {
		return
	}
	for _, c := range v.byCount() {
		if v.spent <= room {
			return
		}
		t := &v.tallies[c]
		v.spent -= t.bytesWith(v.here[c])
		v.drop(t)
	}
}

// bytesWith is what choose adds for the block at hand.
func (t *tally) bytesWith(h inBlock) (n int64) {
	if h.count > 0 {
		n = h.bytes() + listedContainer
	}
	if t.rows == nil {
		n += listedFixed
	}
	return n
}

// drop takes a value off the list for good.
func (v *ValuesBuilder) drop(t *tally) {
	if t.rows != nil {
		v.spent -= listedBytes(t.rows)
	}
	t.rows, t.common = nil, true
}

func listedBytes(rows *roaring.Bitmap) int64 { return int64(rows.GetSerializedSizeInBytes()) }

// byCount returns the codes that are listed, the most common first.
func (v *ValuesBuilder) byCount() []uint32 {
	const codeBits, maxRows = 17, 1 << 32 // of MaxValues and null; of a segment
	var order []uint64
	for c := range v.tallies {
		if t := &v.tallies[c]; !t.common {
			order = append(order, uint64(maxRows-t.count)<<codeBits|uint64(c))
		}
	}
	slices.Sort(order)
	out := make([]uint32, len(order))
	for i, x := range order {
		out[i] = uint32(x & (1<<codeBits - 1))
	}
	return out
}

// list adds the rows of the block to the values that stay listed.
func (v *ValuesBuilder) list(here []uint32) {
	wanted := uint32(0)
	for _, c := range here {
		if !v.tallies[c].common {
			v.here[c].end = wanted
			wanted += v.here[c].count
		}
	}
	if wanted > 0 {
		v.gather(here, wanted)
	}
	for _, c := range here {
		v.here[c] = inBlock{}
	}
}

// gather collects the rows of the listed values, value by value.
func (v *ValuesBuilder) gather(here []uint32, wanted uint32) {
	v.Scratch.rows = slices.Grow(v.Scratch.rows[:0], int(wanted))[:wanted]
	rows, first := v.Scratch.rows, uint32(v.blocks)*BlockRows
	for i, c := range v.codes {
		if !v.tallies[c].common {
			rows[v.here[c].end] = first + uint32(i)
			v.here[c].end++
		}
	}
	for _, c := range here {
		if h := v.here[c]; !v.tallies[c].common {
			v.append(&v.tallies[c], h, rows[h.end-h.count:h.end])
		}
	}
}

// append adds the rows of a block to those of a value, and takes the true
// price for the one that choose has guessed.
func (v *ValuesBuilder) append(t *tally, h inBlock, rows []uint32) {
	v.spent -= t.bytesWith(h)
	block := roaring.BitmapOf(rows...)
	block.RunOptimize()
	if t.rows == nil {
		t.rows = block
		v.spent += listedBytes(block)
		return
	}
	v.spent -= listedBytes(t.rows)
	t.rows.Or(block)
	v.spent += listedBytes(t.rows)
}

// ShareKeys says that the column has a dictionary of exactly the values that
// were added: the section does without keys then.
func (v *ValuesBuilder) ShareKeys() { v.shared = true }

// Finish returns the section, or nil if there is none: the column has too many
// values, or a section without rows would take more than most bytes.
func (v *ValuesBuilder) Finish(most int64) ([]byte, error) {
	if v.gone || v.rows == 0 {
		return nil, nil
	}
	w := &valuesWriter{b: v}
	w.order, w.keys = v.coder.sorted(v.t)
	if err := w.entries(); err != nil {
		return nil, err
	}
	b := w.append(nil)
	if int64(len(b)-w.listed) > most {
		return nil, nil
	}
	return b, nil
}

// valuesWriter writes a section.
type valuesWriter struct {
	b      *ValuesBuilder
	order  []uint32 // codes
	keys   [][]byte // of order
	listed int      // bytes of rows

	places []uint64
	counts []uint64
	ranks  []uint64
	ends   []uint64
	data   []byte
}

func (w *valuesWriter) entries() error {
	for _, c := range w.order {
		t := &w.b.tallies[c]
		w.counts = append(w.counts, uint64(t.count))
		if err := w.entry(t, uint64(c)); err != nil {
			return err
		}
	}
	if null := w.b.coder.null; null >= 0 {
		return w.entry(&w.b.tallies[null], uint64(null))
	}
	return w.entry(&tally{}, uint64(len(w.order)))
}

// entry writes where the rows of a value are.
func (w *valuesWriter) entry(t *tally, rank uint64) error {
	place := inBlocks
	switch {
	case t.count == 0:
		place = nowhere
	case !t.common:
		place = inRows
		b, err := t.rows.ToBytes()
		if err != nil {
			return err
		}
		w.data, w.listed = append(w.data, b...), w.listed+len(b)
	case t.everywhere(w.b.blocks):
		place = everywhere
	default:
		w.data = append(w.data, bitsOf(t.present(w.b.blocks), w.b.blocks)...)
	}
	w.places = append(w.places, uint64(place))
	w.ranks = append(w.ranks, rank)
	w.ends = append(w.ends, uint64(len(w.data)))
	return nil
}

func (w *valuesWriter) append(b []byte) []byte {
	nulls := int64(0)
	if null := w.b.coder.null; null >= 0 {
		nulls = w.b.tallies[null].count
	}
	counts, ranks, ends := widthOf(slices.Max(append(w.counts, 0))), widthOf(uint64(len(w.order))), widthOf(uint64(len(w.data)))
	version, nullRank := uint16(valuesVersion), uint32(0)
	if w.b.shared {
		version, nullRank, ranks = valuesVersionShared, uint32(w.ranks[len(w.order)]), 0
	}
	b = le.AppendUint16(b, version)
	b = le.AppendUint16(b, 0)
	b = le.AppendUint32(b, uint32(len(w.order)))
	b = le.AppendUint64(b, uint64(w.b.rows))
	b = le.AppendUint64(b, uint64(nulls))
	b = append(b, byte(counts), byte(ranks), byte(ends), 0)
	b = le.AppendUint32(b, nullRank)
	if !w.b.shared {
		b = appendTerms(b, w.keys)
	}
	b = appendPacked(b, w.places, 2)
	b = appendPacked(b, w.counts, counts)
	if !w.b.shared {
		b = appendPacked(b, w.ranks, ranks)
	}
	b = appendPacked(b, w.ends, ends)
	return append(b, w.data...)
}
