// Package liveness judges which nodes are up, down or lost, from what gossip
// and the leader's own pings say. The judge is pure: time and signs come in,
// commands for the catalog go out, and only the catalog's word counts.
//
// It errs on the side of leaving things as they are. One sign of life of
// either kind is enough not to be thought down; both kinds, for a while, are
// needed to be thought up again. A storm, in which many nodes seem to die at
// once, is more likely a fault of the network or of the leader than of them:
// no more than a few are judged in a window, and never so many that no
// majority would be left.
package liveness

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/tarnlake/tarn/daemon/catalog"
)

// Config says how patient the judge is. Zeros mean the defaults.
type Config struct {
	Silence   time.Duration // without any sign before a node is down; default 10 seconds
	Steady    time.Duration // of both signs before a node is up again; default 5 seconds
	LostAfter time.Duration // without any sign before a node that is down is lost; default 15 minutes

	// At most Share percent of all nodes, or one, are judged down in Window,
	// and as many lost; defaults 20 and one minute.
	Share  int
	Window time.Duration
}

func (c Config) withDefaults() Config {
	c.Silence = cmp.Or(c.Silence, 10*time.Second)
	c.Steady = cmp.Or(c.Steady, 5*time.Second)
	c.LostAfter = cmp.Or(c.LostAfter, 15*time.Minute)
	c.Share = cmp.Or(c.Share, 20)
	c.Window = cmp.Or(c.Window, time.Minute)
	return c
}

// Round is what the leader knows at one moment. Rounds follow each other by a
// second or so: after a pause of more than half of Config.Silence, in which
// the leader may have been asleep itself, the judge begins anew.
type Round struct {
	Now   time.Duration // of a monotonic clock; one that goes back is taken to stand still
	Self  string        // the node that judges: of itself only that it is up, whatever its signs
	Nodes []Sign        // all nodes of the catalog, the lost ones, too
}

// Sign is what is known of one node.
type Sign struct {
	Node   string
	State  catalog.NodeState // in the catalog
	Epoch  catalog.Epoch     // in the catalog; 0: none is open
	Gossip bool              // gossip says that it is alive
	Ping   bool              // it has answered the leader's own last ping
}

// Verdict is what follows from a round.
type Verdict struct {
	Commands []catalog.SetNodeState // to be proposed; what comes to nothing is asked for again
	Held     []Held                 // what would follow, too, if caution did not forbid it
}

// Held is a judgement that is held back.
type Held struct {
	Node   string
	State  catalog.NodeState // it would get
	Reason string            // why not yet, for people
}

// Judge is the memory of one leadership: a leader that begins makes a new
// one, and so waits for as long as any silence has to last. Not safe for
// concurrent use.
type Judge struct {
	cfg   Config
	last  time.Duration // when the last round was; -1 before the first
	nodes map[string]*record
	downs allowance
	lost  allowance
}

// New returns a judge that knows nothing yet.
func New(cfg Config) *Judge { return &Judge{cfg: cfg.withDefaults(), last: -1} }

// record is what the judge remembers of one life of a node.
type record struct {
	epoch  catalog.Epoch
	silent span // no sign of any kind
	steady span // signs of both kinds

	asked   catalog.NodeState // by a command whose outcome is not seen yet; or empty
	askedAt time.Duration
}

// span is how long something has been so, as far as is known.
type span struct {
	is   bool
	from time.Duration
}

func (s *span) note(is bool, now time.Duration) {
	if is != s.is {
		*s = span{is: is, from: now}
	}
}

func (s span) lasts(now, atLeast time.Duration) bool { return s.is && now-s.from >= atLeast }

// Round takes one round and returns what follows from it.
func (j *Judge) Round(r Round) Verdict {
	now := j.advance(r.Now)
	nodes := withSelf(r)
	j.observe(now, nodes)
	c := j.openCase(now, nodes)
	var v Verdict
	for _, s := range c.suspects {
		c.judge(s, &v)
	}
	return v
}

// withSelf returns the signs of all nodes, with those of the leader: it leads.
// It may be down in the catalog by the word of a leader before it, and nobody
// but itself will say otherwise.
func withSelf(r Round) []Sign {
	nodes := slices.Clone(r.Nodes)
	for i := range nodes {
		if nodes[i].Node == r.Self {
			nodes[i].Gossip, nodes[i].Ping = true, true
		}
	}
	return nodes
}

func (j *Judge) advance(now time.Duration) time.Duration {
	if j.last < 0 || now-j.last > j.cfg.Silence/2 {
		j.nodes = map[string]*record{}
	}
	j.last = max(now, j.last)
	return j.last
}

