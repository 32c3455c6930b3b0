package repair

import (
	"context"
	"sync"

	"github.com/tarnlake/tarn/daemon/catalog"
)

// rebuildsAtOnce is how many members a node rebuilds at a time: while one is
// read from afar another is written, and a third waits for its disk to sync.
const rebuildsAtOnce = 4

// outcome is an item that was rebuilt, or why not.
type outcome struct {
	item
	err error
}

// rebuildAll rebuilds items, begun in their order, a few at a time. The channel
// must be read to its end, which is soon after that of ctx.
func (r *Rebuilder) rebuildAll(ctx context.Context, view *catalog.State, items []item) <-chan outcome {
	todo, outcomes := make(chan item), make(chan outcome)
	var workers sync.WaitGroup
	for range min(rebuildsAtOnce, len(items)) {
		workers.Go(func() {
			for i := range todo {
				outcomes <- outcome{i, r.rebuild(ctx, view, i)}
			}
		})
	}
	workers.Go(func() {
		defer close(todo)
		for _, i := range items {
			select {
			case todo <- i:
			case <-ctx.Done():
				return
			}
		}
	})
	go func() {
		workers.Wait()
		close(outcomes)
	}()
	return outcomes
}
