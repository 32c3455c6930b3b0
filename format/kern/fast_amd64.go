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

func combineFast(m, o []Mask, op int) bool {
	if len(m) == 0 {
		return true
	}
	d, s := unsafe.Pointer(&m[0]), unsafe.Pointer(&o[0])
	switch now {
	case avx512:
		combinez(d, s, len(m), op)
	case avx2:
		combiney(d, s, len(m), op)
	default:
		return false
	}
	return true
}

func countFast(m []Mask) (int, bool) {
	if now != avx512 || len(m) == 0 {
		return 0, false
	}
	return countz(unsafe.Pointer(&m[0]), len(m)), true
}

func rowsFast[R uint16 | uint32 | int32](dst *[Vector]R, m *Mask, first R) (int, bool) {
	d, s := unsafe.Pointer(dst), unsafe.Pointer(m)
	small := unsafe.Sizeof(first) == 2
	switch {
	case now == avx512 && small:
		return rows16z(d, s, uint16(first)), true
	case now == avx512:
		return rows32z(d, s, uint32(first)), true
	case now == avx2 && small:
		return rows16y(d, s, uint16(first)), true
	case now == avx2:
		return rows32y(d, s, uint32(first)), true
	}
	return 0, false
}

// sparse is the number of set bits, per byte of a value, below which it is
// quicker to move values one by one than by whole registers.
const sparse = 16

func compressFast[T Uint](dst, src *[Vector]T, m *Mask) (int, bool) {
	d, s, at := unsafe.Pointer(dst), unsafe.Pointer(src), unsafe.Pointer(m)
	size := unsafe.Sizeof(dst[0])
	if size >= 4 && m.Count() < sparse*int(size) {
		return 0, false
	}
	switch {
	case now == avx512 && size == 1:
		return compress8z(d, s, at), true
	case now == avx512 && size == 2:
		return compress16z(d, s, at), true
	case now == avx512 && size == 4:
		return compress32z(d, s, at), true
	case now == avx512:
		return compress64z(d, s, at), true
	case now == avx2 && size == 2:
		return compress16y(d, s, at), true
	case now == avx2 && size == 4:
		return compress32y(d, s, at), true
	}
	return 0, false
}

// inFast looks up in registers what fits there.
func inFast[T Uint](m *Mask, v *[Vector]T, set []uint64) bool {
	var x T
	size := unsafe.Sizeof(x)
	switch {
	case now == scalar:
		return false
	case len(set) <= 4 && (size == 1 || now == avx512):
		inBytes(m, unsafe.Pointer(v), size, set)
	case len(set) <= 16 && size == 2 && now == avx512:
		var words [16]uint64
		copy(words[:], set)
		in16z(unsafe.Pointer(m), unsafe.Pointer(v), (*[64]uint16)(unsafe.Pointer(&words)))
	default:
		return false
	}
	return true
}

func inBytes(m *Mask, v unsafe.Pointer, size uintptr, set []uint64) {
	var words [4]uint64
	copy(words[:], set)
	bytes := (*[32]uint8)(unsafe.Pointer(&words))
	if now == avx2 {
		in8y(unsafe.Pointer(m), v, bytes)
		return
	}
	var low [Vector]uint8
	switch at := unsafe.Pointer(&low); size {
	case 2:
		narrow16z(at, v)
		v = at
	case 4:
		narrow32z(at, v)
		v = at
	case 8:
		narrow64z(at, v)
		v = at
	}
	in8z(unsafe.Pointer(m), v, bytes)
}

func prefixFast[T uint32 | uint64](dst, src *[Vector]T, start T) bool {
	d, s := unsafe.Pointer(dst), unsafe.Pointer(src)
	narrow := unsafe.Sizeof(start) == 4
	switch {
	case now == avx512 && narrow:
		prefix32z(d, s, uint32(start))
	case now == avx512:
		prefix64z(d, s, uint64(start))
	case now == avx2 && narrow:
		prefix32y(d, s, uint32(start))
	default:
		return false
	}
	return true
}

func alp64Fast(dst *[Vector]float64, src []uint64, base uint64, width int, up, down float64) bool {
	d, s := unsafe.Pointer(dst), unsafe.Pointer(unsafe.SliceData(src))
	switch now {
	case avx512:
		if less := 1<<52 - int64(base); width <= 51 && less >= 1<<51 && less <= 3<<51 {
			unpackALPz(d, s, float64(less), up, down, width)
			return true
		}
		unpack64z(d, s, base, width)
		alp64z(d, up, down)
	case avx2:
		unpack64y(d, s, base, width)
		alp64y(d, up, down)
	default:
		return false
	}
	return true
}

