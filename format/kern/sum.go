package kern

import (
	"math/bits"
	"unsafe"
)

// Integer is the set of integer types.
type Integer interface {
	Uint | int8 | int16 | int32 | int64
}

// Total is a sum of integers: Hi*2^64 + Lo, so that sums of 64-bit values
// neither wrap nor have to be checked as they grow.
type Total struct {
	Hi int64
	Lo uint64
}

// Add adds o to t.
func (t *Total) Add(o Total) {
	var carry uint64
	t.Lo, carry = bits.Add64(t.Lo, o.Lo, 0)
	t.Hi += o.Hi + int64(carry)
}

// Int64 returns t and whether it fits.
func (t Total) Int64() (int64, bool) { return int64(t.Lo), t.Hi == int64(t.Lo)>>63 }

// Uint64 returns t and whether it fits.
func (t Total) Uint64() (uint64, bool) { return t.Lo, t.Hi == 0 }

// totalOf returns low + high*2^32.
func totalOf(low uint64, high int64) Total {
	lo, carry := bits.Add64(low, uint64(high)<<32, 0)
	return Total{high>>32 + int64(carry), lo}
}

// Sum returns the sum of the values of v whose bits are set in m.
func Sum[T Integer](v *[Vector]T, m *Mask) Total {
	if t, ok := sumFast(unsafe.Pointer(v), m, kindOf[T]()); ok {
		return t
	}
	return sumScalar(v, m)
}

// sumScalar adds the halves of each value apart.
func sumScalar[T Integer](v *[Vector]T, m *Mask) Total {
	var low uint64
	var high int64
	for k, w := range m {
		for at := v[k*64:][:64]; w != 0; w &= w - 1 {
			x := at[bits.TrailingZeros64(w)&63]
			low += uint64(x) & (1<<32 - 1)
			high += int64(x)>>32 + int64(bit(x > 0 && int64(x) < 0))<<32 // as if uint64 had a sign above
		}
	}
	return totalOf(low, high)
}

// SumNarrow returns the sum of the values of v whose bits are set in m, at
// twice the speed of Sum, for a caller who knows from the bounds of v that all
// values are from -2^53 to 2^53: so no sum of a vector can overflow.
func SumNarrow(v *[Vector]int64, m *Mask) int64 {
	if sum, ok := sumNarrowFast(v, m); ok {
		return sum
	}
	sum := int64(0)
	for k, w := range m {
		for at := v[k*64:][:64]; w != 0; w &= w - 1 {
			sum += at[bits.TrailingZeros64(w)&63]
		}
	}
	return sum
}

// FloatLanes is the number of running sums that SumFloats keeps.
const FloatLanes = 16

// SumFloats returns the sum of the values of v whose bits are set in m, as
// float64. Value i is added to running sum i%FloatLanes, in ascending order;
// then lane k+8 is added to lane k, for all k below 8, k+4 to k, k+2 to k and 1
// to 0. So the result is the same on every tier.
func SumFloats[T Float](v *[Vector]T, m *Mask) float64 {
	var lanes [FloatLanes]float64
	if !sumFloatsFast(&lanes, unsafe.Pointer(v), m, kindOf[T]()) {
		sumFloatsScalar(&lanes, v, m)
	}
	for n := FloatLanes / 2; n > 0; n /= 2 {
		for k := range n {
			lanes[k] += lanes[k+n]
		}
	}
	return lanes[0]
}

func sumFloatsScalar[T Float](lanes *[FloatLanes]float64, v *[Vector]T, m *Mask) {
	for k, w := range m {
		for at := v[k*64:][:64]; w != 0; w &= w - 1 {
			i := bits.TrailingZeros64(w) & 63
			lanes[i%FloatLanes] += float64(at[i])
		}
	}
}
