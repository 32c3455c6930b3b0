package daemon

import (
	"context"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/tarnlake/tarn/client/wire"
)

// sender watches the sends of one stream. A client that opens a scan and
// reads no further holds memory that other queries need, so a send that gets
// no further for the timeout ends the stream.
type sender struct {
	timeout time.Duration
	timer   *time.Timer
	stalled atomic.Bool
}

// watched calls run, and returns its error, or early when a send has stalled.
// Then the call must be ended at once: that unblocks the send, and with it
// run, whose context is canceled.
func watched(ctx context.Context, timeout time.Duration, run func(context.Context, *sender) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &sender{timeout: timeout}
	s.timer = time.AfterFunc(timeout, func() { s.stalled.Store(true); cancel() })
	s.timer.Stop()
	done := make(chan error, 1)
	go func() {
		defer func() {
			if v := recover(); v != nil {
				done <- wire.Errorf(wire.Internal, "the scan met a bug of its own: %v\n%s", v, debug.Stack())
			}
		}()
		done <- run(ctx, s)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	if !s.stalled.Load() { // the client has left: run notices
		return <-done
	}
	return wire.Errorf(wire.DeadlineExceeded, "the client took nothing for %v; the scan is ended, for it holds memory that others need", timeout).
		WithHint("read results as they come, or raise send_timeout of the node")
}

// send does one send within the timeout.
func (s *sender) send(one func() error) error {
	s.timer.Reset(s.timeout)
	defer s.timer.Stop()
	return one()
}
