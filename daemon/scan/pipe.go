package scan

import (
	"cmp"
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

// pipe works on tasks with the workers of a pool and yields the results in
// the order of the tasks. Workers run ahead of the consumer by a bounded number
// of tasks, and by a bounded number of bytes: no task is begun while finished
// results hold more than heldBytes, or while the pool is full. It ends with
// the first error in order, or when the consumer stops, or with ctx; no
// goroutine outlives it.
type pipe[T any, R sized] struct {
	heldBytes int64
	pool      *Pool // counts what is held, too
	work      func(ctx context.Context, task T) (R, error)

	held    atomic.Int64  // bytes of results that the consumer has not taken
	pending atomic.Int64  // tasks begun of which the same is true
	taken   chan struct{} // the consumer has taken something
	group   sync.WaitGroup
}

func (p *pipe[T, R]) run(ctx context.Context, tasks iter.Seq2[T, error]) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		seen, stop, err := lookAhead(tasks)
		defer stop()
		ctx, cancel := context.WithCancel(ctx)
		defer func() { // what nobody took any more
			cancel()
			p.group.Wait()
			p.hold(-p.held.Load())
		}()
		p.taken = make(chan struct{}, 1)
		switch {
		case err == nil && seen.tasks > 1:
		case err == nil && seen.tasks == 0 && ctx.Err() == nil:
			return
		default:
			p.runAlone(ctx, seen.first, cmp.Or(err, ctx.Err()), yield)
			return
		}
		ordered := make(chan *job[T, R], 2*cap(p.pool.workers))
		p.group.Go(func() { p.feed(ctx, seen.all, ordered) })
		p.deliver(ctx, ordered, yield)
	}
}

// ahead is tasks of which the first is known, and whether there are more.
type ahead[T any] struct {
	first T
	tasks int                 // none, one, or 2 for more
	all   iter.Seq2[T, error] // the first included; to be ranged over once
}

// lookAhead looks for the first two tasks. stop is called when the tasks are
// not used any more.
func lookAhead[T any](tasks iter.Seq2[T, error]) (a ahead[T], stop func(), err error) {
	next, stop := iter.Pull2(tasks)
	err = guarded(func() error {
		first, err, any := next()
		if err != nil || !any {
			return err
		}
		a.first, a.tasks = first, 1
		second, err, more := next()
		if !more {
			return nil
		}
		a.tasks = 2
		a.all = func(yield func(T, error) bool) {
			if !yield(first, nil) {
				return
			}
			for task, err, ok := second, err, true; ok; task, err, ok = next() {
				if !yield(task, err) {
					return
				}
			}
		}
		return nil
	})
	return a, stop, err
}

// runAlone works on the only task where it is: for a lookup, to wake another
// thread takes as long as the work. An error instead of a task is the result.
func (p *pipe[T, R]) runAlone(ctx context.Context, task T, err error, yield func(R, error) bool) {
	var r R
	if err == nil {
		err = p.admit(ctx)
	}
	if err == nil {
		j := &job[T, R]{task, make(chan outcome[R], 1)}
		p.serve(ctx, j)
		o := <-j.out
		r, err = o.result, o.err
	}
	if yield(r, err) && err == nil && ctx.Err() != nil {
		var none R
		yield(none, ctx.Err())
	}
}

// feed puts each task in line and sets a worker on it. Tasks begin in their
// order, so that what the consumer waits for never waits for what comes later.
func (p *pipe[T, R]) feed(ctx context.Context, tasks iter.Seq2[T, error], ordered chan<- *job[T, R]) {
	defer close(ordered)
	err := guarded(func() error {
		for task, err := range tasks {
			if err == nil {
				err = p.admit(ctx)
			}
			if err != nil {
				return err
			}
			j := &job[T, R]{task, make(chan outcome[R], 1)}
			p.pending.Add(1)
			p.group.Go(func() { p.serve(ctx, j) })
			if !send(ctx, ordered, j) {
				return ctx.Err()
			}
		}
		return nil
	})
	if err != nil {
		j := &job[T, R]{out: make(chan outcome[R], 1)}
		j.out <- outcome[R]{err: err}
		send(ctx, ordered, j)
	}
}

// admit waits until the consumer has taken enough of what is finished, and
// then for a worker. What it waits for comes without another task.
func (p *pipe[T, R]) admit(ctx context.Context) error {
	for p.held.Load() > p.heldBytes {
		select {
		case <-p.taken:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return p.pool.enter(ctx, func() bool { return p.pending.Load() == 0 })
}

// hold counts finished results that the consumer has not taken.
func (p *pipe[T, R]) hold(bytes int64) {
	p.held.Add(bytes)
	p.pool.take(bytes)
}

func send[J any](ctx context.Context, to chan<- J, j J) bool {
	select {
	case to <- j:
		return true
	case <-ctx.Done():
		return false
	}
}

// serve does one task with the worker that admit has got.
func (p *pipe[T, R]) serve(ctx context.Context, j *job[T, R]) {
	defer p.pool.leave()
	var r R
	err := guarded(func() (err error) {
		r, err = p.work(ctx, j.task)
		return err
	})
	if err == nil {
		p.hold(r.size())
	}
	j.out <- outcome[R]{r, err}
}

// guarded runs a part of a query. A panic is a bug of ours that this query
// has met: it fails the query, and the node goes on.
func guarded(run func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = wire.Errorf(wire.Internal, "the scan met a bug of its own: %v\n%s", v, debug.Stack())
		}
	}()
	return run()
}

func (p *pipe[T, R]) deliver(ctx context.Context, ordered <-chan *job[T, R], yield func(R, error) bool) {
	for j := range ordered {
		select {
		case o := <-j.out:
			if !yield(o.result, o.err) || o.err != nil {
				return
			}
			p.pending.Add(-1)
			p.hold(-o.result.size())
			select {
			case p.taken <- struct{}{}:
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
