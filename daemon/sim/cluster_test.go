package sim

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/repair"
)

// config is what a seed chooses once.
type config struct {
	nodes, disks int // disks of each node
	producers    int
	faults       time.Duration // how long there are some
	lostAfter    time.Duration // a node is given up
	silence      time.Duration // a node is down
	reconcile    bool          // nodes compare their disks with the catalog all the time, not only when they start
	scrub        time.Duration // in which a disk is read back
	target       int64         // bytes of a merged segment
	retain       time.Duration // of the versions of a table; 0: long
	kinds        []kind        // of faults
}

func (c config) String() string {
	return fmt.Sprintf("%d nodes of %d disks, %d producers, faults of kinds %v for %v, nodes are lost after %v, reconcile %v, scrub in %v, merge to %d, retain %v",
		c.nodes, c.disks, c.producers, c.kinds, c.faults, c.lostAfter, c.reconcile, c.scrub, c.target, c.retain)
}

// newConfig chooses a cluster, and which faults it has: not all at once, so
// that some seeds get far and others into trouble.
func newConfig(rng *rand.Rand) config {
	c := config{nodes: 1 + rng.IntN(5), producers: 1 + rng.IntN(4), faults: time.Duration(20+rng.IntN(60)) * time.Second}
	c.disks = 1 + rng.IntN(3)
	c.silence, c.lostAfter = 10*time.Second, 15*time.Minute
	if rng.IntN(3) == 0 {
		c.silence, c.lostAfter = 4*time.Second, 8*time.Second
	}
	c.reconcile = rng.IntN(2) == 0
	c.scrub = time.Duration(20+rng.IntN(100)) * time.Second
	c.target = 8 << 10 << rng.IntN(7)
	if rng.IntN(2) == 0 {
		c.retain = time.Duration(1+rng.IntN(30)) * time.Second
	}
	for k := range kinds {
		if rng.IntN(3) > 0 {
			c.kinds = append(c.kinds, k)
		}
	}
	return c
}

// cluster is one run of the simulation.
type cluster struct {
	id     string
	seed   uint64
	cfg    config
	dice   *dice
	net    *network
	nodes  []*node
	check  *checker
	logger *slog.Logger
	ctx    context.Context // of the whole run
}

func (c *cluster) node(id string) *node {
	return c.nodes[slices.IndexFunc(c.nodes, func(n *node) bool { return n.id == id })]
}

// outcome is what a run has come to.
type outcome struct {
	cfg        config
	plan       []fault
	violations []string
	stats      string
}

// simulate runs a seed to its end.
func simulate(t *testing.T, seed uint64, logs slog.Handler) outcome {
	var out outcome
	t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 0))
			c := &cluster{id: "c", seed: seed, cfg: newConfig(rng), dice: newDice(seed, 1), logger: newLogger(logs)}
			out.cfg, out.plan = c.cfg, newPlan(rng, c.cfg)
			c.net, c.check = newNetwork(newDice(seed, 2)), newChecker(c)
			c.run(out.plan)
			c.off()
			out.violations, out.stats = c.check.found(), c.check.String()
		})
	})
	return out
}

// run is the whole story of a cluster.
func (c *cluster) run(plan []fault) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c.ctx = ctx
	if !c.form() {
		return
	}
	w := newWork(c)
	var watching sync.WaitGroup
	watching.Go(func() { c.supervise(ctx) })
	watching.Go(func() { c.check.watch(ctx) })
	defer watching.Wait()
	defer cancel()
	w.begin()
	c.carryOut(plan)
	c.heal()
	w.finish()
	if c.check.failed() {
		return
	}
	c.lastDamage(plan)
	c.quiesce()
	c.check.everything()
}

// form starts the nodes and makes them a cluster.
func (c *cluster) form() bool {
	for i := range c.cfg.nodes {
		n := &node{c: c, id: fmt.Sprint("n", i+1), volume: newVolume(), turn: make(chan struct{}, 1), scrubbed: map[string]repair.ScrubState{}}
		for d := range c.cfg.disks {
			n.drives = append(n.drives, newDrive(n, d+1))
		}
		c.nodes = append(c.nodes, n)
	}
	for _, n := range c.nodes {
		n.start()
	}
	if !c.until(time.Minute, func() bool { return c.leader() != nil }) {
		c.check.fail("I12", "no leader in a new cluster")
		return false
	}
	c.check.must("adding nodes", c.grow())
	return c.check.must("starting", c.awaitAll(2*time.Minute)) && c.check.must("tables", c.createTables())
}

// grow gives all nodes replicas, and votes to as many as docs/decisions/0100 says.
func (c *cluster) grow() error {
	first := c.leader()
	for i, n := range c.nodes[1:] {
		if err := first.catalog().AddNode(c.ctx, n.id); err != nil {
			return err
		}
		if voters := (len(c.nodes)-1)/2*2 + 1; i+1 < voters {
			if err := first.catalog().Promote(c.ctx, n.id); err != nil {
				return err
			}
		}
	}
	return nil
}

