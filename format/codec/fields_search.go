package codec

import (
	"bytes"
	"math/bits"
	"slices"

	"github.com/tarnlake/tarn/format/kern"
)

// Fields are searched part by part. What is looked for is cut into runs as
// values are; a run that ends within it ends where a part does, so each has a
// part to compare with: the first may be the end of its part, the last the
// beginning, a single one anywhere in it, and all others are their parts.

// Rows returns the number of rows.
func (f *fieldsText) Rows() int { return f.rows }

// Equal keeps the rows that are s.
func (f *fieldsText) Equal(m []kern.Mask, s []byte) {
	runs := classRuns(s)
	if len(runs) != len(f.parts) {
		clear(m)
		return
	}
	f.keep(m, runs, 0, 0, false, false)
}

// HasPrefix keeps the rows that begin with s.
func (f *fieldsText) HasPrefix(m []kern.Mask, s []byte) {
	f.keep(m, classRuns(s), 0, 0, false, true)
}

// HasSuffix keeps the rows that end with s.
func (f *fieldsText) HasSuffix(m []kern.Mask, s []byte) {
	runs := classRuns(s)
	last := len(f.parts) - len(runs)
	if last < 0 {
		clear(m)
		return
	}
	f.keep(m, runs, last, last, true, false)
}

// Contains keeps the rows with s anywhere in them.
func (f *fieldsText) Contains(m []kern.Mask, s []byte) {
	runs := classRuns(s)
	f.keep(m, runs, 0, len(f.parts)-len(runs), true, true)
}

// classRuns cuts s into its longest runs of one class.
func classRuns(s []byte) (runs [][]byte) {
	for len(s) > 0 {
		n := run(s, classOf(s[0]))
		runs, s = append(runs, s[:n]), s[n:]
	}
	return runs
}

// keep keeps the rows with these runs in neighbouring parts, beginning with
// one of first to last. What is before the first run in its part, and after
// the last one, is free if it is open there.
func (f *fieldsText) keep(m []kern.Mask, runs [][]byte, first, last int, openLeft, openRight bool) {
	if len(runs) == 0 {
		return // it is in all of them
	}
	writers := f.writers()
	for k := range m {
		var found kern.Mask
		for at := first; at <= last && at+len(runs) <= len(f.parts); at++ {
			left := m[k]
			left.AndNot(&found)
			for i, s := range runs {
				if !left.Any() {
					break
				}
				writers[at+i].keep(&left, k, s, openLeft && i == 0, openRight && i == len(runs)-1)
			}
			found.Or(&left)
		}
		m[k].And(&found)
	}
}

// keep clears the bits of rows of vector k of which the part is not s: what is
// before or after s in it is free if it is open there.
func (w *partWriter) keep(m *kern.Mask, k int, s []byte, openLeft, openRight bool) {
	test := bytes.Equal
	switch {
	case openLeft && openRight:
		test = bytes.Contains
	case openLeft:
		test = bytes.HasSuffix
	case openRight:
		test = bytes.HasPrefix
	}
	from := k * kern.Vector
	switch class := w.class(); {
	case class != classOf(s[0]):
		*m = kern.Mask{}
	case class == partText:
		keepRows(m, func(i int) bool { return test(w.text.value(from+i), s) })
	default:
		if w.keepLong(m, from, len(s)); m.Any() {
			w.length = 0 // what hit says is of another search
			keepRows(m, func(i int) bool { return w.try(w.numbers[from+i], s, test) })
		}
	}
}

// keepLong clears the bits of numbers that are written with less than n bytes.
func (w *partWriter) keepLong(m *kern.Mask, from, n int) {
	least, ok := w.leastOf(n)
	if !ok || least > w.top {
		*m = kern.Mask{}
		return
	}
	var long kern.Mask
	kern.CompareTo(&long, kern.Ge, (*[kern.Vector]uint64)(w.numbers[from:from+kern.Vector:from+kern.Vector]), least)
	m.And(&long)
}

// try tests x as it is written. Neighbours are often equal.
func (w *partWriter) try(x uint64, s []byte, test func(v, s []byte) bool) bool {
	if x != w.last || w.length == 0 {
		w.render(x)
		w.hit = test(w.rendered[:w.length], s)
	}
	return w.hit
}

// keepRows clears the bits of rows that do not pass the test.
func keepRows(m *kern.Mask, test func(i int) bool) {
	for j, w := range m {
		for left := w; left != 0; left &= left - 1 {
			if b := bits.TrailingZeros64(left); !test(j*64 + b) {
				w &^= 1 << b
			}
		}
		m[j] = w
	}
}

// leastOf returns the least number that is written with n bytes or more; ok
// is false if there is none.
func (c *partColumn) leastOf(n int) (x uint64, ok bool) {
	switch {
	case c.kind > partPadded:
		return 0, n <= int(c.kind-partPadded)
	case c.kind == partLetters:
		return upTo[min(n, len(upTo))-1] + 1, n <= len(upTo)
	case n == 1:
		return 0, true
	}
	return tens[min(n, len(tens))-1], n <= len(tens)
}

// read returns the text of those rows, or of all for nil.
func (f *fieldsText) read(rows []int32) Strings {
	writers := f.writers()
	if rows == nil {
		out := Strings{Offsets: make([]int32, f.rows+1), Data: make([]byte, f.size())}
		f.write(out.Data, out.Offsets, writers)
		return out
	}
	out := Strings{Offsets: make([]int32, len(rows)+1), Data: make([]byte, 0, len(rows)*8)}
	room := f.atMost() + maxRendered
	for i, r := range rows {
		at := len(out.Data)
		if cap(out.Data)-at < room {
			out.Data = slices.Grow(out.Data, room)
		}
		n := writeRow(out.Data[at:at+room], writers, int(r))
		out.Data = out.Data[:at+n]
		out.Offsets[i+1] = int32(at + n)
	}
	return out
}
