package kern

import "math/bits"

// Rows writes the numbers of the set bits of m, plus first, to the front of
// dst, in ascending order, and returns how many they are. Elements of dst past
// them may be overwritten. The sum of first and Vector must not overflow R.
func Rows[R uint16 | uint32 | int32](dst *[Vector]R, m *Mask, first R) int {
	if n, ok := rowsFast(dst, m, first); ok {
		return n
	}
	return rowsScalar(dst, m, first)
}

func rowsScalar[R uint16 | uint32 | int32](dst *[Vector]R, m *Mask, first R) int {
	n := 0
	for k, w := range m {
		for at := first + R(k*64); w != 0; w &= w - 1 {
			dst[n] = at + R(bits.TrailingZeros64(w))
			n++
		}
	}
	return n
}

// Compress moves the values of src whose bits are set in m to the front of
// dst, in order, and returns how many they are. Elements of dst past them may
// be overwritten. dst may be src. Signed and floating-point values travel as
// the unsigned ones of the same bits.
func Compress[T Uint](dst, src *[Vector]T, m *Mask) int {
	if n, ok := compressFast(dst, src, m); ok {
		return n
	}
	return compressScalar(dst, src, m)
}

func compressScalar[T Uint](dst, src *[Vector]T, m *Mask) int {
	n := 0
	for k, w := range m {
		for v := src[k*64:][:64]; w != 0; w &= w - 1 {
			dst[n] = v[bits.TrailingZeros64(w)&63]
			n++
		}
	}
	return n
}
