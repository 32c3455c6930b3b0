package codec

import (
	"bytes"
	"fmt"
	"math"
	"slices"

	"github.com/tarnlake/tarn/format/kern"
)

// Strings are byte strings in Arrow's layout: value i is
// Data[Offsets[i]:Offsets[i+1]]. Offsets ascend and have one element more than
// there are values. Null tells which rows are null (nil: none); what stands
// under them does not matter and is not kept.
type Strings struct {
	Offsets []int32
	Data    []byte
	Null    func(i int) bool
}

func (s Strings) rows() int          { return len(s.Offsets) - 1 }
func (s Strings) null(i int) bool    { return s.Null != nil && s.Null(i) }
func (s Strings) value(i int) []byte { return s.Data[s.Offsets[i]:s.Offsets[i+1]] }
func (s Strings) text() []byte       { return s.Data[s.Offsets[0]:s.Offsets[s.rows()]] }
func (s Strings) size() int          { return int(s.Offsets[s.rows()] - s.Offsets[0]) }

// withoutGarbage returns s with nothing under its null rows.
func (s Strings) withoutGarbage() Strings {
	clean := true
	for i := 0; s.Null != nil && clean && i < s.rows(); i++ {
		clean = !s.null(i) || len(s.value(i)) == 0
	}
	if clean {
		return s
	}
	out := Strings{Offsets: make([]int32, 1, len(s.Offsets)), Data: make([]byte, 0, s.size()), Null: s.Null}
	for i := range s.rows() {
		if !s.null(i) {
			out.Data = append(out.Data, s.value(i)...)
		}
		out.Offsets = append(out.Offsets, int32(len(out.Data)))
	}
	return out
}

// PutStrings puts byte strings. A null row takes the code of the row before it
// in a dictionary and is empty otherwise.
func (e *Encoder) PutStrings(s Strings) error {
	if s.rows() > MaxElements {
		return ErrTooLarge
	}
	if s.rows() == 0 {
		e.putConstantBytes(0, nil)
		return nil
	}
	e.putStrings(e.recall(), s.withoutGarbage(), e.root())
	return nil
}

// putStrings writes s in the way that c remembers, if that costs what it did,
// else in the best way it finds.
func (e *Encoder) putStrings(c *choice, s Strings, r room) {
	if c.trusted() && e.putRemembered(c, s, r) {
		c.age++
		return
	}
	if b := e.shared; b != nil {
		e.shared = nil
		if e.putShared(b, c, s) {
			return
		}
	}
	if t := &e.strings; t.fill(s) {
		if len(t.keys) == 1 {
			e.putConstantBytes(s.rows(), t.keys[0].value)
			return
		}
		if e.dictionaryPays(c, s, packedCodes(s.rows(), len(t.keys))+len(t.keys), t.stored) {
			e.putDictionaryStrings(c, s.rows())
			return
		}
	}
	e.putText(c, s, r)
}

// putRemembered writes s as fields or by symbols, if it was written so before
// and costs the same again. Other ways have to look at all values anyway.
func (e *Encoder) putRemembered(c *choice, s Strings, r room) bool {
	switch {
	case c.used.Has(Fields) && r.has(Fields):
		write, cost := planFields(e, c, s)
		if write == nil || !c.holds(cost, s.rows(), fieldsDrift) {
			return false
		}
		write()
	case c.used.Has(FSST) && !c.used.Has(Dictionary):
		cost := e.symbolsCost(s, e.textRatio(c, s))
		if !c.holds(cost, s.rows(), drift) {
			return false
		}
		e.putSymbols(c, s, r)
	default:
		return false
	}
	return true
}

// fill numbers the values of s; it gives up, and reports false, where a
// dictionary would hold more than a third of the rows, or is about to.
func (t *stringTable) fill(s Strings) bool {
	n := s.rows()
	t.reset(n, most(n))
	code, prev := uint32(0), []byte(nil)
	if n > 0 && s.null(0) {
		code, prev = t.first(s)
	}
	for i := range n {
		if v := s.value(i); !s.null(i) && (prev == nil || !bytes.Equal(v, prev)) {
			var ok bool
			if code, ok = t.add(v); !ok {
				return false
			}
			prev = v
		}
		t.codes[i] = code
		if i == 1<<13 && len(t.keys) > i*17/20 {
			return false
		}
	}
	return true
}

// first adds the first value that is not null, or the empty string, for the
// null rows before it.
func (t *stringTable) first(s Strings) (uint32, []byte) {
	v := []byte{}
	for i := range s.rows() {
		if !s.null(i) {
			v = s.value(i)
			break
		}
	}
	code, _ := t.add(v)
	return code, v
}

// dictionaryPays compares a dictionary, of so many bytes of codes and of texts,
// with the text itself. Both may shrink further; where that could turn the
// scales, a sample tells how much.
func (e *Encoder) dictionaryPays(c *choice, s Strings, codes, stored int) bool {
	plain := s.rows() * 3 / 4
	if (codes+stored)*4 <= plain+s.size() || codes+stored <= s.rows()+s.size()/8 {
		return true
	}
	ratio := e.textRatio(c, s)
	return (codes+int(float64(stored)*ratio))*costDictionary <= (plain+int(float64(s.size())*ratio))*costFSST
}

