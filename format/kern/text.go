package kern

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// Text is a column of strings as Arrow lays it out: row i is
// Data[Offsets[i]:Offsets[i+1]]. Offsets ascend and stay within Data; who makes
// a Text has checked that.
type Text struct {
	Offsets []int32
	Data    []byte
}

// Rows returns the number of rows.
func (t Text) Rows() int { return max(len(t.Offsets)-1, 0) }

// MasksFor returns how many masks n rows need.
func MasksFor(n int) int { return (n + Vector - 1) / Vector }

// Equal sets bit i of m to whether row i is s. As for all methods of Text, m
// has MasksFor(t.Rows()) masks, and bits past the last row are cleared.
func (t Text) Equal(m []Mask, s []byte) {
	t.lengths(m, len(s), len(s))
	t.keep(m, s, t.Offsets, 0)
}

// HasPrefix sets bit i of m to whether row i begins with s.
func (t Text) HasPrefix(m []Mask, s []byte) {
	t.lengths(m, len(s), maxLength)
	t.keep(m, s, t.Offsets, 0)
}

// HasSuffix sets bit i of m to whether row i ends with s.
func (t Text) HasSuffix(m []Mask, s []byte) {
	t.lengths(m, len(s), maxLength)
	t.keep(m, s, t.Offsets[min(1, len(t.Offsets)):], len(s))
}

const maxLength = 1<<31 - 1

// lengths sets the bits of the rows whose length is low to high.
func (t Text) lengths(m []Mask, low, high int) {
	clear(m)
	done := 0
	if whole := t.Rows() / 64; low <= maxLength && lengthsFast(m, t.Offsets, whole, int32(low), int32(high)) {
		done = whole * 64
	}
	for i := done; i < t.Rows(); i++ {
		n := int(t.Offsets[i+1] - t.Offsets[i])
		m[i/Vector][i%Vector/64] |= bit(low <= n && n <= high) << (i % 64)
	}
}

// keep clears the bits of rows i that do not have s at from[i]-back, where all
// of them are long enough for it.
func (t Text) keep(m []Mask, s []byte, from []int32, back int) {
	head := headOf(s)
	for k := range m {
		for j, w := range m[k] {
			if w == 0 {
				continue
			}
			at := from[k*Vector+j*64:]
			for left := w; left != 0; left &= left - 1 {
				b := bits.TrailingZeros64(left)
				w ^= (1 - bit(head.at(t.Data, int(at[b])-back))) << b
			}
			m[k][j] = w
		}
	}
}

// head is a string whose first eight bytes are compared in one go.
type head struct {
	word, mask uint64
	s          []byte
}

func headOf(s []byte) head {
	var first [8]byte
	n := copy(first[:], s)
	return head{binary.LittleEndian.Uint64(first[:]), 1<<(8*n) - 1, s}
}

// at tells whether the string is at that place of data, which is long enough.
func (h *head) at(data []byte, at int) bool {
	if at+8 > len(data) {
		return bytes.Equal(data[at:at+len(h.s)], h.s)
	}
	if binary.LittleEndian.Uint64(data[at:])&h.mask != h.word {
		return false
	}
	return len(h.s) <= 8 || bytes.Equal(data[at+8:at+len(h.s)], h.s[8:])
}

// Contains sets bit i of m to whether s is somewhere in row i.
func (t Text) Contains(m []Mask, s []byte) {
	switch {
	case len(s) == 0:
		t.lengths(m, 0, maxLength)
	case now == scalar:
		t.containsScalar(m, s)
	default:
		t.containsFast(m, s)
	}
}

func (t Text) containsScalar(m []Mask, s []byte) {
	clear(m)
	for i := range t.Rows() {
		found := bytes.Contains(t.Data[t.Offsets[i]:t.Offsets[i+1]], s)
		m[i/Vector][i%Vector/64] |= bit(found) << (i % 64)
	}
}

// containsFast does not look at rows but at the bytes of all of them: it finds
// the places where two bytes of s are at their distance, then the whole of s,
// then the row.
func (t Text) containsFast(m []Mask, s []byte) {
	clear(m)
	if t.Rows() == 0 {
		return
	}
	f := finder{text: t, m: m, head: headOf(s), end: int(t.Offsets[t.Rows()])}
	i, j := rareBytes(s)
	var hits [pairChunks]uint64
	at := int(t.Offsets[0])
	for at < f.end {
		chunks := min((f.end-max(i, j)-at)/64, pairChunks)
		if chunks <= 0 {
			break
		}
		p := unsafe.Pointer(&t.Data[at])
		pairFast(&hits, unsafe.Add(p, i), unsafe.Add(p, j), chunks, s[i], s[j])
		for k, w := range hits[:chunks] {
			for ; w != 0; w &= w - 1 {
				f.try(at + k*64 + bits.TrailingZeros64(w))
			}
		}
		at += chunks * 64
	}
	for ; at+len(s) <= f.end; at++ {
		if t.Data[at] == s[0] {
			f.try(at)
		}
	}
}

// pairChunks is how many times 64 bytes pairFast looks at in one call: enough
// to forget the call, few enough to stay in the nearest cache.
const pairChunks = 64

// finder maps places to rows, both ascending.
type finder struct {
	text Text
	m    []Mask
	head head
	row  int // all places before it are done
	end  int
}

// try sets the bit of the row at which the string is, if it is all in there.
func (f *finder) try(at int) {
	next := f.text.Offsets[1:]
	if f.row >= len(next) || at+len(f.head.s) > f.end || at < int(f.text.Offsets[f.row]) || !f.head.at(f.text.Data, at) {
		return
	}
	for int(next[f.row]) <= at {
		f.row++
	}
	if at+len(f.head.s) > int(next[f.row]) {
		return
	}
	f.m[f.row/Vector][f.row%Vector/64] |= 1 << (f.row % 64)
	f.row++
}

// common lists bytes from the most common in text on.
const common = " etaoinsrhldcumfpgwybvk,.0123456789-TSAIC"

// rareBytes returns the places of two bytes of s that are likely to be rare.
func rareBytes(s []byte) (int, int) {
	i, j := 0, len(s)-1
	for k := range s {
		if rarity(s[k]) > rarity(s[i]) {
			i = k
		}
	}
	for k := range s {
		if k != i && (j == i || rarity(s[k]) > rarity(s[j])) {
			j = k
		}
	}
	return i, j
}

func rarity(c byte) int {
	for i := range len(common) {
		if common[i] == c {
			return i
		}
	}
	return len(common)
}
