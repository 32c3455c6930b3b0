package codec

import (
	"bytes"
	"encoding/binary"

	"github.com/zeebo/xxh3"
)

// SharedBuilder gathers the values that the pages of one column share: each
// has a number, in the order in which they first came. It decides block by
// block whether that costs less than a dictionary of the block alone. The same
// blocks make the same pages. It is not safe for concurrent use.
type SharedBuilder struct {
	slots
	keys  []stringKey // by number; their memory is the builder's once a page has them
	seen  []uint32    // by number: the last block that has it
	arena []byte
	bytes int    // of the texts of all keys
	room  int    // bytes that texts and keys may take
	block uint32 // counts blocks
	whole uint32 // counts those whose values are all shared, or that have none
	pages int    // that share
}

// Limits of a dictionary that pages share.
const (
	// MaxShared is how many values it has at most.
	MaxShared = 1 << 16
	// MaxSharedBytes bounds the texts of all values.
	MaxSharedBytes = 4 << 20
	// keyBytes is what a key takes beside its text.
	keyBytes = 64
)

// lateRows is how many rows at the end of a block tell how many new values the
// next one will bring.
const lateRows = 1 << 13

// NewSharedBuilder returns a builder that holds about so many bytes at most.
func NewSharedBuilder(room int) *SharedBuilder { return &SharedBuilder{room: room} }

// Held returns the bytes that the builder holds, about.
func (b *SharedBuilder) Held() int64 { return int64(b.bytes + len(b.keys)*keyBytes) }

// Complete reports whether some values are shared, and no page has others.
func (b *SharedBuilder) Complete() bool { return b.pages > 0 && b.whole == b.block }

// Share says that the strings put next, up to Page, may have values in common
// with other pages of their column, and which these are. More says that the
// block is full: others will come.
func (e *Encoder) Share(b *SharedBuilder, more bool) {
	e.shared, e.more = b, more
	b.block++
}

// blockValues is what a block has of the values of its column.
type blockValues struct {
	rows     int
	from     int // numbers from here on are new
	distinct int
	text     int  // bytes of the distinct values
	fresh    int  // bytes of those that are new
	late     int  // values that first came in the last rows of the block
	runs     int  // of equal neighbours
	many     bool // too many are new for any dictionary
}

// most is how many distinct values a dictionary of so many rows is good for.
func most(rows int) int { return max(1, rows/3) }

// putShared writes s with numbers of shared values, with a dictionary of its
// own, or as text. It reports whether it did: it leaves a single value to
// others, and a block that does not fit.
func (e *Encoder) putShared(b *SharedBuilder, c *choice, s Strings) bool {
	t := &e.strings
	t.codes = resized(t.codes, s.rows())
	v, ok := b.number(s, t.codes)
	all := len(b.keys)
	if ok && v.sharePays(all, e.more) && e.dictionaryPays(c, s, v.numbers(all)+v.freshNumbers(all), v.fresh) {
		b.keep(v)
		e.putNumbers(b, c, v)
		return true
	}
	defer b.forget(v)
	switch {
	case !v.many && (!ok || v.distinct == 1):
		return false
	case ok && v.distinct <= most(v.rows) && e.dictionaryPays(c, s, packedCodes(v.rows, v.distinct)+v.distinct, v.text):
		b.own(t, v)
		e.putDictionaryStrings(c, v.rows)
	default:
		e.putText(c, s, e.root())
	}
	return true
}

// number sets rows to the number of the value of each row of s; a value that is
// new gets the next one. It gives up where too many are new for any dictionary,
// or for the column's, and where all rows are null.
func (b *SharedBuilder) number(s Strings, rows []uint32) (v blockValues, ok bool) {
	v = blockValues{rows: s.rows(), from: len(b.keys)}
	code, prev := uint32(0), []byte(nil)
	if s.null(0) {
		if prev = firstValue(s); prev == nil {
			b.whole++
			return v, false
		}
		if code, ok = b.add(prev); !ok {
			return v, false
		}
	}
	for i := range v.rows {
		if x := s.value(i); !s.null(i) && (prev == nil || !bytes.Equal(x, prev)) {
			if code, ok = b.add(x); !ok {
				return v, false
			}
			prev = x
		}
		if b.seen[code] != b.block {
			b.seen[code] = b.block
			v.add(i, len(b.keys[code].value), int(code) >= v.from)
		}
		if i == 0 || rows[i-1] != code {
			v.runs++
		}
		rows[i] = code
		if fresh := len(b.keys) - v.from; fresh > most(v.rows) || i == 1<<13 && fresh > i*17/20 {
			v.many = true
			return v, false
		}
	}
	return v, true
}

