package codec

import (
	"math/bits"
	"sync"
	"unsafe"

	"github.com/tarnlake/tarn/format/kern"
)

// Views of what is worked out from other integers, a vector at a time: nothing
// is decoded but the vectors that are looked at.

// vectorPool is vectors to decode into: views call each other through interfaces,
// so that on no stack there is room for one.
var vectorPool = sync.Pool{New: func() any { return new([kern.Vector]int64) }}

func takeVector() *[kern.Vector]int64 { return vectorPool.Get().(*[kern.Vector]int64) }

// decodedWithin is within for a view of which no more is known.
func decodedWithin(v intView, masks []kern.Mask, lo, hi int64) {
	vec := takeVector()
	defer vectorPool.Put(vec)
	for k := range masks {
		if masks[k].Any() {
			v.vector(vec, k)
			kern.WithinAnd(&masks[k], asWords(vec), 64, uint64(lo), uint64(hi)-uint64(lo))
		}
	}
}

// decodedIn is in for a view of which no more is known.
func decodedIn(v intView, masks []kern.Mask, set []uint64) {
	vec := takeVector()
	defer vectorPool.Put(vec)
	for k := range masks {
		if masks[k].Any() {
			v.vector(vec, k)
			kern.InAnd(&masks[k], asWords(vec), 64, 0, set)
		}
	}
}

// asWords returns a vector as the kernels take it.
func asWords(vec *[kern.Vector]int64) []uint64 {
	return (*[kern.Vector]uint64)(unsafe.Pointer(vec))[:]
}

// scaledView is a base and multiples of a unit.
type scaledView[T kern.Uint] struct {
	x          *Ints
	base, unit T
	signed     bool
	plain      bool // no sum wraps, so values are in the order of x
	lo, hi     int64
}

func viewScaled[T kern.Uint](d *Decoder, n node, signed bool, depth int) (intView, error) {
	unit, err := unitOf[T](n)
	if err != nil {
		return nil, err
	}
	base, err := words[T](d, 1)
	if err != nil {
		return nil, err
	}
	x, err := viewInts[T](d, n.count, kern.Bits[T]() == 64, depth+1)
	if err != nil {
		return nil, err
	}
	v := &scaledView[T]{x: x, base: base[0], unit: unit, signed: signed}
	v.lo, v.hi = extent[T](signed)
	least, most := x.Bounds()
	first := widened(v.base, signed)
	over, span := bits.Mul64(uint64(most), uint64(unit))
	if least >= 0 && over == 0 && span <= uint64(v.hi)-uint64(first) {
		v.plain = true
		v.lo, v.hi = first+least*int64(unit), first+int64(span)
	}
	return v, nil
}

func (v *scaledView[T]) bounds() (lo, hi int64) { return v.lo, v.hi }

func (v *scaledView[T]) within(masks []kern.Mask, lo, hi int64) {
	if !v.plain {
		decodedWithin(v, masks, lo, hi)
		return
	}
	first := uint64(widened(v.base, v.signed))
	from, to := uint64(max(lo, v.lo))-first, uint64(min(hi, v.hi))-first
	unit := uint64(v.unit)
	least := from / unit
	if from%unit != 0 {
		least++
	}
	v.x.Within(masks, int64(least), int64(to/unit))
}

func (v *scaledView[T]) in(masks []kern.Mask, set []uint64) { decodedIn(v, masks, set) }

func (v *scaledView[T]) vector(dst *[kern.Vector]int64, k int) {
	v.x.v.vector(dst, k)
	if v.plain {
		kern.Affine(dst, dst, int64(v.unit), widened(v.base, v.signed))
		return
	}
	for i, x := range dst {
		dst[i] = widened(v.base+T(x)*v.unit, v.signed)
	}
}

// deltaView is sums of differences, which begin anew with each vector.
type deltaView[T kern.Uint] struct {
	x          *Ints
	bases      []T
	unit       T
	signed     bool
	down, up   int64 // how far values may be from the base of their vector
	far        bool  // farther than those could tell
	least, top int64
}

func viewDelta[T kern.Uint](d *Decoder, n node, signed bool, depth int) (intView, error) {
	unit, err := unitOf[T](n)
	if err != nil {
		return nil, err
	}
	bases, err := words[T](d, vectors(n.count))
	if err != nil {
		return nil, err
	}
	x, err := viewInts[T](d, n.count, true, depth+1)
	if err != nil {
		return nil, err
	}
	v := &deltaView[T]{x: x, bases: bases, unit: unit, signed: signed}
	v.reach()
	for k := range bases {
		lo, hi := v.vectorRange(k)
		if k == 0 {
			v.least, v.top = lo, hi
		}
		v.least, v.top = min(v.least, lo), max(v.top, hi)
	}
	return v, nil
}

// reach works out how far a vector may go: as many steps as it has, each of
// them the farthest.
func (v *deltaView[T]) reach() {
	lo, hi := v.x.Bounds()
	most := int64(1 << 50 / uint64(v.unit))
	if v.far = lo < -most || hi > most; v.far {
		return
	}
	lo, hi = lo*int64(v.unit), hi*int64(v.unit)
	v.down, v.up = min(lo, lo*kern.Vector), max(hi, hi*kern.Vector)
}

// vectorRange returns a range that holds all values of vector k.
func (v *deltaView[T]) vectorRange(k int) (lo, hi int64) {
	from, to := extent[T](v.signed)
	base := widened(v.bases[k], v.signed)
	lo, hi = base+v.down, base+v.up
	if v.far || lo > base && v.down < 0 || hi < base && v.up > 0 || lo < from || hi > to {
		return from, to
	}
	return lo, hi
}

func (v *deltaView[T]) bounds() (lo, hi int64) { return v.least, v.top }

func (v *deltaView[T]) within(masks []kern.Mask, lo, hi int64) {
	for k := range masks {
		if least, most := v.vectorRange(k); hi < least || most < lo {
			masks[k] = kern.Mask{}
		}
	}
	decodedWithin(v, masks, lo, hi)
}

func (v *deltaView[T]) in(masks []kern.Mask, set []uint64) { decodedIn(v, masks, set) }

func (v *deltaView[T]) vector(dst *[kern.Vector]int64, k int) {
	v.x.v.vector(dst, k)
	clear(dst[min(len(dst), v.x.n-k*kern.Vector):]) // no more steps
	sum := v.bases[k]
	for i, x := range dst {
		sum += T(x) * v.unit
		dst[i] = widened(sum, v.signed)
	}
}
