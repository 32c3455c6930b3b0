package scan

import (
	"encoding/binary"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// distinct is count(DISTINCT x): the exact set of values of each group.
type distinct[T comparable] struct {
	typ    arrow.DataType
	values func(*vec) []T
	store  func(*vec, []T) // the inverse of values
	sets   []keySet[T]     // by group
	new    func() keySet[T]
	held   int64
}

// keySet is a set of values.
type keySet[T comparable] interface {
	number(T) (int32, bool)
	members() []T
	bytes() int64
}

func (t *intKeys) members() []int64   { return t.keys }
func (t *textKeys) members() []string { return t.keys }

func newDistinct(t arrow.DataType) aggregate {
	switch laneOf(t) {
	case laneUint:
		return distinctInts(t, func(v *vec) []int64 { return convert(v.uints, func(x uint64) int64 { return int64(x) }) },
			func(v *vec, keys []int64) { v.uints = convert(keys, func(x int64) uint64 { return uint64(x) }) })
	case laneFloat:
		return distinctInts(t, func(v *vec) []int64 { return ranks(v.floats) },
			func(v *vec, keys []int64) { v.floats = convert(keys, unrank) })
	case laneBool:
		return distinctInts(t, func(v *vec) []int64 { return convert(bytesOf(v), func(x uint8) int64 { return int64(x) }) },
			func(v *vec, keys []int64) { v.bools = fill(len(keys), func(i int) bool { return keys[i] == 1 }) })
	case laneDec:
		return distinctTexts(t, func(v *vec) []string { return convert(v.wides(), decimalBytes) },
			func(v *vec, keys []string) { v.decs = convert(keys, decimalOfBytes) })
	case laneStr:
		return distinctTexts(t, func(v *vec) []string { return v.strs }, func(v *vec, keys []string) { v.strs = keys })
	}
	return distinctInts(t, func(v *vec) []int64 { return v.ints }, func(v *vec, keys []int64) { v.ints = keys })
}

func distinctInts(t arrow.DataType, values func(*vec) []int64, store func(*vec, []int64)) aggregate {
	return &distinct[int64]{typ: t, values: values, store: store, new: func() keySet[int64] { return &intKeys{} }}
}

func distinctTexts(t arrow.DataType, values func(*vec) []string, store func(*vec, []string)) aggregate {
	return &distinct[string]{typ: t, values: values, store: store, new: func() keySet[string] { return &textKeys{} }}
}

func decimalBytes(d decimal128.Num) string {
	b := binary.LittleEndian.AppendUint64(make([]byte, 0, 16), d.LowBits())
	return viewString(binary.LittleEndian.AppendUint64(b, uint64(d.HighBits())))
}

func decimalOfBytes(s string) decimal128.Num {
	b := []byte(s)
	return decimal128.New(int64(binary.LittleEndian.Uint64(b[8:])), binary.LittleEndian.Uint64(b))
}

func (d *distinct[T]) grow(n int) {
	for len(d.sets) < n {
		d.sets = append(d.sets, d.new())
	}
}

// setBytes is about what a group's empty set costs.
const setBytes = 160

func (d *distinct[T]) bytes() int64 { return d.held + int64(len(d.sets))*setBytes }

func (d *distinct[T]) add(groups []int32, n int, v *vec) {
	values := d.values(v)
	each(groups, n, v, func(g int32, i int) { d.put(g, values[i]) })
}

func (d *distinct[T]) put(g int32, v T) {
	set := d.sets[g]
	before := set.bytes()
	set.number(v)
	d.held += set.bytes() - before
}

func (d *distinct[T]) merge(into []int32, from aggregate) {
	for g, set := range from.(*distinct[T]).sets {
		for _, v := range set.members() {
			d.put(at(into, g), v)
		}
	}
}

func (d *distinct[T]) members(from, to, most int, yield func([]int32, *vec) bool) bool {
	var groups []int32
	var keys []T
	flush := func() bool {
		v := &vec{typ: d.typ, n: len(keys)}
		d.store(v, keys)
		more := yield(groups, v)
		groups, keys = nil, nil
		return more
	}
	for g := from; g < to; g++ {
		for _, key := range d.sets[g].members() {
			groups, keys = append(groups, int32(g)), append(keys, key)
			if len(keys) == most && !flush() {
				return false
			}
		}
	}
	return len(keys) == 0 || flush()
}

func (d *distinct[T]) result() (*vec, error) {
	counts := make([]int64, len(d.sets))
	for i, set := range d.sets {
		counts[i] = int64(len(set.members()))
	}
	return &vec{typ: arrow.PrimitiveTypes.Int64, n: len(counts), ints: counts}, nil
}
