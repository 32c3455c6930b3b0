package scan

import (
	"context"
	"errors"
	"iter"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/tarnlake/tarn/client/wire"
)

// sized is a result that knows its memory.
type sized interface{ size() int64 }

// job is a task that was begun.
type job[T, R any] struct {
	task   T
	done   bool
	result R
	err    error
}

// pipe works on tasks with the workers of a pool and yields the results in
// the order of the tasks. The consumer is one of those who work: while the
// result that it needs next is not there, it takes a task itself, so that a
// query of many quick tasks seldom waits for another thread to wake up.
// Others run ahead of it by a bounded number of tasks, and by a bounded number
// of bytes: no task is begun while finished results hold more than heldBytes,
// or while the pool is full. It ends with the first error in order, or when
// the consumer stops, or with ctx; no goroutine outlives it.
type pipe[T any, R sized] struct {
	heldBytes int64
	pool      *Pool // counts what is held, too
	work      func(ctx context.Context, task T) (R, error)

	pulling sync.Mutex // held by who takes a task; locked before mu
	next    func() (T, error, bool)
	second  *pulled[T] // looked at before its turn

	mu      sync.Mutex
	changed sync.Cond    // of what follows
	line    []*job[T, R] // begun and not taken by the consumer, in order; never long
	free    []*job[T, R] // taken by the consumer, to be used again
	ended   bool         // there are no more tasks
	held    int64        // bytes of results that the consumer has not taken
	helpers int
	group   sync.WaitGroup
}

// pulled is what a sequence of tasks has given.
type pulled[T any] struct {
	task T
	err  error
	more bool
}

func (p *pipe[T, R]) run(ctx context.Context, tasks iter.Seq2[T, error]) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		p.changed.L = &p.mu
		wake := context.AfterFunc(ctx, p.wakeAll)
		var stop func()
		p.next, stop = iter.Pull2(tasks)
		defer func() { // what nobody took any more
			wake()
			cancel()
			p.wakeAll()
			p.group.Wait()
			stop()
			p.pool.take(-p.held)
		}()
		p.consume(ctx, yield)
	}
}

func (p *pipe[T, R]) wakeAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changed.Broadcast()
}

// consume yields results, and works on tasks while the next one is not there.
func (p *pipe[T, R]) consume(ctx context.Context, yield func(R, error) bool) {
	for {
		j, end := p.first(ctx)
		switch {
		case end != nil:
			if end != errNoTasks {
				var none R
				yield(none, end)
			}
			return
		case j == nil:
			p.begin(ctx, true)
			continue
		}
		start, bytes := time.Now(), j.result.size() // while nobody works with the result
		if !yield(j.result, j.err) || j.err != nil {
			return
		}
		p.took(ctx, j, bytes, time.Since(start) > handOver)
	}
}

// errNoTasks says that all results were taken.
var errNoTasks = errors.New("no more tasks")

// first waits for the next result in line; it returns none, with a worker of
// the pool taken, when the consumer may as well work on a task.
func (p *pipe[T, R]) first(ctx context.Context) (*job[T, R], error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case len(p.line) > 0 && p.line[0].done:
			j := p.line[0]
			p.line = slices.Delete(p.line, 0, 1)
			return j, nil
		case len(p.line) == 0 && p.ended:
			return nil, errNoTasks
		case p.open() && p.pool.tryEnter():
			return nil, nil
		case len(p.line) == 0 && p.helpers == 0: // other queries have the workers, or the memory
			p.help(ctx, 1)
		}
		p.changed.Wait()
	}
}

// open reports whether another task may begin.
func (p *pipe[T, R]) open() bool {
	return !p.ended && p.held <= p.heldBytes && len(p.line) < 2*cap(p.pool.workers)
}

// stillOpen is open for who holds pulling: until it lets go, nobody else begins a task.
func (p *pipe[T, R]) stillOpen() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open()
}

// idle reports whether there is no task whose result the consumer has not taken.
func (p *pipe[T, R]) idle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.line) == 0 && p.held == 0
}

// handOver is what it takes, about, to wake another thread. A consumer that
// takes longer over a result leaves its worker to somebody else.
const handOver = 50 * time.Microsecond

