package repair

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestLimiter: over any time no more goes through than the rate allows, what
// was not used before counts for a second, and an end of the wait is told.
func TestLimiter(t *testing.T) {
	now := time.Unix(1000, 0)
	slept := time.Duration(0)
	l := NewLimiter(100, func() time.Time { return now }, func(ctx context.Context, d time.Duration) error {
		slept += d
		now = now.Add(d)
		return ctx.Err()
	})
	for range 100 {
		if err := l.Wait(t.Context(), 50); err != nil {
			t.Fatal(err)
		}
	}
	if want := 49 * time.Second; slept != want {
		t.Errorf("5,000 bytes at 100 a second have waited %v; want %v", slept, want)
	}
	now, slept = now.Add(time.Hour), 0
	for range 4 {
		_ = l.Wait(t.Context(), 50)
	}
	if want := time.Second; slept != want {
		t.Errorf("200 bytes after an idle hour have waited %v; want %v", slept, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Wait(ctx, 50); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v from an ended wait; want that it was canceled", err)
	}
}
