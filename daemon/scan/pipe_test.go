package scan

import (
	"context"
	"errors"
	"iter"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// The pipe's tests run in bubbles: a goroutine that is left behind fails the
// test, and time passes only when all goroutines wait.

type weight int

func (w weight) size() int64 { return int64(w) }

func counting(n int) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := range n {
			if !yield(i, nil) {
				return
			}
		}
	}
}

// slowFirst finishes early tasks after late ones.
func slowFirst(ctx context.Context, task int) (weight, error) {
	select {
	case <-time.After(time.Duration(100-task) * time.Second):
		return weight(task), nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func TestPipeKeepsOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipe[int, weight]{heldBytes: 1 << 20, pool: NewPool(math.MaxInt64, 4), work: slowFirst}
		var got []int
		for r, err := range p.run(t.Context(), counting(50)) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, int(r))
		}
		if len(got) != 50 || !slices.IsSorted(got) {
			t.Errorf("got %v; want 0 to 49 in order", got)
		}
	})
}

// TestPipeHoldsLittle: with a slow consumer, no task begins while results
// hold more than the limit.
func TestPipeHoldsLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := 0
		p := &pipe[int, weight]{heldBytes: 99, pool: NewPool(math.MaxInt64, 1)}
		p.work = func(context.Context, int) (weight, error) { begun++; return 100, nil }
		taken := 0
		for _, err := range p.run(t.Context(), counting(20)) {
			if err != nil {
				t.Fatal(err)
			}
			taken++
			synctest.Wait()
			if begun > taken+2 { // one held here, one that was let in before it finished
				t.Fatalf("%d tasks begun when %d results were taken", begun, taken)
			}
		}
		if taken != 20 {
			t.Errorf("got %d results; want 20", taken)
		}
	})
}

// TestPipeOfFew: one task, which is worked on without goroutines, ends as many
// do, and none is no result.
func TestPipeOfFew(t *testing.T) {
	broken := errors.New("broken")
	tests := map[string]struct {
		tasks iter.Seq2[int, error]
		work  func(context.Context, int) (weight, error)
		end   time.Duration // of the context
		want  int
		says  string
	}{
		"none":           {tasks: counting(0), work: slowFirst, end: time.Hour},
		"one":            {tasks: counting(1), work: slowFirst, end: time.Hour, want: 1},
		"two":            {tasks: counting(2), work: slowFirst, end: time.Hour, want: 2},
		"none, too late": {tasks: counting(0), work: slowFirst, says: "deadline"},
		"one, too late":  {tasks: counting(1), work: slowFirst, end: time.Second, says: "deadline"},
		"work fails":     {tasks: counting(1), work: func(context.Context, int) (weight, error) { return 0, broken }, end: time.Hour, says: "broken"},
		"work panics":    {tasks: counting(1), work: func(context.Context, int) (weight, error) { panic("odd") }, end: time.Hour, says: "bug of its own: odd"},
		"tasks fail":     {tasks: func(yield func(int, error) bool) { yield(0, broken) }, work: slowFirst, end: time.Hour, says: "broken"},
		"tasks panic":    {tasks: func(func(int, error) bool) { panic("odd") }, work: slowFirst, end: time.Hour, says: "bug of its own: odd"},
		"second fails":   {tasks: func(yield func(int, error) bool) { _ = yield(0, nil) && yield(0, broken) }, work: slowFirst, end: time.Hour, want: 1, says: "broken"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), test.end)
				defer cancel()
				pool := NewPool(math.MaxInt64, 1)
				p, n, says := &pipe[int, weight]{heldBytes: 1 << 20, pool: pool, work: test.work}, 0, ""
				for _, err := range p.run(ctx, test.tasks) {
					if err != nil {
						says = err.Error()
						break
					}
					n++
				}
				if n != test.want || !strings.Contains(says, test.says) || (says == "") != (test.says == "") {
					t.Errorf("got %d results, %q; want %d, %q", n, says, test.want, test.says)
				}
				if pool.held() != 0 || len(pool.workers) != 0 {
					t.Errorf("%d bytes and %d workers are not given back", pool.held(), len(pool.workers))
				}
			})
		})
	}
}

func TestPipeStops(t *testing.T) {
	broken := errors.New("broken")
	tests := map[string]struct {
		run  func(t *testing.T, p *pipe[int, weight]) (int, error)
		want int
		err  error
	}{
		"consumer leaves": {func(t *testing.T, p *pipe[int, weight]) (n int, err error) {
			for range p.run(t.Context(), counting(50)) {
				if n++; n == 3 {
					break
				}
			}
			return n, nil
		}, 3, nil},
		"context ends": {func(t *testing.T, p *pipe[int, weight]) (n int, err error) {
			ctx, cancel := context.WithTimeout(t.Context(), 150*time.Second) // after the first four, at 100
			defer cancel()
			for _, err := range p.run(ctx, counting(50)) {
				if err != nil {
					return n, err
				}
				n++
			}
			return n, nil
		}, 4, context.DeadlineExceeded},
		"work fails": {func(t *testing.T, p *pipe[int, weight]) (n int, err error) {
			p.work = func(ctx context.Context, task int) (weight, error) {
				if task == 5 {
					return 0, broken
				}
				return slowFirst(ctx, task)
			}
			for _, err := range p.run(t.Context(), counting(50)) {
				if err != nil {
					return n, err
				}
				n++
			}
			return n, nil
		}, 5, broken},
		"tasks fail": {func(t *testing.T, p *pipe[int, weight]) (n int, err error) {
			tasks := func(yield func(int, error) bool) {
				for i := range counting(4) {
					yield(i, nil)
				}
				yield(0, broken)
			}
			for _, err := range p.run(t.Context(), tasks) {
				if err != nil {
					return n, err
				}
				n++
			}
			return n, nil
		}, 4, broken},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, err := test.run(t, &pipe[int, weight]{heldBytes: 1 << 20, pool: NewPool(math.MaxInt64, 4), work: slowFirst})
				if n != test.want || !errors.Is(err, test.err) {
					t.Errorf("got %d results, %v; want %d, %v", n, err, test.want, test.err)
				}
			})
		})
	}
}

// TestPipeBeginsInOrder: whoever works on them, tasks begin in their order, and
// no more than two a worker before their results are taken.
func TestPipeBeginsInOrder(t *testing.T) {
	for _, workers := range []int{1, 2, 5} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			var begun []int
			p := &pipe[int, weight]{heldBytes: 1 << 20, pool: NewPool(math.MaxInt64, workers)}
			p.work = func(_ context.Context, task int) (weight, error) {
				mu.Lock()
				begun = append(begun, task)
				mu.Unlock()
				time.Sleep(time.Duration(task%7) * time.Second)
				return weight(task), nil
			}
			got := 0
			for r, err := range p.run(t.Context(), counting(40)) {
				if err != nil || int(r) != got {
					t.Fatalf("got result %d, %v; want %d", r, err, got)
				}
				got++
				mu.Lock()
				ahead := len(begun) - got
				mu.Unlock()
				if ahead > 2*workers {
					t.Errorf("%d tasks are ahead with %d workers", ahead, workers)
				}
				time.Sleep(time.Duration(got%3) * time.Second)
			}
			if got != 40 {
				t.Errorf("got %d results; want 40", got)
			}
			if workers == 1 && !slices.IsSorted(begun) {
				t.Errorf("tasks began in the order %v", begun)
			}
		})
	}
}
