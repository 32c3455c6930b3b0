package scan

import "slices"

// rowValue is a value and the row that it is in.
type rowValue struct {
	v   int64
	row int32
}

// intHeap keeps the worst of its values on top: the largest, and of equal ones
// the one that comes last.
type intHeap struct{ values []rowValue }

func (h *intHeap) Len() int { return len(h.values) }
func (h *intHeap) Less(i, j int) bool {
	a, b := h.values[i], h.values[j]
	return a.v > b.v || a.v == b.v && a.row > b.row
}
func (h *intHeap) Swap(i, j int) { h.values[i], h.values[j] = h.values[j], h.values[i] }
func (h *intHeap) Push(x any)    { h.values = append(h.values, x.(rowValue)) }
func (h *intHeap) Pop() any {
	last := h.values[len(h.values)-1]
	h.values = h.values[:len(h.values)-1]
	return last
}

// rows returns the rows of the values in ascending order.
func (h *intHeap) rows() []int32 {
	out := convert(h.values, func(r rowValue) int32 { return r.row })
	slices.Sort(out)
	return out
}
