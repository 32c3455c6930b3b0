package codec

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
)

// symbolFinder encodes: it finds the longest symbol that a text begins with.
// Symbols of three bytes and more are in a hash table by their first three,
// one a slot: where two want the same slot, the one that saves more has it.
type symbolFinder struct {
	symbols []symbol // by code
	long    [longSlots]longSymbol
	short   [1 << 16]uint16 // by the first two bytes: code, and 1<<8 if its symbol has two, 1<<9 if there is none
	single  [256]uint16     // by the first byte: code, or 1<<9
}

type longSymbol struct {
	bytes, mask uint64
	len, code   uint8
}

const (
	longSlots = 2048
	twoBytes  = 1 << 8
	noSymbol  = 1 << 9
)

func longSlot(word uint64) uint64 {
	return (word & 0xffffff * 0x9e3779b97f4a7c15) >> (64 - 11)
}

// set makes a finder of the first 255 symbols that find a slot.
func (f *symbolFinder) set(symbols []symbol) {
	f.symbols = f.symbols[:0]
	clear(f.long[:])
	for b := range f.single {
		f.single[b] = noSymbol
	}
	for _, s := range symbols {
		code := len(f.symbols)
		if code == escape {
			break
		}
		switch s.len {
		case 1:
			if f.single[byte(s.bytes)] != noSymbol {
				continue
			}
			f.single[byte(s.bytes)] = uint16(code)
		case 2:
		default:
			slot := &f.long[longSlot(s.bytes)]
			if slot.len != 0 {
				continue
			}
			*slot = longSymbol{s.bytes, ^uint64(0) >> (64 - 8*s.len), s.len, uint8(code)}
		}
		f.symbols = append(f.symbols, s)
	}
	for second := range 256 {
		copy(f.short[second<<8:], f.single[:])
	}
	for code, s := range f.symbols {
		if s.len == 2 {
			f.short[s.bytes] = uint16(code) | twoBytes
		}
	}
}

// encode writes the codes of the first n bytes of padded, which has eight more,
// to dst, which has room for 2n, and returns how many they are.
func (f *symbolFinder) encode(dst, padded []byte, n int) (codes int) {
	for at := 0; at < n; {
		word := binary.LittleEndian.Uint64(padded[at:])
		if s := &f.long[longSlot(word)]; s.len != 0 && word&s.mask == s.bytes && int(s.len) <= n-at {
			dst[codes] = s.code
			codes, at = codes+1, at+int(s.len)
			continue
		}
		code := f.short[uint16(word)]
		if n-at == 1 {
			code = f.single[byte(word)]
		}
		if code&noSymbol != 0 {
			dst[codes], dst[codes+1] = escape, byte(word)
			codes, at = codes+2, at+1
			continue
		}
		dst[codes] = byte(code)
		codes, at = codes+1, at+1+int(code>>8)
	}
	return codes
}

// Training. A generation codes a sample with the table so far and counts codes
// and pairs of neighbours; the symbols of the next one are those, and those
// pairs, that would save most.

const (
	generations = 5
	// trainingBytes is about how much text is looked at.
	trainingBytes = 1 << 14
	trainingLimit = 1 << 7 // of one string
	maxPairs      = 1 << 14
)

// trainer keeps the memory of training.
type trainer struct {
	finder symbolFinder
	sample []byte  // strings one after another, and padding
	ends   []int32 // of the strings
	ones   [512]int32
	pairs  pairCounts
	wanted candidates
	codes  []byte // scratch of encodeAll
}

// take collects a sample of s: strings from all over it, the longer ones cut.
func (t *trainer) take(s Strings) {
	t.sample, t.ends = t.sample[:0], t.ends[:0]
	rows := s.rows()
	looks := min(rows, max(16, trainingBytes*rows/max(1, s.size())))
	for k := 0; k < looks && len(t.sample) < 2*trainingBytes; k++ {
		v := s.value(k * rows / looks)
		if len(v) > trainingLimit {
			from := k * 7919 % (len(v) - trainingLimit)
			v = v[from : from+trainingLimit]
		}
		t.sample = append(t.sample, v...)
		t.ends = append(t.ends, int32(len(t.sample)))
	}
	t.sample = append(t.sample, zeros[:maxSymbol]...)
}

// train makes the finder's table from the sample.
func (t *trainer) train() {
	t.finder.set(nil)
	for range generations {
		t.count()
		t.propose()
		t.finder.set(append(t.wanted.best(2*escape), t.bytes()...))
	}
}

// bytes returns the bytes of the sample, the commonest first: where symbols are
// left over they keep bytes from being escaped.
func (t *trainer) bytes() []symbol {
	var counts [256]int
	for _, b := range t.sample[:len(t.sample)-maxSymbol] {
		counts[b]++
	}
	var out []symbol
	for b, n := range counts {
		if n > 0 {
			out = append(out, symbol{uint64(b), 1})
		}
	}
	slices.SortStableFunc(out, func(a, b symbol) int { return counts[b.bytes] - counts[a.bytes] })
	return out
}

// coded returns the bytes that the sample takes when coded.
func (t *trainer) coded() int {
	n, start := 0, 0
	var buf [2 * trainingLimit]byte
	for _, end := range t.ends {
		n += t.finder.encode(buf[:], t.sample[start:], int(end)-start)
		start = int(end)
	}
	return n
}

// ratio returns what part of the sample is left when coded.
func (t *trainer) ratio() float64 {
	return min(1, float64(t.coded())/float64(max(1, len(t.sample)-maxSymbol)))
}

