package scan

import (
	mathbits "math/bits"
)

// bits is a set of row numbers, one bit a row. Bits past the number of rows
// are zero.
type bits []uint64

func words(n int) int { return (n + 63) / 64 }

func newBits(n int) bits { return make(bits, words(n)) }

// allBits returns the set of the rows 0…n-1.
func allBits(n int) bits {
	b := newBits(n)
	for i := range b {
		b[i] = ^uint64(0)
	}
	b.trim(n)
	return b
}

// trim clears the bits past n.
func (b bits) trim(n int) {
	if n%64 != 0 {
		b[len(b)-1] &= 1<<(n%64) - 1
	}
}

func (b bits) has(i int) bool { return b[i>>6]>>(i&63)&1 == 1 }
func (b bits) set(i int)      { b[i>>6] |= 1 << (i & 63) }

func (b bits) count() int {
	n := 0
	for _, w := range b {
		n += mathbits.OnesCount64(w)
	}
	return n
}

func (b bits) none() bool {
	for _, w := range b {
		if w != 0 {
			return false
		}
	}
	return true
}

// rows returns the members in order, at most limit of them.
func (b bits) rows(limit int) []int32 {
	out := make([]int32, 0, min(limit, b.count()))
	for wi, w := range b {
		for ; w != 0; w &= w - 1 {
			if len(out) == limit {
				return out
			}
			out = append(out, int32(wi<<6+mathbits.TrailingZeros64(w)))
		}
	}
	return out
}

// intersect returns a ∩ b; a nil set stands for all rows.
func intersect(a, b bits) bits {
	if a == nil {
		return b
	}
	if b == nil {
		return a
	}
	out := make(bits, len(a))
	for i := range out {
		out[i] = a[i] & b[i]
	}
	return out
}

// minus returns a ∖ b over n rows; a nil a stands for all rows.
func minus(a, b bits, n int) bits {
	if a == nil {
		a = allBits(n)
	}
	out := make(bits, len(a))
	for i := range out {
		out[i] = a[i] &^ b[i]
	}
	return out
}

// fill sets the bits of the rows for which f is true.
func fill(n int, f func(i int) bool) bits {
	out := newBits(n)
	for i := range n {
		if f(i) {
			out.set(i)
		}
	}
	return out
}
