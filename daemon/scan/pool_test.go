package scan

import (
	"context"
	"fmt"
	"iter"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tarnlake/tarn/client/wire"
)

func TestPoolIsSharedAndGivenBack(t *testing.T) {
	pool := NewPool(1000, 1)
	a, b := &budget{limit: 5000, pool: pool}, &budget{limit: 5000, pool: pool}
	if err := a.take(900, "groups"); err != nil {
		t.Fatal(err)
	}
	if err := b.take(200, "groups"); !wire.IsCode(err, wire.LimitExceeded) {
		t.Errorf("second query over the shared limit: %v; want LIMIT_EXCEEDED", err)
	}
	b.release()
	a.release()
	if pool.held() != 0 {
		t.Errorf("%d bytes are still counted after both queries; want 0", pool.held())
	}
}

// TestPoolBorrows: what queries hold a cache goes without, until they end.
func TestPoolBorrows(t *testing.T) {
	l := newLake(t, "a int64")
	for i := range 12 {
		l.addJSON(t, fmt.Sprintf(`[{"a": %d}]`, i))
	}
	pool, held := NewPool(1<<30, 1), l.cache.Stats().Bytes
	if _, err := rowsOf(mustPlan(t, l, `SELECT sum(a) FROM t WHERE a < 11`, Options{}), l); err != nil {
		t.Fatal(err)
	}
	filled := l.cache.Stats().Bytes
	pool.BorrowFrom(l.cache)
	b := &budget{limit: 1 << 30, pool: pool}
	if err := b.take(1<<20, "groups"); err != nil {
		t.Fatal(err)
	}
	if got := l.cache.Stats().Bytes; filled <= held || got >= filled {
		t.Errorf("the cache held %d bytes, %d after a query, %d when another held all memory; want it to give way", held, filled, got)
	}
	b.release()
}

// TestPoolSharesWorkers: however many queries run, no more tasks are worked
// on at once than there are workers, and what finished tasks hold stays
// within the limit and a task a worker.
func TestPoolSharesWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const workers, limit, queries, size = 3, 500, 40, 100
		pool := NewPool(limit, workers)
		var working atomic.Int32
		work := func(context.Context, int) (weight, error) {
			if n := working.Add(1); n > workers {
				t.Errorf("%d tasks are worked on; want at most %d", n, workers)
			}
			time.Sleep(time.Second)
			working.Add(-1)
			if n := pool.held(); n > limit+workers*size {
				t.Errorf("%d bytes are held; want at most %d", n, limit+workers*size)
			}
			return size, nil
		}
		var left atomic.Int32
		for range queries {
			go func() {
				p := &pipe[int, weight]{heldBytes: 1000, pool: pool, work: work}
				for _, err := range p.run(t.Context(), counting(10)) {
					if err != nil {
						t.Error(err)
						return
					}
					time.Sleep(time.Second) // a consumer that takes its time
				}
				left.Add(1)
			}()
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if left.Load() != queries || pool.held() != 0 {
			t.Errorf("%d of %d queries ended, %d bytes are held; want all and none", left.Load(), queries, pool.held())
		}
	})
}

// TestPoolTurnsAwayWhoCannotBegin: memory that others keep is waited for, and
// not for ever; when it comes free in time the query goes on.
func TestPoolTurnsAwayWhoCannotBegin(t *testing.T) {
	for name, test := range map[string]struct {
		after time.Duration
		ok    bool
	}{"in time": {patience / 2, true}, "too late": {2 * patience, false}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pool := NewPool(10, 4)
				pool.take(1000) // somebody else's
				time.AfterFunc(test.after, func() { pool.take(-1000) })
				p := &pipe[int, weight]{heldBytes: 1 << 20, pool: pool, work: func(context.Context, int) (weight, error) { return 7, nil }}
				got, err := drain(p.run(t.Context(), counting(100)))
				time.Sleep(2 * patience)
				switch {
				case test.ok && (got != 100 || err != nil):
					t.Errorf("%d results, %v; want 100", got, err)
				case !test.ok && (got != 0 || !wire.IsCode(err, wire.LimitExceeded)):
					t.Errorf("%d results, %v; want none and LIMIT_EXCEEDED", got, err)
				case pool.held() != 0:
					t.Errorf("%d bytes are still counted; want 0", pool.held())
				}
			})
		})
	}
}

// TestPoolWaitsForItsOwnConsumer: a query whose results fill the pool is not
// turned away for its client's long pause.
func TestPoolWaitsForItsOwnConsumer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipe[int, weight]{heldBytes: 1 << 20, pool: NewPool(10, 2), work: func(context.Context, int) (weight, error) { return 7, nil }}
		got := 0
		for _, err := range p.run(t.Context(), counting(20)) {
			if err != nil {
				t.Fatal(err)
			}
			got++
			time.Sleep(time.Hour)
		}
		if got != 20 {
			t.Errorf("%d results; want 20", got)
		}
	})
}

func drain[R any](results iter.Seq2[R, error]) (n int, err error) {
	for _, err := range results {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// TestSorterWithoutAWindowSortsOnce: an ORDER BY without LIMIT keeps its
// pieces as they come, and does not sort all of them again for each.
func TestSorterWithoutAWindowSortsOnce(t *testing.T) {
	s := &sorter{window: math.MaxInt64, budget: &budget{limit: 1 << 30, pool: NewPool(math.MaxInt64, 1)}}
	for range 5 {
		if err := s.add(&piece{n: 10 * defaultBatchRows, bytes: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.pieces) != 5 {
		t.Errorf("%d pieces are held; want the 5 that came", len(s.pieces))
	}
}

// TestPanicFailsTheQueryAlone: what a query meets, in a task or on the way to
// one, is that query's error.
func TestPanicFailsTheQueryAlone(t *testing.T) {
	bad := func(func(int, error) bool) { panic("BUG: planted") }
	for name, test := range map[string]struct {
		tasks iter.Seq2[int, error]
		work  func(context.Context, int) (weight, error)
	}{
		"in a task":     {counting(3), func(context.Context, int) (weight, error) { panic("BUG: planted") }},
		"before a task": {bad, func(context.Context, int) (weight, error) { return 1, nil }},
	} {
		t.Run(name, func(t *testing.T) {
			p := &pipe[int, weight]{heldBytes: 1 << 20, pool: NewPool(math.MaxInt64, 2), work: test.work}
			if n, err := drain(p.run(t.Context(), test.tasks)); n != 0 || !wire.IsCode(err, wire.Internal) {
				t.Errorf("got %d results, %v; want INTERNAL", n, err)
			}
		})
	}
}
