package index

import (
	"bytes"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/apache/arrow-go/v18/arrow"
)

// ValuesBuilder makes the Values of a column from its blocks, in order. It
// gives up on a column with too many distinct values, and lists rows of the
// rarest values for as much room as it is given. The same blocks make the same
// bytes. It is not safe for concurrent use.
type ValuesBuilder struct {
	t       arrow.DataType
	coder   *coder
	rows    int64
	blocks  int
	tallies []tally // by code
	spent   int64   // bytes of all listed rows, about
	gone    bool    // given up

	isWords bool // keys are numbers
	*Scratch
}

// tally is what is known of a value so far.
type tally struct {
	count   int64
	present []uint64        // blocks
	rows    *roaring.Bitmap // nil until there are some, or when they are too many
	common  bool            // too many rows: they are not listed
	here    inBlock
}

// inBlock is where a value is in the block at hand.
type inBlock struct {
	count, runs int
	lists       []uint32 // rows
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
func NewValuesBuilder(t arrow.DataType, s *Scratch) *ValuesBuilder {
	return &ValuesBuilder{t: t, coder: newCoder(), Scratch: s}
}

// Held returns the bytes that the builder holds between blocks, about.
func (v *ValuesBuilder) Held() int64 {
	if v.gone {
		return 0
	}
	return v.coder.bytes() + tallyBytes*int64(cap(v.tallies)) + 2*v.spent
}

// tallyBytes is the size of a tally and of its bits.
const tallyBytes = 104

// Add takes the next block, BlockRows rows or, in the last one, fewer. After
// it the listed rows take at most room bytes. It reports whether there is any
// use in adding more.
func (v *ValuesBuilder) Add(arr arrow.Array, room int64) bool {
	if v.gone {
		return false
	}
	if v.gone = !v.code(arr); v.gone {
		v.coder, v.tallies = nil, nil
		return false
	}
	here := v.tally()
	v.choose(here, room)
	v.list(here)
	v.rows += int64(arr.Len())
	v.blocks++
	return true
}

// code gives every row of a block its code; false if there are too many.
func (v *ValuesBuilder) code(arr arrow.Array) bool {
	n, valid := arr.Len(), validity(arr)
	v.codes = slices.Grow(v.codes[:0], n)[:n]
	words, isWord := appendWords(v.words[:0], arr)
	v.words, v.isWords = words, isWord
	for i := range n {
		switch {
		case !valid.at(i):
			v.codes[i] = v.coder.nullCode()
		case isWord && i > 0 && words[i] == words[i-1] && valid.at(i-1):
			v.codes[i] = v.codes[i-1]
		case isWord:
			v.codes[i] = v.coder.ofWord(words[i])
		default:
			key := keyAt(v.key, arr, i)
			if len(key) > maxValueBytes {
				return false
			}
			v.codes[i] = v.coder.ofKey(key)
		}
		if v.coder.len() > MaxValues || i == tryRows && v.rows == 0 && v.coder.len() > tryRows/16*15 {
			return false
		}
	}
	return true
}

// tally counts the codes of the block and returns those that it has.
func (v *ValuesBuilder) tally() (here []uint32) {
	v.tallies = append(v.tallies, make([]tally, v.coder.len()-len(v.tallies))...)
	last := ^uint32(0)
	for _, c := range v.codes {
		t := &v.tallies[c]
		if t.here.count == 0 {
			here = append(here, c)
		}
		t.here.count++
		if c != last {
			t.here.runs++
		}
		last = c
	}
	for _, c := range here {
		t := &v.tallies[c]
		t.count += int64(t.here.count)
		for len(t.present) <= v.blocks/64 {
			t.present = append(t.present, 0)
		}
		t.present[v.blocks/64] |= 1 << (v.blocks % 64)
	}
	return here
}

// bytes returns what the rows of a block take as an array or as runs.
func (b inBlock) bytes() int64 { return int64(min(2*b.count, 4*b.runs+2)) }

// choose settles which values stay listed: none that is common in the block,
// and the rarest first as long as there is room.
func (v *ValuesBuilder) choose(here []uint32, room int64) {
	for _, c := range here {
		t := &v.tallies[c]
		if !t.common && t.here.bytes() >= listedBlockBytes {
			v.drop(t)
		}
		if !t.common {
			v.spent += t.here.bytes() + listedContainer
			if t.rows == nil {
				v.spent += listedFixed
			}
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
		v.spent -= t.bytesHere()
		v.drop(t)
	}
}

// bytesHere is what choose has added for the block at hand.
func (t *tally) bytesHere() int64 {
	n := int64(0)
	if t.here.count > 0 {
		n = t.here.bytes() + listedContainer
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
	var out []uint32
	for c := range v.tallies {
		if t := &v.tallies[c]; !t.common {
			out = append(out, uint32(c))
		}
	}
	slices.SortFunc(out, func(a, b uint32) int {
		if d := v.tallies[b].count - v.tallies[a].count; d != 0 {
			return int(min(max(d, -1), 1))
		}
		return int(a) - int(b)
	})
	return out
}

// list adds the rows of the block to the values that stay listed.
func (v *ValuesBuilder) list(here []uint32) {
	wanted := 0
	for _, c := range here {
		if t := &v.tallies[c]; !t.common {
			wanted += t.here.count
		}
	}
	if wanted > 0 {
		v.gather(here, make([]uint32, wanted))
	}
	for _, c := range here {
		v.tallies[c].here = inBlock{}
	}
}

// gather collects the rows of the listed values in room, which is as large as
// they are many.
func (v *ValuesBuilder) gather(here []uint32, room []uint32) {
	for _, c := range here {
		if t := &v.tallies[c]; !t.common {
			t.here.lists, room = room[:0:t.here.count], room[t.here.count:]
		}
	}
	first := uint32(v.blocks) * BlockRows
	for i, c := range v.codes {
		if t := &v.tallies[c]; !t.common {
			t.here.lists = append(t.here.lists, first+uint32(i))
		}
	}
	for _, c := range here {
		if t := &v.tallies[c]; !t.common {
			v.append(t)
		}
	}
}

// append adds the rows of a block to those of a value, and takes the true
// price for the one that choose has guessed.
func (v *ValuesBuilder) append(t *tally) {
	v.spent -= t.bytesHere()
	block := roaring.BitmapOf(t.here.lists...)
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

// Finish returns the section, or nil if there is none: the column has too many
// values, or a section without rows would take more than most bytes.
func (v *ValuesBuilder) Finish(most int64) ([]byte, error) {
	if v.gone || v.rows == 0 {
		return nil, nil
	}
	w := &valuesWriter{b: v, order: v.sorted()}
	if err := w.entries(); err != nil {
		return nil, err
	}
	b := w.append(nil)
	if int64(len(b)-w.listed) > most {
		return nil, nil
	}
	return b, nil
}

// sorted returns the codes of the values, without null, in ascending order.
func (v *ValuesBuilder) sorted() []uint32 {
	order := make([]uint32, 0, v.coder.len())
	for c := range v.coder.len() {
		if c == v.coder.null {
			continue
		}
		order = append(order, uint32(c))
		if v.isWords {
			v.coder.keys[c] = appendWordKey(nil, v.coder.words[c], v.t)
		}
	}
	slices.SortFunc(order, func(a, b uint32) int { return bytes.Compare(v.coder.keys[a], v.coder.keys[b]) })
	return order
}

// valuesWriter writes a section.
type valuesWriter struct {
	b      *ValuesBuilder
	order  []uint32
	listed int // bytes of rows

	keys   [][]byte
	places []uint64
	counts []uint64
	ranks  []uint64
	ends   []uint64
	data   []byte
}

func (w *valuesWriter) entries() error {
	for _, c := range w.order {
		t := &w.b.tallies[c]
		w.keys = append(w.keys, w.b.coder.keys[c])
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
	case countBits(t.present) == w.b.blocks:
		place = everywhere
	default:
		t.present = append(t.present, make([]uint64, (w.b.blocks+63)/64-len(t.present))...)
		w.data = append(w.data, bitsOf(t.present, w.b.blocks)...)
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
	b = le.AppendUint16(b, valuesVersion)
	b = le.AppendUint16(b, 0)
	b = le.AppendUint32(b, uint32(len(w.order)))
	b = le.AppendUint64(b, uint64(w.b.rows))
	b = le.AppendUint64(b, uint64(nulls))
	b = append(b, byte(counts), byte(ranks), byte(ends), 0, 0, 0, 0, 0)
	b = appendTerms(b, w.keys)
	b = appendPacked(b, w.places, 2)
	b = appendPacked(b, w.counts, counts)
	b = appendPacked(b, w.ranks, ranks)
	b = appendPacked(b, w.ends, ends)
	return append(b, w.data...)
}
