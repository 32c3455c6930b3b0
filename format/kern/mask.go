package kern

import "math/bits"

// MaskWords is the number of words of the mask of a vector.
const MaskWords = Vector / 64

// Mask has one bit for each value of a vector: bit i%64 of word i/64 is for
// value i. The masks of the vectors of a block lie one after the other, as the
// words of a roaring bitmap container do.
type Mask [MaskWords]uint64

// Fill sets all bits, or clears them.
func (m *Mask) Fill(ones bool) {
	word := -bit(ones)
	for k := range m {
		m[k] = word
	}
}

// First sets the first n bits, 0 <= n <= Vector, and clears the rest.
func (m *Mask) First(n int) {
	if n >= Vector {
		m.Fill(true)
		return
	}
	for k := range m {
		m[k] = 1<<min(max(n-k*64, 0), 64) - 1
	}
}

// And clears the bits of m that are not in o.
func (m *Mask) And(o *Mask) {
	for k := range m {
		m[k] &= o[k]
	}
}

// Or sets the bits of m that are in o.
func (m *Mask) Or(o *Mask) {
	for k := range m {
		m[k] |= o[k]
	}
}

// AndNot clears the bits of m that are in o.
func (m *Mask) AndNot(o *Mask) {
	for k := range m {
		m[k] &^= o[k]
	}
}

// Not inverts all bits of m.
func (m *Mask) Not() {
	for k := range m {
		m[k] = ^m[k]
	}
}

// Any tells whether a bit is set.
func (m *Mask) Any() bool {
	or := uint64(0)
	for _, w := range m {
		or |= w
	}
	return or != 0
}

// All tells whether all bits are set.
func (m *Mask) All() bool {
	and := ^uint64(0)
	for _, w := range m {
		and &= w
	}
	return and == ^uint64(0)
}

// Count returns the number of bits that are set.
func (m *Mask) Count() int {
	n := 0
	for _, w := range m {
		n += bits.OnesCount64(w)
	}
	return n
}

// AndMasks is Mask.And for each of m and the one of o at the same place. o has
// at least as many masks as m.
func AndMasks(m, o []Mask) {
	o = o[:len(m)]
	if !combineFast(m, o, opAnd) {
		for k := range m {
			m[k].And(&o[k])
		}
	}
}

// OrMasks is Mask.Or for each of m.
func OrMasks(m, o []Mask) {
	o = o[:len(m)]
	if !combineFast(m, o, opOr) {
		for k := range m {
			m[k].Or(&o[k])
		}
	}
}

// AndNotMasks is Mask.AndNot for each of m.
func AndNotMasks(m, o []Mask) {
	o = o[:len(m)]
	if !combineFast(m, o, opAndNot) {
		for k := range m {
			m[k].AndNot(&o[k])
		}
	}
}

// CountMasks returns the number of bits set in all of m.
func CountMasks(m []Mask) int {
	if n, ok := countFast(m); ok {
		return n
	}
	n := 0
	for k := range m {
		n += m[k].Count()
	}
	return n
}

// How combineFast combines masks.
const (
	opAnd = iota
	opOr
	opAndNot
)

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
