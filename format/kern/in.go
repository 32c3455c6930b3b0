package kern

// In sets bit i of m to whether set holds the i-th value that Unpack would
// give: bit v%64 of set[v/64] is for value v. Every value must be less than
// 64*len(set); the caller knows that from base and width, or from the
// dictionary that the values are codes of. Sets of up to 256 values are looked
// up in registers, and for 16-bit words those of up to 1,024.
func In[T Uint](m *Mask, src []T, width int, base T, set []uint64) {
	if width == 0 {
		m.Fill(has(set, uint64(base)))
		return
	}
	var v [Vector]T
	Unpack(&v, src, base, width)
	if !inFast(m, &v, set) {
		inScalar(m, &v, set)
	}
}

// InAnd clears the bits of m for which In would not set them.
func InAnd[T Uint](m *Mask, src []T, width int, base T, set []uint64) {
	if !m.Any() {
		return
	}
	var found Mask
	In(&found, src, width, base, set)
	m.And(&found)
}

// InBytes is In for bytes that are not packed. set has four words.
func InBytes(m *Mask, v *[Vector]uint8, set *[4]uint64) {
	if !inFast(m, v, set[:]) {
		inScalar(m, v, set[:])
	}
}

func inScalar[T Uint](m *Mask, v *[Vector]T, set []uint64) {
	for k := range m {
		word := uint64(0)
		for i, x := range v[k*64:][:64] {
			word |= (set[x>>6] >> (x & 63) & 1) << i
		}
		m[k] = word
	}
}

func has(set []uint64, v uint64) bool { return set[v>>6]>>(v&63)&1 == 1 }
