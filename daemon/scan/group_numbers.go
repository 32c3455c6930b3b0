package scan

import (
	"slices"

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
	numbers []int32 // of the groups of a block, by group
	groups  []int32 // by number, plus one: the groups of the whole; 0: none yet
}

// take makes groups of n keys that are all different, and numbered so if by is
// not nil. It keeps keys, and no other can be added.
func (g *groups) take(keys []*vec, n int, by numbering, numbers []int32) {
	g.taken, g.n = keys, n
	if by.size() > 0 && len(by) > 0 {
		g.numbered = numbered{by: by, numbers: numbers}
	}
}

// ofGroups returns the group of each group of o, and makes groups for those
// that are new.
func (g *groups) ofGroups(o *groups) []int32 {
	if o.numbered.by == nil {
		return g.of(o.keyVecs(), o.n)
	}
	if !slices.Equal(g.numbered.by, o.numbered.by) {
		g.numbered = numbered{by: o.numbered.by, groups: make([]int32, o.numbered.by.size())}
	}
	known := g.numbered.groups
	out, fresh := make([]int32, o.n), []int32{}
	for i, n := range o.numbered.numbers {
		if out[i] = known[n] - 1; out[i] < 0 {
			fresh = append(fresh, int32(i))
		}
	}
	if len(fresh) > 0 {
		for k, id := range g.of(pickAll(o.keyVecs(), fresh, o.n), len(fresh)) {
			i := fresh[k]
			out[i] = id
			known[o.numbered.numbers[i]] = id + 1
		}
	}
	return out
}

// pickAll returns the values of some of n rows.
func pickAll(keys []*vec, rows []int32, n int) []*vec {
	if len(rows) == n {
		return keys
	}
	out := make([]*vec, len(keys))
	for i, k := range keys {
		out[i] = k.pick(rows)
	}
	return out
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
