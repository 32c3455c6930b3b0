package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"time"

	"github.com/tarnlake/tarn/daemon/catalog"
)

// kind is a kind of fault.
type kind int

const (
	crashNode kind = iota // the power of a node goes at once
	crashSoon             // … in the middle of what it writes
	crashAll              // … of all nodes
	splitOff              // nodes are cut off
	oneWay                // they are heard by nobody, or hear nobody
	rough                 // messages are lost, doubled, garbled and late
	sickDisk              // fsyncs fail
	fullDisk              // there is no room
	drain                 // a disk is emptied, and used again
	permanent             // a disk is lost for good, or bits of it flip
	restart               // a node ends in peace and begins again, as for an upgrade
	kinds
)

var kindNames = []string{"crash", "crash soon", "crash all", "split off", "one way", "rough", "sick disk", "full disk", "drain", "permanent", "restart"}

func (k kind) String() string { return kindNames[k] }

// fault is one thing that goes wrong.
type fault struct {
	at    time.Duration // after the work has begun
	kind  kind
	node  int
	disk  int
	n     int           // whatever the kind needs a number for
	lasts time.Duration // until it is mended, where it can be
}

func (f fault) String() string {
	return fmt.Sprintf("%8v  %v: node %d, disk %d, n %d, lasts %v", f.at, f.kind, f.node+1, f.disk+1, f.n, f.lasts)
}

// newPlan chooses what goes wrong and when.
func newPlan(rng *rand.Rand, cfg config) []fault {
	var plan []fault
	if len(cfg.kinds) == 0 {
		return nil
	}
	for at := time.Duration(0); at < cfg.faults; at += time.Duration(200+rng.IntN(7000)) * time.Millisecond {
		plan = append(plan, fault{
			at: at, kind: cfg.kinds[rng.IntN(len(cfg.kinds))], node: rng.IntN(cfg.nodes), disk: rng.IntN(cfg.disks),
			n: rng.IntN(1000), lasts: time.Duration(200+rng.IntN(18000)) * time.Millisecond,
		})
	}
	sort.SliceStable(plan, func(i, j int) bool { return plan[i].at < plan[j].at })
	return plan
}

// carryOut has things go wrong, and mends what does not last.
func (c *cluster) carryOut(plan []fault) {
	start := time.Now()
	type repair struct {
		at time.Time
		do func()
	}
	var mends []repair
	for next := 0; next < len(plan) || len(mends) > 0; {
		slices.SortStableFunc(mends, func(a, b repair) int { return a.at.Compare(b.at) })
		if next == len(plan) || len(mends) > 0 && mends[0].at.Before(start.Add(plan[next].at)) {
			time.Sleep(time.Until(mends[0].at))
			mends[0].do()
			mends = mends[1:]
			continue
		}
		f := plan[next]
		next++
		time.Sleep(time.Until(start.Add(f.at)))
		c.logger.Info("FAULT", "fault", f)
		if mend := c.inflict(f); mend != nil {
			mends = append(mends, repair{time.Now().Add(f.lasts), mend})
		}
	}
}

// inflict begins a fault and returns how to mend it; nil: it mends itself, or
// was not possible.
func (c *cluster) inflict(f fault) (mend func()) {
	n := c.nodes[f.node]
	d := n.drives[f.disk]
	l := n.running()
	switch f.kind {
	case crashNode:
		c.cutPower(l, 0)
	case crashSoon:
		c.cutPower(l, 1+f.n%200)
	case crashAll:
		for _, n := range c.nodes {
			c.cutPower(n.running(), f.n%40)
		}
	case splitOff, oneWay:
		return c.split(f)
	case rough:
		c.net.setRough(true)
		return func() { c.net.setRough(false) }
	case sickDisk:
		if c.cfg.nodes*c.cfg.disks > 1 {
			d.sick.Store(true)
			return func() { d.sick.Store(false) }
		}
	case fullDisk:
		d.fs.Load().SetCapacity(int64(f.n) * 100)
		return func() { d.fs.Load().SetCapacity(fullSize) }
	case drain:
		return c.drain(d)
	case permanent:
		c.damage(f, d)
	case restart:
		n.exclusively(func() {
			n.stopNow()
			n.startNow()
		})
	}
	return nil
}

