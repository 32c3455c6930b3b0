package scan

import "github.com/apache/arrow-go/v18/arrow"

// countAgg is count(*) and count(x).
type countAgg struct{ counts []int64 }

func (c *countAgg) grow(n int)   { c.counts = extend(c.counts, n) }
func (c *countAgg) bytes() int64 { return int64(len(c.counts)) * 8 }
func (c *countAgg) empty()       { c.counts = c.counts[:0] }

func (c *countAgg) add(groups []int32, n int, v *vec) {
	switch {
	case groups == nil && (v == nil || v.valid == nil):
		c.counts[0] += int64(n)
	case groups == nil:
		c.counts[0] += int64(v.validity().count())
	case v == nil || v.valid == nil:
		for _, g := range groups {
			c.counts[g]++
		}
	default:
		each(groups, n, v, func(g int32, _ int) { c.counts[g]++ })
	}
}

func (c *countAgg) merge(into []int32, from aggregate) {
	for i, n := range from.(*countAgg).counts {
		c.counts[at(into, i)] += n
	}
}

func (c *countAgg) columns() []arrow.DataType {
	return []arrow.DataType{arrow.PrimitiveTypes.Int64}
}

func (c *countAgg) save(from, to int) ([]arrow.Array, error) {
	return []arrow.Array{intArray(c.counts[from:to])}, nil
}

func (c *countAgg) load(columns []arrow.Array) { c.counts = vecOf(columns[0]).ints }

func (c *countAgg) result() (*vec, error) {
	return &vec{typ: arrow.PrimitiveTypes.Int64, n: len(c.counts), ints: c.counts}, nil
}
