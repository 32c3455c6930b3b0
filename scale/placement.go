package main

import (
	"fmt"
	"math"
	"runtime"
	"sync"

	"github.com/tarnlake/tarn/tiering"
)

// layout is a cluster's groups, placed and evened out.
type layout struct {
	cluster
	scheme tiering.Scheme
	disks  []tiering.Disk
	groups []tiering.Group
	drawn  fills // as Place drew them
	moved  int   // slots, to even that out
}

// placementTables simulates clusters: how they are laid out, what moves, and
// what is lost when too many disks die at a time.
func placementTables(clusters []cluster) ([]table, error) {
	places := table{name: "placement", head: []string{"nodes", "disks", "scheme", "groups", "slots a disk", "fill as drawn", "fill evened out", "moved for it"}}
	moves := table{name: "moves", head: []string{"nodes", "a node more: it is", "moves", "fill after", "a node less: it was", "moves", "fill after", "a disk less: slots", "to nodes", "from nodes"}}
	losses := lossTable()
	for _, c := range clusters {
		l, err := lay(c)
		if err != nil {
			return nil, err
		}
		if err := l.places(&places); err != nil {
			return nil, err
		}
		if err := l.moves(&moves); err != nil {
			return nil, err
		}
		if c.mix == equal {
			l.losses(&losses)
		}
	}
	return []table{places, moves, losses}, nil
}

// lay places all groups of merged segments and evens them out.
func lay(c cluster) (*layout, error) {
	l := &layout{cluster: c, scheme: schemeOf(c.nodes), disks: c.disks()}
	t, err := tiering.NewTopology(l.disks, "hot")
	if err != nil {
		return nil, err
	}
	n := t.Groups(l.scheme)
	l.groups = make([]tiering.Group, n)
	slotBytes := int64(filled * weight(l.disks) / float64(n*l.scheme.Width()))
	err = inParallel(n, func(i int) (err error) {
		g := tiering.Group{ID: uint64(i + 1), Scheme: l.scheme, Bytes: slotBytes}
		g.Slots, err = t.Place(g)
		l.groups[i] = g
		return err
	})
	if err != nil {
		return nil, err
	}
	l.drawn = fillsOf(l.disks, l.groups)
	var moves []tiering.Move
	l.groups, moves = rebalanced(t, l.groups)
	l.moved = len(moves)
	return l, nil
}

// inParallel calls f for 0 to n-1 and returns one of the errors.
func inParallel(n int, f func(int) error) error {
	workers := runtime.GOMAXPROCS(0)
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n && errs[w] == nil; i += workers {
				errs[w] = f(i)
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// rebalanced returns groups as they are after all moves that t asks for.
func rebalanced(t *tiering.Topology, groups []tiering.Group) ([]tiering.Group, []tiering.Move) {
	next := make([]tiering.Group, len(groups))
	at := map[uint64]int{}
	for i, g := range groups {
		next[i], at[g.ID] = g, i
		next[i].Slots = append([]string(nil), g.Slots...)
	}
	moves := t.Rebalance(groups, math.MaxInt)
	for _, m := range moves {
		next[at[m.Group]].Slots[m.Slot] = m.To
	}
	return next, moves
}

func (l *layout) slots() float64 { return float64(len(l.groups) * l.scheme.Width()) }

func (l *layout) places(t *table) error {
	perDisk := l.slots() / float64(len(l.disks))
	if math.Round(perDisk) != slotsPerDisk {
		return fmt.Errorf("%v nodes: a disk has %.1f slots; the formulas here assume %d", l.cluster, perDisk, slotsPerDisk)
	}
	t.add(l.String(), count(float64(len(l.disks))), l.scheme.String(), count(float64(len(l.groups))), fmt.Sprintf("%.0f", perDisk),
		l.drawn.String(), fillsOf(l.disks, l.groups).String(), percent(float64(l.moved)/l.slots()))
	return nil
}

// moves adds what moves when a node comes, a node goes, and a disk goes.
func (l *layout) moves(t *table) error {
	come := l.node(l.nodes)
	more, err := l.with(append(l.cluster.disks(), come...))
	if err != nil {
		return err
	}
	gone := len(l.node(l.nodes - 1))
	less, err := l.with(l.disks[:len(l.disks)-gone])
	if err != nil {
		return err
	}
	disk, err := l.with(l.disks[:len(l.disks)-1])
	if err != nil {
		return err
	}
	lost := l.disks[len(l.disks)-1].ID
	to, from := l.helpers(lost, disk.moves)
	t.add(l.String(),
		percent(weight(come)/(weight(l.disks)+weight(come))), percent(float64(len(more.moves))/l.slots()), more.fills.String(),
		percent(weight(l.disks[len(l.disks)-gone:])/weight(l.disks)), percent(float64(len(less.moves))/l.slots()), less.fills.String(),
		count(float64(len(l.on(lost)))), count(float64(to)), count(float64(from)))
	return nil
}

// change is what Rebalance makes of other disks.
type change struct {
	moves []tiering.Move
	fills fills
}

func (l *layout) with(disks []tiering.Disk) (change, error) {
	t, err := tiering.NewTopology(disks, "hot")
	if err != nil {
		return change{}, err
	}
	groups, moves := rebalanced(t, l.groups)
	return change{moves, fillsOf(disks, groups)}, nil
}

// on returns the groups that have a slot on a disk.
func (l *layout) on(disk string) []tiering.Group {
	var on []tiering.Group
	for _, g := range l.groups {
		for _, d := range g.Slots {
			if d == disk {
				on = append(on, g)
			}
		}
	}
	return on
}

// helpers counts the nodes to which and from which a lost disk is rebuilt.
func (l *layout) helpers(lost string, moves []tiering.Move) (to, from int) {
	nodeOf := map[string]string{}
	for _, d := range l.disks {
		nodeOf[d.ID] = d.Node
	}
	targets, sources := map[string]bool{}, map[string]bool{}
	for _, m := range moves {
		if m.From == lost {
			targets[nodeOf[m.To]] = true
		}
	}
	for _, g := range l.on(lost) {
		for _, d := range g.Slots {
			if d != lost {
				sources[nodeOf[d]] = true
			}
		}
	}
	return len(targets), len(sources)
}

func weight(disks []tiering.Disk) float64 {
	sum := 0.0
	for _, d := range disks {
		sum += float64(d.Weight)
	}
	return sum
}

// fills is how full the emptiest and the fullest disk are.
type fills struct{ least, most float64 }

func fillsOf(disks []tiering.Disk, groups []tiering.Group) fills {
	used := map[string]float64{}
	for _, g := range groups {
		for _, d := range g.Slots {
			used[d] += float64(g.Bytes)
		}
	}
	f := fills{math.Inf(1), 0}
	for _, d := range disks {
		part := used[d.ID] / float64(d.Weight)
		f = fills{min(f.least, part), max(f.most, part)}
	}
	return f
}

func (f fills) String() string { return fmt.Sprintf("%.1f to %.1f %%", 100*f.least, 100*f.most) }