// count codes the sample. Codes from 256 on are bytes without a symbol.
func (t *trainer) count() {
	clear(t.ones[:])
	t.pairs.reset()
	f, start := &t.finder, 0
	for _, end := range t.ends {
		last := -1
		for at := start; at < int(end); {
			code, n := f.next(t.sample[at:], int(end)-at)
			t.ones[code]++
			if last >= 0 {
				t.pairs.add(uint32(last)<<9 | uint32(code))
			}
			last, at = code, at+n
		}
		start = int(end)
	}
}

// next returns the code at the beginning of a text of n bytes (256 and more:
// a byte without a symbol), and how many bytes it stands for.
func (f *symbolFinder) next(padded []byte, n int) (code, length int) {
	word := binary.LittleEndian.Uint64(padded)
	if s := &f.long[longSlot(word)]; s.len != 0 && word&s.mask == s.bytes && int(s.len) <= n {
		return int(s.code), int(s.len)
	}
	short := f.short[uint16(word)]
	if n == 1 {
		short = f.single[byte(word)]
	}
	if short&noSymbol != 0 {
		return 256 + int(byte(word)), 1
	}
	return int(short & 0xff), 1 + int(short>>8)
}

// symbolOf returns what a code of next stands for.
func (f *symbolFinder) symbolOf(code uint32) symbol {
	if code >= 256 {
		return symbol{uint64(code - 256), 1}
	}
	return f.symbols[code]
}

// propose makes candidates of the codes that were used, and of their pairs.
func (t *trainer) propose() {
	t.wanted.reset()
	for code, n := range t.ones {
		if n == 0 {
			continue
		}
		s := t.finder.symbolOf(uint32(code))
		gain := int(n) * int(s.len)
		if s.len == 1 {
			gain *= 8 // or bytes without a symbol double too often
		}
		t.wanted.add(s, gain)
	}
	for _, p := range t.pairs.used {
		a, b := t.finder.symbolOf(p.key>>9), t.finder.symbolOf(p.key&511)
		if p.n < 2 || a.len+b.len > maxSymbol {
			continue
		}
		t.wanted.add(symbol{a.bytes | b.bytes<<(8*a.len), a.len + b.len}, int(p.n)*int(a.len+b.len))
	}
}

// pairCounts counts pairs of codes in an open-addressing table.
type pairCounts struct {
	slots [maxPairs]uint16 // place in used plus one
	used  []pairCount
}

type pairCount struct {
	key uint32
	n   int32
}

func (c *pairCounts) reset() {
	clear(c.slots[:])
	c.used = c.used[:0]
}

func (c *pairCounts) add(key uint32) {
	for at := key * 0x9e3779b1 >> (32 - 14); ; at = (at + 1) % maxPairs {
		switch k := c.slots[at]; {
		case k == 0 && len(c.used) >= maxPairs/4*3:
			return // enough to choose from
		case k == 0:
			c.used = append(c.used, pairCount{key, 1})
			c.slots[at] = uint16(len(c.used))
			return
		case c.used[k-1].key == key:
			c.used[k-1].n++
			return
		}
	}
}

// candidates adds up what symbols would save: the same one may come from
// several pairs.
type candidates struct {
	slots [2 * maxPairs]uint16 // place in list plus one
	list  []candidate
}

type candidate struct {
	symbol
	gain int
}

func (c *candidates) reset() {
	clear(c.slots[:])
	c.list = c.list[:0]
}

func (c *candidates) add(s symbol, gain int) {
	h := (s.bytes ^ uint64(s.len)) * 0x9e3779b97f4a7c15
	for at := h >> (64 - 15); ; at = (at + 1) % (2 * maxPairs) {
		switch k := c.slots[at]; {
		case k == 0:
			c.list = append(c.list, candidate{s, gain})
			c.slots[at] = uint16(len(c.list))
			return
		case c.list[k-1].symbol == s:
			c.list[k-1].gain += gain
			return
		}
	}
}

// promising returns the candidates among which the best n are for sure: those
// whose gain has as many bits as the worst of them has, or more.
func (c *candidates) promising(n int) []candidate {
	var sizes [65]int
	for _, s := range c.list {
		sizes[bits.Len(uint(s.gain))]++
	}
	least := 64
	for n -= sizes[least]; n > 0 && least > 0; n -= sizes[least] {
		least--
	}
	return slices.DeleteFunc(c.list, func(s candidate) bool { return bits.Len(uint(s.gain)) < least })
}

// best returns the n symbols of most gain, the best first.
func (c *candidates) best(n int) []symbol {
	c.list = c.promising(n)
	slices.SortFunc(c.list, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.gain, a.gain), cmp.Compare(a.bytes, b.bytes), cmp.Compare(a.len, b.len))
	})
	out := make([]symbol, 0, n)
	for _, s := range c.list[:min(n, len(c.list))] {
		out = append(out, s.symbol)
	}
	return out
}

// encodeAll returns the codes of all strings of s, good until the next call,
// and how many each has.
func (t *trainer) encodeAll(s Strings) (codes []byte, lengths []uint32) {
	lengths = make([]uint32, s.rows())
	total := 0
	for i := range lengths {
		from, to := int(s.Offsets[i]), int(s.Offsets[i+1])
		text := s.Data[from:]
		if len(text) < to-from+maxSymbol { // the last few
			text = append(append(make([]byte, 0, to-from+maxSymbol), s.Data[from:to]...), zeros[:maxSymbol]...)
		}
		if need := total + 2*(to-from); need > len(t.codes) {
			t.codes = append(t.codes[:total], make([]byte, need)...)
		}
		n := t.finder.encode(t.codes[total:], text, to-from)
		lengths[i], total = uint32(n), total+n
	}
	return t.codes[:total], lengths
}