// took notes that the consumer is done with a result, and whether that took
// it long.
func (p *pipe[T, R]) took(ctx context.Context, j *job[T, R], bytes int64, long bool) {
	p.pool.take(-bytes)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held -= bytes
	*j = job[T, R]{}
	p.free = append(p.free, j)
	p.changed.Broadcast()
	if long && p.helpers == cap(p.pool.workers)-1 && !p.ended {
		p.help(ctx, cap(p.pool.workers))
	}
}

// help starts goroutines that work on tasks, until there are so many.
func (p *pipe[T, R]) help(ctx context.Context, helpers int) {
	for ; p.helpers < helpers; p.helpers++ {
		p.group.Go(func() {
			for p.admit(ctx) {
				p.begin(ctx, false)
			}
		})
	}
}

// admit waits until there is room for another task, and then for a worker. It
// returns false when there is nothing left to do.
func (p *pipe[T, R]) admit(ctx context.Context) bool {
	p.mu.Lock()
	for !p.open() && !p.ended && ctx.Err() == nil {
		p.changed.Wait()
	}
	over := p.ended || ctx.Err() != nil
	p.mu.Unlock()
	if over {
		return false
	}
	err := p.pool.enter(ctx, p.idle)
	if err != nil {
		p.pulling.Lock()
		defer p.pulling.Unlock()
		p.append(&job[T, R]{done: true, err: err})
	}
	return err == nil
}

// begin takes the next task and works on it, with the worker that admit or
// first has got. Tasks begin in their order, so that what the consumer waits
// for never waits for what comes later.
func (p *pipe[T, R]) begin(ctx context.Context, consumer bool) {
	defer p.pool.leave()
	j := p.pull(ctx, consumer)
	if j == nil || j.done {
		return
	}
	err := guarded(func() (err error) {
		j.result, err = p.work(ctx, j.task)
		return err
	})
	p.finish(j, err)
}

// pull puts the next task in line; nil if there is none, or no room for it
// any more: several may have been let in by the same room. With the first one
// the consumer looks whether there is a second: a single one is worked on where
// it is, for to wake another thread takes as long as a lookup.
func (p *pipe[T, R]) pull(ctx context.Context, consumer bool) *job[T, R] {
	p.pulling.Lock()
	defer p.pulling.Unlock()
	if !p.stillOpen() {
		return nil
	}
	t := p.take()
	var j *job[T, R]
	if t.err != nil || t.more {
		j = p.jobOf(t)
	}
	p.append(j)
	if consumer && p.helpers == 0 && cap(p.pool.workers) > 1 && j != nil && !j.done {
		p.second = new(p.take())
		if p.second.err != nil || p.second.more {
			p.help(ctx, cap(p.pool.workers)-1)
		}
	}
	return j
}

// jobOf returns a job for a task; one that could not be had is done.
func (p *pipe[T, R]) jobOf(t pulled[T]) *job[T, R] {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) == 0 {
		p.free = append(p.free, new(job[T, R]))
	}
	last := len(p.free) - 1
	j := p.free[last]
	p.free = p.free[:last]
	j.task, j.err, j.done = t.task, t.err, t.err != nil
	return j
}

// take returns the next task of the sequence.
func (p *pipe[T, R]) take() (t pulled[T]) {
	if p.second != nil {
		t, p.second = *p.second, nil
		return t
	}
	if err := guarded(func() error {
		t.task, t.err, t.more = p.next()
		return nil
	}); err != nil {
		t.err = err
	}
	return t
}

// append puts a job in line. None, or one that failed, is the last.
func (p *pipe[T, R]) append(j *job[T, R]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if j != nil {
		p.line = append(p.line, j)
	}
	if j == nil || j.done {
		p.ended = true
		p.changed.Broadcast()
	}
}

func (p *pipe[T, R]) finish(j *job[T, R], err error) {
	var bytes int64
	if err == nil {
		bytes = j.result.size()
		p.pool.take(bytes)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	j.done, j.err = true, err
	p.held += bytes
	if len(p.line) > 0 && p.line[0] == j {
		p.changed.Broadcast()
	}
}

func send[J any](ctx context.Context, to chan<- J, j J) bool {
	select {
	case to <- j:
		return true
	case <-ctx.Done():
		return false
	}
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
