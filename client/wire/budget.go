package wire

import (
	"fmt"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow/memory"
)

// A Budget is an allocator for decoders that believe what a file says of its
// sizes. It bounds what one batch may take, and panics where that is not
// enough: an Arrow allocator has no other way out. Its user recovers.
type Budget struct {
	memory.GoAllocator
	left atomic.Int64
}

const maxBatchMemory = 1 << 30

// NewBudget returns a Budget for the first batch.
func NewBudget() *Budget {
	b := &Budget{}
	b.Renew()
	return b
}

// Renew begins a new batch.
func (b *Budget) Renew() { b.left.Store(maxBatchMemory) }

func (b *Budget) take(n int) {
	if b.left.Add(-int64(n)) < 0 {
		panic(fmt.Sprintf("a batch needs more than %d MiB of memory", maxBatchMemory>>20))
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
func (b *Budget) Free(old []byte) { b.left.Add(int64(len(old))) }
