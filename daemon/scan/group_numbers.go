package scan

import (
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/format/codec"
)

// Blocks of one segment share dictionaries: their groups are merged by the
// numbers that values have there, and no text is looked at but once a segment.

// numbering is a way to number groups by the dictionaries of their keys: the
// number of the value in each, that of null being one past the last.
type numbering []*codec.SharedTexts

// maxNumbers bounds the combinations of numbers for which there is a table.
const maxNumbers = 1 << 18

// size returns how many combinations there are, 0 if they are too many.
func (n numbering) size() int {
	product := 1
	for _, d := range n {
		if product *= d.Len() + 1; product > maxNumbers {
			return 0
		}
	}
	return product
}

// numberOf returns the number of a value given by its code in a block, or of
// null; numbers are those of codes, nil if codes are numbers.
func numberOf(d *codec.SharedTexts, numbers []uint32, code int, null bool) int32 {
	switch {
	case null:
		return int32(d.Len())
	case numbers != nil:
		return int32(numbers[code])
	}
	return int32(code)
}

// numbered is which groups have which numbers.
type numbered struct {
	by      numbering
	numbers []int32 // of the groups of a block, by group; these have no other keys
	groups  []int32 // by number, plus one: the groups of the whole; 0: none yet
}

// empty lets go of the dictionaries, and keeps the memory.
func (n *numbered) empty() {
	clear(n.by)
	*n = numbered{by: n.by[:0], numbers: n.numbers[:0]}
}

// take makes groups of n keys that are all different. It keeps keys, and no
// other can be added.
func (g *groups) take(keys []*vec, n int) { g.taken, g.n = keys, n }

// ofGroups returns the group of each group of o, and makes groups for those
// that are new. It is good until the next call.
func (g *groups) ofGroups(o *groups) []int32 {
	if len(o.numbered.by) == 0 {
		g.into = g.of(g.into, o.keyVecs(), o.n)
		return g.into
	}
	if !slices.Equal(g.numbered.by, o.numbered.by) {
		g.numbered = numbered{by: slices.Clone(o.numbered.by), groups: make([]int32, o.numbered.by.size())}
	}
	known := g.numbered.groups
	g.into = resized(g.into, o.n)
	out, fresh := g.into, []int32(nil)
	for i, n := range o.numbered.numbers {
		if out[i] = known[n] - 1; out[i] < 0 {
			fresh = append(fresh, int32(i))
		}
	}
	if len(fresh) > 0 {
		for k, id := range g.of(nil, o.numberedKeys(fresh), len(fresh)) {
			i := fresh[k]
			out[i] = id
			known[o.numbered.numbers[i]] = id + 1
		}
	}
	return out
}

// numberedKeys returns the keys of some groups that are numbered.
func (g *groups) numberedKeys(some []int32) []*vec {
	left := gather(g.numbered.numbers, some)
	out := make([]*vec, len(g.keys))
	for i := len(out) - 1; i >= 0; i-- {
		d := g.numbered.by[i]
		size := int32(d.Len() + 1)
		own := convert(left, func(n int32) int32 { return n % size })
		for j := range left {
			left[j] /= size
		}
		out[i] = numberedTexts(g.keys[i].v.typ, d, own)
	}
	return out
}

// numberedTexts returns the values of numbers, of which the one past the last
// is that of null.
func numberedTexts(t arrow.DataType, d *codec.SharedTexts, numbers []int32) *vec {
	v := &vec{typ: t, n: len(numbers), strs: make([]string, len(numbers))}
	texts := d.Texts()
	valid := fill(v.n, func(i int) bool { return int(numbers[i]) < len(texts) })
	for i, n := range numbers {
		if valid.has(i) {
			v.strs[i] = texts[n]
		} else {
			v.valid = valid
		}
	}
	return v
}

// bytesOfKeys returns about what the values of keys hold.
func bytesOfKeys(keys []*vec) (n int64) {
	for _, k := range keys {
		n += int64(16 * k.n)
		for _, s := range k.strs {
			n += int64(len(s))
		}
	}
	return n
}
