package liveness

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tarnlake/tarn/daemon/catalog"
	"pgregory.net/rapid"
)

// past is all that was ever seen of a cluster.
type past struct {
	rounds []Round
	downs  []time.Duration
	lost   []time.Duration
}

// always reports whether is holds for a node in every round of the last d, in
// one life of it, and the rounds reach back that far without a gap.
func (p *past) always(node string, d time.Duration, is func(Sign) bool) bool {
	last := p.rounds[len(p.rounds)-1]
	epoch := signOf(last, node).Epoch
	for i := len(p.rounds) - 1; i >= 0; i-- {
		r := p.rounds[i]
		if i+1 < len(p.rounds) && p.rounds[i+1].Now-r.Now > 5*time.Second {
			return false
		}
		s := signOf(r, node)
		if s.Node == "" || s.Epoch != epoch || !is(s) {
			return false
		}
		if last.Now-r.Now >= d {
			return true
		}
	}
	return false
}

func signOf(r Round, node string) Sign {
	for _, s := range r.Nodes {
		if s.Node == node {
			return s
		}
	}
	return Sign{}
}

// TestInvariants has a judge judge whatever may happen, and checks each of its
// commands against all of the past.
func TestInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.IntRange(1, 12).Draw(t, "nodes")
		c := newCourt(all)
		cfg := Config{LostAfter: 40 * time.Second}.withDefaults()
		c.Judge = New(cfg)
		p := &past{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			disturb(t, c)
			for range rapid.IntRange(1, 15).Draw(t, "rounds") {
				step(t, c, cfg, p)
			}
		}
	})
}

func disturb(t *rapid.T, c *court) {
	i := rapid.IntRange(0, len(c.nodes)-1).Draw(t, "node")
	switch rapid.IntRange(0, 5).Draw(t, "what") {
	case 0: // a new life
		c.nodes[i].Epoch += 100
		c.nodes[i].State = catalog.NodeUp
	case 1: // a pause
		c.now += time.Duration(rapid.IntRange(0, 20).Draw(t, "pause")) * time.Second
	case 2: // everybody is silent, or talks
		for k := range c.nodes {
			c.see(rapid.Bool().Draw(t, "all gossip"), rapid.Bool().Draw(t, "all ping"), k)
		}
	default:
		c.see(rapid.Bool().Draw(t, "gossip"), rapid.Bool().Draw(t, "ping"), i)
	}
}

func step(t *rapid.T, c *court, cfg Config, p *past) {
	c.now += time.Second
	r := Round{Now: c.now, Self: "n0", Nodes: slices.Clone(c.nodes)}
	p.rounds = append(p.rounds, r)
	v := c.Round(r)
	for _, cmd := range v.Commands {
		check(t, cfg, p, r, cmd)
		if rapid.IntRange(0, 9).Draw(t, "lost command") == 0 {
			continue // the proposal failed
		}
		for i, n := range c.nodes {
			if n.Node == cmd.Node {
				c.nodes[i].State = cmd.State
			}
		}
	}
	for _, h := range v.Held {
		if h.Reason == "" || h.Node == "n0" {
			t.Fatalf("held back without a reason: %+v", h)
		}
	}
	up := 0
	for _, n := range c.nodes {
		if n.State == catalog.NodeUp {
			up++
		}
	}
	downs := slices.ContainsFunc(v.Commands, func(cmd catalog.SetNodeState) bool { return cmd.State == catalog.NodeDown })
	if downs && up < enough(len(c.nodes)) {
		t.Fatalf("%d of %d nodes are left after %+v", up, len(c.nodes), v.Commands)
	}
}

func check(t *rapid.T, cfg Config, p *past, r Round, cmd catalog.SetNodeState) {
	s := signOf(r, cmd.Node)
	silent := func(s Sign) bool { return !s.Gossip && !s.Ping }
	both := func(s Sign) bool { return s.Gossip && s.Ping || s.Node == r.Self }
	fail := func(why string) { t.Fatalf("%v: %+v: %s", r.Now, cmd, why) }
	switch {
	case cmd.Node == r.Self && cmd.State != catalog.NodeUp:
		fail("the judge condemned itself")
	case cmd.Epoch != s.Epoch:
		fail("of another life")
	case cmd.State == catalog.NodeDown && !p.always(cmd.Node, cfg.Silence, silent):
		fail("it was not silent for long enough")
	case cmd.State == catalog.NodeLost && !p.always(cmd.Node, cfg.LostAfter, silent):
		fail("it was not silent for long enough")
	case cmd.State == catalog.NodeUp && !p.always(cmd.Node, cfg.Steady, both):
		fail("it was not steady for long enough")
	}
	limit := max(1, len(r.Nodes)*cfg.Share/100)
	switch cmd.State {
	case catalog.NodeDown:
		p.downs = append(p.downs, r.Now)
		wantAtMost(t, p.downs, r.Now-cfg.Window, limit)
	case catalog.NodeLost:
		p.lost = append(p.lost, r.Now)
		wantAtMost(t, p.lost, r.Now-cfg.Window, limit)
	}
}

func wantAtMost(t *rapid.T, at []time.Duration, since time.Duration, limit int) {
	n := 0
	for _, when := range at {
		if when > since {
			n++
		}
	}
	if n > limit {
		t.Fatal(fmt.Sprintf("%d were judged in a window; want at most %d", n, limit))
	}
}
