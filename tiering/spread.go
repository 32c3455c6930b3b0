package tiering

import (
	"cmp"
	"slices"
)

// limits are how many members of a stripe a zone and a node may have.
type limits struct {
	zone, node int
}

// limitsFor asks for as much as the disks can give: the most zones that can
// be lost, then the most nodes. Where not even one can be lost, however
// members are spread, there is no limit, and the next smaller thing counts.
func (t *Topology) limitsFor(s Scheme) limits {
	width := min(s.Width(), t.room(limits{maxWidth, maxWidth}))
	l := limits{maxWidth, maxWidth}
	l.zone = least(s, func(n int) bool { return t.room(limits{n, maxWidth}) >= width })
	l.node = least(s, func(n int) bool { return t.room(limits{l.zone, n}) >= width })
	return l
}

// least returns how many members a domain may have so that as many domains may
// be lost as when each has no more than the least number that is enough.
func least(s Scheme, enough func(int) bool) int {
	for n := 1; n <= s.Parity; n++ {
		if enough(n) {
			return s.Parity / (s.Parity / n)
		}
	}
	return maxWidth
}

// room returns how many members of one stripe fit on the disks under limits.
func (t *Topology) room(l limits) int {
	inNode, inZone := make([]int, t.nodeCount), make([]int, t.zoneCount)
	for d := range t.disks {
		node, zone := t.nodes[d], t.zones[d]
		if t.disks[d].State != DiskLeaving && inNode[node] < l.node && inZone[zone] < l.zone {
			inNode[node]++
			inZone[zone]++
		}
	}
	n := 0
	for _, members := range inZone {
		n += members
	}
	return n
}

// spread is how well the members of one stripe are apart.
type spread struct {
	zones, nodes int // that may be lost
	excess       int // members above the limits
}

// worse reports whether s gives up something that was there before.
func (s spread) worse(before spread) bool {
	return s.zones < before.zones || s.nodes < before.nodes || s.excess > before.excess
}

// spreadOf measures slots, of which some may be none.
func (t *Topology) spreadOf(s Scheme, slots []int, l limits) spread {
	zones, nodes := domains(slots, t.zones), domains(slots, t.nodes)
	budget := s.Parity - missing(slots)
	return spread{survives(zones, budget), survives(nodes, budget), over(zones, l.zone) + over(nodes, l.node)}
}

// domains returns how many members each domain has, the fullest first.
func domains(slots, of []int) []int {
	var in, counts [maxWidth]int
	n := 0
	for _, d := range slots {
		if d == none {
			continue
		}
		i := slices.Index(in[:n], of[d])
		if i < 0 {
			i, in[n] = n, of[d]
			n++
		}
		counts[i]++
	}
	slices.SortFunc(counts[:n], func(a, b int) int { return cmp.Compare(b, a) })
	return counts[:n:n]
}

// survives returns how many domains may be lost, whichever they are, when
// budget members may.
func survives(fullestFirst []int, budget int) int {
	for lost, n := range fullestFirst {
		if budget -= n; budget < 0 {
			return lost
		}
	}
	return len(fullestFirst)
}

func over(counts []int, limit int) int {
	sum := 0
	for _, n := range counts {
		sum += max(n-limit, 0)
	}
	return sum
}

func missing(slots []int) int {
	n := 0
	for _, d := range slots {
		if d == none {
			n++
		}
	}
	return n
}

// Survives returns what the stripes of a group survive where they are now;
// slots whose disks are not in the topology are lost already.
func (t *Topology) Survives(g Group) Loss {
	slots := t.resolve(g)
	now := t.spreadOf(g.Scheme, slots, limits{maxWidth, maxWidth})
	return Loss{Disks: max(g.Scheme.Parity-missing(slots), 0), Nodes: now.nodes, Zones: now.zones}
}
