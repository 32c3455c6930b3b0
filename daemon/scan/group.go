package scan

import (
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
)

// groups numbers the distinct keys of GROUP BY in the order in which they
// first come. A null is a key like any other. Without keys there is one group.
type groups struct {
	keys  []*growing
	n     int
	ints  map[int64]int32  // one key of 64 bits: by value
	texts map[string]int32 // one string key: by value; otherwise by sort key
	null  int32            // the group of the single null key; -1: none yet
	bytes int64            // of the maps, about
}

func newGroups(types []arrow.DataType) *groups {
	g := &groups{ints: map[int64]int32{}, texts: map[string]int32{}, null: -1}
	for _, t := range types {
		g.keys = append(g.keys, newColumn(t))
	}
	if len(types) == 0 {
		g.n = 1
	}
	return g
}

// mapEntryBytes is about what a group costs beside its key and its sums.
const mapEntryBytes = 48

func (g *groups) size() int64 {
	n := g.bytes
	for _, k := range g.keys {
		n += k.bytes
	}
	return n
}

// of returns the group of each of n rows, and makes groups for new keys. No
// keys: nil, all rows are in group 0.
func (g *groups) of(keys []*vec, n int) []int32 {
	if len(keys) == 0 {
		return nil
	}
	for i, k := range keys {
		keys[i] = k.spread()
	}
	out := make([]int32, n)
	if len(keys) > 1 {
		byKey(g, out, g.texts, encoded(keys, n), nil, keys)
		return out
	}
	k := keys[0]
	switch laneOf(k.typ) {
	case laneInt:
		byKey(g, out, g.ints, k.ints, k.valid, keys)
	case laneUint:
		byKey(g, out, g.ints, convert(k.uints, func(v uint64) int64 { return int64(v) }), k.valid, keys)
	case laneFloat:
		byKey(g, out, g.ints, ranks(k.floats), k.valid, keys)
	case laneBool:
		byKey(g, out, g.ints, convert(bytesOf(k), func(v uint8) int64 { return int64(v) }), k.valid, keys)
	case laneStr:
		byKey(g, out, g.texts, k.strs, k.valid, keys)
	default:
		byKey(g, out, g.texts, encoded(keys, n), nil, keys)
	}
	return out
}

// byKey looks up values, of which those outside of valid are null, in index.
// Rows often come in runs of one key, which cost no look-up.
func byKey[K comparable](g *groups, out []int32, index map[K]int32, values []K, valid bits, keys []*vec) {
	last := int32(-1)
	for i, v := range values {
		if valid != nil && !valid.has(i) {
			if g.null < 0 {
				g.null = g.add(keys, i)
			}
			out[i], last = g.null, -1
			continue
		}
		if last >= 0 && v == values[i-1] {
			out[i] = last
			continue
		}
		id, ok := index[v]
		if !ok {
			id = g.add(keys, i)
			index[own(v)] = id
		}
		out[i], last = id, id
	}
}

// own returns v with memory of its own.
func own[K comparable](v K) K {
	if s, ok := any(v).(string); ok {
		return any(strings.Clone(s)).(K)
	}
	return v
}

func (g *groups) add(keys []*vec, row int) int32 {
	for i, k := range keys {
		g.keys[i].appendAt(k, row)
	}
	g.n++
	g.bytes += mapEntryBytes
	return int32(g.n - 1)
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
	out := make([]*vec, len(g.keys))
	for i, k := range g.keys {
		out[i] = k.vec()
	}
	return out
}
