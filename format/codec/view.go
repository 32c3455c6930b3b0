package codec

import (
	"fmt"
	"sync"
	"unsafe"

	"github.com/tarnlake/tarn/format/kern"
)

// Ints is a run of integers that a scan works on where they lie: it looks for
// ranges in packed words and decodes the vectors that it needs. Every value is
// an int64, signed or not, as the run was asked for. The page's bytes stay in
// use as long as the run. It is safe for concurrent use.
type Ints struct {
	n int
	v intView
}

// intView is one encoding of a run. Rows come in vectors; a view has as many
// as the run, the last of which may be short.
type intView interface {
	// within clears the bits of values outside lo to hi. Bits past the last
	// value are the caller's to ignore.
	within(masks []kern.Mask, lo, hi int64)
	// in clears the bits of values that are not in set, which has room for all.
	in(masks []kern.Mask, set []uint64)
	// vector sets dst to the values of vector k. What fills up the last one is
	// within bounds.
	vector(dst *[kern.Vector]int64, k int)
	// bounds returns a range that holds all values.
	bounds() (lo, hi int64)
}

// coder is a view that has something quicker for codes than vector.
type coder interface {
	codes(dst *[kern.Vector]uint16, k int, base int64)
}

// Len returns the number of values.
func (x *Ints) Len() int { return x.n }

// Within clears the bits of masks, one a vector, whose values are not within
// lo to hi, both included.
func (x *Ints) Within(masks []kern.Mask, lo, hi int64) {
	if from, to := x.v.bounds(); lo <= from && to <= hi {
		return
	} else if hi < lo || hi < from || to < lo {
		clear(masks)
		return
	}
	x.v.within(masks, lo, hi)
}

// In clears the bits of masks, one a vector, whose values are not in set: bit
// v%64 of set[v/64] is for value v. All values must be within 0 and
// 64*len(set)-1, which the codes of a dictionary are.
func (x *Ints) In(masks []kern.Mask, set []uint64) { x.v.in(masks, set) }

// Read sets dst to the values of the vectors that have a bit in masks; the
// rest of dst is left as it is. dst has room for whole vectors.
func (x *Ints) Read(dst []int64, masks []kern.Mask) {
	for k := range masks {
		if masks[k].Any() {
			x.v.vector(vectorOf(dst, k), k)
		}
	}
}

// vectorOf returns vector k of values that are whole vectors.
func vectorOf[T any](values []T, k int) *[kern.Vector]T {
	return (*[kern.Vector]T)(values[k*kern.Vector:])
}

// ReadVector sets dst to the values of vector k; past the last value of the run
// they are any within Bounds.
func (x *Ints) ReadVector(dst *[kern.Vector]int64, k int) { x.v.vector(dst, k) }

// ReadCodes sets dst to the values of vector k less base, where the caller
// knows from Bounds that all differences fit.
func (x *Ints) ReadCodes(dst *[kern.Vector]uint16, k int, base int64) {
	if c, ok := x.v.(coder); ok {
		c.codes(dst, k, base)
		return
	}
	values := takeVector()
	defer vectorPool.Put(values)
	x.v.vector(values, k)
	kern.Codes(dst, (*[kern.Vector]uint64)(unsafe.Pointer(values)), uint64(base))
}

// Bounds returns a range that holds all values, and maybe more.
func (x *Ints) Bounds() (lo, hi int64) { return x.v.bounds() }

// Codes returns the values of a dictionary in ascending order, and the code
// of each row; ok is false where the run is no dictionary. A single value for
// all rows is a dictionary of one.
func (x *Ints) Codes() (values []int64, codes *Ints, ok bool) {
	switch v := x.v.(type) {
	case *codedView:
		return v.values, v.codes, true
	case constantView:
		return []int64{int64(v)}, &Ints{x.n, constantView(0)}, true
	}
	return nil, nil, false
}

// ViewInts reads the next n integers of T as a view.
func ViewInts[T kern.Uint](d *Decoder, n int, signed bool) (*Ints, error) {
	return viewInts[T](d, n, signed, 1)
}

