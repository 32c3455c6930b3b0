package tiering

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/zeebo/xxh3"
)

// ErrTooFewDisks says that some slots of a group have no disk.
var ErrTooFewDisks = errors.New("too few disks")

// Place returns the disk of each slot of a group. Slots that have a disk which
// stays keep it; for the others disks are drawn, by the id of the group and
// in proportion to their weights, so that a node and a zone have no more
// members than may be lost, as long as there are disks for that. No disk has
// two. Where there is no disk the slot is empty and the error wraps
// ErrTooFewDisks; the other slots are good.
//
// What is drawn does not depend on other groups: Rebalance evens out chance.
func (t *Topology) Place(g Group) ([]string, error) {
	slots := t.stay(g)
	drawn := t.draw(g, slots)
	// Drawn first are the heavy ones: they are not to be data more often.
	slices.SortFunc(drawn, func(a, b int) int {
		return cmp.Or(cmp.Compare(t.hash(g.ID, a), t.hash(g.ID, b)), cmp.Compare(a, b))
	})
	for i, d := range slots {
		if d == none && len(drawn) > 0 {
			slots[i], drawn = drawn[0], drawn[1:]
		}
	}
	return t.names(slots), t.checkFull(g, slots)
}

// draw chooses disks for the slots that have none, as many as there are.
func (t *Topology) draw(g Group, slots []int) []int {
	l, members, scores := t.limitsFor(g.Scheme), slices.Clone(slots), t.scores(g.ID)
	var drawn []int
	for i, d := range slots {
		if d != none {
			continue
		}
		best := t.best(members, l, func(a, b int) bool { return scores[a] < scores[b] })
		if best == none {
			break
		}
		members[i] = best
		drawn = append(drawn, best)
	}
	return drawn
}

// best returns the disk for one more member: one that breaks no limit, or as
// few as can be, and of those the one before all others. None if no disk is
// left to take it.
func (t *Topology) best(members []int, l limits, before func(a, b int) bool) int {
	best, bestOver := none, 0
	for d := range t.disks {
		if best != none && bestOver == 0 && !before(d, best) { // the usual case, so asked first
			continue
		}
		if !t.takes(d) || slices.Contains(members, d) {
			continue
		}
		over := t.overWith(members, d, l)
		if best == none || over < bestOver || over == bestOver && before(d, best) {
			best, bestOver = d, over
		}
	}
	return best
}

// overWith returns how many limits one more member on d would break.
func (t *Topology) overWith(members []int, d int, l limits) int {
	inNode, inZone := 1, 1
	for _, m := range members {
		if m != none && t.nodes[m] == t.nodes[d] {
			inNode++
		}
		if m != none && t.zones[m] == t.zones[d] {
			inZone++
		}
	}
	return min(max(inNode-l.node, 0), 1) + min(max(inZone-l.zone, 0), 1)
}

func (t *Topology) names(slots []int) []string {
	names := make([]string, len(slots))
	for i, d := range slots {
		if d != none {
			names[i] = t.disks[d].ID
		}
	}
	return names
}

func (t *Topology) checkFull(g Group, slots []int) error {
	if n := missing(slots); n > 0 {
		return fmt.Errorf("group %d (%v): %w: %d slots have none; a stripe needs %d disks", g.ID, g.Scheme, ErrTooFewDisks, n, g.Scheme.Width())
	}
	return nil
}

// score is a disk's draw for a group: weighted rendezvous hashing. The least
// wins, each disk with the probability of its weight, and a disk that comes or
// goes changes only draws that it wins or had won.
func (t *Topology) score(group uint64, d int) float64 {
	return exponential(t.hash(group, d)) / float64(t.disks[d].Weight)
}

func (t *Topology) scores(group uint64) []float64 {
	scores := make([]float64, len(t.disks))
	for d := range scores {
		scores[d] = t.score(group, d)
	}
	return scores
}

func (t *Topology) hash(group uint64, d int) uint64 { return xxh3.HashStringSeed(t.disks[d].ID, group) }

// exponential turns a hash into a draw from the exponential distribution,
// -ln(u). It does not take math.Log, which differs between processors in the
// last bit; the conversions keep compilers from contracting operations.
func exponential(hash uint64) float64 {
	bits53 := hash>>11 | 1
	halvings := bits.LeadingZeros64(bits53) - 11
	m := float64(bits53<<halvings) / (1 << 53) // u = m / 2^halvings, m in [1/2, 1)
	if m < math.Sqrt2/2 {
		m, halvings = 2*m, halvings+1
	}
	s := (1 - m) / (1 + m)
	sum, square := 0.0, float64(s*s)
	for _, c := range artanh {
		sum = float64(sum*square) + c
	}
	return float64(float64(halvings)*math.Ln2) + float64(2*float64(s*sum)) // -ln(m) = 2 artanh(s)
}

// artanh is the series of artanh(s)/s in s², the last term first.
var artanh = [...]float64{1. / 19, 1. / 17, 1. / 15, 1. / 13, 1. / 11, 1. / 9, 1. / 7, 1. / 5, 1. / 3, 1}
