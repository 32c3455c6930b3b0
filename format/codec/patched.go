package codec

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/tarnlake/tarn/format/kern"
)

// Patched: frame of reference with exceptions. As in Packed each vector has a
// base and a width, but a few of its differences may need more bits than that,
// or be negative: packed are their low bits, and a patch has the rest, signed.
// Six buffers: widths (u8 a vector), bases (a word a vector), patches (u16 a
// vector: how many, plus 4096 times the extra bytes that each of them takes),
// packed vectors, the patches (u16 each: the place in the vector, plus 1024
// times the low six bits of the rest), extra bytes (what the six bits leave,
// little-endian).

const (
	// patchOne is one in how many values may be a patch; more would cost a
	// scan what the narrower width saves it.
	patchOne = 24
	// patchBits is what the choice of a width takes a patch for: 16 bits, and
	// a price for leaving the straight path.
	patchBits = 16 + 6
	// patchedBuffers is what the additional buffers take by being there.
	patchedBuffers = 32
)

// widthHistogram counts the differences of a vector by the bits they need.
type widthHistogram [65]uint16

func histogramOf[T kern.Uint](vec []T, base T) (h widthHistogram) {
	for _, x := range vec {
		h[bits.Len64(uint64(x-base))]++
	}
	return h
}

// extraBytes returns how many bytes a patch takes beside its 16 bits, for a
// rest of n bits, its sign among them.
func extraBytes(n int) int { return max(0, n-6+7) / 8 }

// best returns the width that takes the fewest bits, patches included, where
// the widest of n differences needs full bits. Besides, below of them are
// negative and need a patch of belowBits at any width.
func (h *widthHistogram) best(full, n, below, belowBits int) (p frame) {
	p.width, p.bits = full, math.MaxInt
	above := below
	for w := full; w >= 0; w-- {
		if w < full {
			above += int(h[w+1])
		}
		if above > n/patchOne {
			break
		}
		extra := 0
		if above > 0 {
			extra = extraBytes(max(full, belowBits) + 1 - w)
		}
		if bits := w*kern.Vector + above*(patchBits+8*extra); bits < p.bits {
			p = frame{w, above, extra, bits}
		}
	}
	return p
}

// frame is how wide a vector is packed.
type frame struct {
	width, patches, extra int
	bits                  int // of it all
}

// patchedVector is how a vector is packed with patches.
type patchedVector[T kern.Uint] struct {
	base T
	frame
}

// planPatchedVector finds the base and width that take the fewest bits. Bases
// that it tries are the least value and, where a few low ones seem to be far
// from the others, one above those.
func planPatchedVector[T kern.Uint](vec []T, lo, hi T) patchedVector[T] {
	full := bits.Len64(uint64(hi - lo))
	p := patchedVector[T]{lo, frame{width: full, bits: full * kern.Vector}}
	if full < 2 {
		return p
	}
	h := histogramOf(vec, lo)
	p.frame = h.best(full, len(vec), 0, 0)
	if base, ok := trimmedBase(vec, lo, p.width); ok {
		if q := planAbove(vec, base, lo, hi); q.bits < p.bits {
			return q
		}
	}
	return p
}

// trimmedBase returns a low value that is not one of the lowest, if most of
// vec should then need less than width bits.
func trimmedBase[T kern.Uint](vec []T, lo T, width int) (T, bool) {
	const looks, skip = 64, 1
	if len(vec) < 2*looks || width < 3 {
		return 0, false
	}
	var s [looks]T
	for i := range s {
		s[i] = vec[i*len(vec)/looks] - lo
	}
	slices.Sort(s[:])
	low, high := s[skip], s[looks-1-skip]
	return lo + low, low > 0 && bits.Len64(uint64(high-low)) < width
}

// planAbove is the best with a base that some values are below.
func planAbove[T kern.Uint](vec []T, base, lo, hi T) patchedVector[T] {
	var h widthHistogram
	below := 0
	for _, x := range vec {
		if x-lo < base-lo {
			below++
		} else {
			h[bits.Len64(uint64(x-base))]++
		}
	}
	return patchedVector[T]{base, h.best(bits.Len64(uint64(hi-base)), len(vec), below, bits.Len64(uint64(base-lo)))}
}

// bytes returns what the vector takes in all.
func (p patchedVector[T]) bytes() int {
	return p.width*kern.VectorBytes + p.patches*(2+p.extra) + 3 + wordBytes[T]()
}

