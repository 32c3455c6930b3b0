package liveness

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tarnlake/tarn/daemon/catalog"
)

// court is a judge, the nodes that it judges, and a catalog that does what it says.
type court struct {
	*Judge
	now   time.Duration
	nodes []Sign
	log   []string // "12s n3 down"
	held  []Held   // of the last round
}

// newCourt has n nodes, all up and seen; n0 judges.
func newCourt(n int) *court {
	c := &court{Judge: New(Config{}), now: time.Hour}
	for i := range n {
		c.nodes = append(c.nodes, Sign{Node: fmt.Sprintf("n%d", i), State: catalog.NodeUp, Epoch: catalog.Epoch(i + 1), Gossip: true, Ping: true})
	}
	return c
}

// see sets the signs of nodes.
func (c *court) see(gossip, ping bool, nodes ...int) {
	for _, i := range nodes {
		c.nodes[i].Gossip, c.nodes[i].Ping = gossip, ping
	}
}

// pass has d pass, with a round each second.
func (c *court) pass(d time.Duration) {
	for end := c.now + d; c.now < end; {
		c.now += time.Second
		c.round()
	}
}

func (c *court) round() {
	v := c.Round(Round{Now: c.now, Self: "n0", Nodes: slices.Clone(c.nodes)})
	c.held = v.Held
	for _, cmd := range v.Commands {
		c.log = append(c.log, fmt.Sprintf("%v %s %s", c.now-time.Hour, cmd.Node, cmd.State))
		for i, n := range c.nodes {
			if n.Node == cmd.Node && (cmd.Epoch == n.Epoch) {
				c.nodes[i].State = cmd.State
			}
		}
	}
}

func (c *court) want(t *testing.T, log ...string) {
	t.Helper()
	if !slices.Equal(c.log, log) {
		t.Errorf("judged %q; want %q", c.log, log)
	}
}

func (c *court) wantHeld(t *testing.T, n int, texts ...string) {
	t.Helper()
	if len(c.held) != n {
		t.Fatalf("held back %+v; want %d", c.held, n)
	}
	for _, h := range c.held {
		for _, text := range texts {
			if !strings.Contains(h.Reason, text) {
				t.Errorf("held back because %q; want it to say %q", h.Reason, text)
			}
		}
	}
}

func TestDown(t *testing.T) {
	c := newCourt(5)
	c.pass(20 * time.Second)
	c.see(false, false, 2, 3)
	c.pass(10 * time.Second)
	c.want(t) // silent since second 21
	c.pass(61 * time.Second)
	c.want(t, "31s n2 down", "1m31s n3 down")
}

func TestBack(t *testing.T) {
	c := newCourt(5)
	c.see(false, false, 2)
	c.pass(20 * time.Second)
	c.see(true, true, 2)
	c.pass(time.Minute)
	c.want(t, "11s n2 down", "26s n2 up")
}

// A node that an earlier leader has judged down, and that leads now, is up.
func TestLeaderWasDown(t *testing.T) {
	c := newCourt(5)
	c.nodes[0].State = catalog.NodeDown
	c.see(false, false, 0)
	c.pass(time.Minute)
	c.want(t, "6s n0 up")
}

func TestLost(t *testing.T) {
	c := newCourt(5)
	c.see(false, false, 2)
	c.pass(15*time.Minute + time.Second)
	c.want(t, "11s n2 down", "15m1s n2 lost")
	c.see(true, true, 2)
	c.pass(time.Minute)
	c.want(t, "11s n2 down", "15m1s n2 lost") // it comes back by starting
}

// One kind of sign is life enough not to be down, and not enough to be up.
func TestOneSign(t *testing.T) {
	for _, sign := range []Sign{{Gossip: true}, {Ping: true}} {
		c := newCourt(5)
		c.see(sign.Gossip, sign.Ping, 1)
		c.pass(20 * time.Minute)
		c.want(t)
		c.see(false, false, 1)
		c.pass(15 * time.Second)
		c.see(sign.Gossip, sign.Ping, 1)
		c.pass(20 * time.Minute)
		c.want(t, "20m11s n1 down")
	}
}

