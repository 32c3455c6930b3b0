package daemon

import (
	"log/slog"
	"time"
)

// outage is something that fails again and again while something else is
// away: that is one thing to know, and so is that it is over.
type outage struct {
	what  string
	since time.Time // zero: it works
}

// note logs how a try went, if that is news.
func (o *outage) note(log *slog.Logger, now time.Time, err error) {
	switch {
	case err == nil && !o.since.IsZero():
		log.Info(o.what+" goes on", "after", now.Sub(o.since).Round(time.Second))
		o.since = time.Time{}
	case err != nil && o.since.IsZero():
		log.Warn(o.what+" has to wait", "error", err)
		o.since = now
	case err != nil:
		log.Debug(o.what+" still has to wait", "error", err)
	}
}
