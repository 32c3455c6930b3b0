package scan

import (
	mathbits "math/bits"

	"github.com/zeebo/xxh3"
)

// Tables that number distinct keys in the order in which they come. They cost
// a third of Go's maps in memory, which bounds how many groups a query may
// have, and half the time.

// slots is an open-addressing table of numbers plus one; 0 is free. It is at
// most half full.
type slots struct {
	table []uint32
	shift uint
}

const firstSlots = 8

// grow makes room for more than n numbers and reports whether the table is a
// new one, to be filled again.
func (s *slots) grow(n int) bool {
	if 2*n < len(s.table) {
		return false
	}
	size := max(firstSlots, 2*len(s.table))
	s.table = make([]uint32, size)
	s.shift = uint(64 - mathbits.Len(uint(size-1)))
	return true
}

// place puts a number into the first free slot for a hash.
func (s *slots) place(hash uint64, n int) {
	at := hash >> s.shift
	for s.table[at] != 0 {
		at = (at + 1) & uint64(len(s.table)-1)
	}
	s.table[at] = uint32(n + 1)
}

// intKeys numbers int64s.
type intKeys struct {
	slots
	keys []int64 // by number
}

func hashInt(v int64) uint64 {
	h := uint64(v) * 0x9e3779b97f4a7c15
	return (h ^ h>>32) * 0xd6e8feb86659fd93
}

// number returns the number of v, and whether it is new.
func (t *intKeys) number(v int64) (n int32, fresh bool) {
	if t.grow(len(t.keys) + 1) {
		for i, k := range t.keys {
			t.place(hashInt(k), i)
		}
	}
	for at := hashInt(v) >> t.shift; ; at = (at + 1) & uint64(len(t.table)-1) {
		k := t.table[at]
		if k == 0 {
			t.keys = append(t.keys, v)
			t.table[at] = uint32(len(t.keys))
			return int32(len(t.keys) - 1), true
		}
		if t.keys[k-1] == v {
			return int32(k - 1), false
		}
	}
}

// bytes is the memory held.
func (t *intKeys) bytes() int64 { return 4*int64(len(t.table)) + 8*int64(cap(t.keys)) }

// textKeys numbers strings, and keeps their bytes.
type textKeys struct {
	slots
	keys   []string // by number, in memory of the table
	hashes []uint32 // by number: high halves
	chunk  []byte   // where the next keys go
	held   int64    // bytes of all chunks
}

const keyChunk = 64 << 10

// number returns the number of v, and whether it is new.
func (t *textKeys) number(v string) (n int32, fresh bool) {
	if t.grow(len(t.keys) + 1) {
		for i, h := range t.hashes {
			t.place(uint64(h)<<32, i)
		}
	}
	hash := uint32(xxh3.HashString(v) >> 32)
	for at := uint64(hash) << 32 >> t.shift; ; at = (at + 1) & uint64(len(t.table)-1) {
		k := t.table[at]
		if k == 0 {
			t.keys, t.hashes = append(t.keys, t.own(v)), append(t.hashes, hash)
			t.table[at] = uint32(len(t.keys))
			return int32(len(t.keys) - 1), true
		}
		if t.hashes[k-1] == hash && t.keys[k-1] == v {
			return int32(k - 1), false
		}
	}
}

// own copies v into the table's memory.
func (t *textKeys) own(v string) string {
	if len(v) > cap(t.chunk)-len(t.chunk) {
		size := min(keyChunk, max(256, int(t.held))) // small tables stay small
		if len(v) > size/4 {
			t.held += int64(len(v))
			return viewString([]byte(v))
		}
		t.chunk = make([]byte, 0, size)
		t.held += int64(size)
	}
	start := len(t.chunk)
	t.chunk = append(t.chunk, v...)
	return viewString(t.chunk[start:len(t.chunk):len(t.chunk)])
}

// bytes is the memory held.
func (t *textKeys) bytes() int64 {
	return 4*int64(len(t.table)) + 16*int64(cap(t.keys)) + 4*int64(cap(t.hashes)) + t.held
}
