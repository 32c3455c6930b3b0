package scan

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// distinct is count(DISTINCT x): the exact set of values of each group.
type distinct[T comparable] struct {
	values func(*vec) []T
	seen   map[member[T]]struct{}
	counts []int64
	held   int64
}

// member is a value of a group.
type member[T comparable] struct {
	group int32
	value T
}

func newDistinct(t arrow.DataType) aggregate {
	switch laneOf(t) {
	case laneUint:
		return newDistinctOf(func(v *vec) []uint64 { return v.uints })
	case laneFloat:
		return newDistinctOf(func(v *vec) []int64 { return ranks(v.floats) })
	case laneDec:
		return newDistinctOf(func(v *vec) []decimal128.Num { return v.decs })
	case laneStr:
		return newDistinctOf(func(v *vec) []string { return v.strs })
	case laneBool:
		return newDistinctOf(bytesOf)
	}
	return newDistinctOf(func(v *vec) []int64 { return v.ints })
}

func newDistinctOf[T comparable](values func(*vec) []T) aggregate {
	return &distinct[T]{values: values, seen: map[member[T]]struct{}{}}
}

func (d *distinct[T]) grow(n int)   { d.counts = extend(d.counts, n) }
func (d *distinct[T]) bytes() int64 { return d.held + int64(len(d.counts))*8 }

func (d *distinct[T]) add(groups []int32, n int, v *vec) {
	values := d.values(v)
	each(groups, n, v, func(g int32, i int) { d.put(g, values[i]) })
}

func (d *distinct[T]) put(g int32, v T) {
	if _, ok := d.seen[member[T]{g, v}]; ok {
		return
	}
	v = own(v)
	d.seen[member[T]{g, v}] = struct{}{}
	d.counts[g]++
	d.held += mapEntryBytes + textBytes(v)
}

func (d *distinct[T]) merge(into []int32, from aggregate) {
	for m := range from.(*distinct[T]).seen {
		d.put(at(into, int(m.group)), m.value)
	}
}

func (d *distinct[T]) result() (*vec, error) {
	return &vec{typ: arrow.PrimitiveTypes.Int64, n: len(d.counts), ints: d.counts}, nil
}