// textRatio estimates what part of the text of s is left after the encoding
// that the profile has for it. In the default profile it leaves the symbols
// for s in e.trainer: those that c remembers, if they still do.
func (e *Encoder) textRatio(c *choice, s Strings) float64 {
	switch {
	case e.profile == Compact:
		return e.sampleRatio(s.text())
	case e.profile == Fast || s.size() == 0:
		return 1
	}
	if e.trainer == nil {
		e.trainer = new(trainer)
	}
	t := e.trainer
	t.take(s)
	if c.symbols != nil && c.ratio < 0.9 {
		t.finder.set(c.symbols)
		if ratio := t.ratio(); math.Abs(ratio-c.ratio) <= drift*c.ratio && c.age < maxAge {
			return ratio
		}
	}
	t.train()
	c.symbols, c.ratio = slices.Clone(t.finder.symbols), t.ratio()
	return c.ratio
}

// sampleRatio estimates what part of b is left after zstd.
func (e *Encoder) sampleRatio(b []byte) float64 {
	const pieces, piece = 4, 8 << 10
	part := b
	if len(b) > pieces*piece {
		part = make([]byte, 0, pieces*piece)
		for i := range pieces {
			at := i * (len(b) - piece) / (pieces - 1)
			part = append(part, b[at:at+piece]...)
		}
	}
	if len(part) < minZstd {
		return 1
	}
	return min(1, float64(len(e.compress(part)))/float64(len(part)))
}

func (e *Encoder) putDictionaryStrings(c *choice, rows int) {
	t := &e.strings
	order, rank := ranks(len(t.keys), func(a, b uint32) int { return bytes.Compare(t.keys[a].value, t.keys[b].value) })
	values := Strings{Offsets: make([]int32, 1, len(order)+1), Data: make([]byte, 0, t.stored)}
	for _, k := range order {
		values.Data = append(values.Data, t.keys[k].value...)
		values.Offsets = append(values.Offsets, int32(len(values.Data)))
	}
	e.node(Dictionary, Bytes, rows, uint64(len(order)))
	planCodes(e, nth(&c.parts, 1), t.codes, rank, len(rank), e.root()).write()
	e.putValues(nth(&c.parts, 0), values, e.root().below(Patched, FSST))
}

// putText writes strings that have no few distinct values: by their pattern,
// by symbols, or as they are.
func (e *Encoder) putText(c *choice, s Strings, r room) {
	plain := (s.size()+s.rows()*3/4)*costRaw/100 + nodeSize
	if s.size() < minFSST || !r.has(FSST) {
		e.putPlainStrings(c, s, r)
		return
	}
	symbols := e.symbolsCost(s, e.textRatio(c, s))
	if r.has(Fields) {
		if write, cost := planFields(e, c, s); write != nil && cost < min(plain, symbols) {
			c.learn(e, cost, s.rows(), write)
			return
		}
	}
	if e.profile == Compact || symbols >= plain {
		e.putPlainStrings(c, s, r)
		return
	}
	c.learn(e, symbols, s.rows(), func() { e.putSymbols(c, s, r) })
}

// symbolsCost returns about what s costs as FSST.
func (e *Encoder) symbolsCost(s Strings, ratio float64) int {
	const table = 1 << 10
	return (int(float64(s.size())*ratio)+s.rows()*3/4+table)*costFSST/100 + nodeSize
}

// putSymbols writes s as FSST with the symbols in e.trainer.
func (e *Encoder) putSymbols(c *choice, s Strings, r room) {
	codes, lengths := e.trainer.encodeAll(s)
	e.node(FSST, Bytes, s.rows(), uint64(s.size()))
	e.buffer(appendSymbols(nil, e.trainer.finder.symbols))
	e.buffer(codes)
	e.putLengths(nth(&c.parts, 2), lengths, r)
}

func (e *Encoder) putLengths(c *choice, lengths []uint32, r room) {
	planKnown(e, c, lengths, unsigned, r.below(Runs, Sparse, Patched, Delta)).write()
}

// putPlainStrings writes lengths and all bytes in one blob.
func (e *Encoder) putPlainStrings(c *choice, s Strings, r room) {
	e.node(Raw, Bytes, s.rows(), 0)
	lengths := make([]uint32, s.rows())
	for i := range lengths {
		lengths[i] = uint32(s.Offsets[i+1] - s.Offsets[i])
	}
	e.putLengths(nth(&c.parts, 2), lengths, r)
	e.putBlob(s.text())
}

// putBlob writes b as it is or, in the compact profile, as a zstd frame where
// that is a sixth smaller.
func (e *Encoder) putBlob(b []byte) {
	if e.profile == Compact && len(b) >= minZstd && (len(b) < 1<<17 || saves(int(e.sampleRatio(b)*100), 100)) {
		if frame := e.compress(b); saves(len(frame), len(b)) {
			e.node(Zstd, Blob, len(b), 0)
			e.buffer(frame)
			return
		}
	}
	e.node(Raw, Blob, len(b), 0)
	e.buffer(b)
}

