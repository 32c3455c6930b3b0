package codec

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/tarnlake/tarn/format/kern"
)

// runsView is runs of equal values. It knows with which run each vector
// begins; the others are counted from there.
type runsView struct {
	n       int
	values  *Ints
	lengths *Ints
	starts  []runStart // of each vector
}

// runStart is a place in the runs: the run, and how many of its values come
// before.
type runStart struct{ run, past int32 }

func viewRuns[T kern.Uint](d *Decoder, n node, signed bool, depth int) (intView, error) {
	if n.param == 0 || n.param > uint64(n.count) {
		return nil, fmt.Errorf("%d values in %d runs", n.count, n.param)
	}
	v := &runsView{n: n.count}
	var err error
	if v.values, err = viewInts[T](d, int(n.param), signed, depth+1); err != nil {
		return nil, err
	}
	if v.lengths, err = viewInts[uint32](d, int(n.param), false, depth+1); err != nil {
		return nil, err
	}
	if err := d.Spend(int64(vectors(v.n)) * 8); err != nil {
		return nil, err
	}
	return v, v.findStarts()
}

// findStarts adds up the lengths, and checks them.
func (v *runsView) findStarts() error {
	v.starts = make([]runStart, 0, vectors(v.n))
	lengths := takeVector()
	defer vectorPool.Put(lengths)
	end := int64(0)
	for run := range v.lengths.n {
		if run%kern.Vector == 0 {
			v.lengths.v.vector(lengths, run/kern.Vector)
		}
		length := lengths[run%kern.Vector]
		if length == 0 {
			return fmt.Errorf("a run is empty")
		}
		start := end
		if end += length; end > int64(v.n) {
			return fmt.Errorf("runs have more than %d values", v.n)
		}
		for next := int64(len(v.starts)) * kern.Vector; next < end; next += kern.Vector {
			v.starts = append(v.starts, runStart{int32(run), int32(next - start)})
		}
	}
	if end != int64(v.n) {
		return fmt.Errorf("runs have %d values; want %d", end, v.n)
	}
	return nil
}

func (v *runsView) bounds() (lo, hi int64) { return v.values.Bounds() }

func (v *runsView) within(masks []kern.Mask, lo, hi int64) { decodedWithin(v, masks, lo, hi) }

func (v *runsView) in(masks []kern.Mask, set []uint64) { decodedIn(v, masks, set) }

func (v *runsView) vector(dst *[kern.Vector]int64, k int) {
	values, lengths := takeVector(), takeVector()
	defer vectorPool.Put(values)
	defer vectorPool.Put(lengths)
	run, past := int(v.starts[k].run), int64(v.starts[k].past)
	end := min(kern.Vector, v.n-k*kern.Vector)
	read := -1
	for at := 0; at < end; run++ {
		if read != run/kern.Vector {
			read = run / kern.Vector
			v.values.v.vector(values, read)
			v.lengths.v.vector(lengths, read)
		}
		i := run % kern.Vector
		to := min(end, at+int(lengths[i]-past))
		for past = 0; at < to; at++ {
			dst[at] = values[i]
		}
	}
	for i := end; i < kern.Vector; i++ {
		dst[i] = dst[end-1]
	}
}

// sparseView is one value for most rows, and the others in order.
type sparseView struct {
	n      int
	top    int64
	marks  []byte  // a bit for each row that has another value; whole vectors
	before []int32 // others, of each vector
	rest   *Ints
}

func viewSparse[T kern.Uint](d *Decoder, n node, signed bool, depth int) (intView, error) {
	if uint64(T(n.param)) != n.param {
		return nil, fmt.Errorf("sparse value %#x does not fit %s", n.param, n.shape)
	}
	size := vectors(n.count) * kern.VectorBytes
	if err := d.Spend(int64(size) + int64(vectors(n.count))*4); err != nil {
		return nil, err
	}
	v := &sparseView{n: n.count, top: widened(T(n.param), signed), marks: make([]byte, size), before: make([]int32, vectors(n.count))}
	if err := getBits(d, v.marks[:(n.count+7)/8], n.count, depth+1); err != nil {
		return nil, err
	}
	others := 0
	for k := range v.before {
		v.before[k] = int32(others)
		others += CountOnes(v.marks[k*kern.VectorBytes:][:kern.VectorBytes], kern.Vector)
	}
	var err error
	v.rest, err = viewInts[T](d, others, signed, depth+1)
	return v, err
}

func (v *sparseView) bounds() (lo, hi int64) {
	if v.rest.n == 0 {
		return v.top, v.top
	}
	lo, hi = v.rest.Bounds()
	return min(lo, v.top), max(hi, v.top)
}

func (v *sparseView) within(masks []kern.Mask, lo, hi int64) { decodedWithin(v, masks, lo, hi) }

func (v *sparseView) in(masks []kern.Mask, set []uint64) { decodedIn(v, masks, set) }

func (v *sparseView) vector(dst *[kern.Vector]int64, k int) {
	for i := range dst {
		dst[i] = v.top
	}
	rest := takeVector()
	defer vectorPool.Put(rest)
	next, read := int(v.before[k]), -1
	for w := range kern.MaskWords {
		for m := binary.LittleEndian.Uint64(v.marks[k*kern.VectorBytes+8*w:]); m != 0; m &= m - 1 {
			if read != next/kern.Vector {
				read = next / kern.Vector
				v.rest.v.vector(rest, read)
			}
			dst[w*64+bits.TrailingZeros64(m)] = rest[next%kern.Vector]
			next++
		}
	}
}
