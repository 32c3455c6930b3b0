package codec

import (
	"fmt"
	"math"
	"slices"
	"unsafe"

	"github.com/tarnlake/tarn/format/kern"
)

// textRows tells where rows lie in the bytes of all, one after the other. A
// view keeps their lengths as they are stored, and knows where each vector
// begins; offsets are made of the vectors that are looked at. So to open a page
// for a few of its rows takes next to no memory. All has been checked: no
// method can fail. It is safe for concurrent use.
type textRows struct {
	n       int
	starts  []int32 // of each vector, and the end of the last
	lengths *Ints
	offsets []int32 // of all rows, and there are no lengths; nil: there are
}

// viewRows reads the lengths of n rows.
func viewRows(d *Decoder, n, depth int) (*textRows, error) {
	lengths, err := viewInts[uint32](d, n, false, depth)
	if err != nil {
		return nil, err
	}
	if err := d.Spend(int64(vectors(n)+1) * 4); err != nil {
		return nil, err
	}
	r := &textRows{n: n, starts: make([]int32, 1, vectors(n)+1), lengths: lengths}
	return r, r.findStarts()
}

// findStarts adds up the lengths. Bytes of more than 2^31 rows of 2^32 do not
// fit 64 bits, but a page has fewer.
func (r *textRows) findStarts() error {
	scratch := takeScratch()
	defer scratch.release()
	var real kern.Mask
	total := uint64(0)
	for k := range vectors(r.n) {
		real.First(r.inVector(k))
		lengths := wordsAfter(&scratch.offsets)
		r.lengths.words(lengths, k)
		total += kern.Sum(lengths, &real).Lo
		r.starts = append(r.starts, int32(total))
	}
	if total > math.MaxInt32 {
		return fmt.Errorf("lengths sum up to %d: %w", total, ErrTooLarge)
	}
	return nil
}

// rowsAt returns rows of which all offsets are there, and checked.
func rowsAt(offsets []int32) *textRows {
	r := &textRows{n: max(len(offsets)-1, 0), offsets: offsets}
	for at := 0; at < r.n; at += kern.Vector {
		r.starts = append(r.starts, offsets[at])
	}
	if r.n > 0 {
		r.starts = append(r.starts, offsets[r.n])
	}
	return r
}

// total returns the bytes of all rows.
func (r *textRows) total() int {
	if r.n == 0 {
		return 0
	}
	return int(r.starts[len(r.starts)-1])
}

// inVector returns how many rows vector k has.
func (r *textRows) inVector(k int) int { return min(kern.Vector, r.n-k*kern.Vector) }

// vector sets dst to the offsets of the rows of vector k and the end of the
// last of them, and returns that much of dst.
func (r *textRows) vector(dst *[kern.Vector + 1]int32, k int) []int32 {
	out := dst[:r.inVector(k)+1]
	if r.offsets != nil {
		copy(out, r.offsets[k*kern.Vector:])
		return out
	}
	ends := wordsAfter(dst)
	r.lengths.words(ends, k)
	kern.PrefixSum(ends, ends, uint32(r.starts[k]))
	dst[0] = r.starts[k]
	return out
}

// wordsAfter returns all but the first offset as words.
func wordsAfter(offsets *[kern.Vector + 1]int32) *[kern.Vector]uint32 {
	return (*[kern.Vector]uint32)(unsafe.Pointer(&offsets[1]))
}

// words sets dst to vector k of a run of uint32.
func (x *Ints) words(dst *[kern.Vector]uint32, k int) {
	switch v := x.v.(type) {
	case *packedView[uint32]:
		v.unpack(dst, k)
		return
	case *patchedView[uint32]:
		v.unpack(dst, k)
		places, values := v.patchesOf(k)
		for i, at := range places {
			dst[at] = uint32(values[i])
		}
		return
	}
	values := takeVector()
	defer vectorPool.Put(values)
	x.v.vector(values, k)
	for i, v := range values {
		dst[i] = uint32(v)
	}
}

// all sets dst to the offsets of all rows, and the end of the last.
func (r *textRows) all(dst []int32) []int32 {
	if r.offsets != nil {
		copy(dst, r.offsets)
		return dst
	}
	dst[0] = 0
	whole := r.n / kern.Vector
	for k := range whole {
		r.vector((*[kern.Vector + 1]int32)(dst[k*kern.Vector:]), k)
	}
	if whole < vectors(r.n) {
		scratch := takeScratch()
		defer scratch.release()
		copy(dst[whole*kern.Vector:], r.vector(&scratch.offsets, whole))
	}
	return dst
}

// allIn returns the offsets of all rows, in memory of scratch.
func (r *textRows) allIn(scratch *textScratch) []int32 {
	scratch.all = slices.Grow(scratch.all[:0], r.n+1)
	return r.all(scratch.all[:r.n+1])
}

// rowSpan is where a row lies.
type rowSpan struct{ from, to int32 }

// spans returns where rows lie, in memory of scratch.
func (r *textRows) spans(rows []int32, scratch *textScratch) []rowSpan {
	scratch.spans = slices.Grow(scratch.spans[:0], len(rows))
	if len(rows) > vectors(r.n) && !slices.IsSorted(rows) {
		return r.spansAnywhere(rows, scratch)
	}
	last, offsets := -1, []int32(nil)
	for _, row := range rows {
		if k := int(row) / kern.Vector; k != last {
			last, offsets = k, r.vector(&scratch.offsets, k)
		}
		i := row % kern.Vector
		scratch.spans = append(scratch.spans, rowSpan{offsets[i], offsets[i+1]})
	}
	return scratch.spans
}

// spansAnywhere is spans for rows that go back and forth between vectors.
func (r *textRows) spansAnywhere(rows []int32, scratch *textScratch) []rowSpan {
	offsets := r.allIn(scratch)
	for _, row := range rows {
		scratch.spans = append(scratch.spans, rowSpan{offsets[row], offsets[row+1]})
	}
	return scratch.spans
}

// rowFinder finds the rows of places, which ascend.
type rowFinder struct {
	rows    *textRows
	scratch *textScratch
	k       int     // the vector that is there; -1: none
	offsets []int32 // of it
	row     int     // in it: all places before are done
}

func (r *textRows) finder(scratch *textScratch) rowFinder {
	return rowFinder{rows: r, scratch: scratch, k: -1}
}

// find returns the row that has the byte at that place, and where it ends.
func (f *rowFinder) find(at int) (row, end int) {
	if f.k < 0 || int(f.rows.starts[f.k+1]) <= at {
		for f.k++; int(f.rows.starts[f.k+1]) <= at; {
			f.k++
		}
		f.offsets, f.row = f.rows.vector(&f.scratch.offsets, f.k), 0
	}
	ends := f.offsets[1:]
	f.row = firstAbove(ends, f.row, at)
	return f.k*kern.Vector + f.row, int(ends[f.row])
}

// start returns where the row that was found begins.
func (f *rowFinder) start() int { return int(f.offsets[f.row]) }

// firstAbove returns the first of ends, which ascend, that is above at; there
// is one, and it is from or a later one.
func firstAbove(ends []int32, from, at int) int {
	for range 16 { // mostly it is near
		if int(ends[from]) > at {
			return from
		}
		from++
	}
	step := 1
	for from+step < len(ends) && int(ends[from+step-1]) <= at {
		from, step = from+step, 2*step
	}
	found, _ := slices.BinarySearch(ends[from:min(from+step, len(ends))], int32(at)+1)
	return from + found
}