// GetStrings reads the next len(offsets)-1 byte strings: it fills offsets,
// from 0 on, and the memory that alloc returns, which is called at most once,
// for the bytes of all.
func (d *Decoder) GetStrings(offsets []int32, alloc func(int) []byte) error {
	return getStrings(d, offsets, alloc, 1)
}

func getStrings(d *Decoder, offsets []int32, alloc func(int) []byte, depth int) error {
	n, err := d.node(Bytes, len(offsets)-1, depth)
	if err != nil {
		return err
	}
	switch n.enc {
	case Constant:
		return getConstantBytes(d, n, offsets, alloc)
	case Raw:
		return getPlainStrings(d, n, offsets, alloc, depth)
	case Dictionary:
		return getDictionaryStrings(d, n, offsets, alloc, depth)
	case Shared:
		return getSharedStrings(d, n, offsets, alloc, depth)
	case FSST:
		return getFSST(d, n, offsets, alloc, depth)
	case Fields:
		return getFields(d, n, offsets, alloc)
	}
	return n.unknown()
}

// allocBytes gets memory for n bytes of values, within the budget.
func (d *Decoder) allocBytes(n int64, alloc func(int) []byte) ([]byte, error) {
	if n > math.MaxInt32 {
		return nil, fmt.Errorf("%d bytes of strings: %w", n, ErrTooLarge)
	}
	if err := d.Spend(n); err != nil || n == 0 {
		return nil, err
	}
	return alloc(int(n)), nil
}

func getPlainStrings(d *Decoder, n node, offsets []int32, alloc func(int) []byte, depth int) error {
	if err := n.noParam(); err != nil {
		return err
	}
	total, err := getOffsets(d, offsets, depth+1)
	if err != nil {
		return err
	}
	data, err := d.allocBytes(total, alloc)
	if err != nil {
		return err
	}
	return getBlob(d, data, depth+1)
}

// getOffsets reads lengths and sums them up to offsets; it returns the total.
func getOffsets(d *Decoder, offsets []int32, depth int) (int64, error) {
	lengths := wordsOf[uint32](bytesOfOffsets(offsets[1:]))
	if err := getInts(d, lengths, depth); err != nil {
		return 0, err
	}
	total := uint64(0)
	for i, n := range lengths {
		total += uint64(n)
		lengths[i] = uint32(total)
	}
	if total > math.MaxInt32 {
		return 0, fmt.Errorf("lengths sum up to %d: %w", total, ErrTooLarge)
	}
	offsets[0] = 0
	return int64(total), nil
}

func getBlob(d *Decoder, dst []byte, depth int) error {
	n, err := d.node(Blob, len(dst), depth)
	if err != nil {
		return err
	}
	switch n.enc {
	case Raw:
		if err := n.noParam(); err != nil {
			return err
		}
		return getRaw(d, dst)
	case Zstd:
		return getZstd(d, n, dst)
	}
	return n.unknown()
}

func getDictionaryStrings(d *Decoder, n node, offsets []int32, alloc func(int) []byte, depth int) error {
	distinct, err := n.distinct()
	if err != nil {
		return err
	}
	values := func() (Strings, error) { return getDistinct(d, distinct, depth+1) }
	return lookupStrings(d, offsets, alloc, distinct, depth+1, values)
}

// lookupStrings reads codes below distinct and then the values that they stand
// for, and gives every row its value.
func lookupStrings(d *Decoder, offsets []int32, alloc func(int) []byte, distinct, depth int, values func() (Strings, error)) error {
	switch {
	case distinct <= 1<<8:
		return lookupCodes[uint8](d, offsets, alloc, distinct, depth, values)
	case distinct <= 1<<16:
		return lookupCodes[uint16](d, offsets, alloc, distinct, depth, values)
	}
	return lookupCodes[uint32](d, offsets, alloc, distinct, depth, values)
}

func lookupCodes[C kern.Uint](d *Decoder, offsets []int32, alloc func(int) []byte, distinct, depth int, valuesOf func() (Strings, error)) error {
	codes, err := getCodes[C](d, len(offsets)-1, distinct, depth)
	if err != nil {
		return err
	}
	values, err := valuesOf()
	if err != nil {
		return err
	}
	data, err := d.allocBytes(sizeOfCodes(codes, values), alloc)
	if err == nil {
		gather(data, offsets, codes, values)
	}
	return err
}

// getValues reads the values of a dictionary.
func getValues(d *Decoder, distinct, depth int) (Strings, error) {
	if err := d.Spend(int64(distinct) * 4); err != nil {
		return Strings{}, err
	}
	values := Strings{Offsets: make([]int32, distinct+1)}
	err := getStrings(d, values.Offsets, func(n int) []byte {
		values.Data = make([]byte, n, n+chunk)
		return values.Data
	}, depth)
	return values, err
}

// GetOffsets reads len(offsets)-1 lengths, put as unsigned 32-bit integers,
// and sums them up from 0; it returns the total, which may be up to 2^31-1.
func (d *Decoder) GetOffsets(offsets []int32) (int, error) {
	total, err := getOffsets(d, offsets, 1)
	return int(total), err
}
