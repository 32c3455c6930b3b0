package repair

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/members"
	"github.com/tarnlake/tarn/daemon/plant"
)

// ScrubConfig is what a Scrub works with.
type ScrubConfig struct {
	Disk    string // of this node
	Members *members.Store
	View    func() *catalog.State // the newest that was applied here
	Logger  *slog.Logger

	// Compare holds the names on the disk against the catalog, at the beginning
	// of a pass, and returns how many members are not there. It has told the
	// catalog of them.
	Compare func(ctx context.Context, disk string) (missing int, err error)

	// Found is told of a member that is wrong, cannot be read or is not there,
	// and reports whether it will be rebuilt.
	Found func(ctx context.Context, at catalog.MemberAt, err error) bool

	// Yield, if not nil, returns when there is nothing more urgent to do.
	Yield func(ctx context.Context) error

	// Keep, if not nil, makes a state durable. It is called now and then.
	Keep func(ScrubState) error

	Every time.Duration // how long a pass takes, and how often there is one; default DefaultScrub
	Wait  time.Duration // after the start, before anything but what is asked for; default ScrubWait
}

// Defaults of ScrubConfig.
const (
	DefaultScrub = 14 * 24 * time.Hour
	ScrubWait    = 10 * time.Minute // a start has better things to do
)

// Bounds of the pace of a pass that nobody waits for, in bytes per second.
const (
	minScrubRate = 1 << 20
	maxScrubRate = 64 << 20
)

// ScrubState is how far the reading back of a disk is. It outlives the process.
type ScrubState struct {
	Pass ScrubPass `json:"pass"` // under way; none if it has no beginning
	Last ScrubPass `json:"last"` // the last one that came to its end; likewise
}

// ScrubPass is one reading of everything that belongs on a disk.
type ScrubPass struct {
	Started time.Time `json:"started,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`
	Full    bool      `json:"full,omitempty"` // at full pace: an operator waits

	Group  catalog.GroupID   `json:"group,omitempty"` // where it goes on
	Stripe catalog.SegmentID `json:"stripe,omitempty"`

	Members int64 `json:"members"` // read
	Bytes   int64 `json:"bytes"`   // read
	Bad     int64 `json:"bad"`     // members that were wrong, unreadable or not there
	Stuck   int64 `json:"stuck"`   // of them those that there is nothing to rebuild from
}

// Scrub reads back, again and again, every member that belongs on a disk, and
// has what is wrong rebuilt. It goes on where it was when the process ended.
// Run is for one goroutine; the other methods are safe for concurrent use.
type Scrub struct {
	cfg  ScrubConfig
	wake chan struct{} // of capacity 1: somebody has asked

	mu    sync.Mutex
	state ScrubState

	kept time.Time // when state was made durable; only Run uses it
	free time.Time // until then, what was read is enough; likewise
}

// NewScrub returns a Scrub that goes on from a state.
func NewScrub(cfg ScrubConfig, from ScrubState) *Scrub {
	if cfg.Every <= 0 {
		cfg.Every = DefaultScrub
	}
	if cfg.Wait <= 0 {
		cfg.Wait = ScrubWait
	}
	return &Scrub{cfg: cfg, wake: make(chan struct{}, 1), state: from}
}

// State returns how far it is.
func (s *Scrub) State() ScrubState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// Left returns how many bytes the pass under way has still to read, as far as
// the catalog knows; 0 when there is none.
func (s *Scrub) Left() int64 {
	st := s.State()
	if st.Pass.Started.IsZero() {
		return 0
	}
	return max(0, bytesOn(s.cfg.View(), s.cfg.Disk)-st.Pass.Bytes)
}

