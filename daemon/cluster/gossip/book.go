package gossip

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/tarnlake/tarn/client/wire"
)

// State is how a node is as gossip sees it.
type State string

// States.
const (
	Alive State = "alive"
	Dead  State = "dead" // not heard of
	Left  State = "left" // it has said goodbye
)

// Member is a node that gossip knows of.
type Member struct {
	Meta
	Addr  netip.AddrPort // of its gossip
	State State
	Since time.Time // when this node saw it become that
}

// maxMembers bounds what a node remembers; of more the one dead for longest
// is forgotten.
const maxMembers = 10_000

// book is who is known. It is what memberlist calls back: with its own locks
// held, so nothing here calls memberlist.
type book struct {
	changes   chan struct{}
	unknown   atomic.Uint64
	conflicts atomic.Uint64

	mu      sync.Mutex
	own     Meta
	ownText []byte
	members map[string]Member
}

func newBook(own Meta) (*book, error) {
	b := &book{changes: make(chan struct{}, 1), members: map[string]Member{}}
	return b, b.say(own)
}

// say sets what this node says about itself from now on.
func (b *book) say(own Meta) error {
	text, err := own.encode()
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.own.Node != "" && b.own.Node != own.Node {
		return wire.Errorf(wire.InvalidArgument, "this is node %s; it cannot become %s", b.own.Node, own.Node)
	}
	b.own, b.ownText = own, text
	return nil
}

func (b *book) saying() Meta {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.own
}

// Members returns all nodes that are known, this one among them, by UUID. The
// dead are remembered.
func (b *book) Members() []Member {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.SortedFunc(maps.Values(b.members), func(x, y Member) int { return cmp.Compare(x.Node, y.Node) })
}

// Changes holds a value after Members has changed, however often it has since
// the last was taken.
func (b *book) Changes() <-chan struct{} { return b.changes }

func (b *book) changed() {
	select {
	case b.changes <- struct{}{}:
	default:
	}
}

// NotifyAlive is that of memberlist.AliveDelegate: a node is known by what it
// says only if that is its own word.
func (b *book) NotifyAlive(n *memberlist.Node) error {
	m, err := decodeMeta(n.Meta)
	if err == nil && m.Node != n.Name {
		err = wire.Errorf(wire.Corrupt, "%.80q says that it is node %s", n.Name, m.Node)
	}
	if err == nil && !addrOf(n).IsValid() {
		err = wire.Errorf(wire.Corrupt, "node %s has no address", m.Node)
	}
	if err == nil {
		err = b.makeRoom(m.Node)
	}
	if err != nil {
		b.unknown.Add(1)
	}
	return err
}

// makeRoom forgets who is dead for longest if a new node would be one too many.
func (b *book) makeRoom(node string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, known := b.members[node]; known || len(b.members) < maxMembers {
		return nil
	}
	oldest := ""
	for id, m := range b.members {
		if m.State != Alive && (oldest == "" || m.Since.Before(b.members[oldest].Since)) {
			oldest = id
		}
	}
	if oldest == "" {
		return wire.Errorf(wire.LimitExceeded, "gossip knows %d nodes, and takes no more", len(b.members))
	}
	delete(b.members, oldest)
	return nil
}

// NotifyJoin is that of memberlist.EventDelegate.
func (b *book) NotifyJoin(n *memberlist.Node) { b.note(n, Alive) }

// NotifyUpdate is that of memberlist.EventDelegate.
func (b *book) NotifyUpdate(n *memberlist.Node) { b.note(n, Alive) }

// NotifyLeave is that of memberlist.EventDelegate. It does not tell who left
// from who died; the node itself does.
func (b *book) NotifyLeave(n *memberlist.Node) { b.note(n, Dead) }

func (b *book) note(n *memberlist.Node, state State) {
	m, err := decodeMeta(n.Meta)
	if err != nil {
		return // NotifyAlive has refused it
	}
	if state == Dead && m.Leaving {
		state = Left
	}
	b.mu.Lock()
	next := Member{Meta: m, Addr: addrOf(n), State: state, Since: time.Now()}
	if old, known := b.members[m.Node]; known && old.State == state {
		next.Since = old.Since
	}
	b.members[m.Node] = next
	b.mu.Unlock()
	b.changed()
}

func addrOf(n *memberlist.Node) netip.AddrPort {
	ip, ok := netip.AddrFromSlice(n.Addr)
	if !ok {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ip.Unmap(), n.Port)
}

// NotifyConflict is that of memberlist.ConflictDelegate.
func (b *book) NotifyConflict(_, _ *memberlist.Node) { b.conflicts.Add(1) }

// NodeMeta is that of memberlist.Delegate.
func (b *book) NodeMeta(int) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ownText
}

// The rest of memberlist.Delegate: nothing else is told by gossip.

func (b *book) NotifyMsg([]byte)                {}
func (b *book) GetBroadcasts(int, int) [][]byte { return nil }
func (b *book) LocalState(bool) []byte          { return nil }
func (b *book) MergeRemoteState([]byte, bool)   {}
