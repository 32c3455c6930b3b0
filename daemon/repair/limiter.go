package repair

import (
	"context"
	"sync"
	"time"
)

// Limiter lets so many bytes a second through. It is safe for concurrent use.
type Limiter struct {
	rate  float64
	now   func() time.Time
	sleep func(ctx context.Context, d time.Duration) error

	mu   sync.Mutex
	free time.Time // until then, what went through is enough
}

// NewLimiter returns a limiter of a rate above 0 that goes by a clock. sleep
// returns when so much time has passed, or why its context has ended.
func NewLimiter(bytesPerSecond int64, now func() time.Time, sleep func(context.Context, time.Duration) error) *Limiter {
	return &Limiter{rate: float64(bytesPerSecond), now: now, sleep: sleep}
}

// limiterSlack is how long a limiter that was idle lets bytes through at once.
const limiterSlack = time.Second

// Wait returns when bytes may go through, or why ctx has ended before.
func (l *Limiter) Wait(ctx context.Context, bytes int64) error {
	if ahead := l.take(bytes); ahead > 0 {
		return l.sleep(ctx, ahead)
	}
	return ctx.Err()
}

// take books bytes and returns how long they have to wait.
func (l *Limiter) take(bytes int64) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.free = latest(l.free, now.Add(-limiterSlack)).Add(time.Duration(float64(bytes) / l.rate * float64(time.Second)))
	return l.free.Sub(now)
}

// Sleep is a sleep for NewLimiter by the machine's clock.
func Sleep(ctx context.Context, d time.Duration) error { return pause(ctx, d) }
