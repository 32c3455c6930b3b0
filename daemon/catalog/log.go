package catalog

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/hashicorp/go-hclog"
)

// newRaftLogger returns a logger for raft that passes warnings and errors on.
func newRaftLogger(l *slog.Logger) hclog.Logger {
	h := hclog.NewInterceptLogger(&hclog.LoggerOptions{Name: "raft", Level: hclog.Error, Output: io.Discard})
	h.RegisterSink(slogSink{l})
	return h
}

type slogSink struct{ log *slog.Logger }

// often are errors that raft has with each message to a node that is down, or
// with each that is cut off: who is down is judged and told elsewhere.
var often = []string{"failed to appendEntries to", "failed to heartbeat to", "failed to accept connection", "failed to decode incoming command",
	"failed to make requestVote RPC", "failed to send snapshot to", "failed to contact", "failed to pipeline"}

// Accept takes one line of raft's log. Raft warns of every election, which a
// start always begins with: they are for debugging, its errors for the operator.
func (s slogSink) Accept(name string, level hclog.Level, msg string, args ...any) {
	if level < hclog.Warn {
		return
	}
	as := slog.LevelDebug
	if level >= hclog.Error && !slices.ContainsFunc(often, func(o string) bool { return strings.HasPrefix(msg, o) }) {
		as = slog.LevelError
	}
	s.log.Log(context.Background(), as, "raft: "+msg, args...)
}
