package codec

import (
	"fmt"

	"github.com/tarnlake/tarn/format/kern"
)

// patchedView is frame of reference with exceptions, which are few: kernels
// look at the packed words as if there were none, and the exceptions are put
// right after.
type patchedView[T kern.Uint] struct {
	packedView[T]
	first  []int32  // of each vector in places and values; one more
	places []uint16 // in the vector
	values []int64
}

func viewPatched[T kern.Uint](d *Decoder, n node, signed bool) (intView, error) {
	if err := n.noParam(); err != nil {
		return nil, err
	}
	widths, bases, err := frames[T](d, n.count)
	if err != nil {
		return nil, err
	}
	patches, err := words[uint16](d, len(widths))
	if err != nil {
		return nil, err
	}
	packed, err := packedVectors[T](d, widths)
	if err != nil {
		return nil, err
	}
	places, extras, err := patchBuffers[T](d, patches)
	if err != nil {
		return nil, err
	}
	v := &patchedView[T]{packedView: packedViewOf(widths, bases, packed, signed)}
	if err := d.Spend(int64(len(places)) * 10); err != nil {
		return nil, err
	}
	v.first, v.places, v.values = make([]int32, 1, len(widths)+1), make([]uint16, 0, len(places)), make([]int64, 0, len(places))
	for k, p := range patches {
		count, extra := int(p&0xfff), int(p>>12)
		if err := v.addPatches(k, min(kern.Vector, n.count-k*kern.Vector), places[:count], extras[:count*extra], extra); err != nil {
			return nil, err
		}
		places, extras = places[count:], extras[count*extra:]
	}
	return v, nil
}

// addPatches works out the values of the patches of vector k, which has n.
func (v *patchedView[T]) addPatches(k, n int, places []uint16, extras []byte, extra int) error {
	width := int(v.widths[k])
	for i, place := range places {
		at := int(place & 1023)
		if at >= n {
			return fmt.Errorf("a patch of value %d in a vector of %d", at, n)
		}
		one := [1]T{v.bases[k] + packedAt(v.packed[v.starts[k]:], width, at)}
		if err := patch(one[:], uint(width), []uint16{place &^ 1023}, extras[i*extra:][:extra], extra); err != nil {
			return err
		}
		value := widened(one[0], v.signed)
		v.places, v.values = append(v.places, uint16(at)), append(v.values, value)
		v.lo, v.hi = min(v.lo, value), max(v.hi, value)
	}
	v.first = append(v.first, int32(len(v.places)))
	return nil
}

// packedAt returns the i-th value of a packed vector, without its base.
func packedAt[T kern.Uint](src []T, width, i int) T {
	if width == 0 {
		return 0
	}
	bits := kern.Bits[T]()
	lanes := kern.Vector / bits
	lane, bit := i%lanes, i/lanes*width
	word, shift := bit/bits, bit%bits
	v := src[word*lanes+lane] >> shift
	if shift+width > bits {
		v |= src[(word+1)*lanes+lane] << (bits - shift)
	}
	return v & (^T(0) >> (bits - width))
}

// patchesOf returns the patches of vector k.
func (v *patchedView[T]) patchesOf(k int) (places []uint16, values []int64) {
	from, to := v.first[k], v.first[k+1]
	return v.places[from:to], v.values[from:to]
}

func (v *patchedView[T]) bounds() (lo, hi int64) { return v.lo, v.hi }

func (v *patchedView[T]) within(masks []kern.Mask, lo, hi int64) {
	for k := range masks {
		if !masks[k].Any() {
			continue
		}
		places, values := v.patchesOf(k)
		before := masks[k]
		v.withinVector(&masks[k], k, lo, hi)
		for i, at := range places {
			bit := uint64(1) << (at % 64)
			if lo <= values[i] && values[i] <= hi {
				masks[k][at/64] |= before[at/64] & bit
			} else {
				masks[k][at/64] &^= bit
			}
		}
	}
}

func (v *patchedView[T]) in(masks []kern.Mask, set []uint64) {
	vec := takeVector()
	defer vectorPool.Put(vec)
	for k := range masks {
		places, _ := v.patchesOf(k)
		if len(places) == 0 {
			kern.InAnd(&masks[k], v.packed[v.starts[k]:], int(v.widths[k]), v.bases[k], set)
			continue
		}
		v.vector(vec, k) // the packed words alone may be out of the set
		for i, x := range vec {
			if set[x>>6]>>(x&63)&1 == 0 {
				masks[k][i/64] &^= 1 << (i % 64)
			}
		}
	}
}

func (v *patchedView[T]) vector(dst *[kern.Vector]int64, k int) {
	v.packedView.vector(dst, k)
	places, values := v.patchesOf(k)
	for i, at := range places {
		dst[at] = values[i]
	}
}

// codes puts the patches right as vector does.
func (v *patchedView[T]) codes(dst *[kern.Vector]uint16, k int, base int64) {
	v.packedView.codes(dst, k, base)
	places, values := v.patchesOf(k)
	for i, at := range places {
		dst[at] = uint16(values[i] - base)
	}
}
