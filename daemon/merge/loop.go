package merge

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/tiering"
	"github.com/zeebo/xxh3"
)

const (
	// lanes is how many merges are under way at a time: one of small segments,
	// one of large ones, each on one core.
	lanes = 2
	// lookEvery is how often the catalog is looked at for small segments;
	// large ones are not that pressing.
	lookEvery      = 250 * time.Millisecond
	lookEveryLarge = 2 * time.Second
	// lookAnyway is after how many looks a state is looked at again that has
	// not changed: what failed may do now.
	lookAnyway = 20
	// restFor is how long a merge waits where memory is short, or a disk is
	// full; for memory it waits restMost times, and is slow then but not stuck.
	restFor  = time.Second
	restMost = 10
	// asideFor is how long a segment that could not be read is left out.
	asideFor = 10 * time.Minute
)

// Merger merges the tables of a node in the background. It is safe for
// concurrent use.
type Merger struct {
	Config
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	aside   map[catalog.SegmentID]time.Time // segments left out, until when
	backlog map[catalog.TableID]int
	totals  Totals
}

// Totals is what a Merger has done since it began.
type Totals struct {
	Merges, Failed int64
	Read, Written  int64 // bytes of segments
	Stripes        int64 // sealed
}

// New returns a Merger that does nothing until Start.
func New(cfg Config) *Merger {
	m := &Merger{Config: cfg.withDefaults(), aside: map[catalog.SegmentID]time.Time{}, backlog: map[catalog.TableID]int{}}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	return m
}

// Start merges until Close.
func (m *Merger) Start() {
	m.wg.Go(m.watch)
	m.wg.Go(func() { m.lane(lookEvery, 0, large) })
	m.wg.Go(func() { m.lane(lookEveryLarge, large, Final+1) })
}

// Close gives up the merges under way and returns when they have ended.
func (m *Merger) Close() {
	m.cancel()
	m.wg.Wait()
}

// Backlog returns how many fresh segments of a table wait to be merged, as of
// the last look.
func (m *Merger) Backlog(t catalog.TableID) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.backlog[t]
}

// Totals returns what has been done.
func (m *Merger) Totals() Totals {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.totals
}

// watch keeps the backlog of tables known while merges go on.
func (m *Merger) watch() {
	m.eachView(lookEvery, func(view *catalog.State) {
		p, backlog := m.policy(view, false), map[catalog.TableID]int{}
		for _, t := range view.Tables() {
			backlog[t.ID] = p.Backlog(t)
		}
		m.mu.Lock()
		m.backlog = backlog
		m.mu.Unlock()
	})
}

// lane does the merges of some tiers, one at a time.
func (m *Merger) lane(every time.Duration, from, to int) {
	m.eachView(every, func(*catalog.State) {
		for busy := true; busy && m.ctx.Err() == nil; {
			busy = false
			for _, t := range m.View().Tables() {
				if job := m.policy(m.View(), true).Next(t, from, to); job != nil && m.try(job) {
					busy = true
				}
			}
		}
	})
}

// eachView calls f with new states of the catalog, at most one each time,
// until the end.
func (m *Merger) eachView(every time.Duration, f func(*catalog.State)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	seen := uint64(0)
	for look := 0; ; look++ {
		select {
		case <-m.ctx.Done():
			return
		case <-tick.C:
		}
		if view := m.View(); view.Index() != seen || look%lookAnyway == 0 {
			seen = view.Index()
			f(view)
		}
	}
}

// policy is that of this node for a state: of all partitions, or of its own.
func (m *Merger) policy(view *catalog.State, own bool) Policy {
	p := Policy{Target: m.Target, Width: m.stripeScheme(view).Data}
	p.Striped = func(id catalog.SegmentID) bool {
		at, ok := view.Locate(id)
		return ok && !at.Group.Scheme.Copies()
	}
	aside, up := m.setAside(), upNodes(view)
	p.Skip = func(t catalog.TableID, partition string, s *catalog.Segment) bool {
		if _, out := aside[s.ID]; out {
			return true
		}
		if p.tier(s) == Final { // stripes are formed of several partitions
			partition = ""
		}
		return own && chosen(up, t, partition) != m.Node
	}
	return p
}

func upNodes(view *catalog.State) []string {
	var up []string
	for _, n := range view.Nodes() {
		if n.State == catalog.NodeUp {
			up = append(up, n.ID)
		}
	}
	return up
}

// chosen returns the node that merges a partition: that with the highest hash,
// so that a node that comes or goes changes only what it wins or had won. Two
// nodes that do not agree on who is up may do the same merge; the commit of
// the second is rejected.
func chosen(up []string, t catalog.TableID, partition string) string {
	best, most := "", uint64(0)
	if len(up) == 1 {
		return up[0]
	}
	seed := xxh3.HashStringSeed(partition, uint64(t))
	for _, node := range up {
		if h := xxh3.HashStringSeed(node, seed); best == "" || h > most {
			best, most = node, h
		}
	}
	return best
}

// setAside returns the segments that are left out for now.
func (m *Merger) setAside() map[catalog.SegmentID]bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	now, out := time.Now(), map[catalog.SegmentID]bool{}
	for id, until := range m.aside {
		if now.After(until) {
			delete(m.aside, id)
			continue
		}
		out[id] = true
	}
	return out
}

// try does a job and reports whether there may be more to do at once. What
// fails is left out for a while: it is never a reason not to go on with others.
func (m *Merger) try(job *Job) bool {
	if err := m.rest(m.ctx); err != nil {
		return false
	}
	began := time.Now()
	done, err := m.Run(m.ctx, job)
	if m.ctx.Err() != nil {
		return false
	}
	m.count(done, err)
	if err == nil {
		m.Logger.Debug("merged", "table", job.Table.Name, "segments", done.Inputs, "to", done.Outputs, "bytes", done.Written, "stripes", done.Stripes, "took", time.Since(began))
		return true
	}
	m.Logger.Warn("a merge failed", "table", job.Table.Name, "tier", job.Tier, "error", err)
	var input *InputError
	switch {
	case errors.As(err, &input):
		m.leaveOut(input.Segment)
		return true
	case isOfDisk(err):
		m.sleep(m.ctx, restFor)
		return false
	}
	for _, p := range job.Parts {
		for _, s := range p.Inputs {
			m.leaveOut(s.ID)
		}
	}
	return true
}

// isOfDisk reports whether it is the disks' fault, not that of the segments.
func isOfDisk(err error) bool {
	return errors.Is(err, tiering.ErrDiskFull) || errors.Is(err, tiering.ErrSuspect) || wire.IsCode(err, wire.Unavailable)
}

func (m *Merger) leaveOut(id catalog.SegmentID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.aside[id] = time.Now().Add(asideFor)
}

func (m *Merger) count(done Done, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		m.totals.Failed++
	}
	if done.Version > 0 {
		m.totals.Merges++
		m.totals.Read += done.Read
		m.totals.Written += done.Written
		m.totals.Stripes += int64(done.Stripes)
	}
}

// rest waits while the node is short of memory.
func (m *Merger) rest(ctx context.Context) error {
	for n := 0; n < restMost && ctx.Err() == nil && !m.Room(); n++ {
		m.sleep(ctx, restFor)
	}
	return ctx.Err()
}

func (*Merger) sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
