// Package clock says how far the wall clock of a node can be believed.
//
// Order, life and death never depend on wall clocks. What is left to them is
// what people have said in days: how long versions, tokens and certificates are
// kept. A clock that jumps must not make an end of those: a Guard notices, by
// the time that has really passed and by what other nodes say, and keeps to the
// old time meanwhile.
package clock

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	// Bound is by how much a clock may differ from the others, or jump, without
	// anybody minding.
	Bound = 500 * time.Millisecond
	// Doubt is how long a jump is not believed that nobody confirms.
	Doubt = time.Hour
	// fresh is how long what others have said counts.
	fresh = 10 * time.Second
)

// Config is what a Guard reads. Both are called with the Guard locked.
type Config struct {
	Wall    func() time.Time     // the clock that may jump
	Elapsed func() time.Duration // time that has really passed since some moment
}

// System is the machine's clocks.
func System() Config {
	began := time.Now()
	return Config{Wall: time.Now, Elapsed: func() time.Duration { return time.Since(began) }}
}

// Guard watches the clock of one node. It is safe for concurrent use.
type Guard struct {
	cfg Config

	mu     sync.Mutex
	base   time.Time     // believed when
	baseAt time.Duration // so much had passed
	jump   time.Duration // by which the clock is off base; 0: it is not
	jumpAt time.Duration

	ahead    time.Duration // of the others, as one of them has measured
	measured time.Duration // when; 0: never
	last     time.Time     // that Now has returned
}

// New returns a guard that believes the clock as it is.
func New(cfg Config) *Guard {
	return &Guard{cfg: cfg, base: cfg.Wall().Round(0), baseAt: cfg.Elapsed()}
}

// look compares the clock with the time that has passed. A slow drift, as of a
// clock that is being set right, moves the base; a jump does only when it has
// stayed for long.
func (g *Guard) look() (wall time.Time, at time.Duration) {
	wall, at = g.cfg.Wall().Round(0), g.cfg.Elapsed()
	off := wall.Sub(g.base.Add(at - g.baseAt))
	switch {
	case off.Abs() <= Bound:
		g.jump = 0
	case g.jump == 0 || (off-g.jump).Abs() > Bound: // another one
		g.jump, g.jumpAt = off, at
	case at-g.jumpAt >= Doubt:
		g.jump = 0
	}
	if g.jump == 0 {
		g.base, g.baseAt = wall, at
	}
	return wall, at
}

// Told notes by how much this clock is ahead of the others, as one of them has
// just measured.
func (g *Guard) Told(ahead time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, at := g.look()
	g.ahead, g.measured = ahead, max(at, 1)
	if g.jump != 0 && ahead.Abs() <= Bound { // the others have it, too: it was wrong before
		g.jump, g.base, g.baseAt = 0, g.cfg.Wall().Round(0), at
	}
}

// heard reports whether others have said something that still counts.
func (g *Guard) heard(at time.Duration) bool { return g.measured > 0 && at-g.measured < fresh }

// Now returns the time to write down: the clock's, unless that differs from the
// others or has jumped; then what the others have, or what it would be without
// the jump. It never goes backwards.
func (g *Guard) Now() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	now, at := g.look()
	switch {
	case g.heard(at):
		if g.ahead.Abs() > Bound {
			now = now.Add(-g.ahead)
		}
	case g.jump != 0:
		now = g.base.Add(at - g.baseAt)
	}
	if now.Before(g.last) {
		return g.last
	}
	g.last = now
	return now
}

// Wrong returns why the clock is not believed, or nil.
func (g *Guard) Wrong() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, at := g.look()
	switch {
	case g.heard(at) && g.ahead.Abs() > Bound:
		return fmt.Errorf("its clock is %s the other nodes'", aheadText(g.ahead))
	case g.jump != 0:
		return fmt.Errorf("its clock has jumped, and is %s what it was", aheadText(g.jump))
	}
	return nil
}

// Ahead returns by how much the clock is ahead of the others, as far as they
// have said, or of itself before a jump.
func (g *Guard) Ahead() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, at := g.look(); g.heard(at) {
		return g.ahead
	}
	return g.jump
}

func aheadText(d time.Duration) string {
	if d < 0 {
		return fmt.Sprintf("%v behind", (-d).Round(time.Millisecond))
	}
	return fmt.Sprintf("%v ahead of", d.Round(time.Millisecond))
}

// Offset is by how much the clock of another node is ahead of ours, give or
// take so much.
type Offset struct{ Ahead, Error time.Duration }

// Measure takes what another node's clock showed between two moments of ours.
func Measure(sent time.Time, trip time.Duration, theirs time.Time) Offset {
	return Offset{theirs.Round(0).Sub(sent.Round(0).Add(trip / 2)), trip / 2}
}

// Compare returns by how much each clock is ahead of the one in the middle, of
// ours (by the name "") and all others that answered; 0 where that may be the
// error of the measurement. Two alone cannot tell who is wrong: both differ.
func Compare(offsets map[string]Offset) map[string]time.Duration {
	all := []time.Duration{0}
	for _, o := range offsets {
		all = append(all, o.Ahead)
	}
	slices.Sort(all)
	middle := all[len(all)/2]
	if len(all)%2 == 0 {
		middle = all[len(all)/2-1] + (middle-all[len(all)/2-1])/2
	}
	out := map[string]time.Duration{"": -middle}
	for node, o := range offsets {
		d := o.Ahead - middle
		if d.Abs() <= o.Error {
			d = 0
		}
		out[node] = d
	}
	return out
}
