package kern

import "math/bits"

// Code is the set of types of group numbers.
type Code interface{ uint8 | uint16 }

// GroupCount adds to counts[c], for every group c, the number of rows of group
// c whose bits are set in m. Every code must be less than len(counts).
func GroupCount[C Code](counts []int64, codes *[Vector]C, m *Mask) {
	if groupCountFast(counts, codes, m) {
		return
	}
	for k, w := range m {
		at := codes[k*64:][:64]
		if w == ^uint64(0) {
			for _, c := range at {
				counts[c]++
			}
			continue
		}
		if bits.OnesCount64(w) > dense {
			for _, c := range at {
				counts[c] += int64(w & 1)
				w >>= 1
			}
			continue
		}
		for ; w != 0; w &= w - 1 {
			counts[at[bits.TrailingZeros64(w)&63]]++
		}
	}
}

// CountBits is the width of the count in the lower end of what GroupCountSum
// keeps: enough for the rows of 15 blocks.
const CountBits = 20

// GroupCountSum adds to both[c], for every group c, 1 and 2^CountBits times the
// value, for each row of group c whose bit is set in m: a count and a sum for the price
// of one. The caller sees to it that neither grows beyond its bits, and takes them apart
// with CountOf and SumOf. Every code must be less than len(both).
func GroupCountSum[C Code](both []int64, codes *[Vector]C, v *[Vector]int64, m *Mask) {
	for k, w := range m {
		at, x := codes[k*64:][:64], v[k*64:][:64]
		if w == ^uint64(0) {
			for i, c := range at {
				both[c] += x[i]<<CountBits + 1
			}
			continue
		}
		if bits.OnesCount64(w) > dense {
			for i, c := range at {
				both[c] += (x[i]<<CountBits + 1) & -int64(w&1)
				w >>= 1
			}
			continue
		}
		for ; w != 0; w &= w - 1 {
			i := bits.TrailingZeros64(w) & 63
			both[at[i]] += x[i]<<CountBits + 1
		}
	}
}

// CountOf returns the count that GroupCountSum has kept.
func CountOf(both int64) int64 { return both & (1<<CountBits - 1) }

// SumOf returns the sum that GroupCountSum has kept.
func SumOf(both int64) int64 { return both >> CountBits }

// dense is the number of bits in a word of a mask above which all 64 rows are
// added, those that are not set as zeros, without branches.
const dense = 40

// Split is a sum that is still open: High*2^32 + Low. It takes 2^31 values of
// 64 bits before Low or High could overflow; fold it into a Total by then.
type Split struct{ Low, High int64 }

// Total returns the sum.
func (s Split) Total() Total { return totalOf(uint64(s.Low), s.High) }

// GroupSum adds to sums[c], for every group c, the values of the rows of group
// c whose bits are set in m. Every code must be less than len(sums).
func GroupSum[C Code](sums []Split, codes *[Vector]C, v *[Vector]int64, m *Mask) {
	for k, w := range m {
		at, x := codes[k*64:][:64], v[k*64:][:64]
		if bits.OnesCount64(w) > dense {
			for i, c := range at {
				sums[c].add(x[i] & -int64(w&1))
				w >>= 1
			}
			continue
		}
		for ; w != 0; w &= w - 1 {
			i := bits.TrailingZeros64(w) & 63
			sums[at[i]].add(x[i])
		}
	}
}

func (s *Split) add(x int64) {
	s.Low += x & (1<<32 - 1)
	s.High += x >> 32
}

// GroupSumNarrow is GroupSum for a caller who knows from the bounds of v that no
// sum can overflow.
func GroupSumNarrow[C Code](sums []int64, codes *[Vector]C, v *[Vector]int64, m *Mask) {
	for k, w := range m {
		at, x := codes[k*64:][:64], v[k*64:][:64]
		if w == ^uint64(0) {
			for i, c := range at {
				sums[c] += x[i]
			}
			continue
		}
		if bits.OnesCount64(w) > dense {
			for i, c := range at {
				sums[c] += x[i] & -int64(w&1)
				w >>= 1
			}
			continue
		}
		for ; w != 0; w &= w - 1 {
			i := bits.TrailingZeros64(w) & 63
			sums[at[i]] += x[i]
		}
	}
}

// GroupMinMax lowers least[c] and raises most[c], for every group c, to the
// values of the rows of group c whose bits are set in m. Every code must be
// less than the lengths of both.
func GroupMinMax[C Code](least, most []int64, codes *[Vector]C, v *[Vector]int64, m *Mask) {
	for k, w := range m {
		for at, x := codes[k*64:][:64], v[k*64:][:64]; w != 0; w &= w - 1 {
			i := bits.TrailingZeros64(w) & 63
			c := at[i]
			least[c], most[c] = min(least[c], x[i]), max(most[c], x[i])
		}
	}
}
