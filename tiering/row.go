package tiering

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"
)

// row is block n of every member of a stripe, as far as it is known: what is
// encoded and decoded at once. Past its end a member is zeroes.
type row struct {
	n      int64
	size   int      // bytes of the longest member in this row
	shards [][]byte // by slot: size bytes, or none if not known
	blocks []*block // by slot; nil until needed
}

type block [blockSize]byte

var blockPool = sync.Pool{New: func() any { return new(block) }}

func newRow(width int) *row {
	return &row{shards: make([][]byte, width), blocks: make([]*block, width)}
}

// begin makes r the row n of s, with nothing known.
func (r *row) begin(s *Stripe, n int64) {
	r.n, r.size = n, s.blockLen(s.Scheme.Data, n)
	for slot := range r.shards {
		r.shards[slot] = nil
	}
}

// room returns size bytes of memory for a slot, which is not known by that.
func (r *row) room(slot int) []byte {
	if r.blocks[slot] == nil {
		r.blocks[slot] = blockPool.Get().(*block)
	}
	return r.blocks[slot][:r.size]
}

// release gives the row's memory back; nothing of it may be used afterwards.
func (r *row) release() {
	for slot, b := range r.blocks {
		if b != nil {
			blockPool.Put(b)
		}
		r.blocks[slot], r.shards[slot] = nil, nil
	}
}

// read fills in a slot from its file. Only the bytes that are there are
// returned; the shard goes on with zeroes.
func (r *row) read(s *Stripe, slot int, src Source) ([]byte, error) {
	b := r.room(slot)
	got := b[:s.blockLen(slot, r.n)]
	if err := readFull(src, got, s.blockAt(slot, r.n)); err != nil {
		return nil, err
	}
	clear(b[len(got):])
	r.shards[slot] = b
	return got, nil
}

// readChecked is read of a block that has to have its checksum.
func (r *row) readChecked(s *Stripe, slot int, src Source) ([]byte, error) {
	b, err := r.read(s, slot, src)
	if err == nil {
		err = s.checkBlock(slot, r.n, b)
	}
	if err != nil {
		r.shards[slot] = nil
	}
	return b, err
}

// eachRow lets fill read row after row, ahead of use, which gets them in
// order. Neither runs twice at a time. It ends at the first error of either, or
// when ctx is done; a read or a write that is under way then is waited for.
func eachRow(ctx context.Context, s *Stripe, rows int64, fill, use func(*row) error) error {
	const ahead = 2
	free, full := make(chan *row, ahead), make(chan *row, ahead)
	for range ahead {
		r := newRow(s.Scheme.Width())
		defer r.release()
		free <- r
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(full)
		for n := range rows {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case r := <-free:
				r.begin(s, n)
				if err := fill(r); err != nil {
					return err
				}
				full <- r
			}
		}
		return nil
	})
	group.Go(func() error {
		for r := range full {
			if err := use(r); err != nil {
				return err
			}
			free <- r
		}
		return nil
	})
	return group.Wait()
}

// together runs f for each slot at once, and returns when all have.
func together(slots []int, f func(slot int)) {
	if len(slots) == 1 {
		f(slots[0])
		return
	}
	var all sync.WaitGroup
	for _, slot := range slots {
		all.Go(func() { f(slot) })
	}
	all.Wait()
}

// slotsFrom lists the slots from, from+1, … below to.
func slotsFrom(from, to int) []int {
	slots := make([]int, 0, to-from)
	for i := from; i < to; i++ {
		slots = append(slots, i)
	}
	return slots
}
