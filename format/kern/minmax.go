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
	k := kindOf[T]()
	at, some := unsafe.Pointer(v), *m
	var keys [Vector]uint64
	if k&^3 == floating {
		leaveNaNs(&some, at, k)
		orderKeys(unsafe.Pointer(&keys), at, k)
		at = unsafe.Pointer(&keys)
	}
	if !some.Any() {
		return lo, hi, false
	}
	a, b := minMaxKeys(at, &some, k)
	if k&^3 == floating {
		a, b = orderKey(a, k), orderKey(b, k)
	}
	return *(*T)(unsafe.Pointer(&a)), *(*T)(unsafe.Pointer(&b)), true
}

func leaveNaNs(m *Mask, v unsafe.Pointer, k kind) {
	var nan Mask
	compare(&nan, Ne, operand{v, 1}, operand{v, 1}, k)
	m.AndNot(&nan)
}

// minMaxKeys returns the least and the greatest integer of kind k, or float
// as orderKey makes it, in the low bits.
func minMaxKeys(v unsafe.Pointer, m *Mask, k kind) (lo, hi int64) {
	var ok bool
	if lo, hi, ok = minMaxFast(v, m, k); ok {
		return lo, hi
	}
	switch k {
	case unsigned | 0:
		return minMaxScalar((*[Vector]uint8)(v), m)
	case unsigned | 1:
		return minMaxScalar((*[Vector]uint16)(v), m)
	case unsigned | 2:
		return minMaxScalar((*[Vector]uint32)(v), m)
	case unsigned | 3:
		return minMaxScalar((*[Vector]uint64)(v), m)
	case signed | 0:
		return minMaxScalar((*[Vector]int8)(v), m)
	case signed | 1:
		return minMaxScalar((*[Vector]int16)(v), m)
	case signed | 2, floating | 2:
		return minMaxScalar((*[Vector]int32)(v), m)
	}
	return minMaxScalar((*[Vector]int64)(v), m)
}

func minMaxScalar[T Integer](v *[Vector]T, m *Mask) (int64, int64) {
	var lo, hi T
	first := true
	for k, w := range m {
		for at := v[k*64:][:64]; w != 0; w &= w - 1 {
			x := at[bits.TrailingZeros64(w)&63]
			if first {
				lo, hi, first = x, x, false
			}
			lo, hi = min(lo, x), max(hi, x)
		}
	}
	return int64(lo), int64(hi)
}

// orderKeys sets dst to the keys of the floats at src.
func orderKeys(dst, src unsafe.Pointer, k kind) {
	if orderFast(dst, src, k) {
		return
	}
	if k == floating|2 {
		to := (*[Vector]int32)(dst)
		for i, x := range (*[Vector]int32)(src) {
			to[i] = x ^ x>>31&math.MaxInt32
		}
		return
	}
	to := (*[Vector]int64)(dst)
	for i, x := range (*[Vector]int64)(src) {
		to[i] = x ^ x>>63&math.MaxInt64
	}
}

// orderKey turns the bits of a float into an integer that compares as the
// float does, and back.
func orderKey(x int64, k kind) int64 {
	if k == floating|2 {
		y := int32(x)
		return int64(y ^ y>>31&math.MaxInt32)
	}
	return x ^ x>>63&math.MaxInt64
}
