package scan

import (
	"context"
	"fmt"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/client/wire"
)

// mem makes the arrays of a scan: Go's own memory, freed by its collector.
var mem = memory.NewGoAllocator()

// budget counts the bytes that one query holds for longer than a block:
// groups, distinct values, rows to sort. It is safe for concurrent use.
type budget struct {
	limit int64
	pool  *Pool

	mu   sync.Mutex
	used int64
}

// take adds bytes, or says that what the query holds is past its limit, or
// what all queries hold past theirs.
func (b *budget) take(bytes int64, what string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used += bytes
	fits := b.pool.take(bytes)
	switch {
	case b.used > b.limit || !fits && bytes > 0 && 2*b.used > b.pool.limit: // it would not fit alone, or hardly
		return wire.Errorf(wire.LimitExceeded, "the query needs more than the %s that the node has for queries, for %s", sizeText(b.limit), what).
			WithHint("narrow the filter, group by fewer values, or add a LIMIT to an ORDER BY; or raise the memory limit of the node")
	case !fits && bytes > 0:
		return wire.Errorf(wire.LimitExceeded, "the queries under way need more than the %s that the node has for them; this one holds %s for %s",
			sizeText(b.pool.limit), sizeText(b.used), what).
			WithHint("ask again when fewer queries run, or raise the memory limit of the node")
	}
	return nil
}

// release gives everything back.
func (b *budget) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pool.take(-b.used)
	b.used = 0
}

func sizeText(n int64) string {
	if n >= 1<<20 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d bytes", n)
}

// arrayBytes estimates the memory behind a.
func arrayBytes(a arrow.Array) int64 {
	n := int64(0)
	var walk func(arrow.ArrayData)
	walk = func(d arrow.ArrayData) {
		for _, b := range d.Buffers() {
			if b != nil {
				n += int64(b.Len())
			}
		}
		for _, c := range d.Children() {
			walk(c)
		}
	}
	walk(a.Data())
	return n
}

// takeArray returns the given rows of a.
func takeArray(a arrow.Array, rows []int32) arrow.Array {
	if len(rows) == 0 {
		return array.NewSlice(a, 0, 0)
	}
	b := array.NewInt32Builder(mem)
	defer b.Release()
	b.AppendValues(rows, nil)
	opts := compute.TakeOptions{BoundsCheck: false}
	out, err := compute.TakeArrayOpts(compute.WithAllocator(context.Background(), mem), a, b.NewArray(), opts)
	if err != nil {
		panic(fmt.Sprintf("BUG: take of %s: %v", a.DataType(), err)) // every canonical type can be taken from
	}
	return out
}
