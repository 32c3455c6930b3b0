package scan

import (
	"cmp"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// extreme is min and max over values of one lane.
type extreme[T any] struct {
	typ    arrow.DataType
	sign   int // -1: min, +1: max
	values func(*vec) []T
	order  func(x, y T) int
	keep   func(T) T // a copy with memory of its own
	store  func(*vec, []T)
	best   []T
	has    []bool
	held   int64 // bytes of strings
}

func newExtreme(t arrow.DataType, isMax bool) aggregate {
	sign := -1
	if isMax {
		sign = +1
	}
	switch laneOf(t) {
	case laneUint:
		return &extreme[uint64]{typ: t, sign: sign, order: cmp.Compare[uint64], keep: same[uint64],
			values: func(v *vec) []uint64 { return v.uints }, store: func(v *vec, best []uint64) { v.uints = best }}
	case laneFloat:
		return &extreme[int64]{typ: t, sign: sign, order: cmp.Compare[int64], keep: same[int64],
			values: func(v *vec) []int64 { return ranks(v.floats) }, store: func(v *vec, best []int64) { v.floats = convert(best, unrank) }}
	case laneDec:
		return &extreme[decimal128.Num]{typ: t, sign: sign, order: decimal128.Num.Cmp, keep: same[decimal128.Num],
			values: func(v *vec) []decimal128.Num { return v.wides() }, store: func(v *vec, best []decimal128.Num) { v.decs = best }}
	case laneStr:
		return &extreme[string]{typ: t, sign: sign, order: strings.Compare, keep: strings.Clone,
			values: func(v *vec) []string { return v.strs }, store: func(v *vec, best []string) { v.strs = best }}
	case laneBool:
		return &extreme[uint8]{typ: t, sign: sign, order: cmp.Compare[uint8], keep: same[uint8],
			values: bytesOf, store: func(v *vec, best []uint8) { v.bools = fill(len(best), func(i int) bool { return best[i] == 1 }) }}
	}
	return &extreme[int64]{typ: t, sign: sign, order: cmp.Compare[int64], keep: same[int64],
		values: func(v *vec) []int64 { return v.ints }, store: func(v *vec, best []int64) { v.ints = best }}
}

func same[T any](v T) T { return v }

func (e *extreme[T]) grow(n int)   { e.best, e.has = extend(e.best, n), extend(e.has, n) }
func (e *extreme[T]) empty()       { e.best, e.has, e.held = e.best[:0], e.has[:0], 0 }
func (e *extreme[T]) bytes() int64 { return int64(len(e.best))*24 + e.held }

func (e *extreme[T]) add(groups []int32, n int, v *vec) {
	values := e.values(v)
	each(groups, n, v, func(g int32, i int) { e.put(g, values[i]) })
}

func (e *extreme[T]) put(g int32, v T) {
	if e.improves(g, v) {
		e.best[g], e.has[g] = v, true
	}
}

func (e *extreme[T]) improves(g int32, v T) bool {
	return !e.has[g] || e.order(v, e.best[g])*e.sign > 0
}

// merge copies what it takes: strings of from may be views of a block.
func (e *extreme[T]) merge(into []int32, from aggregate) {
	o := from.(*extreme[T])
	for i, v := range o.best {
		g := at(into, i)
		if !o.has[i] || !e.improves(g, v) {
			continue
		}
		e.held += textBytes(v) - textBytes(e.best[g])
		e.best[g], e.has[g] = e.keep(v), true
	}
}

// textBytes is the length of a string, and 0 for other values.
func textBytes[T any](v T) int64 {
	s, _ := any(v).(string)
	return int64(len(s))
}

func (e *extreme[T]) columns() []arrow.DataType { return []arrow.DataType{e.typ} }

func (e *extreme[T]) save(from, to int) ([]arrow.Array, error) {
	some := *e
	some.best, some.has = e.best[from:to], e.has[from:to]
	v, err := some.result()
	if err != nil {
		return nil, err
	}
	return []arrow.Array{v.array()}, nil
}

func (e *extreme[T]) load(columns []arrow.Array) {
	v := vecOf(columns[0])
	e.grow(v.n)
	e.add(firstRows(v.n), v.n, v)
}

func (e *extreme[T]) result() (*vec, error) {
	n := len(e.best)
	out := &vec{typ: e.typ, n: n, valid: fill(n, func(i int) bool { return e.has[i] })}
	e.store(out, e.best)
	if out.bools != nil {
		out.bools = intersect(out.valid, out.bools)
	}
	return out, nil
}