func alp32Fast(dst *[Vector]float32, up, down float32) bool {
	switch now {
	case avx512:
		alp32z(unsafe.Pointer(dst), up, down)
	case avx2:
		alp32y(unsafe.Pointer(dst), up, down)
	default:
		return false
	}
	return true
}

// lookupFast has only the dictionaries that fit into registers: archsimd has no
// gather.
func lookupFast[C uint8 | uint16 | uint32, T uint32 | uint64](dst *[Vector]T, codes *[Vector]C, dict []T) bool {
	size := unsafe.Sizeof(dst[0])
	if now != avx512 || unsafe.Sizeof(codes[0]) != 1 || len(dict) > 128/int(size) {
		return false
	}
	var all [16]uint64
	copy(unsafe.Slice((*T)(unsafe.Pointer(&all)), 128/size), dict)
	if size == 4 {
		lookup32z(unsafe.Pointer(dst), unsafe.Pointer(codes), (*[32]uint32)(unsafe.Pointer(&all)))
	} else {
		lookup64z(unsafe.Pointer(dst), unsafe.Pointer(codes), &all)
	}
	return true
}

func compareFast(m *Mask, op Op, a, b operand, k kind) bool {
	switch now {
	case avx512:
		compareFastz(unsafe.Pointer(m), op, a, b, k)
	case avx2:
		compareFasty(unsafe.Pointer(m), op, a, b, k)
	default:
		return false
	}
	return true
}

// sumFast adds signed values as unsigned ones, their signs flipped, and takes
// away what that adds.
func sumFast(v unsafe.Pointer, m *Mask, k kind) (Total, bool) {
	if now == scalar {
		return Total{}, false
	}
	bits := 8 << (k & 3)
	var flip uint64
	if k&^3 == signed {
		flip = 1 << (bits - 1)
	}
	even, odd := sumHalves(v, unsafe.Pointer(m), bits, flip)
	if bits < 64 {
		sum := int64(even + odd - uint64(m.Count())*flip)
		return Total{sum >> 63, uint64(sum)}, true
	}
	return totalOf(even, int64(odd)-int64(m.Count())*int64(flip>>32)), true
}

func sumHalves(v, m unsafe.Pointer, bits int, flip uint64) (even, odd uint64) {
	z := now == avx512
	switch {
	case bits == 8 && z:
		return sum8z(v, m, uint8(flip))
	case bits == 8:
		return sum8y(v, m, uint8(flip))
	case bits == 16 && z:
		return sum16z(v, m, uint16(flip))
	case bits == 16:
		return sum16y(v, m, uint16(flip))
	case bits == 32 && z:
		return sum32z(v, m, uint32(flip))
	case bits == 32:
		return sum32y(v, m, uint32(flip))
	case z:
		return sum64z(v, m, flip)
	}
	return sum64y(v, m, flip)
}

func sumFloatsFast(lanes *[FloatLanes]float64, v unsafe.Pointer, m *Mask, k kind) bool {
	at := unsafe.Pointer(m)
	switch {
	case now == avx512 && k == floating|3:
		sumFloat64z(lanes, v, at)
	case now == avx512:
		sumFloat32z(lanes, v, at)
	case now == avx2 && k == floating|3:
		sumFloat64y(lanes, v, at)
	case now == avx2:
		sumFloat32y(lanes, v, at)
	default:
		return false
	}
	return true
}

// minMaxFast compares signed values; unsigned ones have their signs flipped,
// negative floats all other bits.
func minMaxFast(v unsafe.Pointer, m *Mask, k kind) (lo, hi int64, ok bool) {
	if now == scalar {
		return 0, 0, false
	}
	at, z, bits := unsafe.Pointer(m), now == avx512, 8<<(k&3)
	var flip, fold uint64
	switch k &^ 3 {
	case unsigned:
		flip = 1 << (bits - 1)
	case floating:
		fold = 1<<(bits-1) - 1
	}
	switch {
	case bits == 8 && z:
		lo, hi = widen(minMax8z(v, at, int8(flip)))
	case bits == 8:
		lo, hi = widen(minMax8y(v, at, int8(flip)))
	case bits == 16 && z:
		lo, hi = widen(minMax16z(v, at, int16(flip)))
	case bits == 16:
		lo, hi = widen(minMax16y(v, at, int16(flip)))
	case bits == 32 && z:
		lo, hi = widen(minMax32z(v, at, int32(flip), int32(fold)))
	case bits == 32:
		lo, hi = widen(minMax32y(v, at, int32(flip), int32(fold)))
	case z:
		lo, hi = minMax64z(v, at, int64(flip), int64(fold))
	default:
		lo, hi = minMax64y(v, at, int64(flip), int64(fold))
	}
	unfold := int64(fold)
	if lo < 0 {
		lo ^= unfold
	}
	if hi < 0 {
		hi ^= unfold
	}
	return lo, hi, true
}