// until waits for something, and reports whether it came.
func (c *cluster) until(most time.Duration, ok func() bool) bool {
	for end := time.Now().Add(most); !ok(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// leader returns the life that leads, as far as it knows itself.
func (c *cluster) leader() *life {
	for _, n := range c.nodes {
		if l := n.running(); l != nil && l.catalog() != nil && l.catalog().Leads() {
			return l
		}
	}
	return nil
}

// serving returns the lives whose start is through.
func (c *cluster) serving() []*life {
	var all []*life
	for _, n := range c.nodes {
		if l := n.running(); l.serves() {
			all = append(all, l)
		}
	}
	return all
}

// awaitAll waits until all nodes serve and are up in the catalog's eyes.
func (c *cluster) awaitAll(most time.Duration) error {
	ok := c.until(most, func() bool {
		l := c.leader()
		if l == nil || len(c.serving()) < len(c.nodes) {
			return false
		}
		for _, n := range l.catalog().View().Nodes() {
			if n.State != catalog.NodeUp {
				return false
			}
		}
		return len(l.catalog().View().Groups()) > 0
	})
	if !ok {
		return fmt.Errorf("after %v %d of %d nodes serve, and not all are up or there are no groups", most, len(c.serving()), len(c.nodes))
	}
	return nil
}

// supervise starts again what has lost its power, and what was given up while
// it was away.
func (c *cluster) supervise(ctx context.Context) {
	for ctx.Err() == nil {
		time.Sleep(500 * time.Millisecond)
		for _, n := range c.nodes {
			switch l := n.there(); {
			case l == nil:
			case !l.power.on():
				n.crash()
				time.Sleep(time.Duration(c.dice.below(8000)) * time.Millisecond)
				n.start()
			case l.serves() && over(l.catalog().View(), l.ownEpoch()) && c.dice.oneIn(4): // it takes a while to notice
				c.check.note("restarts of nodes given up")
				n.stop()
				n.start()
			}
		}
	}
}

// off ends all lives, and waits until all that they have begun is over: what
// is under way, and what has a deadline.
func (c *cluster) off() {
	for _, n := range c.nodes {
		n.stop()
	}
	time.Sleep(time.Minute)
}

// heal ends all faults.
func (c *cluster) heal() {
	c.net.mend()
	c.net.setRough(false)
	for _, n := range c.nodes {
		for _, d := range n.drives {
			d.heal()
		}
	}
	for _, n := range c.nodes {
		if l := n.running(); l != nil && l.members != nil {
			for _, m := range l.members.Media() {
				if m.Suspect() != nil {
					l.power.cutAfter(0) // an operator starts it again
				}
			}
		}
	}
}

// quiesce waits until nothing is left to repair.
func (c *cluster) quiesce() {
	if !c.check.must("quiesce", c.awaitAll(5*time.Minute)) {
		return
	}
	c.check.counted()
	for range 2 { // what the first pass finds where nothing is to spare waits for the second
		if !c.scrubAll() {
			c.check.fail("I14", "disks were not read back: %s", c.state())
			return
		}
		c.check.scrubbed()
		if l := c.leader(); l != nil {
			_ = l.must(c.ctx, catalog.Command{UnparkMembers: &catalog.UnparkMembers{}})
		}
		whole := c.until(10*time.Minute, func() bool {
			l := c.leader()
			return l != nil && settled(l.catalog().View())
		})
		if !whole {
			c.check.unsettled()
			return
		}
	}
	for range 2 { // what the first leaves for the verdict of a newer state goes with the second
		for _, l := range c.serving() {
			l.sweeper.Sweep(c.ctx, l.catalog().View())
			_, _ = l.sweeper.Reconcile(c.ctx, l.members.Media()...)
		}
	}
}

// settled reports whether nothing is missing, on its way or garbage, but for
// what there is no disk for.
func settled(view *catalog.State) bool {
	moves, err := repair.Placement(view, 1, nil)
	ok := len(view.Garbage()) == 0 && len(moves) == 0 && err == nil
	view.Incomplete(func(at catalog.Location) bool {
		for slot := range at.Group.Slots {
			ok = ok && (!at.Missing.Has(slot) || homeless(view, at.Group, slot))
		}
		return ok
	})
	for _, g := range view.Groups() {
		for _, s := range g.Slots {
			ok = ok && s.From == ""
		}
	}
	return ok
}

// homeless reports whether the disk of a slot takes nothing any more and no
// other disk can have it: each has a slot of the group already.
func homeless(view *catalog.State, g catalog.Group, slot int) bool {
	if d, ok := view.Disk(g.Slots[slot].Disk); ok && d.State == catalog.DiskUp {
		return false
	}
	return !slices.ContainsFunc(view.Disks(), func(d *catalog.Disk) bool {
		return d.State == catalog.DiskUp && !slices.ContainsFunc(g.Slots, func(s catalog.Slot) bool { return s.Disk == d.ID })
	})
}
