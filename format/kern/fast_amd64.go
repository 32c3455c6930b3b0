//go:build goexperiment.simd && amd64

package kern

import "unsafe"

// The hooks of the SIMD build. Each calls the kernel of the tier in use, or
// declines by returning false. The calls are static, not through tables of
// functions, so that escape analysis sees that no argument is kept: buffers of
// callers stay on their stacks.

func unpackFast[T Uint](dst *[Vector]T, src []T, base T, width int) bool {
	d, s := unsafe.Pointer(dst), unsafe.Pointer(unsafe.SliceData(src))
	switch now {
	case avx512:
		switch unsafe.Sizeof(base) {
		case 1:
			unpack8z(d, s, uint8(base), width)
		case 2:
			unpack16z(d, s, uint16(base), width)
		case 4:
			unpack32z(d, s, uint32(base), width)
		case 8:
			unpack64z(d, s, uint64(base), width)
		}
	case avx2:
		switch unsafe.Sizeof(base) {
		case 1:
			unpack8y(d, s, uint8(base), width)
		case 2:
			unpack16y(d, s, uint16(base), width)
		case 4:
			unpack32y(d, s, uint32(base), width)
		case 8:
			unpack64y(d, s, uint64(base), width)
		}
	default:
		return false
	}
	return true
}

// withinFast wants lo and span as clip leaves them. It moves them to the top
// of their words, where the kernels compare.
func withinFast[T Uint](m *Mask, src []T, width int, lo, span T) bool {
	d, s := unsafe.Pointer(m), unsafe.Pointer(unsafe.SliceData(src))
	up := Bits[T]() - width
	lo, span = lo<<up, span<<up|(1<<up-1)
	switch now {
	case avx512:
		switch unsafe.Sizeof(lo) {
		case 1:
			within8z(d, s, uint8(lo), uint8(span), width)
		case 2:
			within16z(d, s, uint16(lo), uint16(span), width)
		case 4:
			within32z(d, s, uint32(lo), uint32(span), width)
		case 8:
			within64z(d, s, uint64(lo), uint64(span), width)
		}
	case avx2:
		switch unsafe.Sizeof(lo) {
		case 1:
			within8y(d, s, uint8(lo), uint8(span), width)
		case 2:
			within16y(d, s, uint16(lo), uint16(span), width)
		case 4:
			within32y(d, s, uint32(lo), uint32(span), width)
		case 8:
			within64y(d, s, uint64(lo), uint64(span), width)
		}
	default:
		return false
	}
	return true
}