func (c *cluster) cutPower(l *life, after int) {
	if l.serves() {
		l.power.cutAfter(after)
	}
}

// split cuts some nodes off.
func (c *cluster) split(f fault) func() {
	most := max(1, len(c.nodes)/2)
	some := c.nodes[f.node:min(len(c.nodes), f.node+1+f.n%most)]
	var rest []*node
	for _, n := range c.nodes {
		if !slices.Contains(some, n) {
			rest = append(rest, n)
		}
	}
	if f.kind == splitOff || f.n%2 == 0 {
		c.net.sever(some, rest)
	}
	if f.kind == splitOff || f.n%2 == 1 {
		c.net.sever(rest, some)
	}
	return c.net.mend
}

// drain empties a disk for a while.
func (c *cluster) drain(d *drive) func() {
	set := func(state catalog.DiskState) {
		for _, l := range c.serving() {
			if now, ok := l.catalog().View().Disk(d.id); ok && now.State != catalog.DiskLost {
				go l.must(c.ctx, catalog.Command{SetDiskState: &catalog.SetDiskState{Disk: d.id, State: state}})
				return
			}
		}
	}
	set(catalog.DiskDraining)
	return func() { set(catalog.DiskUp) }
}

// damage takes away what only other members can bring back: never more at a
// time than an acknowledged row survives at its weakest, which is one member
// of two.
func (c *cluster) damage(f fault, d *drive) {
	var view *catalog.State
	ready := c.until(10*time.Second, func() bool {
		l := c.leader()
		if l == nil || c.check.damagedNow() {
			return false
		}
		ctx, cancel := context.WithTimeout(c.ctx, time.Second)
		defer cancel()
		var err error
		view, err = l.catalog().Read(ctx)
		return err == nil && c.spare(view)
	})
	switch {
	case !ready:
	case f.n%2 == 0:
		c.flip(f, view, d)
	default:
		c.replace(d)
	}
}

// lastDamage damages a cluster that is well otherwise, and has members move
// away from another disk at the same time.
func (c *cluster) lastDamage(plan []fault) {
	i := slices.IndexFunc(plan, func(f fault) bool { return f.kind == permanent })
	if i < 0 || !c.until(5*time.Minute, func() bool { l := c.leader(); return l != nil && c.spare(l.catalog().View()) }) {
		return // what is not well then is found later
	}
	f := plan[i]
	c.damage(f, c.nodes[f.node].drives[f.disk])
	other := c.nodes[(f.node+1)%len(c.nodes)]
	c.drain(other.drives[f.n%len(other.drives)])
}

// spare reports whether everything there is can lose one disk.
func (c *cluster) spare(view *catalog.State) bool {
	whole := true // also where nothing can be rebuilt for want of a disk
	view.Incomplete(func(catalog.Location) bool { whole = false; return false })
	if !whole || !settled(view) || len(view.Groups()) == 0 {
		return false
	}
	for _, g := range view.Groups() {
		if g.Scheme.Parity < 1 {
			return false
		}
	}
	for _, n := range c.nodes {
		if !n.running().serves() {
			return false
		}
	}
	return true
}

// flip turns a bit over in some members of a disk.
func (c *cluster) flip(f fault, view *catalog.State, d *drive) {
	left := 1 + f.n%20
	eachMember(view, func(at catalog.Location, slot int, disk string) {
		m, _ := at.Member(at.Group.Scheme, slot)
		path, ok := d.path(at.FileOf(at.Group.Scheme, slot))
		if disk != d.id || !ok || m.Bytes == 0 || left == 0 {
			return
		}
		if d.fs.Load().Flip(path, int64(f.n)*7919%(m.Bytes*8)) == nil {
			c.check.flipped(catalog.MemberAt{Stripe: at.ID, Slot: slot, Disk: disk})
			left--
		}
	})
}

// replace loses a disk and puts another one in its place.
func (c *cluster) replace(d *drive) {
	n := d.node
	c.check.lost(d.id)
	n.exclusively(func() {
		n.crashNow()
		n.mu.Lock()
		d.id += "+"
		n.mu.Unlock()
		d.format()
		n.startNow()
	})
}
