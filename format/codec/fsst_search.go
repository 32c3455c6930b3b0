package codec

import (
	"bytes"
	"encoding/binary"

	"github.com/tarnlake/tarn/format/kern"
)

// Text is searched as codes. A row can only have what is looked for if it has
// certain codes in a certain place: those whose symbols fit there. Such rows
// are decoded and looked at; all others are out. What a search needs of the
// text is small enough to stay in the nearest cache, and is used again.

// Rows returns the number of rows.
func (t *symbolText) Rows() int { return t.rows.n }

// Equal keeps the rows that are s.
func (t *symbolText) Equal(m []kern.Mask, s []byte) {
	if len(s) == 0 {
		plainText{t.rows, t.codes}.Equal(m, nil)
		return
	}
	first := t.codesThat(func(symbol []byte) bool { return bytes.HasPrefix(s, symbol) })
	t.keepByEnd(m, s, &first, false, bytes.Equal)
}

// HasPrefix keeps the rows that begin with s.
func (t *symbolText) HasPrefix(m []kern.Mask, s []byte) {
	first := t.codesThat(func(symbol []byte) bool { return bytes.HasPrefix(s, symbol) || bytes.HasPrefix(symbol, s) })
	t.keepByEnd(m, s, &first, false, bytes.HasPrefix)
}

// HasSuffix keeps the rows that end with s.
func (t *symbolText) HasSuffix(m []kern.Mask, s []byte) {
	last := t.codesThat(func(symbol []byte) bool { return bytes.HasSuffix(s, symbol) || bytes.HasSuffix(symbol, s) })
	t.keepByEnd(m, s, &last, true, bytes.HasSuffix)
}

// codesThat returns the codes whose symbols fit, and the escape.
func (t *symbolText) codesThat(fit func(symbol []byte) bool) (set byteSet) {
	set.add(escape)
	var symbol [maxSymbol]byte
	for code, n := range t.symbols.Lens {
		binary.LittleEndian.PutUint64(symbol[:], t.symbols.Bytes[code])
		if n > 0 && fit(symbol[:n]) {
			set.add(byte(code))
		}
	}
	return set
}

// keepByEnd keeps the rows that pass the test with s, which is not empty or is
// in every row. Only rows of which the first code, or the last one, is in
// ends can.
func (t *symbolText) keepByEnd(m []kern.Mask, s []byte, ends *byteSet, last bool, test func(row, s []byte) bool) {
	if len(s) == 0 {
		return
	}
	scratch := takeScratch()
	defer scratch.release()
	t.eachRow(m, scratch, func(codes []byte) bool {
		switch n := len(codes); {
		case n == 0:
			return false
		case !last && !ends.has(codes[0]):
			return false
		case last && !ends.has(codes[n-1]) && (n == 1 || codes[n-2] != escape):
			return false
		}
		return test(scratch.text(t, codes), s)
	})
}

// eachRow clears the bits of rows whose codes do not pass the test.
func (t *symbolText) eachRow(m []kern.Mask, scratch *textScratch, test func(codes []byte) bool) {
	for k := range m {
		if m[k].Any() {
			offsets := t.rows.vector(&scratch.offsets, k)
			keepRows(&m[k], func(i int) bool { return test(t.codes[offsets[i]:offsets[i+1]]) })
		}
	}
}

// Contains keeps the rows with s anywhere in them.
func (t *symbolText) Contains(m []kern.Mask, s []byte) {
	if len(s) == 0 {
		return
	}
	scratch := takeScratch()
	defer scratch.release()
	if wanted := kern.CountMasks(m); wanted < t.Rows()/16 {
		t.eachRow(m, scratch, func(codes []byte) bool { return bytes.Contains(scratch.text(t, codes), s) })
		return
	}
	set, place, share := t.rarest(s)
	if share*float64(len(t.codes)) > float64(t.Rows()/4) {
		t.eachVector(m, scratch, func(text kern.Strings, one []kern.Mask) { text.Contains(one, s) })
		return
	}
	keeper, rows, end := kern.Keeper{Masks: m}, t.rows.finder(scratch), 0
	for at := range places(t.codes, &set) {
		if at < end || t.escapes > 0 && t.escapesOther(at, place) {
			continue
		}
		row, to := rows.find(at)
		end = to
		if m[row/kern.Vector][row%kern.Vector/64]>>(row%64)&1 == 1 && bytes.Contains(scratch.text(t, t.codes[rows.start():end]), s) {
			keeper.Keep(row)
		}
	}
	keeper.Keep(t.Rows())
}