func putPatched[T kern.Uint](e *Encoder, v []T, vecs []patchedVector[T]) {
	widths, bases, patches := make([]uint8, len(vecs)), make([]T, len(vecs)), make([]uint16, len(vecs))
	size := 0
	for k, p := range vecs {
		if p.patches > 0 {
			p.patches = countPatches(wholeVector(v[k*kern.Vector:], p.base), p)
		}
		widths[k], bases[k], patches[k] = uint8(p.width), p.base, uint16(p.patches|p.extra<<12)
		size += p.width * kern.VectorBytes
	}
	e.node(Patched, shapeOf[T](), len(v), 0)
	e.buffer(widths)
	e.buffer(bytesOf(bases))
	e.buffer(bytesOf(patches))
	packed := wordsOf[T](e.grow(size))
	var places []uint16
	var extras []byte
	var low [kern.Vector]T
	for k, p := range vecs {
		vec := wholeVector(v[k*kern.Vector:], p.base)
		n := kern.Words[T](p.width)
		if p.patches > 0 {
			places, extras = splitPatches(&low, vec, p, places, extras)
			vec = &low
		}
		kern.Pack(packed[:n], vec, p.base, p.width)
		packed = packed[n:]
	}
	e.buffer(bytesOf(places))
	e.buffer(extras)
}

// countPatches returns how many patches vec has: those that were planned, or
// fewer where a negative difference wraps into the width.
func countPatches[T kern.Uint](vec *[kern.Vector]T, p patchedVector[T]) (n int) {
	for _, x := range vec {
		if (x-p.base)>>p.width != 0 {
			n++
		}
	}
	return n
}

// splitPatches sets low to what of vec fits the width, and appends the rest.
func splitPatches[T kern.Uint](low, vec *[kern.Vector]T, p patchedVector[T], places []uint16, extras []byte) ([]uint16, []byte) {
	mask := T(1)<<p.width - 1
	for i, x := range vec {
		diff := x - p.base
		low[i] = p.base + diff&mask
		if diff>>p.width != 0 {
			rest := int64Of(diff) >> p.width
			places = append(places, uint16(i)|uint16(rest&63)<<10)
			for at := range p.extra {
				extras = append(extras, byte(rest>>6>>(8*at)))
			}
		}
	}
	return places, extras
}

func getPatched[T kern.Uint](d *Decoder, n node, dst []T) error {
	if err := n.noParam(); err != nil {
		return err
	}
	widths, bases, err := frames[T](d, len(dst))
	if err != nil {
		return err
	}
	patches, err := words[uint16](d, len(widths))
	if err != nil {
		return err
	}
	packed, err := packedVectors[T](d, widths)
	if err != nil {
		return err
	}
	places, extras, err := patchBuffers[T](d, patches)
	if err != nil {
		return err
	}
	unpack(dst, widths, bases, packed)
	for k, p := range patches {
		count, extra := int(p&0xfff), int(p>>12)
		vec := dst[k*kern.Vector : min(len(dst), (k+1)*kern.Vector)]
		if err := patch(vec, uint(widths[k]), places[:count], extras[:count*extra], extra); err != nil {
			return err
		}
		places, extras = places[count:], extras[count*extra:]
	}
	return nil
}

// patchBuffers reads the places and extra bytes that the vectors' patches add
// up to.
func patchBuffers[T kern.Uint](d *Decoder, patches []uint16) (places []uint16, extras []byte, err error) {
	count, bytes := 0, 0
	for _, p := range patches {
		count += int(p & 0xfff)
		bytes += int(p&0xfff) * int(p>>12)
		if int(p>>12) > wordBytes[T]() {
			return nil, nil, fmt.Errorf("a patch has %d more bytes, its word only %d", p>>12, wordBytes[T]())
		}
	}
	if places, err = words[uint16](d, count); err != nil {
		return nil, nil, err
	}
	extras, err = d.buffer(bytes)
	return places, extras, err
}

// patch adds the rest of the differences to a vector unpacked at width.
func patch[T kern.Uint](vec []T, width uint, places []uint16, extras []byte, extra int) error {
	var b [8]byte
	for i, place := range places {
		at := int(place & 1023)
		if at >= len(vec) {
			return fmt.Errorf("a patch of value %d in a vector of %d", at, len(vec))
		}
		rest := uint64(place >> 10)
		if extra > 0 {
			copy(b[:extra], extras[i*extra:])
			rest |= binary.LittleEndian.Uint64(b[:]) << 6
		}
		if sign := 64 - 6 - 8*extra; sign > 0 {
			rest = uint64(int64(rest<<sign) >> sign)
		}
		vec[at] += T(rest) << width
	}
	return nil
}
