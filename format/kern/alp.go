package kern

import "unsafe"

// MaxExponent64 and MaxExponent32 are the greatest exponents of ALP.
const (
	MaxExponent64 = 18
	MaxExponent32 = 10
)

// Powers of ten are exact up to 10^22, and for float32 up to 10^10; the
// negative ones are the nearest floats.
var (
	power64   = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18}
	inverse64 = [...]float64{1e-0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-11, 1e-12, 1e-13, 1e-14, 1e-15, 1e-16, 1e-17, 1e-18}
	power32   = [...]float32{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10}
	inverse32 = [...]float32{1e-0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10}
)

// DecodeALP64 unpacks src as Unpack does, reads the values as signed, and sets
// dst to value * 10^factor * 10^-exponent: two multiplications in this order,
// as ALP in Parquet has it, so that every tier gives the same bits. It wants
// 0 <= factor <= exponent <= MaxExponent64.
func DecodeALP64(dst *[Vector]float64, src []uint64, base uint64, width, exponent, factor int) {
	v := (*[Vector]uint64)(unsafe.Pointer(dst))
	up, down := power64[factor], inverse64[exponent]
	if width > 0 && alp64Fast(dst, src[:Words[uint64](width)], base, width, up, down) {
		return
	}
	Unpack(v, src, base, width)
	for i, x := range v {
		y := float64(int64(x)) * up
		dst[i] = y * down
	}
}

// DecodeALP32 is DecodeALP64 for float32, with MaxExponent32.
func DecodeALP32(dst *[Vector]float32, src []uint32, base uint32, width, exponent, factor int) {
	v := (*[Vector]uint32)(unsafe.Pointer(dst))
	up, down := power32[factor], inverse32[exponent]
	Unpack(v, src, base, width)
	if alp32Fast(dst, up, down) {
		return
	}
	for i, x := range v {
		y := float32(int32(x)) * up
		dst[i] = y * down
	}
}
