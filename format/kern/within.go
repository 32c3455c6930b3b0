package kern

// Within sets bit i of m to whether p-lo <= span, in unsigned wrapping
// arithmetic of T, where p is the i-th packed value as it is stored, without a
// base. So a caller that looks for lo <= v <= hi among values with a base
// gives lo-base and hi-lo, for signed values as for unsigned ones. src must
// have at least Words[T](width) words; 0 <= width <= Bits[T](). Values that
// are not packed are packed at full width: give them as src.
func Within[T Uint](m *Mask, src []T, width int, lo, span T) {
	first, most, verdict := clip(lo, span, width)
	if verdict != some {
		m.Fill(verdict == all)
		return
	}
	src = src[:Words[T](width)]
	if !withinFast(m, src, width, first, most) {
		withinScalar(m, src, width, lo, span) // whose arithmetic is that of T
	}
}

// WithinAnd clears the bits of m for which Within would not set them. A mask
// without bits costs nothing.
func WithinAnd[T Uint](m *Mask, src []T, width int, lo, span T) {
	if !m.Any() {
		return
	}
	var found Mask
	Within(&found, src, width, lo, span)
	m.And(&found)
}

// WithinBlock is Within for neighbouring packed vectors: those of masks, in
// src one after the other, each with its width and its base. Here lo is that
// of the values, bases included. It decides vectors by base and width alone
// where it can. widths and bases have an element for each of masks, and src
// must have the words of all widths.
func WithinBlock[T Uint](masks []Mask, src []T, widths []uint8, bases []T, lo, span T) {
	bases = bases[:len(masks)]
	for k, w := range widths[:len(masks)] {
		Within(&masks[k], src, int(w), lo-bases[k], span)
		src = src[Words[T](int(w)):]
	}
}

// WithinBlockAnd is to WithinBlock as WithinAnd is to Within. Vectors whose
// mask is empty are not read.
func WithinBlockAnd[T Uint](masks []Mask, src []T, widths []uint8, bases []T, lo, span T) {
	bases = bases[:len(masks)]
	for k, w := range widths[:len(masks)] {
		WithinAnd(&masks[k], src, int(w), lo-bases[k], span)
		src = src[Words[T](int(w)):]
	}
}

// withinScalar is the reference of Within.
func withinScalar[T Uint](m *Mask, src []T, width int, lo, span T) {
	var v [Vector]T
	unpackScalar(&v, src, 0, width)
	for k := range m {
		word := uint64(0)
		for i, x := range v[k*64:][:64] {
			word |= bit(x-lo <= span) << i
		}
		m[k] = word
	}
}

// verdict says which values of a vector are within a range.
type verdict int

const (
	none verdict = iota
	some
	all
)

// clip returns a range of width-bit numbers, cyclic as the one given, that
// holds those width-bit numbers that the one given holds. lo and span are then
// less than 1<<width.
func clip[T Uint](lo, span T, width int) (T, T, verdict) {
	top := T(1)<<width - 1 // all ones for the full width
	hi := lo + span
	if wraps := hi < lo; wraps && lo <= top {
		return lo, (hi - lo) & top, someUnless(span == ^T(0))
	} else if wraps {
		lo = 0
	}
	if lo > top {
		return 0, 0, none
	}
	hi = min(hi, top)
	return lo, hi - lo, someUnless(hi-lo == top)
}

func someUnless(everything bool) verdict {
	if everything {
		return all
	}
	return some
}
