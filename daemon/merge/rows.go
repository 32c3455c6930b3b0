package merge

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/schema"
)

// concatenated yields the rows of inputs one after the other.
func concatenated(ctx context.Context, as *arrow.Schema, inputs []*input) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for _, in := range inputs {
			for {
				cols, err := in.block(ctx)
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					yield(nil, err)
					return
				}
				if !yield(batchOf(as, cols), nil) {
					return
				}
			}
		}
	}
}

func batchOf(as *arrow.Schema, cols []arrow.Array) arrow.RecordBatch {
	return array.NewRecordBatch(as, cols, int64(cols[0].Len()))
}

// cursor is a place in a sorted input: a block, and the row that comes next.
type cursor struct {
	in    *input
	place int // of in among the inputs: of equal rows the first comes first
	cols  []arrow.Array
	keys  rowKeys
	from  int // first row that has not left
	at    int // next row
}

// load reads the next block. It is io.EOF at the end of the input.
func (c *cursor) load(ctx context.Context, o order) (err error) {
	c.from, c.at = 0, 0
	if c.cols, err = c.in.block(ctx); err != nil {
		return err
	}
	c.keys = o.keysOf(c.cols, c.cols[0].Len())
	return nil
}

func (c *cursor) bytes() int64 {
	total := int64(len(c.keys.bytes) + 8*len(c.keys.ends))
	for _, col := range c.cols {
		total += schema.Bytes(col)
	}
	return total
}

func (c *cursor) before(o *cursor) bool {
	if n := bytes.Compare(c.keys.at(c.at), o.keys.at(o.at)); n != 0 {
		return n < 0
	}
	return c.place < o.place
}

// sorted merges inputs that are each in order; of equal rows those of the
// first input come first. It holds a block of each input and the rows that
// leave next, of which there are no more than in a block.
type sorted struct {
	as    *arrow.Schema
	order order
	heap  []*cursor // the first is the one whose row comes next
	picks []*cursor // of the rows that leave next
}

// newSorted begins a merge with as many of the inputs as their blocks fit in
// that much memory, but two at least; it returns how many those are.
func newSorted(ctx context.Context, as *arrow.Schema, o order, inputs []*input, budget int64) (*sorted, int, error) {
	s, held := &sorted{as: as, order: o}, int64(0)
	for n, in := range inputs {
		c := &cursor{in: in, place: n}
		err := c.load(ctx, o)
		if errors.Is(err, io.EOF) {
			continue // of no rows
		}
		if err != nil {
			return nil, 0, err
		}
		if held += c.bytes(); n >= 2 && held > budget {
			return s, n, nil
		}
		s.heap = append(s.heap, c)
		s.up(len(s.heap) - 1)
	}
	return s, len(inputs), nil
}

// rows yields the rows in order.
func (s *sorted) rows(ctx context.Context) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for len(s.heap) > 0 {
			ended := s.pick()
			batch, err := s.take(ctx)
			if err == nil && ended {
				err = s.refill(ctx)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(batch, nil) {
				return
			}
		}
	}
}

// pick chooses the rows that leave next: until the block of an input ends,
// which is the first of the heap then, or there are enough.
func (s *sorted) pick() (ended bool) {
	s.picks = s.picks[:0]
	for len(s.picks) < format.BlockRows {
		c := s.heap[0]
		s.picks = append(s.picks, c)
		if c.at++; c.at == len(c.keys.ends) {
			return true
		}
		s.down()
	}
	return false
}

// take makes a batch of the picked rows: what each input gives is one run of
// its rows, and all of them together are put in order.
func (s *sorted) take(ctx context.Context) (arrow.RecordBatch, error) {
	starts, runs, rows := map[*cursor]uint64{}, []*cursor(nil), 0
	for _, c := range s.heap {
		if c.at > c.from {
			starts[c], runs = uint64(rows), append(runs, c)
			rows += c.at - c.from
		}
	}
	defer func() {
		for _, c := range runs {
			c.from = c.at
		}
	}()
	if len(runs) == 1 {
		return batchOf(s.as, runs[0].run()), nil
	}
	places := make([]uint64, rows)
	for i, c := range s.picks {
		places[i] = starts[c]
		starts[c]++
	}
	return s.gather(ctx, runs, places)
}

// run returns the rows that leave a block.
func (c *cursor) run() []arrow.Array {
	cols := make([]arrow.Array, len(c.cols))
	for i, col := range c.cols {
		cols[i] = array.NewSlice(col, int64(c.from), int64(c.at))
	}
	return cols
}

func (s *sorted) gather(ctx context.Context, runs []*cursor, places []uint64) (arrow.RecordBatch, error) {
	b := array.NewUint64Builder(memory.DefaultAllocator)
	b.AppendValues(places, nil)
	order := b.NewUint64Array()
	parts := make([][]arrow.Array, len(runs))
	for i, c := range runs {
		parts[i] = c.run()
	}
	cols := make([]arrow.Array, s.as.NumFields())
	for i := range cols {
		column := make([]arrow.Array, len(runs))
		for k := range parts {
			column[k] = parts[k][i]
		}
		joined, err := array.Concatenate(column, memory.DefaultAllocator)
		if err != nil {
			return nil, err
		}
		if cols[i], err = compute.TakeArray(ctx, joined, order); err != nil {
			return nil, err
		}
	}
	return batchOf(s.as, cols), nil
}

// refill reads the next block of the first input of the heap, or takes it out.
func (s *sorted) refill(ctx context.Context) error {
	switch err := s.heap[0].load(ctx, s.order); {
	case errors.Is(err, io.EOF):
		last := len(s.heap) - 1
		s.heap[0] = s.heap[last]
		s.heap = s.heap[:last]
	case err != nil:
		return err
	}
	s.down()
	return nil
}

// down moves the first cursor to where it belongs.
func (s *sorted) down() {
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(s.heap); child++ {
			if s.heap[child].before(s.heap[least]) {
				least = child
			}
		}
		if least == i {
			return
		}
		s.heap[i], s.heap[least] = s.heap[least], s.heap[i]
		i = least
	}
}

// up moves a cursor to where it belongs.
func (s *sorted) up(i int) {
	for parent := (i - 1) / 2; i > 0 && s.heap[i].before(s.heap[parent]); parent = (i - 1) / 2 {
		s.heap[i], s.heap[parent] = s.heap[parent], s.heap[i]
		i = parent
	}
}
