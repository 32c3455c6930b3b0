package scan

import (
	"context"
	"errors"
	"iter"
	"math"
	"slices"
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
			ctx, cancel := context.WithTimeout(t.Context(), 250*time.Second)
			defer cancel()
			for _, err := range p.run(ctx, counting(50)) {
				if err != nil {
					return n, err
				}
				n++
			}
			return n, nil
		}, 8, context.DeadlineExceeded},
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