func viewInts[T kern.Uint](d *Decoder, n int, signed bool, depth int) (*Ints, error) {
	if n == 0 {
		return &Ints{0, constantView(0)}, getInts(d, []T{}, depth)
	}
	next, err := d.peek()
	if err != nil {
		return nil, err
	}
	switch next.enc {
	case Constant, Packed, Patched, Dictionary, Raw, Runs, Scaled, Delta, Sparse:
		if next, err = d.node(shapeOf[T](), n, depth); err != nil {
			return nil, err
		}
	}
	var v intView
	switch next.enc {
	case Constant:
		v, err = viewConstant[T](next, signed)
	case Packed:
		v, err = viewPacked[T](d, next, signed)
	case Patched:
		v, err = viewPatched[T](d, next, signed)
	case Dictionary:
		v, err = viewCoded[T](d, next, signed, depth)
	case Raw:
		v, err = viewRaw[T](d, next, signed)
	case Runs:
		v, err = viewRuns[T](d, next, signed, depth)
	case Scaled:
		v, err = viewScaled[T](d, next, signed, depth)
	case Delta:
		v, err = viewDelta[T](d, next, signed, depth)
	case Sparse:
		v, err = viewSparse[T](d, next, signed, depth)
	default:
		v, err = viewWords[T](d, n, signed, depth)
	}
	return &Ints{n, v}, err
}

// widened returns a word as the value it is.
func widened[T kern.Uint](v T, signed bool) int64 {
	if shift := 64 - kern.Bits[T](); signed {
		return int64(uint64(v)<<shift) >> shift
	}
	return int64(v)
}

// extent is the range of the values of T.
func extent[T kern.Uint](signed bool) (lo, hi int64) {
	top := ^T(0)
	if !signed {
		return 0, widened(top, false)
	}
	return widened(top>>1+1, true), widened(top>>1, true)
}

// constantView is one value for all rows.
type constantView int64

func viewConstant[T kern.Uint](n node, signed bool) (intView, error) {
	var one [1]T
	err := getConstantInt(n, one[:])
	return constantView(widened(one[0], signed)), err
}

func (c constantView) bounds() (lo, hi int64)           { return int64(c), int64(c) }
func (c constantView) within(m []kern.Mask, _, _ int64) {} // the bounds have said it all

func (c constantView) in(masks []kern.Mask, set []uint64) {
	if set[c>>6]>>(c&63)&1 == 0 {
		clear(masks)
	}
}

func (c constantView) vector(dst *[kern.Vector]int64, _ int) {
	for i := range dst {
		dst[i] = int64(c)
	}
}

// packedView is frame of reference.
type packedView[T kern.Uint] struct {
	signed bool
	widths []uint8
	bases  []T
	packed []T
	starts []int32 // of each vector in packed
	lo, hi int64
}

func viewPacked[T kern.Uint](d *Decoder, n node, signed bool) (intView, error) {
	if err := n.noParam(); err != nil {
		return nil, err
	}
	widths, bases, err := frames[T](d, n.count)
	if err != nil {
		return nil, err
	}
	packed, err := packedVectors[T](d, widths)
	if err != nil {
		return nil, err
	}
	v := packedViewOf(widths, bases, packed, signed)
	return &v, nil
}

func packedViewOf[T kern.Uint](widths []uint8, bases, packed []T, signed bool) packedView[T] {
	v := packedView[T]{signed: signed, widths: widths, bases: bases, packed: packed, starts: make([]int32, len(widths))}
	at := 0
	for k, w := range widths {
		v.starts[k] = int32(at)
		at += kern.Words[T](int(w))
		lo, hi := v.vectorRange(k)
		if k == 0 {
			v.lo, v.hi = lo, hi
		}
		v.lo, v.hi = min(v.lo, lo), max(v.hi, hi)
	}
	return v
}

// vectorRange returns what base and width say of vector k.
func (p *packedView[T]) vectorRange(k int) (lo, hi int64) {
	from, to := extent[T](p.signed)
	lo = widened(p.bases[k], p.signed)
	span := uint64(1)<<p.widths[k] - 1 // all ones for 64 bits
	if span > uint64(to)-uint64(lo) {
		return from, to // sums wrap, or could
	}
	return lo, lo + int64(span)
}

func (p *packedView[T]) bounds() (lo, hi int64) { return p.lo, p.hi }

func (p *packedView[T]) within(masks []kern.Mask, lo, hi int64) {
	for k := range masks {
		if masks[k].Any() {
			p.withinVector(&masks[k], k, lo, hi)
		}
	}
}

