package catalog

import (
	"context"
	"io"
	"log/slog"

	"github.com/hashicorp/go-hclog"
)

// newRaftLogger returns a logger for raft that passes warnings and errors on.
func newRaftLogger(l *slog.Logger) hclog.Logger {
	h := hclog.NewInterceptLogger(&hclog.LoggerOptions{Name: "raft", Level: hclog.Error, Output: io.Discard})
	h.RegisterSink(slogSink{l})
	return h
}

type slogSink struct{ log *slog.Logger }

// Accept takes one line of raft's log. Raft warns of every election, which a
// start always begins with: they are for debugging, its errors for the operator.
func (s slogSink) Accept(name string, level hclog.Level, msg string, args ...any) {
	if level < hclog.Warn {
		return
	}
	as := slog.LevelDebug
	if level >= hclog.Error {
		as = slog.LevelError
	}
	s.log.Log(context.Background(), as, "raft: "+msg, args...)
}