func widen[T Integer](lo, hi T) (int64, int64) { return int64(lo), int64(hi) }

func sumNarrowFast(v *[Vector]int64, m *Mask) (int64, bool) {
	switch now {
	case avx512:
		return sumNarrowz(unsafe.Pointer(v), unsafe.Pointer(m)), true
	case avx2:
		return sumNarrowy(unsafe.Pointer(v), unsafe.Pointer(m)), true
	}
	return 0, false
}

// countPasses is the number of groups up to which one pass for each of them is
// quicker than one addition for each row.
const countPasses = 24

func groupCountFast[C Code](counts []int64, codes *[Vector]C, m *Mask) bool {
	if now != avx512 || unsafe.Sizeof(codes[0]) != 1 || len(counts) > countPasses {
		return false
	}
	for c := range counts {
		counts[c] += int64(countCodes8z(unsafe.Pointer(codes), m, uint8(c)))
	}
	return true
}

// lengthsFast does the first 64*words rows.
func lengthsFast(m *Mask, offsets []int32, words int, low, high int32) bool {
	if now == scalar || words == 0 {
		return false
	}
	d, s := unsafe.Pointer(m), unsafe.Pointer(unsafe.SliceData(offsets))
	if now == avx512 {
		lengthsz(d, s, words, low, high)
	} else {
		lengthsy(d, s, words, low, high)
	}
	return true
}

// pairFast sets bit b of hits[k] to whether byte 64*k+b from p on is x and that
// from q on is y.
func pairFast(hits *[pairChunks]uint64, p, q unsafe.Pointer, chunks int, x, y byte) {
	if now == avx512 {
		pairz(unsafe.Pointer(hits), p, q, chunks, x, y)
	} else {
		pairy(unsafe.Pointer(hits), p, q, chunks, x, y)
	}
}

func affineFast(dst, a *[Vector]int64, by, plus int64) bool {
	if now == avx512 {
		affinez(unsafe.Pointer(dst), unsafe.Pointer(a), by, plus)
	}
	return now == avx512
}

func addFast(dst, a, b *[Vector]int64) bool {
	if now == avx512 {
		addz(unsafe.Pointer(dst), unsafe.Pointer(a), unsafe.Pointer(b))
	}
	return now == avx512
}

func mulFast(dst, a, b *[Vector]int64) bool {
	if now == avx512 {
		mulz(unsafe.Pointer(dst), unsafe.Pointer(a), unsafe.Pointer(b))
	}
	return now == avx512
}

// widenFast has all words but those of 64 bits.
func widenFast[T Uint](dst *[Vector]int64, src *[Vector]T, isSigned bool) bool {
	if now != avx512 {
		return false
	}
	d, s := unsafe.Pointer(dst), unsafe.Pointer(src)
	switch size := unsafe.Sizeof(src[0]); {
	case size == 1 && isSigned:
		widenInt8z(d, s)
	case size == 1:
		widenUint8z(d, s)
	case size == 2 && isSigned:
		widenInt16z(d, s)
	case size == 2:
		widenUint16z(d, s)
	case size == 4 && isSigned:
		widenInt32z(d, s)
	case size == 4:
		widenUint32z(d, s)
	}
	return true
}

func codesFast[T Uint](dst *[Vector]uint16, src *[Vector]T, base T) bool {
	if now != avx512 {
		return false
	}
	d, s := unsafe.Pointer(dst), unsafe.Pointer(src)
	switch unsafe.Sizeof(base) {
	case 1:
		codes8z(d, s, uint8(base))
	case 2:
		codes16z(d, s, uint16(base))
	case 4:
		codes32z(d, s, uint16(base))
	case 8:
		codes64z(d, s, uint16(base))
	}
	return true
}

func combineCodesFast(codes, more *[Vector]uint16, by uint16) bool {
	if now == avx512 {
		combineCodesz(unsafe.Pointer(codes), unsafe.Pointer(more), by)
	}
	return now == avx512
}

// sizeFast adds up the symbols of whole chunks of 64 codes, and returns how many
// codes those are.
func sizeFast(codes []byte, lens *[256]uint8) (size, done int) {
	if now != avx512 || len(codes) < 64 {
		return 0, 0
	}
	chunks := len(codes) / 64
	return sizez(unsafe.Pointer(unsafe.SliceData(codes)), chunks, lens), chunks * 64
}
