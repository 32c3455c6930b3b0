package gossip

import (
	"bytes"
	"context"
	"log"
	"log/slog"
	"strings"
)

// newLogger returns a logger for memberlist, whose lines begin with their level.
func newLogger(to *slog.Logger) *log.Logger { return log.New(logLines{to}, "", 0) }

type logLines struct{ to *slog.Logger }

var levels = map[string]slog.Level{
	"DEBUG": slog.LevelDebug, "INFO": slog.LevelInfo, "WARN": slog.LevelWarn, "ERR": slog.LevelError, "ERROR": slog.LevelError,
}

// notEncrypted is what memberlist says of every public address: it does not
// see that its transport is sealed.
const notEncrypted = "Binding to public address without encryption"

// Write takes one line.
func (l logLines) Write(line []byte) (int, error) {
	text := string(bytes.TrimSpace(line))
	level := slog.LevelInfo
	if tag, rest, ok := strings.Cut(strings.TrimPrefix(text, "["), "] "); ok && tag != text {
		level, text = levels[tag], rest
	}
	if !strings.Contains(text, notEncrypted) {
		l.to.Log(context.Background(), level, strings.TrimPrefix(text, "memberlist: "), "from", "gossip")
	}
	return len(line), nil
}
