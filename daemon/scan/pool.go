package scan

import (
	"context"
	"sync"
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/format"
)

// Pool is what the queries of one node share: its workers, and the memory in
// which finished work waits. A query that must remember (groups, rows to
// sort) fails when that memory is used up; one that merely runs ahead waits.
// So what all queries hold is bounded by the limit and by one task for each
// worker, however many queries there are. Safe for concurrent use.
type Pool struct {
	limit   int64
	workers chan struct{} // one element for each task that is worked on
	lender  *format.Cache // goes without what is taken; nil: nobody does

	mu    sync.Mutex
	used  int64
	freed chan struct{} // closed when memory is given back; nil: nobody waits for that
}

// NewPool returns a pool of so many bytes, for so many tasks at once.
func NewPool(limit int64, workers int) *Pool {
	return &Pool{limit: limit, workers: make(chan struct{}, workers)}
}

// BorrowFrom lets the queries' memory come out of a cache: what they hold it
// has less. The pool is not in use yet.
func (p *Pool) BorrowFrom(c *format.Cache) { p.lender = c }

// take adds bytes, which may be negative, and reports whether all fits.
func (p *Pool) take(bytes int64) bool {
	if p.lender != nil {
		p.lender.Lend(bytes)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used += bytes
	if bytes < 0 && p.freed != nil {
		close(p.freed)
		p.freed = nil
	}
	return p.used <= p.limit
}

// held returns the bytes taken.
func (p *Pool) held() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.used
}

// room reports whether a task may begin, and what to wait for if not.
func (p *Pool) room() (ok bool, freed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.used <= p.limit {
		return true, nil
	}
	if p.freed == nil {
		p.freed = make(chan struct{})
	}
	return false, p.freed
}

// patience is how long a query waits for memory that only others can free,
// when they free none.
const patience = 10 * time.Second

// enter waits for a worker and for room, and returns with the worker taken;
// leave gives it back. It fails when the memory stays used up while the query
// is idle: then no consumer of its own can free any.
func (p *Pool) enter(ctx context.Context, idle func() bool) error {
	for {
		if !send(ctx, p.workers, struct{}{}) {
			return ctx.Err()
		}
		ok, freed := p.room()
		if ok {
			return nil
		}
		p.leave()
		select {
		case <-freed: // somebody comes on
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(patience):
			if idle() {
				return p.crowded()
			}
		}
	}
}

// tryEnter is enter for who has other things to do.
func (p *Pool) tryEnter() bool {
	select {
	case p.workers <- struct{}{}:
	default:
		return false
	}
	ok, _ := p.room()
	if !ok {
		p.leave()
	}
	return ok
}

func (p *Pool) leave() { <-p.workers }

func (p *Pool) crowded() error {
	return wire.Errorf(wire.LimitExceeded, "other queries hold the %s that the node has for them, and none gave any back for %v", sizeText(p.limit), patience).
		WithHint("ask again when fewer queries run or their clients have read their results, or raise the memory limit of the node")
}
