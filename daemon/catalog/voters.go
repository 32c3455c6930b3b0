package catalog

import (
	"cmp"
	"slices"
)

// Candidate is a node as far as the choice of voters goes.
type Candidate struct {
	Node     string
	Zone     string // failure domain; empty: one of its own for each node
	Up       bool   // and has been for a while
	CaughtUp bool   // its replica is nearly as far as the leader's
	Gone     bool   // lost or removed: it is not to come back
}

// Change is one change of the servers: AddNode, Promote, Demote or Remove.
type Change struct {
	Kind ChangeKind
	Node string
}

// ChangeKind says which.
type ChangeKind string

// The kinds of changes.
const (
	AddServer     ChangeKind = "add"
	PromoteServer ChangeKind = "promote"
	DemoteServer  ChangeKind = "demote"
	RemoveServer  ChangeKind = "remove"
)

// Voters returns what is to be done about the servers of the catalog, in
// order: one at a time, each when the one before is committed, and to be asked
// again after each. Every node has a replica. Of one or two nodes one votes, of
// three or four three, of five and more five, spread over zones: two voters
// would be worse than one, and an even number is worse than one less. A voter
// gets its vote when it is up and has caught up; it keeps it while it is only
// down, so that the voters never get fewer because nodes are down. It is pure.
func Voters(servers []Server, nodes []Candidate) []Change {
	p := newPlan(servers, nodes)
	changes := slices.Concat(p.additions(), p.replacements(), p.growth(), p.shrinking())
	return slices.Concat(changes, p.removals())
}

// votersFor returns how many of the nodes vote.
func votersFor(nodes int) int {
	switch {
	case nodes >= 5:
		return 5
	case nodes >= 3:
		return 3
	}
	return 1
}

// plan is the servers as they will be after the changes so far.
type plan struct {
	nodes  map[string]Candidate
	order  []string        // of servers and nodes, for the same answer every time
	voters map[string]bool // of servers
	target int
}

func newPlan(servers []Server, nodes []Candidate) *plan {
	p := &plan{nodes: map[string]Candidate{}, voters: map[string]bool{}}
	staying := 0
	for _, n := range nodes {
		p.nodes[n.Node] = n
		p.order = append(p.order, n.Node)
		if !n.Gone {
			staying++
		}
	}
	p.target = votersFor(staying)
	for _, s := range servers {
		p.voters[s.Node] = s.Voter
		if _, known := p.nodes[s.Node]; !known {
			p.nodes[s.Node] = Candidate{Node: s.Node, Gone: true}
			p.order = append(p.order, s.Node)
		}
	}
	slices.Sort(p.order)
	return p
}

// pick returns the servers or nodes for which ok holds, in order.
func (p *plan) pick(ok func(c Candidate, server, voter bool) bool) []Candidate {
	var picked []Candidate
	for _, id := range p.order {
		voter, server := p.voters[id]
		if ok(p.nodes[id], server, voter) {
			picked = append(picked, p.nodes[id])
		}
	}
	return picked
}

func (p *plan) change(kind ChangeKind, c Candidate) Change {
	switch kind {
	case RemoveServer:
		delete(p.voters, c.Node)
	default:
		p.voters[c.Node] = kind == PromoteServer
	}
	return Change{kind, c.Node}
}

// additions gives replicas to nodes that have none.
func (p *plan) additions() (changes []Change) {
	for _, c := range p.pick(func(c Candidate, server, _ bool) bool { return !server && !c.Gone && c.Up }) {
		changes = append(changes, p.change(AddServer, c))
	}
	return changes
}

func (p *plan) current() []Candidate {
	return p.pick(func(_ Candidate, _, voter bool) bool { return voter })
}

