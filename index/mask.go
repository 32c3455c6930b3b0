package index

import "math/bits"

// BlockRows is the number of rows of a block: what a Mask covers, and what
// one roaring container does.
const BlockRows = 1 << 16

// Mask is a set of rows of one block, one bit a row, lowest first.
type Mask [BlockRows / 64]uint64

// Has reports whether row i is in the set.
func (m *Mask) Has(i int) bool { return m[i>>6]>>(i&63)&1 == 1 }

// Count returns the number of rows in the set.
func (m *Mask) Count() int {
	n := 0
	for _, w := range m {
		n += bits.OnesCount64(w)
	}
	return n
}

func (m *Mask) set(i int) { m[i>>6] |= 1 << (i & 63) }

// setRange adds the rows from lo up to, not including, hi.
func (m *Mask) setRange(lo, hi int) {
	if lo >= hi {
		return
	}
	first, last := lo>>6, (hi-1)>>6
	low, high := ^uint64(0)<<(lo&63), ^uint64(0)>>(63-(hi-1)&63)
	if first == last {
		m[first] |= low & high
		return
	}
	m[first] |= low
	for i := first + 1; i < last; i++ {
		m[i] = ^uint64(0)
	}
	m[last] |= high
}

// invert replaces the set by the others of the first rows rows.
func (m *Mask) invert(rows int) {
	for i := range m {
		m[i] = ^m[i]
	}
	m.trim(rows)
}

// trim takes out the rows from rows on.
func (m *Mask) trim(rows int) {
	if rows >= BlockRows {
		return
	}
	m[rows>>6] &= 1<<(rows&63) - 1
	clear(m[rows>>6+1:])
}

func (m *Mask) empty() bool {
	for _, w := range m {
		if w != 0 {
			return false
		}
	}
	return true
}
