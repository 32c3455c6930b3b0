package index

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/cespare/xxhash/v2"
)

// appendWords appends, for a type whose keys have at most 8 bytes, the key of
// each value as a number (that under a null is any); ok is false for others.
func appendWords(dst []uint64, arr arrow.Array) (words []uint64, ok bool) {
	switch a := arr.(type) {
	case *array.Boolean:
		for i := range a.Len() {
			if a.Value(i) {
				dst = append(dst, 1)
			} else {
				dst = append(dst, 0)
			}
		}
	case *array.Int8:
		return signedWords(dst, a.Int8Values()), true
	case *array.Int16:
		return signedWords(dst, a.Int16Values()), true
	case *array.Int32:
		return signedWords(dst, a.Int32Values()), true
	case *array.Int64:
		return signedWords(dst, a.Int64Values()), true
	case *array.Uint8:
		return signedWords(dst, a.Uint8Values()), true
	case *array.Uint16:
		return signedWords(dst, a.Uint16Values()), true
	case *array.Uint32:
		return signedWords(dst, a.Uint32Values()), true
	case *array.Uint64:
		return append(dst, a.Uint64Values()...), true
	case *array.Date32:
		return signedWords(dst, a.Date32Values()), true
	case *array.Time32:
		return signedWords(dst, a.Time32Values()), true
	case *array.Time64:
		return signedWords(dst, a.Time64Values()), true
	case *array.Timestamp:
		return signedWords(dst, a.TimestampValues()), true
	case *array.Duration:
		return signedWords(dst, a.DurationValues()), true
	case *array.Float16:
		for _, v := range a.Values() {
			dst = append(dst, floatOrder(float64(v.Float32())))
		}
	case *array.Float32:
		return floatWords(dst, a.Float32Values()), true
	case *array.Float64:
		return floatWords(dst, a.Float64Values()), true
	default:
		return dst, false
	}
	return dst, true
}

func signedWords[T ordered](dst []uint64, values []T) []uint64 {
	for _, v := range values {
		dst = append(dst, uint64(int64(v))^1<<63)
	}
	return dst
}

func floatWords[T float32 | float64](dst []uint64, values []T) []uint64 {
	for _, v := range values {
		dst = append(dst, floatOrder(float64(v)))
	}
	return dst
}

// appendWordKey appends the key that word stands for.
func appendWordKey(dst []byte, word uint64, t arrow.DataType) []byte {
	if t.ID() == arrow.BOOL {
		return append(dst, byte(word))
	}
	return binary.BigEndian.AppendUint64(dst, word)
}

// keyAt returns the key of value i: the value's own memory if that is its key,
// or else scratch overwritten.
func keyAt(scratch []byte, arr arrow.Array, i int) []byte {
	switch a := arr.(type) {
	case *array.String:
		s := a.Value(i)
		return unsafe.Slice(unsafe.StringData(s), len(s)) // read only, as the array is
	case *array.Binary:
		return a.Value(i)
	case *array.FixedSizeBinary:
		return a.Value(i)
	}
	return AppendKey(scratch[:0], arr, i)
}

// keysOf returns what gives the key of a value of arr, whose type has keys
// that are neither numbers nor decimals: the value's own memory, read only.
func keysOf(arr arrow.Array) func(i int) []byte {
	switch a := arr.(type) {
	case *array.String:
		return textsOf(a.ValueOffsets(), a.ValueBytes())
	case *array.Binary:
		return textsOf(a.ValueOffsets(), a.ValueBytes())
	case *array.FixedSizeBinary:
		return a.Value
	}
	panic("BUG: keys of type " + arr.DataType().String() + " are not bytes")
}

// textsOf takes the bytes from the first of offsets on.
func textsOf(offsets []int32, data []byte) func(i int) []byte {
	first := int32(0)
	if len(offsets) > 0 {
		first = offsets[0]
	}
	return func(i int) []byte { return data[offsets[i]-first : offsets[i+1]-first] }
}

// HashKey returns the hash under which lookups know a key: xxh64 without seed.
func HashKey(key []byte) uint64 { return xxhash.Sum64(key) }

// Scratch is room that builders use while a block is added. It keeps nothing
// of one for the next and is not safe for concurrent use.
type Scratch struct {
	codes []uint32
	words []uint64
	key   []byte
	here  []inBlock // by code; zero between blocks
	rows  []uint32
}

// coder numbers distinct values, nulls among them, in the order in which they
// first come.
type coder struct {
	slots []uint32 // code + 1, found by hash; a power of two
	words []uint64 // by code: the key as a number, the low half of a decimal, or the hash of a key
	highs []int64  // by code: the high half of a decimal, if keys are decimals
	keys  [][]byte // by code, if keys are bytes
	null  int      // code of null, or -1
	arena []byte
	held  int64 // bytes of all arenas

	recent *[recentKeys]recentKey // of keys that are bytes; nil before the first
}

// recentKey is a key that has just been seen, by its ends. Most columns of
// text with few values have them again and again.
type recentKey struct {
	first, last uint64
	len         int
	code        uint32
}

const recentKeys = 256

// ends returns the first and last bytes of a key. Keys of one length up to 16
// that have the same ends are the same.
func ends(key []byte) (first, last uint64) {
	switch n := len(key); {
	case n >= 8:
		return le.Uint64(key), le.Uint64(key[n-8:])
	case n >= 4:
		return uint64(le.Uint32(key)), uint64(le.Uint32(key[n-4:]))
	case n > 0:
		return uint64(key[0]) | uint64(key[n/2])<<8, uint64(key[n-1])
	}
	return 0, 0
}

func newCoder() *coder { return &coder{slots: make([]uint32, 64), null: -1} }

func (c *coder) len() int { return len(c.words) }

