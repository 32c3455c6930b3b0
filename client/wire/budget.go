package wire

import (
	"fmt"
	"math"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow/memory"
)

// A Budget is an allocator for decoders that believe what a file says of its
// sizes. It bounds what one batch may take, and panics where that is not
// enough: an Arrow allocator has no other way out. Its user recovers.
type Budget struct {
	memory.GoAllocator
	limit int64
	left  atomic.Int64
	all   *atomic.Int64 // what the batches of all budgets may still take
}

// MaxBatchMemory is enough for the batches of any file that is meant well.
const MaxBatchMemory = 1 << 30

// NewBudget returns a Budget of so many bytes for each batch.
func NewBudget(limit int64) *Budget {
	all := &atomic.Int64{}
	all.Store(math.MaxInt64 / 2) // memory of a batch may come back after the next has begun
	return NewSharedBudget(limit, all)
}

// NewSharedBudget returns a Budget of so many bytes for each batch, and for
// all batches under way of what is left in all. End it with Renew.
func NewSharedBudget(limit int64, all *atomic.Int64) *Budget {
	b := &Budget{limit: limit, all: all}
	b.left.Store(limit)
	return b
}

// Renew begins a new batch: what was taken for the last one is free again.
func (b *Budget) Renew() { b.all.Add(b.limit - b.left.Swap(b.limit)) }

func (b *Budget) take(n int) {
	if b.left.Add(-int64(n)) < 0 {
		panic(fmt.Sprintf("a batch needs more than %d MiB of memory", b.limit>>20))
	}
	if b.all.Add(-int64(n)) < 0 {
		panic("the batches under way need more memory than there is for them: send smaller ones, or fewer at once")
	}
}

// Allocate implements memory.Allocator.
func (b *Budget) Allocate(size int) []byte {
	b.take(size)
	return b.GoAllocator.Allocate(size)
}

// Reallocate implements memory.Allocator.
func (b *Budget) Reallocate(size int, old []byte) []byte {
	b.take(max(0, size-len(old)))
	return b.GoAllocator.Reallocate(size, old)
}

// Free implements memory.Allocator.
func (b *Budget) Free(old []byte) {
	b.left.Add(int64(len(old)))
	b.all.Add(int64(len(old)))
}
