package daemon

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tarnlake/tarn/client/wire"
)

func TestWatchedEndsAStalledSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan struct{}) // the call is over: what blocks comes free
		left := make(chan error, 1)
		err := watched(t.Context(), time.Minute, func(ctx context.Context, s *sender) error {
			for range 100 { // long work and quick sends are nobody's stall
				time.Sleep(time.Hour)
				if err := s.send(func() error { time.Sleep(time.Second); return nil }); err != nil {
					return err
				}
			}
			err := s.send(func() error { <-ended; return errors.New("stream is closed") })
			left <- err
			return err
		})
		if !wire.IsCode(err, wire.DeadlineExceeded) {
			t.Errorf("got %v; want DEADLINE_EXCEEDED", err)
		}
		close(ended)
		if err := <-left; err == nil {
			t.Error("the send ended without an error")
		}
	})
}

func TestWatchedGivesTheErrorOfTheRun(t *testing.T) {
	broken := errors.New("broken")
	if err := watched(t.Context(), time.Minute, func(context.Context, *sender) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v; want %v", err, broken)
	}
	if err := watched(t.Context(), time.Minute, func(context.Context, *sender) error { panic("BUG: planted") }); !wire.IsCode(err, wire.Internal) {
		t.Errorf("after a panic: %v; want INTERNAL", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := watched(ctx, time.Minute, func(ctx context.Context, s *sender) error {
		cancel() // the client leaves
		<-ctx.Done()
		return ctx.Err()
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v; want %v", err, context.Canceled)
	}
}
