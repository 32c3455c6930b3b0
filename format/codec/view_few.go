package codec

import "github.com/tarnlake/tarn/format/kern"

// Single rows. A lookup wants one value out of 65,536: where an encoding lets
// a value be found by itself, its vector is not decoded.

// fewRows is how many values of one vector are got one by one. Past that a
// kernel is quicker.
const fewRows = 8

// Gather sets dst[i] to the value of row rows[i], which must be there. Rows in
// ascending order are the quickest.
func (x *Ints) Gather(dst []int64, rows []int32) {
	for len(rows) > 0 {
		k, n := rows[0]/kern.Vector, 1
		for n < len(rows) && rows[n]/kern.Vector == k {
			n++
		}
		if one, ok := x.v.(rowView); ok && n <= fewRows {
			for i, row := range rows[:n] {
				dst[i] = one.row(int(row))
			}
		} else {
			vec := takeVector()
			x.v.vector(vec, int(k))
			for i, row := range rows[:n] {
				dst[i] = vec[row%kern.Vector]
			}
			vectorPool.Put(vec)
		}
		dst, rows = dst[n:], rows[n:]
	}
}

// rowView is a view of which one value can be had.
type rowView interface{ row(i int) int64 }

func (c constantView) row(int) int64 { return int64(c) }

func (p *packedView[T]) row(i int) int64 {
	k := i / kern.Vector
	return widened(p.bases[k]+packedAt(p.packed[p.starts[k]:], int(p.widths[k]), i%kern.Vector), p.signed)
}

func (v *patchedView[T]) row(i int) int64 {
	places, values := v.patchesOf(i / kern.Vector)
	for p, at := range places {
		if int(at) == i%kern.Vector {
			return values[p]
		}
	}
	return v.packedView.row(i)
}

func (w *wordsView[T]) row(i int) int64 { return widened(w.words[i], w.signed) }

func (c *codedView) row(i int) int64 { return c.values[c.codes.row(i)] }

func (v *scaledView[T]) row(i int) int64 {
	return widened(v.base+T(v.x.row(i))*v.unit, v.signed)
}

func (v *sparseView) row(i int) int64 {
	if v.marks[i/8]>>(i%8)&1 == 0 {
		return v.top
	}
	k := i / kern.Vector
	marks := v.marks[k*kern.VectorBytes:]
	return v.rest.row(int(v.before[k]) + CountOnes(marks, i%kern.Vector))
}

// row walks the lengths of the runs from where its vector begins.
func (v *runsView) row(i int) int64 {
	lengths := takeVector()
	defer vectorPool.Put(lengths)
	start := v.starts[i/kern.Vector]
	run, left := int(start.run), int64(start.past)+int64(i%kern.Vector)
	for read := -1; ; run++ {
		if read != run/kern.Vector {
			read = run / kern.Vector
			v.lengths.v.vector(lengths, read)
		}
		length := lengths[run%kern.Vector]
		if left < length {
			return v.values.row(run)
		}
		left -= length
	}
}

// row returns the value of a row of any view, which may take as long as its
// vector.
func (x *Ints) row(i int) int64 {
	if one, ok := x.v.(rowView); ok {
		return one.row(i)
	}
	vec := takeVector()
	defer vectorPool.Put(vec)
	x.v.vector(vec, i/kern.Vector)
	return vec[i%kern.Vector]
}
