package kern

import (
	"math"
	"math/bits"
	"unsafe"
)

// MinMaxOf returns the least and the greatest of the values of v whose bits
// are set in m, and whether there is one. Of floats NaNs are left out, and -0
// is less than 0.
func MinMaxOf[T Number](v *[Vector]T, m *Mask) (lo, hi T, ok bool) {
	k, some := kindOf[T](), *m
	if k&^3 == floating {
		var nan Mask
		Compare(&nan, Ne, v, v)
		some.AndNot(&nan)
	}
	if !some.Any() {
		return lo, hi, false
	}
	a, b := minMaxKeys(unsafe.Pointer(v), &some, k)
	return *(*T)(unsafe.Pointer(&a)), *(*T)(unsafe.Pointer(&b)), true
}

// minMaxKeys returns the bits of the least and the greatest value of kind k,
// in the low bits.
func minMaxKeys(v unsafe.Pointer, m *Mask, k kind) (lo, hi int64) {
	var ok bool
	if lo, hi, ok = minMaxFast(v, m, k); ok {
		return lo, hi
	}
	switch k {
	case unsigned:
		return minMaxScalar((*[Vector]uint8)(v), m, 0)
	case unsigned | 1:
		return minMaxScalar((*[Vector]uint16)(v), m, 0)
	case unsigned | 2:
		return minMaxScalar((*[Vector]uint32)(v), m, 0)
	case unsigned | 3:
		return minMaxScalar((*[Vector]uint64)(v), m, 0)
	case signed:
		return minMaxScalar((*[Vector]int8)(v), m, 0)
	case signed | 1:
		return minMaxScalar((*[Vector]int16)(v), m, 0)
	case signed | 2:
		return minMaxScalar((*[Vector]int32)(v), m, 0)
	case signed | 3:
		return minMaxScalar((*[Vector]int64)(v), m, 0)
	case floating | 2:
		return minMaxScalar((*[Vector]int32)(v), m, math.MaxInt32)
	}
	return minMaxScalar((*[Vector]int64)(v), m, math.MaxInt64)
}

// minMaxScalar inverts the bits of fold in negative values, which makes the
// bits of floats compare as integers, and again in the results.
func minMaxScalar[T Integer](v *[Vector]T, m *Mask, fold T) (int64, int64) {
	var lo, hi T
	first := true
	for k, w := range m {
		for at := v[k*64:][:64]; w != 0; w &= w - 1 {
			x := folded(at[bits.TrailingZeros64(w)&63], fold)
			if first {
				lo, hi, first = x, x, false
			}
			lo, hi = min(lo, x), max(hi, x)
		}
	}
	return int64(folded(lo, fold)), int64(folded(hi, fold))
}

func folded[T Integer](x, fold T) T {
	if x < 0 {
		return x ^ fold
	}
	return x
}