// firstValue returns the first value that is not null; nil if there is none.
func firstValue(s Strings) []byte {
	for i := range s.rows() {
		if !s.null(i) {
			return append([]byte{}, s.value(i)...)
		}
	}
	return nil
}

// add counts a value that first comes in row i.
func (v *blockValues) add(i, size int, fresh bool) {
	v.distinct++
	v.text += size
	if fresh {
		v.fresh += size
	}
	if i >= v.rows-lateRows {
		v.late++
	}
}

// Text is taken at half its bytes: that is about what symbols leave of it.

// codes returns about what codes of the rows cost, packed or as runs, where
// there are so many.
func (v *blockValues) codes(distinct int) int {
	return min(packedCodes(v.rows, distinct), packedCodes(v.runs, distinct)+v.runs)
}

// numbers returns about what the numbers of the rows cost, of so many values in
// the segment: as they are, or as codes into a list of the block's numbers.
func (v *blockValues) numbers(all int) int {
	return min(v.codes(all), v.codes(v.distinct)+packedCodes(v.distinct, all))
}

// freshNumbers returns what the numbers of new values cost in the dictionary.
func (v *blockValues) freshNumbers(all int) int { return packedCodes(all-v.from, all) }

// sharePays compares the block with shared values to one with values of its
// own. What the next blocks will know of its values is taken off the price.
func (v *blockValues) sharePays(all int, more bool) bool {
	if v.distinct == 1 && v.from < all || v.from == 0 && !more {
		return false // one value needs no number, the only block no dictionary beside it
	}
	own := v.text/2 + v.codes(v.distinct)
	shared := v.fresh/2 + v.freshNumbers(all) + v.numbers(all)
	if again := v.distinct - v.late*v.rows/lateRows; more && again > 0 {
		shared -= v.fresh / 2 * again / v.distinct
	}
	return shared <= own
}

// add returns the number of a value; false if it would be one too many. A new
// one is kept where it is until keep or forget.
func (b *SharedBuilder) add(x []byte) (uint32, bool) {
	hash := xxh3.Hash(x)
	if len(b.table) == 0 {
		b.refill(1 << 6)
	}
	at, found := b.find(hash, x)
	if found {
		return b.table[at] - 1, true
	}
	if n := len(b.keys); n == MaxShared || b.bytes+len(x) > min(MaxSharedBytes, b.room-(n+1)*keyBytes) {
		return 0, false
	}
	b.keys, b.seen = append(b.keys, stringKey{hash, x}), append(b.seen, 0)
	b.bytes += len(x)
	b.table[at] = uint32(len(b.keys))
	if 2*len(b.keys) > len(b.table) {
		b.refill(2 * len(b.keys))
	}
	return uint32(len(b.keys) - 1), true
}

// find returns the slot of a value, or the one that it would get.
func (b *SharedBuilder) find(hash uint64, x []byte) (at uint64, found bool) {
	for at = hash >> b.shift; b.table[at] != 0; at = (at + 1) & uint64(len(b.table)-1) {
		if key := &b.keys[b.table[at]-1]; key.hash == hash && bytes.Equal(key.value, x) {
			return at, true
		}
	}
	return at, false
}

// refill makes room for limit values.
func (b *SharedBuilder) refill(limit int) {
	b.slots.reset(limit)
	for i, key := range b.keys {
		at := key.hash >> b.shift
		for b.table[at] != 0 {
			at = (at + 1) & uint64(len(b.table)-1)
		}
		b.table[at] = uint32(i + 1)
	}
}

