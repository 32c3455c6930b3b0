package kern

// fill sets or clears all bits.
func (m *Mask) fill(ones bool) {
	word := -bit(ones)
	for k := range m {
		m[k] = word
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

// And clears the bits of m that are not in o.
func (m *Mask) And(o *Mask) {
	for k := range m {
		m[k] &= o[k]
	}
}
