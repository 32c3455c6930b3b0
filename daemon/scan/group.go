package scan

import (
	"github.com/apache/arrow-go/v18/arrow"
)

// groups numbers the distinct keys of GROUP BY in the order in which they
// first come. A null is a key like any other. Without keys there is one group.
type groups struct {
	keys  []*growing
	n     int
	ints  intKeys  // one key of 64 bits: by value
	texts textKeys // one string key: by value; several, or wider ones: by sort key
	null  int32    // the group of the single null key; -1: none yet

	into []int32 // what ofGroups has returned last

	taken    []*vec // all keys, if they came at once, see take
	spare    []*vec // what was taken by the block before: memory for the next
	numbered numbered
}

func newGroups(types []arrow.DataType) *groups {
	g := &groups{null: -1}
	for _, t := range types {
		g.keys = append(g.keys, newColumn(t))
	}
	g.empty()
	return g
}

// empty takes away the groups of a block, which were taken all at once.
func (g *groups) empty() {
	if g.taken != nil {
		g.spare = g.taken
	}
	for _, v := range g.spare {
		v.strs = nil // which are those of a page
	}
	g.n, g.taken = 0, nil
	g.numbered.empty()
	if len(g.keys) == 0 {
		g.n = 1
	}
}

func (g *groups) size() int64 {
	n := g.ints.bytes() + g.texts.bytes() + bytesOfKeys(g.taken) + 4*int64(len(g.numbered.numbers)+len(g.numbered.groups))
	for _, k := range g.keys {
		n += k.bytes
	}
	return n
}

// of returns the group of each of n rows, and makes groups for new keys. No
// keys: nil, all rows are in group 0. It uses the memory of dst.
func (g *groups) of(dst []int32, keys []*vec, n int) []int32 {
	if len(keys) == 0 {
		return nil
	}
	for i, k := range keys {
		keys[i] = k.spread()
	}
	out := resized(dst, n)
	if len(keys) > 1 {
		byKey(g, out, g.texts.number, encoded(keys, n), nil, keys)
		return out
	}
	k := keys[0]
	switch laneOf(k.typ) {
	case laneInt:
		byKey(g, out, g.ints.number, k.ints, k.valid, keys)
	case laneUint:
		byKey(g, out, g.ints.number, convert(k.uints, func(v uint64) int64 { return int64(v) }), k.valid, keys)
	case laneFloat:
		byKey(g, out, g.ints.number, ranks(k.floats), k.valid, keys)
	case laneBool:
		byKey(g, out, g.ints.number, convert(bytesOf(k), func(v uint8) int64 { return int64(v) }), k.valid, keys)
	case laneStr:
		byKey(g, out, g.texts.number, k.strs, k.valid, keys)
	default:
		byKey(g, out, g.texts.number, encoded(keys, n), nil, keys)
	}
	return out
}

// byKey numbers values, of which those outside of valid are null. Rows often
// come in runs of one key, which cost no look-up.
func byKey[K comparable](g *groups, out []int32, number func(K) (int32, bool), values []K, valid bits, keys []*vec) {
	last := int32(-1)
	for i, v := range values {
		if valid != nil && !valid.has(i) {
			if g.null < 0 {
				g.null = int32(g.n)
				g.add(keys, i)
			}
			out[i], last = g.null, -1
			continue
		}
		if last >= 0 && v == values[i-1] {
			out[i] = last
			continue
		}
		id, fresh := number(v)
		if g.null >= 0 && id >= g.null { // the null has a number of its own
			id++
		}
		if fresh {
			g.add(keys, i)
		}
		out[i], last = id, id
	}
}

// add makes a group of the keys of a row. A single string is in the table
// already, which keeps it.
func (g *groups) add(keys []*vec, row int) {
	if len(keys) == 1 && laneOf(keys[0].typ) == laneStr && !keys[0].null(row) {
		g.keys[0].appendText(g.texts.keys[len(g.texts.keys)-1])
	} else {
		for i, k := range keys {
			g.keys[i].appendAt(k, row)
		}
	}
	g.n++
}

// encoded returns the sort keys of n rows, which tell keys apart.
func encoded(keys []*vec, n int) []string {
	var arena []byte
	ends := make([]int, n)
	for i := range n {
		for _, k := range keys {
			arena = appendSortKey(arena, k, i, false, false)
		}
		ends[i] = len(arena)
	}
	text, start := viewString(arena), 0
	out := make([]string, n)
	for i, end := range ends {
		out[i], start = text[start:end], end
	}
	return out
}

func (g *groups) keyVecs() []*vec {
	switch {
	case g.taken != nil:
		return g.taken
	case len(g.numbered.numbers) > 0:
		return g.numberedKeys(firstRows(g.n))
	}
	out := make([]*vec, len(g.keys))
	for i, k := range g.keys {
		out[i] = k.vec()
	}
	return out
}
