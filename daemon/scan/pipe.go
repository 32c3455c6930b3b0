package scan

import (
	"context"
	"iter"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/tarnlake/tarn/client/wire"
)

// sized is a result that knows its memory.
type sized interface{ size() int64 }

// job is one task on its way through the pipe; out holds one result.
type job[T, R any] struct {
	task T
	out  chan outcome[R]
}

type outcome[R any] struct {
	result R
	err    error
}

// pipe works on tasks with several workers and yields the results in the
// order of the tasks. Workers run ahead of the consumer by a bounded number
// of tasks, and by a bounded number of bytes: no task is begun while finished
// results hold more than heldBytes. It ends with the first error in order, or
// when the consumer stops, or with ctx; no goroutine outlives it.
type pipe[T any, R sized] struct {
	workers   int
	heldBytes int64
	pool      *Pool // counts what is held, too
	work      func(ctx context.Context, task T) (R, error)

	held  atomic.Int64
	freed chan struct{}
}

func (p *pipe[T, R]) run(ctx context.Context, tasks iter.Seq2[T, error]) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var group sync.WaitGroup
		defer func() { // what nobody took any more
			cancel()
			group.Wait()
			p.hold(-p.held.Load())
		}()
		p.freed = make(chan struct{}, 1)
		ordered := make(chan *job[T, R], 2*p.workers)
		todo := make(chan *job[T, R])
		group.Go(func() { p.feed(ctx, tasks, ordered, todo) })
		for range p.workers {
			group.Go(func() { p.serve(ctx, todo) })
		}
		p.deliver(ctx, ordered, yield)
	}
}

// feed puts each task in line and hands it to a worker.
func (p *pipe[T, R]) feed(ctx context.Context, tasks iter.Seq2[T, error], ordered, todo chan<- *job[T, R]) {
	defer close(ordered)
	defer close(todo)
	for task, err := range tasks {
		j := &job[T, R]{task, make(chan outcome[R], 1)}
		if err != nil {
			j.out <- outcome[R]{err: err}
		}
		if !p.waitForRoom(ctx) || !send(ctx, ordered, j) {
			return
		}
		if err != nil || !send(ctx, todo, j) {
			return
		}
	}
}

// hold counts finished results that the consumer has not taken.
func (p *pipe[T, R]) hold(bytes int64) {
	p.held.Add(bytes)
	p.pool.take(bytes)
}

// hasRoom reports whether another task may begin. One that holds nothing may
// always: so it comes on, however much others hold.
func (p *pipe[T, R]) hasRoom() bool {
	held := p.held.Load()
	return held <= p.heldBytes && (held == 0 || !p.pool.full())
}

// waitForRoom waits until finished results hold little enough. What they hold
// goes to the consumer without another task, so the wait ends.
func (p *pipe[T, R]) waitForRoom(ctx context.Context) bool {
	for !p.hasRoom() {
		select {
		case <-p.freed:
		case <-ctx.Done():
			return false
		}
	}
	return ctx.Err() == nil
}

func send[J any](ctx context.Context, to chan<- J, j J) bool {
	select {
	case to <- j:
		return true
	case <-ctx.Done():
		return false
	}
}

func (p *pipe[T, R]) serve(ctx context.Context, todo <-chan *job[T, R]) {
	for j := range todo {
		r, err := p.try(ctx, j.task)
		if err == nil {
			p.hold(r.size())
		}
		j.out <- outcome[R]{r, err}
	}
}

// try does one task. A panic is a bug of ours that this query has met: it
// fails the query, and the node goes on.
func (p *pipe[T, R]) try(ctx context.Context, task T) (r R, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = wire.Errorf(wire.Internal, "the scan met a bug of its own: %v\n%s", v, debug.Stack())
		}
	}()
	return p.work(ctx, task)
}

func (p *pipe[T, R]) deliver(ctx context.Context, ordered <-chan *job[T, R], yield func(R, error) bool) {
	for j := range ordered {
		select {
		case o := <-j.out:
			if !yield(o.result, o.err) || o.err != nil {
				return
			}
			p.hold(-o.result.size())
			select {
			case p.freed <- struct{}{}:
			default:
			}
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
	}
	if err := ctx.Err(); err != nil {
		var none R
		yield(none, err)
	}
}