// Start begins a pass at once, at full pace. One that is under way begins anew.
func (s *Scrub) Start() {
	s.update(func(st *ScrubState) { st.Pass = ScrubPass{Started: time.Now(), Full: true} })
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run scrubs until ctx ends.
func (s *Scrub) Run(ctx context.Context) {
	begun := time.Now()
	for s.await(ctx, begun.Add(s.cfg.Wait)) == nil {
		if err := s.pass(ctx); err != nil && ctx.Err() == nil {
			s.cfg.Logger.Warn("a disk is not read back for now", "disk", s.cfg.Disk, "error", err)
			begun = time.Now() // later
		}
		s.keep(0)
	}
	s.keep(0)
}

// await waits until there is a pass to do: one that somebody asks for, or, from
// a time on, one that is due.
func (s *Scrub) await(ctx context.Context, notBefore time.Time) error {
	for {
		st := s.State()
		due := notBefore
		if st.Pass.Started.IsZero() {
			due = latest(due, st.Last.Started.Add(s.cfg.Every))
		}
		timer := time.NewTimer(time.Until(due))
		select {
		case <-timer.C:
			return ctx.Err()
		case <-s.wake:
			if s.State().Pass.Full {
				return ctx.Err()
			}
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		timer.Stop()
	}
}

// pass reads the rest of a pass.
func (s *Scrub) pass(ctx context.Context) error {
	missing, err := s.cfg.Compare(ctx, s.cfg.Disk)
	if err != nil {
		return err
	}
	s.update(func(st *ScrubState) {
		if st.Pass.Started.IsZero() {
			st.Pass.Started = time.Now()
		}
		st.Pass.Bad += int64(missing)
	})
	s.free = time.Now()
	for {
		at, slot, ok := s.next()
		if !ok {
			return nil
		}
		if err := s.check(ctx, at, slot); err != nil {
			return err
		}
		s.keep(keepEvery)
	}
}

// keepEvery is how often it is written down how far a pass is.
const keepEvery = 30 * time.Second

// finish ends the pass; the lock is held.
func (s *Scrub) finish() {
	last := s.state.Pass
	last.Ended, last.Group, last.Stripe = time.Now(), 0, 0
	s.state = ScrubState{Last: last}
	s.cfg.Logger.Info("a disk was read back", "disk", s.cfg.Disk, "members", last.Members, "bytes", last.Bytes, "bad", last.Bad, "stuck", last.Stuck,
		"took", last.Ended.Sub(last.Started).Round(time.Second))
}

// next finds the next member to read, and moves on behind it. If there is none
// that was the pass.
func (s *Scrub) next() (at catalog.Location, slot int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	view, pass := s.cfg.View(), &s.state.Pass
	for _, g := range view.Groups() {
		i := slotOn(g, s.cfg.Disk)
		if i < 0 || g.ID < pass.Group {
			continue
		}
		from := catalog.SegmentID(0)
		if g.ID == pass.Group {
			from = pass.Stripe
		}
		view.Stripes(g.ID, from, func(l catalog.Location) bool {
			at, slot, ok = l, i, slices.Contains(l.DisksOf(i), s.cfg.Disk) && holds(l, i)
			return !ok
		})
		if ok {
			pass.Group, pass.Stripe = g.ID, at.ID+1
			return at, slot, true
		}
	}
	s.finish()
	return at, slot, false
}

func holds(at catalog.Location, slot int) bool {
	_, used := at.Member(at.Group.Scheme, slot)
	return used
}

// slotOn returns which slot of a group is on a disk, or was until its members
// have moved; -1: none.
func slotOn(g catalog.Group, disk string) int {
	return slices.IndexFunc(g.Slots, func(s catalog.Slot) bool { return s.Disk == disk || s.From == disk })
}

// bytesOn returns how much belongs on a disk.
func bytesOn(view *catalog.State, disk string) (bytes int64) {
	for _, g := range view.Groups() {
		if slotOn(g, disk) >= 0 {
			_, in, _ := view.GroupLoad(g.ID)
			bytes += in
		}
	}
	return bytes
}

// check reads a member. Its error is not the member's: the disk is not there,
// or the time has come to stop.
func (s *Scrub) check(ctx context.Context, at catalog.Location, slot int) error {
	i := item{at, slot}
	err := s.read(ctx, i)
	for members.NoFilesLeft(err) { // which says nothing of the disk
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
		err = s.read(ctx, i)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil && !s.belongs(i) {
		err = nil // it was let go or has moved while it was read
	}
	if err != nil {
		return s.found(ctx, i, err)
	}
	s.update(func(st *ScrubState) { st.Pass.Members, st.Pass.Bytes = st.Pass.Members+1, st.Pass.Bytes+i.want().Bytes })
	return nil
}

func (s *Scrub) read(ctx context.Context, i item) error {
	if plant.On(plant.ScrubDataOnly) && i.slot >= i.at.Group.Scheme.Data {
		return nil
	}
	got, err := s.cfg.Members.HashHere(ctx, s.cfg.Disk, i.file(), s.pace)
	if err != nil {
		return err
	}
	return i.judge(got)
}

// found counts a bad member and reports it, if the disk is there at all.
func (s *Scrub) found(ctx context.Context, i item, err error) error {
	if m, here := s.cfg.Members.Medium(s.cfg.Disk); here {
		if gone := m.Check(); gone != nil {
			return fmt.Errorf("the disk is not there: %w", errors.Join(gone, err))
		}
	}
	at := catalog.MemberAt{Stripe: i.at.ID, Slot: i.slot, Disk: s.cfg.Disk}
	s.cfg.Logger.Error("a member was read back and is not whole", "stripe", at.Stripe, "slot", at.Slot, "disk", at.Disk, "file", i.file(), "error", err)
	rebuilt := s.cfg.Found(ctx, at, err)
	s.update(func(st *ScrubState) {
		st.Pass.Bad++
		if !rebuilt {
			st.Pass.Stuck++
		}
	})
	return nil
}

// belongs reports whether a member is still to be where it was read.
func (s *Scrub) belongs(i item) bool {
	now, ok := s.cfg.View().Locate(i.at.ID)
	return ok && now.Group.ID == i.at.Group.ID && i.slot < len(now.Group.Slots) && slices.Contains(now.DisksOf(i.slot), s.cfg.Disk)
}

// pace returns when the next bytes may be read: nothing more urgent is to be
// done, and the pass is not too fast.
func (s *Scrub) pace(ctx context.Context, bytes int64) error {
	if s.cfg.Yield != nil {
		if err := s.cfg.Yield(ctx); err != nil {
			return err
		}
	}
	pass := s.State().Pass
	if pass.Full {
		return nil
	}
	left := time.Until(pass.Started.Add(s.cfg.Every * 9 / 10))
	took := time.Duration(float64(bytes) / scrubRate(s.Left(), left) * float64(time.Second))
	s.free = latest(s.free, time.Now().Add(-time.Second)).Add(took) // what was not read in time is not made up for
	if ahead := time.Until(s.free); ahead > minPause {
		return s.rest(ctx, ahead)
	}
	return nil
}

// minPause keeps from many short pauses.
const minPause = 20 * time.Millisecond

// scrubRate returns how many bytes a second bring a pass to its end in time.
func scrubRate(bytes int64, left time.Duration) float64 {
	if left <= 0 {
		return maxScrubRate
	}
	return min(max(float64(bytes)/left.Seconds(), minScrubRate), maxScrubRate)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// rest is a pause that ends when somebody asks for a pass.
func (s *Scrub) rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.wake: // the pass under way is at full pace now
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *Scrub) update(change func(*ScrubState)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.state)
}

// keep makes the state durable if it was not for so long.
func (s *Scrub) keep(every time.Duration) {
	if s.cfg.Keep == nil || time.Since(s.kept) < every {
		return
	}
	s.kept = time.Now()
	if err := s.cfg.Keep(s.State()); err != nil {
		s.cfg.Logger.Warn("keeping how far a disk is read back", "disk", s.cfg.Disk, "error", err)
	}
}
