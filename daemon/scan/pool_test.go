package scan

import (
	"context"
	"math"
	"testing"

	"github.com/tarnlake/tarn/client/wire"
)

func TestPoolIsSharedAndGivenBack(t *testing.T) {
	pool := NewPool(1000)
	a, b := &budget{limit: 5000, pool: pool}, &budget{limit: 5000, pool: pool}
	if err := a.take(900, "groups"); err != nil {
		t.Fatal(err)
	}
	if err := b.take(200, "groups"); !wire.IsCode(err, wire.LimitExceeded) {
		t.Errorf("second query over the shared limit: %v; want LIMIT_EXCEEDED", err)
	}
	b.release()
	a.release()
	if used := pool.used.Load(); used != 0 {
		t.Errorf("%d bytes are still counted after both queries; want 0", used)
	}
}

// TestPipeUnderAFullPool: a pipe comes on, one result at a time, and gives
// back what its consumer leaves behind.
func TestPipeUnderAFullPool(t *testing.T) {
	pool := NewPool(10)
	pool.take(1000) // somebody else's
	p := &pipe[int, weight]{workers: 4, heldBytes: 1 << 20, pool: pool,
		work: func(context.Context, int) (weight, error) { return 7, nil }}
	got := 0
	for _, err := range p.run(t.Context(), counting(100)) {
		if err != nil {
			t.Fatal(err)
		}
		if got++; got == 60 {
			break
		}
	}
	if used := pool.used.Load(); got != 60 || used != 1000 {
		t.Errorf("%d results, pool at %d; want 60 and the other's 1000", got, used)
	}
}

// TestSorterWithoutAWindowSortsOnce: an ORDER BY without LIMIT keeps its
// pieces as they come, and does not sort all of them again for each.
func TestSorterWithoutAWindowSortsOnce(t *testing.T) {
	s := &sorter{window: math.MaxInt64, budget: &budget{limit: 1 << 30}}
	for range 5 {
		if err := s.add(&piece{n: 10 * defaultBatchRows, bytes: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.pieces) != 5 {
		t.Errorf("%d pieces are held; want the 5 that came", len(s.pieces))
	}
}

// TestPanicFailsTheQueryAlone: what one task meets is that query's error.
func TestPanicFailsTheQueryAlone(t *testing.T) {
	p := &pipe[int, weight]{workers: 2, heldBytes: 1 << 20,
		work: func(context.Context, int) (weight, error) { panic("BUG: planted") }}
	for _, err := range p.run(t.Context(), counting(3)) {
		if !wire.IsCode(err, wire.Internal) {
			t.Errorf("got %v; want INTERNAL", err)
		}
	}
}