// next returns the server that had best get a vote, given who else votes: in
// the zone with the fewest voters.
func (p *plan) next(besides []Candidate) (best Candidate, ok bool) {
	fit := p.pick(func(c Candidate, server, voter bool) bool { return server && !voter && !c.Gone && c.Up && c.CaughtUp })
	if len(fit) == 0 {
		return best, false
	}
	return slices.MinFunc(fit, func(a, b Candidate) int { return cmp.Compare(inZone(besides, a), inZone(besides, b)) }), true
}

// inZone counts those in the zone of c.
func inZone(those []Candidate, c Candidate) (n int) {
	for _, other := range those {
		if other.Node != c.Node && c.Zone != "" && other.Zone == c.Zone {
			n++
		}
	}
	return n
}

// replacements gives the votes of nodes that are gone to others, one for one:
// the new voter first where that leaves an odd number in the end, and the old
// one right behind. Without anybody to take a vote it is kept, but for the
// target.
func (p *plan) replacements() (changes []Change) {
	for _, old := range p.current() {
		if !old.Gone {
			continue
		}
		if heir, ok := p.next(p.staying()); ok && len(p.current()) <= p.target {
			changes = append(changes, p.change(PromoteServer, heir), p.change(DemoteServer, old))
		} else if len(p.current()) > p.target {
			changes = append(changes, p.change(DemoteServer, old))
		}
	}
	return changes
}

// staying returns the voters that are not gone.
func (p *plan) staying() []Candidate {
	return slices.DeleteFunc(p.current(), func(c Candidate) bool { return c.Gone })
}

// growth adds voters two at a time, so that their number stays odd.
func (p *plan) growth() (changes []Change) {
	for len(p.current()) < p.target {
		was := len(p.current())
		want := 2 - (was+1)%2 // from an even number, one
		var pair []Change
		for range want {
			if c, ok := p.next(p.current()); ok {
				pair = append(pair, p.change(PromoteServer, c))
			}
		}
		if len(pair) < want {
			p.undo(pair)
			return changes
		}
		changes = append(changes, pair...)
	}
	return changes
}

// undo takes back promotions.
func (p *plan) undo(promotions []Change) {
	for _, c := range promotions {
		p.voters[c.Node] = false
	}
}

// shrinking takes votes beyond the target, of the fullest zones and of who is
// down first, and moves a vote from a zone that has two more than another.
func (p *plan) shrinking() (changes []Change) {
	for len(p.current()) > p.target {
		changes = append(changes, p.change(DemoteServer, p.worst()))
	}
	return append(changes, p.spread()...)
}

// worst returns the voter that is needed least.
func (p *plan) worst() Candidate {
	voters := p.current()
	return slices.MaxFunc(voters, func(a, b Candidate) int {
		return cmp.Or(compareBool(a.Gone, b.Gone), compareBool(!a.Up, !b.Up), cmp.Compare(inZone(voters, a), inZone(voters, b)), cmp.Compare(a.Node, b.Node))
	})
}

func compareBool(a, b bool) int { return btoi(a) - btoi(b) }

// spread moves one vote out of a zone where a failure would take more votes
// than it must.
func (p *plan) spread() []Change {
	voters := p.current()
	if len(voters) != p.target || len(voters) < 3 {
		return nil
	}
	crowded := slices.MaxFunc(voters, func(a, b Candidate) int { return cmp.Compare(inZone(voters, a), inZone(voters, b)) })
	rest := slices.DeleteFunc(slices.Clone(voters), func(c Candidate) bool { return c.Node == crowded.Node })
	heir, ok := p.next(rest)
	if !ok || inZone(rest, heir) >= inZone(rest, crowded) {
		return nil
	}
	return []Change{p.change(PromoteServer, heir), p.change(DemoteServer, crowded)}
}

// removals takes the replicas of nodes that are gone, once they have no vote.
func (p *plan) removals() (changes []Change) {
	for _, c := range p.pick(func(c Candidate, server, voter bool) bool { return server && !voter && c.Gone }) {
		changes = append(changes, p.change(RemoveServer, c))
	}
	return changes
}
