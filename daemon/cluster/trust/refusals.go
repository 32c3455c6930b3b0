package trust

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/tarnlake/tarn/client/credential"
	"github.com/tarnlake/tarn/client/wire"
)

// Refusals logs what was refused. A flood of it cannot fill a disk: after
// refusalBurst lines it writes one a second, with how many it has left out.
// Safe for concurrent use.
type Refusals struct {
	log *slog.Logger
	now func() time.Time

	mu      sync.Mutex
	spent   int       // lines that the pause since has not made up for
	since   time.Time // when spent was right
	leftOut int
	total   uint64
}

const (
	refusalBurst = 10
	refusalEvery = time.Second
)

// NewRefusals returns a log of refusals on log.
func NewRefusals(log *slog.Logger, now func() time.Time) *Refusals {
	return &Refusals{log: log, now: now}
}

// Total returns how many there were, logged or not.
func (r *Refusals) Total() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.total
}

// Note logs one refusal: of what, from which address, why, and who asked if
// that is known.
func (r *Refusals) Note(what, from string, err error, who string) {
	leftOut, ok := r.take()
	if !ok {
		return
	}
	args := []any{"what", credential.Clip(what), "from", from, "reason", reason(err)}
	if who != "" {
		args = append(args, "who", credential.Clip(who))
	}
	if leftOut > 0 {
		args = append(args, "left_out", leftOut)
	}
	r.log.Warn("refused", args...)
}

// reason is an error without the hint, which is for the one who was refused.
func reason(err error) string {
	var e *wire.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}

// take counts a refusal and reports whether it may have a line, and for how
// many before it that line speaks.
func (r *Refusals) take() (leftOut int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total++
	now := r.now()
	if regained := int(now.Sub(r.since) / refusalEvery); regained > 0 || now.Before(r.since) {
		r.spent, r.since = max(0, r.spent-max(regained, 0)), now
	}
	if r.spent >= refusalBurst {
		r.leftOut++
		return 0, false
	}
	r.spent++
	leftOut, r.leftOut = r.leftOut, 0
	return leftOut, true
}
