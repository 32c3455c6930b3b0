package kern

import "unsafe"

// Affine sets dst[i] to a[i]*by + plus, in wrapping arithmetic. dst may be a.
func Affine(dst, a *[Vector]int64, by, plus int64) {
	if !affineFast(dst, a, by, plus) {
		for i, x := range a {
			dst[i] = x*by + plus
		}
	}
}

// Add sets dst[i] to a[i] + b[i], in wrapping arithmetic. dst may be a or b.
func Add(dst, a, b *[Vector]int64) {
	if !addFast(dst, a, b) {
		for i, x := range a {
			dst[i] = x + b[i]
		}
	}
}

// Mul sets dst[i] to a[i] * b[i], in wrapping arithmetic. dst may be a or b.
func Mul(dst, a, b *[Vector]int64) {
	if !mulFast(dst, a, b) {
		for i, x := range a {
			dst[i] = x * b[i]
		}
	}
}

// Widen sets dst[i] to src[i], where the highest bit of a word is its sign if
// signed is set.
func Widen[T Uint](dst *[Vector]int64, src *[Vector]T, signed bool) {
	switch {
	case Bits[T]() == 64:
		*dst = *(*[Vector]int64)(unsafe.Pointer(src))
	case widenFast(dst, src, signed):
	case signed:
		shift := 64 - Bits[T]()
		for i, v := range src {
			dst[i] = int64(uint64(v)<<shift) >> shift
		}
	default:
		for i, v := range src {
			dst[i] = int64(v)
		}
	}
}

// Codes sets dst[i] to src[i]-base in wrapping arithmetic, cut to 16 bits.
func Codes[T Uint](dst *[Vector]uint16, src *[Vector]T, base T) {
	if !codesFast(dst, src, base) {
		for i, v := range src {
			dst[i] = uint16(v - base)
		}
	}
}

// Combine sets codes[i] to codes[i]*by + more[i], cut to 16 bits.
func Combine(codes, more *[Vector]uint16, by uint16) {
	if !combineCodesFast(codes, more, by) {
		for i, v := range more {
			codes[i] = codes[i]*by + v
		}
	}
}