// bytes returns what the coder holds.
func (c *coder) bytes() int64 {
	return c.held + int64(4*cap(c.slots)+8*cap(c.words)+8*cap(c.highs)+24*cap(c.keys))
}

// nullCode returns the code of null.
func (c *coder) nullCode() uint32 {
	if c.null < 0 {
		c.null = c.len() // without an entry in the table
		c.words, c.highs, c.keys = append(c.words, 0), append(c.highs, 0), append(c.keys, nil)
	}
	return uint32(c.null)
}

func (c *coder) place(word uint64) uint64 {
	return word * 0x9e3779b97f4a7c15 >> (64 - uint(bits.Len(uint(len(c.slots)-1))))
}

// ofWord returns the code of a key that is a number.
func (c *coder) ofWord(word uint64) uint32 {
	mask := uint64(len(c.slots) - 1)
	for at := c.place(word); ; at = (at + 1) & mask {
		switch s := c.slots[at]; {
		case s == 0:
			return c.enter(at, word)
		case c.words[s-1] == word:
			return s - 1
		}
	}
}

// ofDecimal returns the code of a key that is a decimal.
func (c *coder) ofDecimal(low uint64, high int64) uint32 {
	mask := uint64(len(c.slots) - 1)
	for at := c.place(low); ; at = (at + 1) & mask {
		switch s := c.slots[at]; {
		case s == 0:
			c.highs = append(c.highs, high)
			return c.enter(at, low)
		case c.words[s-1] == low && c.highs[s-1] == high:
			return s - 1
		}
	}
}

// ofKey returns the code of a key that is bytes.
func (c *coder) ofKey(key []byte) uint32 {
	if c.recent == nil {
		c.recent = new([recentKeys]recentKey)
	}
	first, last := ends(key)
	r := &c.recent[(first^bits.RotateLeft64(last, 23)^uint64(len(key)))*0x9e3779b97f4a7c15>>56]
	if r.first == first && r.last == last && r.len == len(key) && (r.len <= 16 && r.len > 0 || r.len > 16 && string(c.keys[r.code]) == string(key)) {
		return r.code
	}
	code := c.ofHashed(key)
	*r = recentKey{first, last, len(key), code}
	return code
}

func (c *coder) ofHashed(key []byte) uint32 {
	word := xxhash.Sum64(key)
	mask := uint64(len(c.slots) - 1)
	for at := c.place(word); ; at = (at + 1) & mask {
		switch s := c.slots[at]; {
		case s == 0:
			c.keys = append(c.keys, c.keep(key))
			return c.enter(at, word)
		case c.words[s-1] == word && string(c.keys[s-1]) == string(key):
			return s - 1
		}
	}
}

// keep copies a key to memory that stays.
func (c *coder) keep(key []byte) []byte {
	if len(key) > cap(c.arena)-len(c.arena) {
		c.arena = make([]byte, 0, max(1<<8, len(key), min(2*cap(c.arena), 1<<20)))
		c.held += int64(cap(c.arena))
	}
	from := len(c.arena)
	c.arena = append(c.arena, key...)
	return c.arena[from:len(c.arena):len(c.arena)]
}

// enter gives a new value its code, and puts it into the table, which is at
// most half full.
func (c *coder) enter(at, word uint64) (code uint32) {
	c.words = append(c.words, word)
	c.slots[at] = uint32(len(c.words))
	if 2*(len(c.words)+1) > len(c.slots) {
		c.grow()
	}
	return uint32(len(c.words) - 1)
}

func (c *coder) grow() {
	c.slots = make([]uint32, 2*len(c.slots))
	mask := uint64(len(c.slots) - 1)
	for code, word := range c.words {
		if code == c.null {
			continue
		}
		at := c.place(word)
		for c.slots[at] != 0 {
			at = (at + 1) & mask
		}
		c.slots[at] = uint32(code + 1)
	}
}

// sorted returns the codes of all values but null in the order of their keys,
// and the keys in that order.
func (c *coder) sorted(t arrow.DataType) (codes []uint32, keys [][]byte) {
	codes = make([]uint32, 0, c.len())
	for code := range c.len() {
		if code != c.null {
			codes = append(codes, uint32(code))
		}
	}
	compare, appendKey := c.order(t)
	slices.SortFunc(codes, compare)
	keys = make([][]byte, len(codes))
	var room []byte
	for i, code := range codes {
		from := len(room)
		room = appendKey(room, code)
		keys[i] = room[from:len(room):len(room)]
	}
	return codes, keys
}

// order returns what compares the keys of two codes, and what appends one.
func (c *coder) order(t arrow.DataType) (compare func(a, b uint32) int, appendKey func([]byte, uint32) []byte) {
	switch {
	case t.ID() == arrow.DECIMAL128:
		return func(a, b uint32) int {
				return cmp.Or(cmp.Compare(c.highs[a], c.highs[b]), cmp.Compare(c.words[a], c.words[b]))
			}, func(b []byte, code uint32) []byte {
				return binary.BigEndian.AppendUint64(IntKey(b, c.highs[code]), c.words[code])
			}
	case isWord(t):
		return func(a, b uint32) int { return cmp.Compare(c.words[a], c.words[b]) },
			func(b []byte, code uint32) []byte { return appendWordKey(b, c.words[code], t) }
	}
	return func(a, b uint32) int { return bytes.Compare(c.keys[a], c.keys[b]) },
		func(b []byte, code uint32) []byte { return append(b, c.keys[code]...) }
}

// isWord reports whether appendWords takes values of type t.
func isWord(t arrow.DataType) bool {
	switch t.ID() {
	case arrow.STRING, arrow.BINARY, arrow.FIXED_SIZE_BINARY, arrow.DECIMAL128:
		return false
	}
	return true
}
