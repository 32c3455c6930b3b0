package sql

import (
	"time"

	"github.com/tarnlake/tarn/client/wire"
)

// timeLayouts are the ways to write a point in time, without a zone in UTC.
var timeLayouts = []string{
	time.RFC3339Nano, "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02",
}

// ParseTime reads a point in time: 2006-01-02, 2006-01-02 15:04:05 (a
// fraction and a zone such as Z or +02:00 may follow) or RFC 3339. Without a
// zone it is UTC; a day alone is its first instant.
func ParseTime(text string) (time.Time, error) {
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, wire.Errorf(wire.InvalidArgument, "%q is not a point in time", text).
		WithHint("write 2006-01-02, 2006-01-02 15:04:05 or 2006-01-02T15:04:05Z (UTC unless a zone is given)")
}
