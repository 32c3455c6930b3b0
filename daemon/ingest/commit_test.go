package ingest

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
)

// TestRefusedAfterUnknown: once a commit may have gone through, a later try
// that is refused says nothing of the earlier one, whose files must stay.
func TestRefusedAfterUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Config{Logger: slog.New(slog.DiscardHandler)})
		defer g.Close()
		answers := []error{wire.Errorf(wire.Unavailable, "unknown"), wire.Errorf(wire.DiskFull, "no room for the entry"), nil}
		tries := 0
		r, err := g.settle(t.Context(), catalog.CommitSegments{Txn: "1"}, func(context.Context, catalog.Command) (catalog.Result, error) {
			tries++
			return catalog.Result{Version: 7}, answers[tries-1]
		})
		if err != nil || r.Version != 7 || tries != 3 {
			t.Errorf("got version %d, %v after %d tries; want 7 after 3", r.Version, err, tries)
		}
	})
}

// TestCommitEndsWithContext: a commit without an answer is given up when its
// caller is, though the node goes on.
func TestCommitEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Config{Logger: slog.New(slog.DiscardHandler)})
		defer g.Close()
		ctx, cancel := context.WithCancel(t.Context())
		go func() { synctest.Wait(); cancel() }()
		_, err := g.settle(ctx, catalog.CommitSegments{Txn: "1"}, func(ctx context.Context, _ catalog.Command) (catalog.Result, error) {
			<-ctx.Done()
			return catalog.Result{}, wire.Errorf(wire.Unavailable, "unknown")
		})
		if !wire.IsCode(err, wire.Unavailable) {
			t.Errorf("got %v; want %s", err, wire.Unavailable)
		}
	})
}
