package catalog

import (
	"context"
	"sync"
)

// rounds lets calls that come at the same time share one question. A question
// that is under way will not do for a call that comes then: it may have asked
// before the caller's last write was acknowledged elsewhere.
type rounds struct {
	ask func() (uint64, error)

	mu     sync.Mutex
	next   *round // nil when nobody waits for it
	active bool   // a goroutine is asking
}

// round is one question and its answer.
type round struct {
	done  chan struct{} // closed when the rest is set
	index uint64
	err   error
}

// wait returns the answer to the next question, or why ctx has ended.
func (r *rounds) wait(ctx context.Context) (uint64, error) {
	one := r.join()
	select {
	case <-one.done:
		return one.index, one.err
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

func (r *rounds) join() *round {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next == nil {
		r.next = &round{done: make(chan struct{})}
	}
	if !r.active {
		r.active = true
		go r.run()
	}
	return r.next
}

// take begins the next question, if somebody waits for it.
func (r *rounds) take() *round {
	r.mu.Lock()
	defer r.mu.Unlock()
	one := r.next
	r.next, r.active = nil, one != nil
	return one
}

func (r *rounds) run() {
	for one := r.take(); one != nil; one = r.take() {
		one.index, one.err = r.ask()
		close(one.done)
	}
}
