package kern

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// Text is a column of strings that can be searched where it lies. Each search
// clears the bits of m that are for rows without what it looks for; it does
// not have to look at rows whose bits are clear already. m has
// MasksFor(Rows()) masks, and no bits past the last row. A Text is safe for
// concurrent use.
type Text interface {
	Rows() int
	// Equal keeps the rows that are s.
	Equal(m []Mask, s []byte)
	// HasPrefix keeps the rows that begin with s.
	HasPrefix(m []Mask, s []byte)
	// HasSuffix keeps the rows that end with s.
	HasSuffix(m []Mask, s []byte)
	// Contains keeps the rows with s anywhere in them.
	Contains(m []Mask, s []byte)
}

// Strings is a Text as Arrow lays it out: row i is
// Data[Offsets[i]:Offsets[i+1]]. Offsets ascend and stay within Data; who makes
// it has checked that.
type Strings struct {
	Offsets []int32
	Data    []byte
}

// Rows returns the number of rows.
func (t Strings) Rows() int { return max(len(t.Offsets)-1, 0) }

// MasksFor returns how many masks n rows need.
func MasksFor(n int) int { return (n + Vector - 1) / Vector }

// Equal keeps the rows that are s.
func (t Strings) Equal(m []Mask, s []byte) {
	t.lengths(m, len(s), len(s))
	t.keep(m, s, t.Offsets, 0)
}

// HasPrefix keeps the rows that begin with s.
func (t Strings) HasPrefix(m []Mask, s []byte) {
	t.lengths(m, len(s), maxLength)
	t.keep(m, s, t.Offsets, 0)
}

// HasSuffix keeps the rows that end with s.
func (t Strings) HasSuffix(m []Mask, s []byte) {
	t.lengths(m, len(s), maxLength)
	t.keep(m, s, t.Offsets[min(1, len(t.Offsets)):], len(s))
}

const maxLength = 1<<31 - 1

// lengths keeps the rows whose length is low to high.
func (t Strings) lengths(m []Mask, low, high int) {
	if low == 0 && high == maxLength {
		return
	}
	for k := range m {
		if m[k].Any() {
			var fits Mask
			t.fits(&fits, k*Vector, low, high)
			m[k].And(&fits)
		}
	}
}

// fits sets the bits of those of the Vector rows at from whose length is low
// to high.
func (t Strings) fits(m *Mask, from, low, high int) {
	offsets, done := t.Offsets[from:min(from+Vector+1, len(t.Offsets))], 0
	if whole := (len(offsets) - 1) / 64; low <= maxLength && lengthsFast(m, offsets, whole, int32(low), int32(high)) {
		done = whole * 64
	}
	for i := done; i < len(offsets)-1; i++ {
		n := int(offsets[i+1] - offsets[i])
		m[i/64] |= bit(low <= n && n <= high) << (i % 64)
	}
}

// keep clears the bits of rows i that do not have s at from[i]-back, where all
// of them are long enough for it.
func (t Strings) keep(m []Mask, s []byte, from []int32, back int) {
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

// Contains keeps the rows with s anywhere in them.
func (t Strings) Contains(m []Mask, s []byte) {
	switch {
	case len(s) == 0 || t.Rows() == 0:
	case now == scalar:
		t.containsScalar(m, s)
	default:
		t.containsFast(m, s)
	}
}

func (t Strings) containsScalar(m []Mask, s []byte) {
	for k := range m {
		for j, w := range m[k] {
			at := k*Vector + j*64
			for left := w; left != 0; left &= left - 1 {
				b := bits.TrailingZeros64(left)
				w ^= (1 - bit(bytes.Contains(t.Data[t.Offsets[at+b]:t.Offsets[at+b+1]], s))) << b
			}
			m[k][j] = w
		}
	}
}

// containsFast does not look at rows but at the bytes of all of them: it finds
// the places where two bytes of s are at their distance, then the whole of s,
// then the row.
func (t Strings) containsFast(m []Mask, s []byte) {
	f := finder{text: t, keeper: Keeper{Masks: m}, head: headOf(s), end: int(t.Offsets[t.Rows()])}
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
	f.keeper.Keep(t.Rows())
}

// pairChunks is how many times 64 bytes pairFast looks at in one call: enough
// to forget the call, few enough to stay in the nearest cache.
const pairChunks = 64

// finder maps places to rows, both ascending.
type finder struct {
	text   Strings
	keeper Keeper
	head   head
	row    int // all places before it are done
	end    int
}

// try keeps the row at which the string is, if it is all in there.
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
	f.keeper.Keep(f.row)
	f.row++
}

// Keeper clears the bits of all rows but those that it is told, in ascending
// order.
type Keeper struct {
	Masks []Mask
	next  int // row after the last one kept
}

// Keep leaves the bit of that row as it is, and clears those between it and
// the one before. The number of rows ends it.
func (k *Keeper) Keep(row int) {
	first, last := k.next>>6, row>>6
	from, to := ^uint64(0)<<(k.next&63), ^(^uint64(0) << (row & 63))
	empty := k.next == row
	k.next = row + 1
	switch {
	case empty:
		return
	case first == last:
		k.clear(first, from&to)
		return
	}
	k.clear(first, from)
	for w := first + 1; w < last; w++ {
		k.clear(w, ^uint64(0))
	}
	if to != 0 {
		k.clear(last, to)
	}
}

func (k *Keeper) clear(word int, bits uint64) { k.Masks[word/MaskWords][word%MaskWords] &^= bits }

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