func TestFlapping(t *testing.T) {
	c := newCourt(5)
	for range 100 {
		c.see(false, false, 4)
		c.pass(9 * time.Second)
		c.see(true, true, 4)
		c.pass(time.Second)
	}
	c.want(t)
	c.see(false, false, 4)
	c.pass(11 * time.Second)
	c.log = nil
	for range 100 {
		c.see(true, true, 4)
		c.pass(4 * time.Second)
		c.see(false, true, 4)
		c.pass(time.Second)
	}
	c.want(t)
}

// A third of the nodes goes at once: one after the other is judged, no more in
// a minute than the share, and it is said why.
func TestZoneGoes(t *testing.T) {
	c := newCourt(15)
	c.see(false, false, 10, 11, 12, 13, 14)
	c.pass(30 * time.Second)
	c.want(t, "11s n10 down", "11s n11 down", "11s n12 down")
	c.wantHeld(t, 2, "3 of 15 nodes were judged down within 1m0s")
	c.pass(time.Minute)
	c.want(t, "11s n10 down", "11s n11 down", "11s n12 down", "1m11s n13 down", "1m11s n14 down")
	c.wantHeld(t, 0)
}

// The leader hears nobody: it judges no more than leaves a majority, however
// long it lasts, and gives up none.
func TestStorm(t *testing.T) {
	c := newCourt(7)
	c.see(false, false, 1, 2, 3, 4, 5, 6)
	c.pass(time.Hour)
	c.want(t, "11s n1 down", "1m11s n2 down", "2m11s n3 down", "15m1s n1 lost", "16m1s n2 lost", "17m1s n3 lost")
	c.wantHeld(t, 3, "only 3 of 7 nodes would be up")
}

func TestTwoNodes(t *testing.T) {
	c := newCourt(2)
	c.see(false, false, 1)
	c.pass(20 * time.Minute)
	c.want(t, "11s n1 down", "15m1s n1 lost")
}

func TestThreeNodes(t *testing.T) {
	c := newCourt(3)
	c.see(false, false, 1, 2)
	c.pass(5 * time.Minute)
	c.want(t, "11s n1 down")
	c.wantHeld(t, 1, "only 1 of 3 nodes would be up, less than a majority")
}

func TestAlone(t *testing.T) {
	c := newCourt(1)
	c.see(false, false, 0)
	c.pass(time.Hour)
	c.want(t)
	c.wantHeld(t, 0)
}

// A judge that was asleep does not take its own silence for that of others,
// and a clock that went back does not age anybody.
func TestClock(t *testing.T) {
	c := newCourt(5)
	c.see(false, false, 1)
	c.pass(8 * time.Second)
	c.now += time.Hour
	c.pass(10 * time.Second)
	c.want(t)
	c.pass(time.Second)
	c.want(t, "1h0m19s n1 down")

	c = newCourt(5)
	c.see(false, false, 1)
	c.pass(8 * time.Second)
	c.now -= 30 * time.Minute
	c.pass(30 * time.Minute)
	c.want(t)
	c.pass(3 * time.Second)
	c.want(t, "11s n1 down")
}

// A node that begins another life has been silent in none of it.
func TestNewLife(t *testing.T) {
	c := newCourt(5)
	c.see(false, false, 1)
	c.pass(9 * time.Second)
	c.nodes[1].Epoch = 99
	c.pass(10 * time.Second)
	c.want(t)
	c.pass(time.Second)
	c.want(t, "20s n1 down")
}

// A command that comes to nothing is asked for again, and not in every round.
func TestAskedAgain(t *testing.T) {
	c := newCourt(5)
	c.see(false, false, 1)
	for range 80 {
		c.now += time.Second
		before := slices.Clone(c.nodes)
		c.round()
		c.nodes = before
	}
	c.want(t, "11s n1 down", "1m11s n1 down")
}
