package scan

import (
	"sync"

	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/format/kern"
)

// scratch is the memory in which a worker works on a block. When it is done
// the next block gets it, so that blocks whose pages are in the cache cost no
// memory of their own. Nothing that a block leaves may point into it: arrays,
// keys and groups have their own memory, or that of pages.
type scratch struct {
	all    survivors
	whole  batch           // all rows of the block
	cols   []column        // of whole
	stored []format.Column // by slot, where columns are read as they are stored
	masks  [blockVectors]kern.Mask

	// of filterRows
	order []priced
	done  []bool

	// of readSlots
	slots   []int
	ids     []int32
	columns []*format.Column
}

const blockVectors = format.BlockRows / kern.Vector

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// survivors returns all rows of a task's block, of which nothing has been read.
// They are good until they are released.
func (p *Plan) survivors(t task) *survivors {
	m := scratches.Get().(*scratch)
	m.cols, m.stored = resized(m.cols, len(p.inputs)), resized(m.stored, len(p.inputs))
	m.whole = batch{n: t.rows, cols: m.cols}
	m.all = survivors{batch: &m.whole, scratch: m}
	return &m.all
}

// release gives the memory of s to the next block. It lets go of the pages, and
// of what was made of them.
func (s *survivors) release() {
	m := s.scratch
	clear(m.cols)
	clear(m.stored)
	m.whole, m.all = batch{}, survivors{}
	scratches.Put(m)
}

// allMasks returns masks with a bit for each of n rows, which is at most a
// block. They are good until the next call.
func (m *scratch) allMasks(n int) []kern.Mask {
	masks := m.masks[:kern.MasksFor(n)]
	fillMasks(masks, n)
	return masks
}

// doneOf returns n times false.
func (m *scratch) doneOf(n int) []bool {
	m.done = cleared(m.done, n)
	return m.done
}

// resized returns s with n elements, of which any may be left from earlier.
func resized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
