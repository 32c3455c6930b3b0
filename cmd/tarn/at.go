package main

import (
	"strconv"
	"time"

	"github.com/tarnlake/tarn/client/sql"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/expr"
)

// parseAt reads --at: a version, a point in time, or how long ago. An empty
// text is the newest snapshot.
func parseAt(text string, now time.Time) (expr.At, error) {
	if text == "" {
		return expr.At{}, nil
	}
	if version, err := strconv.ParseInt(text, 10, 64); err == nil {
		if version < 1 {
			return expr.At{}, wire.Errorf(wire.InvalidArgument, "--at %s: versions count from 1", text)
		}
		return expr.At{Version: version}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil {
		if ago < 0 {
			return expr.At{}, wire.Errorf(wire.InvalidArgument, "--at %s is in the future", text).WithHint("--at %s means that long ago", -ago)
		}
		return expr.At{Time: now.Add(-ago).UTC()}, nil
	}
	t, err := sql.ParseTime(text)
	if err != nil {
		return expr.At{}, wire.Errorf(wire.InvalidArgument, "--at %q is no version, time or duration", text).
			WithHint("--at 42, --at 2006-01-02, --at '2006-01-02 15:04:05' (UTC unless a zone is given) or --at 2h (ago)")
	}
	return expr.At{Time: t}, nil
}