func (p *packedView[T]) withinVector(m *kern.Mask, k int, lo, hi int64) {
	least, most := p.vectorRange(k)
	switch {
	case hi < least || most < lo:
		*m = kern.Mask{}
	case lo <= least && most <= hi:
	default:
		from, to := extent[T](p.signed)
		lo, hi = max(lo, from), min(hi, to)
		kern.WithinAnd(m, p.packed[p.starts[k]:], int(p.widths[k]), T(lo)-p.bases[k], T(hi)-T(lo))
	}
}

func (p *packedView[T]) in(masks []kern.Mask, set []uint64) {
	for k := range masks {
		kern.InAnd(&masks[k], p.packed[p.starts[k]:], int(p.widths[k]), p.bases[k], set)
	}
}

func (p *packedView[T]) vector(dst *[kern.Vector]int64, k int) {
	if kern.Bits[T]() == 64 {
		p.unpack((*[kern.Vector]T)(unsafe.Pointer(dst)), k)
		return
	}
	var words [kern.Vector]T
	p.unpack(&words, k)
	kern.Widen(dst, &words, p.signed)
}

func (p *packedView[T]) unpack(dst *[kern.Vector]T, k int) {
	kern.Unpack(dst, p.packed[p.starts[k]:], p.bases[k], int(p.widths[k]))
}

func (p *packedView[T]) codes(dst *[kern.Vector]uint16, k int, base int64) {
	var words [kern.Vector]T
	p.unpack(&words, k)
	kern.Codes(dst, &words, T(base))
}

func widen[T kern.Uint](dst []int64, src []T, signed bool) {
	dst = dst[:len(src)]
	if !signed {
		for i, v := range src {
			dst[i] = int64(v)
		}
		return
	}
	shift := 64 - kern.Bits[T]()
	for i, v := range src {
		dst[i] = int64(uint64(v)<<shift) >> shift
	}
}

// codedView is a dictionary: codes compare as values do.
type codedView struct {
	values []int64
	codes  *Ints
}

func viewCoded[T kern.Uint](d *Decoder, n node, signed bool, depth int) (intView, error) {
	distinct, err := n.distinct()
	if err != nil {
		return nil, err
	}
	codes, err := viewCodes(d, n.count, distinct, depth)
	if err != nil {
		return nil, err
	}
	if err := d.Spend(int64(distinct) * 16); err != nil {
		return nil, err
	}
	words := make([]T, distinct)
	if err := getInts(d, words, depth+1); err != nil {
		return nil, err
	}
	v := &codedView{values: make([]int64, distinct), codes: codes}
	widen(v.values, words, signed)
	for i := 1; i < distinct; i++ {
		if v.values[i] <= v.values[i-1] {
			return nil, fmt.Errorf("dictionary values do not ascend at %d", i)
		}
	}
	return v, nil
}

// viewCodes reads the n codes of a node, and checks that they are below
// distinct.
func viewCodes(d *Decoder, n, distinct, depth int) (codes *Ints, err error) {
	switch {
	case distinct <= 1<<8:
		codes, err = viewInts[uint8](d, n, false, depth+1)
	case distinct <= 1<<16:
		codes, err = viewInts[uint16](d, n, false, depth+1)
	default:
		codes, err = viewInts[uint32](d, n, false, depth+1)
	}
	if err == nil && codes.exceeds(int64(distinct)-1) {
		err = fmt.Errorf("a code is outside of a dictionary of %d", distinct)
	}
	return codes, err
}

// exceeds tells whether a value is above top, or below 0.
func (x *Ints) exceeds(top int64) bool {
	if lo, hi := x.Bounds(); lo >= 0 && hi <= top {
		return false
	}
	all := make([]kern.Mask, vectors(x.n))
	for k := range all {
		all[k].Fill(true) // what fills up the last vector is looked up, too
	}
	x.Within(all, 0, top)
	return kern.CountMasks(all) != len(all)*kern.Vector
}

func (c *codedView) bounds() (lo, hi int64) { return c.values[0], c.values[len(c.values)-1] }

func (c *codedView) within(masks []kern.Mask, lo, hi int64) {
	first, last := lowerBound(c.values, lo), len(c.values)
	if hi < c.values[last-1] {
		last = lowerBound(c.values, hi+1)
	}
	c.codes.Within(masks, int64(first), int64(last)-1)
}

