package scan

import (
	"container/heap"
	"math"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/format/kern"
)

// threshold is what the blocks of one run of ORDER BY … LIMIT learn from each
// other: a block whose rows fill the window knows that no row behind its last
// one can be in the result. Values are those of a single key of integers, in
// an order in which smaller comes first. It is safe for concurrent use.
type threshold struct{ bound atomic.Int64 }

func newThreshold() *threshold {
	t := &threshold{}
	t.bound.Store(math.MaxInt64)
	return t
}

// lower makes the bound v, if that is less.
func (t *threshold) lower(v int64) {
	for {
		old := t.bound.Load()
		if v >= old || t.bound.CompareAndSwap(old, v) {
			return
		}
	}
}

// topKey is the single key of an ORDER BY with LIMIT, where it is a column
// whose values can be compared as integers.
type topKey struct {
	slot             int
	field            int32
	typ              arrow.DataType
	desc, nullsFirst bool
}

// first is an ordered value that no other comes before.
const first = math.MinInt64

// topKeyOf returns the key by which rows can be thrown out early, or nil.
func (p *Plan) topKeyOf() *topKey {
	if len(p.order) != 1 || p.grouped || p.window() > maxTop {
		return nil
	}
	col, ok := p.order[0].n.(*colNode)
	if !ok || laneOf(col.t) != laneInt && laneOf(col.t) != laneDec {
		return nil
	}
	return &topKey{col.slot, col.field, col.t, p.order[0].desc, p.order[0].nullsFirst}
}

// maxTop bounds the windows for which a block keeps its own best rows.
const maxTop = 10_000

// ordered returns v so that smaller comes first, which is its own inverse.
func (k *topKey) ordered(v int64) int64 {
	if k.desc {
		return ^v
	}
	return v
}

// dropPast clears the bits of rows that are behind the bound in a stored
// column without nulls.
func (k *topKey) dropPast(t *threshold, c *column, masks []kern.Mask) {
	bound := t.bound.Load()
	if bound == math.MaxInt64 || c.enc == nil || c.enc.Ints() == nil {
		return
	}
	if _, nulls := c.enc.Validity(); nulls > 0 {
		return // where they come is not this one's to say
	}
	if k.desc {
		c.enc.Ints().Within(masks, ^bound, math.MaxInt64)
	} else {
		c.enc.Ints().Within(masks, math.MinInt64, bound)
	}
}

// top returns the rows of the n best values, in the order of rows, and lowers
// the threshold to the worst of them; nil where v has nulls or is too wide, and
// then the rows have to be compared by their keys.
func (k *topKey) top(t *threshold, v *vec, n int) []int32 {
	values := wholeInts(v)
	if values == nil || len(values) <= n {
		return nil
	}
	h := &intHeap{}
	for i, x := range values {
		x = k.ordered(x)
		switch {
		case len(h.values) < n:
			heap.Push(h, rowValue{x, int32(i)})
		case x < h.values[0].v: // an equal one comes later, so it is worse
			h.values[0] = rowValue{x, int32(i)}
			heap.Fix(h, 0)
		}
	}
	t.lower(h.values[0].v)
	return h.rows()
}
