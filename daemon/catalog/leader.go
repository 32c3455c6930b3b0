package catalog

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	"github.com/tarnlake/tarn/client/wire"
)

// leadership tells of changes of who leads, or of what is known about it.
type leadership struct {
	mu     sync.Mutex
	now    context.Context // ends with the next change
	change context.CancelFunc
}

func newLeadership() *leadership {
	l := &leadership{}
	l.now, l.change = context.WithCancel(context.Background())
	return l
}

// current returns a context that ends with the next change.
func (l *leadership) current() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}

func (l *leadership) changed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.change()
	l.now, l.change = context.WithCancel(context.Background())
}

// observer makes raft tell of changes. The filter is called where they happen,
// so none is missed.
func (l *leadership) observer() *raft.Observer {
	return raft.NewObserver(nil, false, func(o *raft.Observation) bool {
		switch o.Data.(type) {
		case raft.LeaderObservation, raft.RaftState:
			l.changed()
		}
		return false
	})
}

// Leader returns the node that leads as far as this one knows, or "".
func (c *Catalog) Leader() string {
	_, id := c.raft.LeaderWithID()
	return string(id)
}

// Leads reports whether this node leads, as far as it knows: others may have
// chosen another one a moment ago. It is for work that may be done twice.
func (c *Catalog) Leads() bool { return c.raft.State() == raft.Leader && c.ended() == nil }

// LeaderChanged returns a channel that is closed at the next change of Leader
// or Leads. To miss none, take the channel before asking.
func (c *Catalog) LeaderChanged() <-chan struct{} { return c.lead.current().Done() }

func (c *Catalog) notLeader() error { return &NotLeader{c.cfg.Node, c.Leader()} }

// How long askLeader waits before it asks again.
const (
	minPause = 10 * time.Millisecond
	maxPause = 500 * time.Millisecond
)

// askLeader calls ask with the node that leads until that succeeds or is
// refused: again whenever there is another leader, and after a pause where it
// failed. The context of a call ends when who leads has changed. When ctx ends
// it returns the last failure, and so it does when nobody leads for as long as
// leaderless.
func (c *Catalog) askLeader(ctx context.Context, leaderless time.Duration, ask func(ctx context.Context, leader string) error) error {
	last, hint := c.noLeader(), ""
	for pause := minPause; ; pause = min(2*pause, maxPause) {
		now := c.lead.current()
		leader := cmp.Or(hint, c.Leader())
		if leader != "" {
			err := during(ctx, now, func(ctx context.Context) error { return ask(ctx, leader) })
			if err == nil || refused(err) {
				return err
			}
			last, hint = err, leaderIn(err)
		}
		if leader == "" {
			pause = leaderless
		}
		if !waitFor(ctx, now, pause) || leader == "" && now.Err() == nil {
			return last
		}
	}
}

func (c *Catalog) noLeader() error {
	return wire.Errorf(wire.Unavailable, "no node leads the catalog as far as node %s can see: fewer than half of its voters are in touch", c.cfg.Node)
}

var errOtherLeader = errors.New("there is another leader, or none, since")

// during calls f with a context that ends with either of two.
func during(ctx, other context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(other, func() { cancel(errOtherLeader) })
	defer stop()
	return f(ctx)
}

// waitFor waits for a change, or for a pause. It reports whether ctx has not
// ended.
func waitFor(ctx, change context.Context, pause time.Duration) bool {
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-change.Done():
	case <-t.C:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}