// observe notes the signs. A node in another life is another node.
func (j *Judge) observe(now time.Duration, nodes []Sign) {
	before := j.nodes
	j.nodes = make(map[string]*record, len(nodes))
	for _, s := range nodes {
		rec := before[s.Node]
		if rec == nil || rec.epoch != s.Epoch {
			rec = &record{epoch: s.Epoch}
		}
		rec.silent.note(!s.Gossip && !s.Ping, now)
		rec.steady.note(s.Gossip && s.Ping, now)
		j.nodes[s.Node] = rec
	}
}

// A suspect is a node whose state may have to change.
type suspect struct {
	Sign
	*record
}

// hearing is one round's judging.
type hearing struct {
	*Judge
	now      time.Duration
	all, up  int       // nodes; what is only on its way up is not counted as up
	suspects []suspect // those silent for longest first
}

func (j *Judge) openCase(now time.Duration, nodes []Sign) *hearing {
	h := &hearing{Judge: j, now: now, all: len(nodes)}
	for _, s := range nodes {
		rec := j.nodes[s.Node]
		was := s.State
		if s.State = j.effective(now, was, rec); s.State == catalog.NodeUp && was == catalog.NodeUp {
			h.up++
		}
		h.suspects = append(h.suspects, suspect{s, rec})
	}
	slices.SortFunc(h.suspects, func(a, b suspect) int {
		return cmp.Or(cmp.Compare(a.silent.from, b.silent.from), cmp.Compare(a.Node, b.Node))
	})
	return h
}

// effective returns the state that a node has, or gets by a command that is
// under way. One that is not seen to come true in time has failed.
func (j *Judge) effective(now time.Duration, state catalog.NodeState, rec *record) catalog.NodeState {
	if state == rec.asked || state == catalog.NodeLost || now-rec.askedAt >= j.cfg.Silence {
		rec.asked = ""
	}
	return cmp.Or(rec.asked, state)
}

func (h *hearing) judge(s suspect, v *Verdict) {
	switch {
	case s.State == catalog.NodeUp && s.silent.lasts(h.now, h.cfg.Silence):
		if h.allow(s, catalog.NodeDown, h.up-1, &h.downs, v) {
			h.up--
			h.command(s, catalog.NodeDown, fmt.Sprintf("neither gossip nor the leader has heard of it for %v", h.silence(s)), v)
		}
	case s.State == catalog.NodeDown && s.steady.lasts(h.now, h.cfg.Steady):
		h.command(s, catalog.NodeUp, "", v)
	case s.State == catalog.NodeDown && s.silent.lasts(h.now, h.cfg.LostAfter):
		if h.allow(s, catalog.NodeLost, h.up, &h.lost, v) {
			h.command(s, catalog.NodeLost, fmt.Sprintf("it has been silent for %v", h.silence(s)), v)
		}
	}
}

func (h *hearing) silence(s suspect) time.Duration {
	return (h.now - s.silent.from).Truncate(time.Second)
}

// allow reports whether one more node may be judged, with which left nodes
// would be up. It takes that from the allowance, or notes why not.
func (h *hearing) allow(s suspect, state catalog.NodeState, left int, a *allowance, v *Verdict) bool {
	limit := max(1, h.all*h.cfg.Share/100)
	reason := ""
	switch {
	case left < enough(h.all):
		reason = fmt.Sprintf("only %d of %d nodes would be up, less than a majority: the leader, or its network, may be at fault", left, h.all)
	case a.spent(h.now-h.cfg.Window) >= limit:
		reason = fmt.Sprintf("%d of %d nodes were judged %s within %v already: more than that at once is seldom their own fault", limit, h.all, state, h.cfg.Window)
	default:
		a.spend(h.now)
		return true
	}
	v.Held = append(v.Held, Held{Node: s.Node, State: state, Reason: reason})
	return false
}

func (h *hearing) command(s suspect, state catalog.NodeState, reason string, v *Verdict) {
	s.asked, s.askedAt = state, h.now
	v.Commands = append(v.Commands, catalog.SetNodeState{Node: s.Node, Epoch: s.Epoch, State: state, Reason: reason})
}

// enough is how many of all nodes must stay up: a majority. Of two nodes one
// may go, or no judgement would ever be made of them.
func enough(all int) int {
	if all == 2 {
		return 1
	}
	return all/2 + 1
}

// allowance remembers when it was drawn on.
type allowance struct{ at []time.Duration }

// spent returns how often since; what is older is forgotten.
func (a *allowance) spent(since time.Duration) int {
	a.at = slices.DeleteFunc(a.at, func(at time.Duration) bool { return at <= since })
	return len(a.at)
}

func (a *allowance) spend(now time.Duration) { a.at = append(a.at, now) }
