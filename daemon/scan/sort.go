package scan

import (
	"bytes"
	"container/heap"
	"fmt"
	"math"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// window is how many rows of the result's order are wanted at most: what
// OFFSET passes over and LIMIT takes.
func (p *Plan) window() int64 {
	if p.limit > math.MaxInt64-p.offset {
		return math.MaxInt64
	}
	return p.limit + p.offset
}

// sortKeys returns a key for each row of b, which sort as ORDER BY says.
func (p *Plan) sortKeys(b *batch) ([][]byte, error) {
	vecs := make([]*vec, len(p.order))
	for i, o := range p.order {
		var err error
		if vecs[i], err = o.n.eval(b, nil); err != nil {
			return nil, err
		}
	}
	var arena []byte
	ends := make([]int, b.n)
	for row := range b.n {
		for i, o := range p.order {
			arena = appendSortKey(arena, vecs[i], row, o.desc, o.nullsFirst)
		}
		ends[row] = len(arena)
	}
	keys, start := make([][]byte, b.n), 0
	for i, end := range ends {
		keys[i], start = arena[start:end:end], end
	}
	return keys, nil
}

// smallest returns the rows of the n smallest keys, in the order of rows. Of
// equal keys the earlier row is the smaller one.
func smallest(keys [][]byte, n int) []int32 {
	if n == 0 {
		return nil
	}
	h := &topHeap{keys: keys}
	for i := range keys {
		switch {
		case len(h.rows) < n:
			heap.Push(h, int32(i))
		case bytes.Compare(keys[i], keys[h.rows[0]]) < 0: // an equal key comes later, so it is larger
			h.rows[0] = int32(i)
			heap.Fix(h, 0)
		}
	}
	slices.Sort(h.rows)
	return h.rows
}

// topHeap keeps the largest of the rows that it holds on top.
type topHeap struct {
	keys [][]byte
	rows []int32
}

func (h *topHeap) Len() int { return len(h.rows) }
func (h *topHeap) Less(i, j int) bool {
	a, b := h.rows[i], h.rows[j]
	if c := bytes.Compare(h.keys[a], h.keys[b]); c != 0 {
		return c > 0
	}
	return a > b
}
func (h *topHeap) Swap(i, j int) { h.rows[i], h.rows[j] = h.rows[j], h.rows[i] }
func (h *topHeap) Push(x any)    { h.rows = append(h.rows, x.(int32)) }
func (h *topHeap) Pop() any {
	last := h.rows[len(h.rows)-1]
	h.rows = h.rows[:len(h.rows)-1]
	return last
}

// sorter collects pieces and gives their rows in order. With a window it
// holds about two windows of rows; without one it holds all of them.
type sorter struct {
	window int64
	budget *budget

	pieces []*piece
	rows   int64
	held   int64
}

func (s *sorter) add(p *piece) error {
	s.pieces = append(s.pieces, p)
	s.rows += int64(p.n)
	s.held += p.bytes
	if err := s.budget.take(p.bytes, "ORDER BY"); err != nil {
		return err
	}
	if s.rows/2-defaultBatchRows > s.window { // the window may be the largest integer
		return s.compact()
	}
	return nil
}

// compact makes one sorted piece of all, cut to the window.
func (s *sorter) compact() error {
	all, err := joined(s.pieces)
	if err != nil {
		return err
	}
	order := firstRows(all.n)
	slices.SortStableFunc(order, func(a, b int32) int { return bytes.Compare(all.keys[a], all.keys[b]) })
	order = order[:min(int64(len(order)), s.window)]
	out := &piece{n: len(order), keys: make([][]byte, len(order))}
	for i, row := range order {
		out.keys[i] = bytes.Clone(all.keys[row]) // lets go of the arenas
	}
	for _, a := range all.arrays {
		out.arrays = append(out.arrays, takeArray(a, order))
	}
	out.measure()
	freed := s.held - out.bytes
	s.pieces, s.rows, s.held = []*piece{out}, int64(out.n), out.bytes
	return s.budget.take(-freed, "ORDER BY")
}

// sorted returns all rows in order, or nil if there are none.
func (s *sorter) sorted() (*piece, error) {
	if len(s.pieces) == 0 {
		return nil, nil
	}
	if err := s.compact(); err != nil {
		return nil, err
	}
	return s.pieces[0], nil
}

// joined returns the rows of all pieces as one.
func joined(pieces []*piece) (*piece, error) {
	if len(pieces) == 1 {
		return pieces[0], nil
	}
	out := &piece{}
	for _, p := range pieces {
		out.n += p.n
		out.keys = append(out.keys, p.keys...)
	}
	for col := range pieces[0].arrays {
		parts := make([]arrow.Array, len(pieces))
		for i, p := range pieces {
			parts[i] = p.arrays[col]
		}
		a, err := array.Concatenate(parts, mem)
		if err != nil {
			return nil, fmt.Errorf("join %d rows: %w", out.n, err)
		}
		out.arrays = append(out.arrays, a)
	}
	return out, nil
}