func lowerBound(v []int64, x int64) int {
	lo, hi := 0, len(v)
	for lo < hi {
		if mid := (lo + hi) / 2; v[mid] < x {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

func (c *codedView) in(masks []kern.Mask, set []uint64) {
	codes := make([]uint64, (len(c.values)+63)/64)
	for i, v := range c.values {
		codes[i>>6] |= set[v>>6] >> (v & 63) & 1 << (i & 63)
	}
	c.codes.In(masks, codes)
}

func (c *codedView) vector(dst *[kern.Vector]int64, k int) {
	if len(c.values) > 1<<16 {
		c.codes.v.vector(dst, k)
		for i, code := range dst {
			dst[i] = c.values[code]
		}
		return
	}
	var codes [kern.Vector]uint16
	c.codes.ReadCodes(&codes, k, 0)
	values := unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(c.values))), len(c.values))
	kern.Lookup((*[kern.Vector]uint64)(unsafe.Pointer(dst)), &codes, values)
}

// wordsView is values as they are: those of Raw, and any other encoding
// decoded.
type wordsView[T kern.Uint] struct {
	signed bool
	n      int
	words  []T // whole vectors
	once   sync.Once
	lo, hi int64 // after once
}

// viewRaw looks at the words in the page, but for a vector that is short.
func viewRaw[T kern.Uint](d *Decoder, n node, signed bool) (intView, error) {
	if err := n.noParam(); err != nil {
		return nil, err
	}
	raw, err := words[T](d, n.count)
	if err != nil {
		return nil, err
	}
	if n.count%kern.Vector != 0 {
		whole := vectors(n.count) * kern.Vector
		if err := d.Spend(int64(whole) * int64(wordBytes[T]())); err != nil {
			return nil, err
		}
		raw = append(make([]T, 0, whole), raw...)[:whole]
	}
	pad(raw, n.count)
	return &wordsView[T]{signed: signed, n: n.count, words: raw}, nil
}

// pad fills what is past n words, of which there is one at least, with a value
// that is within their bounds.
func pad[T kern.Uint](words []T, n int) {
	for i := n; i < len(words); i++ {
		words[i] = words[0]
	}
}

func viewWords[T kern.Uint](d *Decoder, n int, signed bool, depth int) (intView, error) {
	whole := vectors(n) * kern.Vector
	if err := d.Spend(int64(whole) * int64(wordBytes[T]())); err != nil {
		return nil, err
	}
	v := &wordsView[T]{signed: signed, n: n, words: make([]T, whole)}
	if err := getInts(d, v.words[:n], depth); err != nil {
		return nil, err
	}
	pad(v.words, n)
	return v, nil
}

func (w *wordsView[T]) bounds() (lo, hi int64) {
	w.once.Do(func() {
		var flip T
		if w.signed {
			flip = 1 << (kern.Bits[T]() - 1)
		}
		lo, hi := kern.MinMax(w.words[:w.n], flip)
		w.lo, w.hi = widened(lo, w.signed), widened(hi, w.signed)
	})
	return w.lo, w.hi
}

func (w *wordsView[T]) within(masks []kern.Mask, lo, hi int64) {
	least, most := w.bounds()
	lo, hi = max(lo, least), min(hi, most)
	for k := range masks {
		if masks[k].Any() {
			kern.WithinAnd(&masks[k], w.words[k*kern.Vector:][:kern.Vector], kern.Bits[T](), T(lo), T(hi)-T(lo))
		}
	}
}

func (w *wordsView[T]) in(masks []kern.Mask, set []uint64) {
	for k := range masks {
		kern.InAnd(&masks[k], w.words[k*kern.Vector:][:kern.Vector], kern.Bits[T](), 0, set)
	}
}

func (w *wordsView[T]) vector(dst *[kern.Vector]int64, k int) {
	kern.Widen(dst, vectorOf(w.words, k), w.signed)
}

func (w *wordsView[T]) codes(dst *[kern.Vector]uint16, k int, base int64) {
	kern.Codes(dst, vectorOf(w.words, k), T(base))
}

// ViewNarrow reads the next n 128-bit integers as a view if all of them fit
// 64 bits; nil if they do not, and then the page has to be read otherwise.
func (d *Decoder) ViewNarrow(n int) (*Ints, error) {
	next, err := d.peek()
	if err != nil || next.enc != Narrow {
		return nil, err
	}
	if next, err = d.node(Wide, n, 1); err != nil {
		return nil, err
	}
	if err := next.noParam(); err != nil {
		return nil, err
	}
	return viewInts[uint64](d, n, true, 1)
}
