package codec

import (
	"bytes"
	"math/bits"
	"slices"

	"github.com/tarnlake/tarn/format/kern"
)

// Fields are searched part by part where that decides: digits alone, or small
// letters alone, are all in one part if they are anywhere. Else values are put
// together again, a vector at a time.

// Rows returns the number of rows.
func (f *fieldsText) Rows() int { return f.rows }

// Equal keeps the rows that are s.
func (f *fieldsText) Equal(m []kern.Mask, s []byte) {
	f.eachVector(m, func(text kern.Strings, one []kern.Mask) { text.Equal(one, s) })
}

// HasPrefix keeps the rows that begin with s.
func (f *fieldsText) HasPrefix(m []kern.Mask, s []byte) {
	f.eachVector(m, func(text kern.Strings, one []kern.Mask) { text.HasPrefix(one, s) })
}

// HasSuffix keeps the rows that end with s.
func (f *fieldsText) HasSuffix(m []kern.Mask, s []byte) {
	f.eachVector(m, func(text kern.Strings, one []kern.Mask) { text.HasSuffix(one, s) })
}

// Contains keeps the rows with s anywhere in them.
func (f *fieldsText) Contains(m []kern.Mask, s []byte) {
	if len(s) == 0 {
		return
	}
	if class := classOf(s[0]); class != partText && run(s, class) == len(s) {
		f.containsWithin(m, class, s)
		return
	}
	f.eachVector(m, func(text kern.Strings, one []kern.Mask) { text.Contains(one, s) })
}

// containsWithin keeps the rows with s in a part of its class.
func (f *fieldsText) containsWithin(m []kern.Mask, class partKind, s []byte) {
	writers := f.writers()
	for k := range m {
		var found kern.Mask
		for i := range writers {
			if w := &writers[i]; w.class() == class && m[k].Any() {
				w.find(&found, &m[k], k, s)
			}
		}
		m[k].And(&found)
	}
}

// find sets the bits of those wanted rows of vector k that have s in the part.
func (w *partWriter) find(found, wanted *kern.Mask, k int, s []byte) {
	least, ok := w.leastOf(len(s))
	if !ok || least > w.top {
		return
	}
	var long kern.Mask
	from := k * kern.Vector
	kern.CompareTo(&long, kern.Ge, (*[kern.Vector]uint64)(w.numbers[from:from+kern.Vector:from+kern.Vector]), least)
	long.And(wanted)
	long.AndNot(found)
	for j, left := range long {
		for ; left != 0; left &= left - 1 {
			b := bits.TrailingZeros64(left)
			if x := w.numbers[from+j*64+b]; x != w.last || w.length == 0 {
				w.render(x)
				w.hit = bytes.Contains(w.rendered[:w.length], s)
			}
			if w.hit {
				found[j] |= 1 << b
			}
		}
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

// eachVector puts together the rows of the vectors that have a bit in m, and
// hands them to search with their mask.
func (f *fieldsText) eachVector(m []kern.Mask, search func(text kern.Strings, one []kern.Mask)) {
	scratch := takeScratch()
	defer scratch.release()
	writers, room := f.writers(), f.atMost()*kern.Vector+maxRendered
	for k := range m {
		if m[k].Any() {
			from := k * kern.Vector
			offsets, data := scratch.offsets[:min(kern.Vector, f.rows-from)+1], scratch.bytes(room)
			f.write(data, offsets, writers, from)
			search(kern.Strings{Offsets: offsets, Data: data}, m[k:k+1])
		}
	}
}

// read returns the text of those rows, or of all for nil.
func (f *fieldsText) read(rows []int32) Strings {
	writers := f.writers()
	if rows == nil {
		out := Strings{Offsets: make([]int32, f.rows+1), Data: make([]byte, f.size())}
		f.write(out.Data, out.Offsets, writers, 0)
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
