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

// ref is a row of one of the sorter's pieces.
type ref struct{ piece, row int32 }

// refBytes is what a ref costs.
const refBytes = 8

// order returns the rows of the window in their order.
func (s *sorter) order() ([]ref, error) {
	if err := s.budget.take(refBytes*s.rows, "ORDER BY"); err != nil {
		return nil, err
	}
	refs := make([]ref, 0, s.rows)
	for i, p := range s.pieces {
		for row := range p.n {
			refs = append(refs, ref{int32(i), int32(row)})
		}
	}
	slices.SortStableFunc(refs, func(a, b ref) int { return bytes.Compare(s.key(a), s.key(b)) })
	return refs[:min(s.rows, s.window)], nil
}

func (s *sorter) key(r ref) []byte { return s.pieces[r.piece].keys[r.row] }

// compact makes one sorted piece of all, cut to the window.
func (s *sorter) compact() error {
	refs, err := s.order()
	if err != nil {
		return err
	}
	out := &piece{n: len(refs), keys: make([][]byte, len(refs)), nths: make([]int32, len(refs))}
	for i, r := range refs {
		out.keys[i] = bytes.Clone(s.key(r)) // lets go of the arenas
		out.nths[i] = s.pieces[r.piece].nthOf(r.row)
	}
	if out.arrays, err = s.gather(refs); err != nil {
		return err
	}
	out.measure()
	freed := s.held - out.bytes + refBytes*s.rows
	s.pieces, s.rows, s.held = []*piece{out}, int64(out.n), out.bytes
	return s.budget.take(-freed, "ORDER BY")
}

// emit writes all rows in order, a batch at a time: a copy of all of them
// would need their memory twice.
func (s *sorter) emit(w *writer) error {
	refs, err := s.order()
	if err != nil {
		return err
	}
	for batch := range slices.Chunk(refs, w.p.opts.BatchRows) {
		arrays, err := s.gather(batch)
		if err != nil {
			return err
		}
		if err := w.write(arrays, len(batch)); err != nil {
			return err
		}
	}
	return nil
}

// gather returns the columns of the rows that refs name, in that order.
func (s *sorter) gather(refs []ref) ([]arrow.Array, error) {
	rows := make([][]int32, len(s.pieces)) // by piece: the rows to take
	for _, r := range refs {
		rows[r.piece] = append(rows[r.piece], r.row)
	}
	next := make([]int32, len(s.pieces)) // by piece: where its next row will be
	for i, at := 1, 0; i < len(rows); i++ {
		at += len(rows[i-1])
		next[i] = int32(at)
	}
	places := make([]int32, len(refs)) // by ref: where its row will be
	for i, r := range refs {
		places[i] = next[r.piece]
		next[r.piece]++
	}
	parts := make([]*piece, 0, len(s.pieces))
	for i, p := range s.pieces {
		if len(rows[i]) > 0 {
			parts = append(parts, p.take(rows[i]))
		}
	}
	all, err := joined(parts)
	if err != nil {
		return nil, err
	}
	if len(parts) == 1 {
		return all.arrays, nil
	}
	return all.take(places).arrays, nil
}

// take returns the given rows of a piece, without keys.
func (p *piece) take(rows []int32) *piece {
	out := &piece{n: len(rows), arrays: make([]arrow.Array, len(p.arrays))}
	for i, a := range p.arrays {
		out.arrays[i] = takeArray(a, rows)
	}
	return out
}

// joined returns the rows of all pieces as one, without keys.
func joined(pieces []*piece) (*piece, error) {
	if len(pieces) == 1 {
		return pieces[0], nil
	}
	out := &piece{}
	for _, p := range pieces {
		out.n += p.n
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
