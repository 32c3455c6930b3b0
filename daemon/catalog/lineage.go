package catalog

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/btree"
)

// Recovery is how a catalog began anew from what one node had, when the
// majority of its voters was lost. What the others knew beyond that is not part
// of it: nothing of theirs may get into it any more, nor the other way round.
type Recovery struct {
	Number uint64       `json:"number"` // from 1
	ID     string       `json:"id"`     // tells it from another one with that number, made on another node
	Node   string       `json:"node"`   // whose files it was made of
	Time   time.Time    `json:"time"`
	Doubt  []EpochRange `json:"doubt"` // of this recovery and those before it
}

// EpochRange is epochs whose files may belong to commits that a recovery does
// not know.
type EpochRange struct {
	First Epoch `json:"first"`
	Last  Epoch `json:"last"`
}

// Room for what the lost branch of a catalog may have given out: no id of it
// comes again.
const (
	doubtEpochs = 1 << 16
	doubtTables = 1000
)

// Recovered returns the state that a catalog begins with that is made anew of
// this one, with the node as the only one that is not down. All epochs are
// closed, and their files that no version refers to are kept: see Verdict. seen
// is the last epoch that files are known of, or 0. It is not a command: it does
// not go through a log, and so no log has it twice.
func (s *State) Recovered(node, id string, at time.Time, seen Epoch) *State {
	next := *s
	next.index++
	if at = at.UTC().Round(0); at.After(s.time) {
		next.time = at
	}
	first := s.lastEpoch + 1
	s.open.Scan(func(e Epoch, _ *epoch) bool {
		first = min(first, e)
		return true
	})
	last := max(s.lastEpoch, seen)
	next.lastEpoch = last + min(doubtEpochs, math.MaxUint32-last)
	next.lastTable += doubtTables
	next.open = new(btree.Map[Epoch, *epoch])
	next.recovery = Recovery{
		Number: s.recovery.Number + 1, ID: id, Node: node, Time: next.time,
		Doubt: append(slices.Clone(s.recovery.Doubt), EpochRange{first, next.lastEpoch}),
	}
	for _, n := range s.Nodes() {
		if n.ID == node || n.State != NodeUp {
			continue
		}
		down := *n
		down.State, down.Reason, down.Since = NodeDown, "the cluster was recovered without it", next.time
		edit(&next.nodes).Set(down.ID, &down)
	}
	return &next
}

// Recovery returns the newest recovery; the zero one if there was none.
func (s *State) Recovery() Recovery { return s.recovery }

// inDoubt reports whether a file of that epoch may be of a commit that a
// recovery does not know.
func (s *State) inDoubt(e Epoch) bool {
	return slices.ContainsFunc(s.recovery.Doubt, func(r EpochRange) bool { return r.First <= e && e <= r.Last })
}

// InDoubt reports whether a file that the state does not know may be of a
// commit that was lost in a recovery.
func (s *State) InDoubt(f MemberFile) bool {
	_, known := s.members.Get(f.ID)
	return !known && s.inDoubt(f.ID.Epoch())
}

func (d *decoder) takeRecovery(r *Recovery) error {
	if r == nil {
		return nil
	}
	for _, x := range r.Doubt {
		if x.First > x.Last || x.Last > d.s.lastEpoch {
			return fmt.Errorf("epochs %d to %d are impossible", x.First, x.Last)
		}
	}
	if r.Number == 0 || r.ID == "" {
		return errors.New("the recovery has no number or id")
	}
	d.s.recovery = *r
	return nil
}

// Lineage names the line of recoveries that a state comes from. Nodes whose
// lineages differ have catalogs that went different ways: see SameLineage.
func (s *State) Lineage() string {
	if s.recovery.Number == 0 {
		return "0"
	}
	return fmt.Sprintf("%d-%s", s.recovery.Number, s.recovery.ID)
}

// Lineage is that of this replica's state, or "" of one that holds nothing yet
// and takes what it is given. It is known from Open on: a recovery is always in
// a snapshot, never in the log.
func (c *Catalog) Lineage() string {
	if c.raft.LastIndex() == 0 {
		return ""
	}
	return c.View().Lineage()
}

// Hello is what this replica's node tells others before they speak of the catalog.
func (c *Catalog) Hello() Hello { return Hello{c.Lineage(), c.cfg.Speaks, c.View().Protocol()} }

// SameLineage reports whether two nodes may speak of the catalog.
func SameLineage(a, b string) bool { return a == b || a == "" || b == "" }

// NewerLineage reports whether a is of a later recovery than b.
func NewerLineage(a, b string) bool { return recoveryNumber(a) > recoveryNumber(b) }

func recoveryNumber(lineage string) uint64 {
	number, _, _ := strings.Cut(lineage, "-")
	n, _ := strconv.ParseUint(number, 10, 64) // of something else: none
	return n
}