// keep makes the new values of a block those of the dictionary.
func (b *SharedBuilder) keep(v blockValues) {
	for i := range b.keys[v.from:] {
		key := &b.keys[v.from+i]
		if len(key.value) > cap(b.arena)-len(b.arena) {
			b.arena = make([]byte, 0, max(1<<12, len(key.value), min(2*cap(b.arena), 1<<20)))
		}
		at := len(b.arena)
		b.arena = append(b.arena, key.value...)
		key.value = b.arena[at:len(b.arena):len(b.arena)]
	}
	b.pages++
	b.whole++
}

// forget takes the new values of a block back, the last first, so that no
// other value is behind them in the table.
func (b *SharedBuilder) forget(v blockValues) {
	for i := len(b.keys) - 1; i >= v.from; i-- {
		at, _ := b.find(b.keys[i].hash, b.keys[i].value)
		b.table[at] = 0
		b.bytes -= len(b.keys[i].value)
	}
	clear(b.keys[v.from:])
	b.keys, b.seen = b.keys[:v.from], b.seen[:v.from]
	if v.from == 0 { // a column that shares nothing holds nothing
		b.keys, b.seen, b.slots = nil, nil, slots{}
	}
}

// own gives t the values that a block has, and the codes of the rows, which it
// has as numbers.
func (b *SharedBuilder) own(t *stringTable, v blockValues) {
	numbers, local := b.present(v)
	t.keys, t.stored = t.keys[:0], v.text
	for _, n := range numbers {
		t.keys = append(t.keys, b.keys[n])
	}
	for i, n := range t.codes {
		t.codes[i] = local[n]
	}
}

// present returns the numbers that a block has, in ascending order, and the
// place of each among them.
func (b *SharedBuilder) present(v blockValues) (numbers, local []uint32) {
	numbers, local = make([]uint32, 0, v.distinct), make([]uint32, len(b.keys))
	for n, block := range b.seen {
		if block == b.block {
			local[n] = uint32(len(numbers))
			numbers = append(numbers, uint32(n))
		}
	}
	return numbers, local
}

// putNumbers writes the numbers of the rows, or codes of the block's own and
// the numbers that they stand for, whichever is cheaper.
func (e *Encoder) putNumbers(b *SharedBuilder, c *choice, v blockValues) {
	rows, all := e.strings.codes, len(b.keys)
	direct := planCodes(e, nth(&c.parts, 1), rows, nil, all, e.root())
	if packedCodes(v.rows, v.distinct)+packedCodes(v.distinct, all) < packedCodes(v.rows, all) {
		numbers, local := b.present(v)
		codes := planCodes(e, nth(&c.parts, 3), rows, local, v.distinct, e.root())
		list := planCodes(e, nth(&c.parts, 4), numbers, nil, all, e.root().below(Patched))
		if codes.cost+list.cost+2*nodeSize < direct.cost {
			e.node(Dictionary, Bytes, v.rows, uint64(v.distinct))
			codes.write()
			e.node(Shared, Bytes, v.distinct, uint64(all))
			list.write()
			return
		}
	}
	e.node(Shared, Bytes, v.rows, uint64(all))
	direct.write()
}

// AppendShared appends the dictionary of all values that pages share, as
// OpenSharedTexts reads it, with the set of encodings used; nothing if there is
// none.
func (e *Encoder) AppendShared(dst []byte, b *SharedBuilder) ([]byte, Set) {
	if b.pages == 0 {
		return dst, 0
	}
	order, _ := ranks(len(b.keys), func(x, y uint32) int { return bytes.Compare(b.keys[x].value, b.keys[y].value) })
	values := Strings{Offsets: make([]int32, 1, len(order)+1), Data: make([]byte, 0, b.bytes)}
	for _, k := range order {
		values.Data = append(values.Data, b.keys[k].value...)
		values.Offsets = append(values.Offsets, int32(len(values.Data)))
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(order)))
	dst = binary.LittleEndian.AppendUint32(dst, 0)
	planCodes(e, new(choice), order, nil, len(order), e.root()).write()
	e.putValues(new(choice), values, e.root())
	page, used := e.Page(nil)
	return append(dst, page...), used
}
