package kern

import "unsafe"

// Pack writes the low width bits of src[i]-base, for every i, to dst in the
// packed layout. dst must have Words[T](width) words; 0 <= width <= Bits[T]().
// Differences that need more bits are the caller's bug.
func Pack[T Uint](dst []T, src *[Vector]T, base T, width int) {
	bits := int(unsafe.Sizeof(base)) * 8
	lanes := Vector / bits
	switch width {
	case 0:
		return
	case bits:
		for i := range dst[:Vector] {
			dst[i] = src[i] - base
		}
		return
	}
	for row := range bits {
		word, shift := row*width/bits, uint(row*width)%uint(bits)
		in, lo := src[row*lanes:][:lanes], dst[word*lanes:][:lanes]
		switch {
		case shift == 0:
			for l := range lo {
				lo[l] = in[l] - base
			}
		case int(shift)+width <= bits:
			for l := range lo {
				lo[l] |= (in[l] - base) << shift
			}
		default:
			hi, back := dst[(word+1)*lanes:][:lanes], -shift%uint(bits) // bits-shift, as shift is not 0
			for l := range lo {
				v := in[l] - base
				lo[l] |= v << shift
				hi[l] = v >> back
			}
		}
	}
}

// Unpack is the inverse of Pack: it sets dst[i] to base plus the i-th packed
// value, with wrapping addition. src must have at least Words[T](width) words;
// 0 <= width <= Bits[T]().
func Unpack[T Uint](dst *[Vector]T, src []T, base T, width int) {
	if width == 0 {
		Fill(dst[:], base)
		return
	}
	src = src[:Words[T](width)]
	if !unpackFast(dst, src, base, width) {
		unpackScalar(dst, src, base, width)
	}
}

// unpackScalar is the reference of Unpack.
func unpackScalar[T Uint](dst *[Vector]T, src []T, base T, width int) {
	bits := int(unsafe.Sizeof(base)) * 8
	lanes := Vector / bits
	switch width {
	case 0:
		Fill(dst[:], base)
		return
	case bits:
		for i, v := range src[:Vector] {
			dst[i] = v + base
		}
		return
	}
	mask := T(1)<<width - 1
	for row := range bits {
		word, shift := row*width/bits, uint(row*width)%uint(bits)
		lo, out := src[word*lanes:][:lanes], dst[row*lanes:][:lanes]
		if int(shift)+width <= bits {
			for l := range out {
				out[l] = lo[l]>>shift&mask + base
			}
			continue
		}
		hi, back := src[(word+1)*lanes:][:lanes], -shift%uint(bits) // bits-shift, as shift is not 0
		for l := range out {
			out[l] = (lo[l]>>shift|hi[l]<<back)&mask + base
		}
	}
}

// Fill sets every element of dst to v.
func Fill[T Uint](dst []T, v T) {
	if len(dst) == 0 {
		return
	}
	dst[0] = v
	for n := 1; n < len(dst); n *= 2 { // copy is the fastest store there is
		copy(dst[n:], dst[:n])
	}
}
