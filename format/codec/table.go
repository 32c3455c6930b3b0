package codec

import (
	"bytes"
	"math/bits"

	"github.com/zeebo/xxh3"
)

// Hash tables that number distinct values in order of appearance. They are
// made for one column of one block and kept for the next; they give up when
// there are more values than a dictionary is good for.

// slots is an open-addressing table of numbers plus one; 0 is free.
type slots struct {
	table []uint32
	shift uint
}

// reset makes room for limit values at most half full.
func (s *slots) reset(limit int) {
	size := 1 << bits.Len(uint(2*limit-1))
	if cap(s.table) < size {
		s.table = make([]uint32, size)
	}
	s.table = s.table[:size]
	clear(s.table)
	s.shift = uint(64 - bits.Len(uint(size-1)))
}

// wordTable numbers distinct words.
type wordTable struct {
	slots
	keys  []uint64 // by number
	codes []uint32 // by row: a number
	limit int
}

// build empties the table and lets fill add the values of n rows; it reports
// false where there are more than limit distinct ones.
func (t *wordTable) build(n, limit int, fill func(*wordTable) bool) bool {
	t.reset(limit)
	t.limit = limit
	t.keys = t.keys[:0]
	t.codes = resized(t.codes, n)
	return fill(t)
}

func resized(v []uint32, n int) []uint32 {
	if cap(v) < n {
		return make([]uint32, n)
	}
	return v[:n]
}

// add returns the number of x, or false if x would be one too many.
func (t *wordTable) add(x uint64) (uint32, bool) {
	mask := uint64(len(t.table) - 1)
	for at := x * 0x9e3779b97f4a7c15 >> t.shift; ; at = (at + 1) & mask {
		k := t.table[at]
		if k == 0 {
			if len(t.keys) == t.limit {
				return 0, false
			}
			t.keys = append(t.keys, x)
			t.table[at] = uint32(len(t.keys))
			return uint32(len(t.keys) - 1), true
		}
		if t.keys[k-1] == x {
			return k - 1, true
		}
	}
}

// stringTable numbers distinct byte strings.
type stringTable struct {
	slots
	keys   []stringKey // by number
	codes  []uint32    // by row
	limit  int
	stored int // bytes of all keys
}

type stringKey struct {
	hash  uint64
	value []byte
}

func (t *stringTable) reset(n, limit int) {
	t.slots.reset(limit)
	t.limit, t.stored = limit, 0
	clear(t.keys) // let go of the last block's memory
	t.keys = t.keys[:0]
	t.codes = resized(t.codes, n)
}

// add returns the number of v, or false if v would be one too many. The table
// keeps v until it is reset.
func (t *stringTable) add(v []byte) (uint32, bool) {
	hash := xxh3.Hash(v)
	mask := uint64(len(t.table) - 1)
	for at := hash >> t.shift; ; at = (at + 1) & mask {
		k := t.table[at]
		if k == 0 {
			if len(t.keys) == t.limit {
				return 0, false
			}
			t.keys = append(t.keys, stringKey{hash, v})
			t.stored += len(v)
			t.table[at] = uint32(len(t.keys))
			return uint32(len(t.keys) - 1), true
		}
		if key := &t.keys[k-1]; key.hash == hash && bytes.Equal(key.value, v) {
			return k - 1, true
		}
	}
}
