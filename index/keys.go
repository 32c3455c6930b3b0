package index

import (
	"encoding/binary"
	"math/bits"
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

// HashKey returns the hash under which lookups know a key: xxh64 without seed.
func HashKey(key []byte) uint64 { return xxhash.Sum64(key) }

// Scratch is room that builders of one writer share. It is not safe for
// concurrent use.
type Scratch struct {
	codes []uint32
	words []uint64
	key   []byte
}

// coder numbers distinct values, nulls among them, in the order in which they
// first come.
type coder struct {
	slots []uint32 // code + 1, found by hash; a power of two
	words []uint64 // by code: the key as a number, or the hash of a key
	keys  [][]byte // by code, if keys are not numbers
	null  int      // code of null, or -1
	arena []byte
	held  int64 // bytes of all arenas
}

func newCoder() *coder { return &coder{slots: make([]uint32, 64), null: -1} }

func (c *coder) len() int { return len(c.words) }

// bytes returns what the coder holds.
func (c *coder) bytes() int64 {
	return c.held + int64(4*cap(c.slots)+8*cap(c.words)+24*cap(c.keys))
}

// nullCode returns the code of null.
func (c *coder) nullCode() uint32 {
	if c.null < 0 {
		c.null = c.add(0, nil)
	}
	return uint32(c.null)
}

// add appends a value without an entry in the table.
func (c *coder) add(word uint64, key []byte) int {
	c.words = append(c.words, word)
	c.keys = append(c.keys, key)
	return len(c.words) - 1
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
			code := c.add(word, nil)
			c.enter(at, code)
			return uint32(code)
		case c.words[s-1] == word:
			return s - 1
		}
	}
}

// ofKey returns the code of a key that is bytes.
func (c *coder) ofKey(key []byte) uint32 {
	word := xxhash.Sum64(key)
	mask := uint64(len(c.slots) - 1)
	for at := c.place(word); ; at = (at + 1) & mask {
		switch s := c.slots[at]; {
		case s == 0:
			code := c.add(word, c.keep(key))
			c.enter(at, code)
			return uint32(code)
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

// enter puts a code into the table, which is at most half full.
func (c *coder) enter(at uint64, code int) {
	c.slots[at] = uint32(code + 1)
	if 2*(code+2) <= len(c.slots) {
		return
	}
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