// eachVector decodes the rows of the vectors that have a bit in m, a vector at
// a time, and hands them to search with their mask.
func (t *symbolText) eachVector(m []kern.Mask, scratch *textScratch, search func(text kern.Strings, one []kern.Mask)) {
	for k := range m {
		if !m[k].Any() {
			continue
		}
		offsets := t.rows.vector(&scratch.offsets, k)
		data := scratch.room(t, int(offsets[len(offsets)-1]-offsets[0]))
		t.decode(data, offsets)
		search(kern.Strings{Offsets: offsets, Data: data}, m[k:k+1])
	}
}

const (
	// window is how much of a text is looked at to find rare codes.
	window = 32
	// sampleCodes is how many codes tell which are rare.
	sampleCodes = 1 << 12
)

// escapesOther tells whether at that place another byte than b is escaped.
func (t *symbolText) escapesOther(at int, b byte) bool {
	return t.codes[at] == escape && b != escape && at+1 < len(t.codes) && t.codes[at+1] != b
}

// rarest returns a set of codes, and what part of all codes they are about.
// Wherever s is in the text, one of the set stands for a certain byte of it,
// which is place; it is the one for which they are fewest.
func (t *symbolText) rarest(s []byte) (set byteSet, place byte, share float64) {
	s = s[:min(len(s), window)]
	counts, literals, total := t.sampleCounts()
	var sets [window]byteSet
	var costs [window]int
	var padded [maxSymbol + window + maxSymbol]byte
	copy(padded[maxSymbol:], s)
	for code, n := range t.symbols.Lens {
		for at := 1 - int(n); n > 0 && at < len(s); at++ { // the symbol's place in s
			from, to := max(at, 0), min(at+int(n), len(s))
			word := binary.LittleEndian.Uint64(padded[maxSymbol+at:]) ^ t.symbols.Bytes[code]
			if word<<(64-8*(to-at))>>(64-8*(to-at))>>(8*(from-at)) != 0 {
				continue
			}
			for i := from; i < to; i++ {
				if !sets[i].has(byte(code)) {
					sets[i].add(byte(code))
					costs[i] += counts[code]
				}
			}
		}
	}
	best := 0
	for i, b := range s {
		if t.escapes > 0 {
			sets[i].add(escape)
			costs[i] += literals[b]
		}
		if costs[i] < costs[best] {
			best = i
		}
	}
	return sets[best], s[best], float64(costs[best]) / float64(max(1, total))
}

// sampleCounts counts some of the codes, and the bytes that are escaped there.
func (t *symbolText) sampleCounts() (counts, literals [256]int, total int) {
	const pieces = 4
	piece := min(len(t.codes), sampleCodes) / pieces
	for i := range pieces {
		part := t.codes[i*(len(t.codes)-piece)/(pieces-1):][:piece]
		for k, c := range part {
			counts[c]++
			if c == escape && k+1 < piece {
				literals[part[k+1]]++
			}
		}
	}
	return counts, literals, piece * pieces
}

// read returns the text of those rows, or of all for nil.
func (t *symbolText) read(rows []int32) Strings {
	if rows == nil {
		out := Strings{Offsets: t.rows.all(make([]int32, t.rows.n+1)), Data: make([]byte, t.size)}
		t.decode(out.Data, out.Offsets)
		return out
	}
	scratch := takeScratch()
	defer scratch.release()
	spans := t.rows.spans(rows, scratch)
	out, size := Strings{Offsets: make([]int32, len(rows)+1)}, 0
	for i, s := range spans {
		size += t.sizeOf(t.codes[s.from:s.to])
		out.Offsets[i+1] = int32(size)
	}
	out.Data = make([]byte, size+maxSymbol)
	for i, s := range spans {
		t.expand(out.Data[out.Offsets[i]:], t.codes[s.from:s.to])
	}
	return out
}
