package catalog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"github.com/tarnlake/tarn/client/wire"
)

// cluster is some catalogs in one process, on a network that can be cut. It is
// to run under synctest: the clock is a fake one, so seconds of elections cost
// nothing and no test depends on how fast the machine is.
type cluster struct {
	t     *testing.T
	net   *network
	nodes []*member
}

// member is one node, open or not.
type member struct {
	*Catalog
	cfg Config
	mem *memStore // its log outlives its catalog
	net *network
}

// network is what lies between the nodes.
type network struct {
	mu      sync.Mutex
	cut     map[[2]string]bool // from, to
	nodes   map[string]*member
	wires   map[string]*raft.InmemTransport
	mishaps func(from, to string) mishap // of calls of Peers
}

// mishap is what happens to a call between nodes.
type mishap int

const (
	none    mishap = iota
	lost           // the answer gets lost
	doubled        // the request arrives twice
)

var errCut = errors.New("the network is cut")

func (n *network) check(from, to string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cut[[2]string{from, to}] {
		return errCut
	}
	return nil
}

// oneWay cuts or mends the way from some nodes to others.
func (n *network) oneWay(cut bool, from, to []*member) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, a := range from {
		for _, b := range to {
			n.cut[[2]string{a.cfg.Node, b.cfg.Node}] = cut
		}
	}
}

func (n *network) bothWays(cut bool, a, b []*member) {
	n.oneWay(cut, a, b)
	n.oneWay(cut, b, a)
}

func (n *network) mend() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.cut)
}

// call is a request and its answer over the network.
func (n *network) call(from, to string, do func() error) error {
	if err := n.check(from, to); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return n.check(to, from)
}

// befall says what becomes of calls from now on.
func (n *network) befall(mishaps func(from, to string) mishap) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mishaps = mishaps
}

// wired is Raft's transport on the network.
type wired struct {
	*raft.InmemTransport
	net  *network
	node string
}

func (w *wired) AppendEntries(id raft.ServerID, at raft.ServerAddress, req *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	return w.net.call(w.node, string(id), func() error { return w.InmemTransport.AppendEntries(id, at, req, resp) })
}

func (w *wired) RequestVote(id raft.ServerID, at raft.ServerAddress, req *raft.RequestVoteRequest, resp *raft.RequestVoteResponse) error {
	return w.net.call(w.node, string(id), func() error { return w.InmemTransport.RequestVote(id, at, req, resp) })
}

func (w *wired) RequestPreVote(id raft.ServerID, at raft.ServerAddress, req *raft.RequestPreVoteRequest, resp *raft.RequestPreVoteResponse) error {
	return w.net.call(w.node, string(id), func() error { return w.InmemTransport.RequestPreVote(id, at, req, resp) })
}

func (w *wired) InstallSnapshot(id raft.ServerID, at raft.ServerAddress, req *raft.InstallSnapshotRequest, resp *raft.InstallSnapshotResponse, data io.Reader) error {
	return w.net.call(w.node, string(id), func() error { return w.InmemTransport.InstallSnapshot(id, at, req, resp, data) })
}

func (w *wired) TimeoutNow(id raft.ServerID, at raft.ServerAddress, req *raft.TimeoutNowRequest, resp *raft.TimeoutNowResponse) error {
	return w.net.call(w.node, string(id), func() error { return w.InmemTransport.TimeoutNow(id, at, req, resp) })
}

// AppendEntriesPipeline refuses: a pipeline could not be cut.
func (w *wired) AppendEntriesPipeline(raft.ServerID, raft.ServerAddress) (raft.AppendPipeline, error) {
	return nil, raft.ErrPipelineReplicationNotSupported
}

// memPeers are the Peers of a node on the network.
type memPeers struct {
	net  *network
	node string
}

func (p memPeers) Propose(ctx context.Context, node string, entry []byte) (index uint64, err error) {
	err = p.call(node, func(c *Catalog) error {
		index, err = c.ApplyEntry(ctx, entry)
		return err
	})
	return index, err
}

func (p memPeers) ReadIndex(ctx context.Context, node string) (index uint64, err error) {
	err = p.call(node, func(c *Catalog) error {
		index, err = c.ReadIndex(ctx)
		return err
	})
	return index, err
}

func (p memPeers) call(node string, do func(*Catalog) error) error {
	p.net.mu.Lock()
	c, what := p.net.nodes[node].Catalog, p.net.mishaps(p.node, node)
	p.net.mu.Unlock()
	var refusal error // travels as well as an answer
	err := p.net.call(p.node, node, func() error {
		refusal = do(c)
		if what == doubled {
			refusal = do(c)
		}
		return nil
	})
	if err == nil && what == lost {
		err = errCut
	}
	if err != nil {
		return wire.Errorf(wire.Unavailable, "calling %s: %w", node, err)
	}
	return refusal
}

// memStore is a log in memory. A log that hangs does so until it is let go.
type memStore struct {
	*raft.InmemStore
	mu   sync.Mutex
	hang chan struct{}
}

func (m *memStore) Get(key []byte) ([]byte, error) {
	v, err := m.InmemStore.Get(key)
	if err != nil {
		return nil, raftboltdb.ErrKeyNotFound
	}
	return v, nil
}

func (m *memStore) StoreLogs(logs []*raft.Log) error {
	m.mu.Lock()
	hang := m.hang
	m.mu.Unlock()
	if hang != nil {
		<-hang
	}
	return m.InmemStore.StoreLogs(logs)
}

func (m *memStore) stall(hang chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hang = hang
}

// keep copies what a new store on disk holds into memory, once.
func (m *member) keep(b backend) backend {
	if m.mem != nil {
		return m.mem
	}
	m.mem = &memStore{InmemStore: raft.NewInmemStore()}
	last, err := b.LastIndex()
	for i := uint64(1); i <= last; i++ {
		l := new(raft.Log)
		err = errors.Join(err, b.GetLog(i, l), m.mem.StoreLog(l))
	}
	if term, e := b.GetUint64([]byte("CurrentTerm")); e == nil {
		err = errors.Join(err, m.mem.SetUint64([]byte("CurrentTerm"), term))
	}
	if err != nil {
		panic(err)
	}
	return m.mem
}

// newCluster starts n nodes, the first of which has made the cluster, and
// makes all of them voters.
func newCluster(t *testing.T, n int) *cluster {
	t.Helper()
	c := &cluster{t: t, net: &network{
		cut: map[[2]string]bool{}, nodes: map[string]*member{}, wires: map[string]*raft.InmemTransport{},
		mishaps: func(string, string) mishap { return none },
	}}
	t.Cleanup(c.close)
	for range n {
		c.joiner()
	}
	c.ready(c.nodes[0])
	for _, m := range c.nodes[1:] {
		c.must(c.leader(c.nodes[0]).AddNode(t.Context(), m.cfg.Node))
		c.ready(m)
	}
	for _, m := range c.nodes[1:] {
		c.must(c.leader(c.nodes[0]).Promote(t.Context(), m.cfg.Node))
	}
	c.settled(n)
	return c
}

// settled waits until every node knows of n voters: raft lets nobody vote for a
// node that is not in its own, older configuration.
func (c *cluster) settled(n int) {
	c.t.Helper()
	for range 6000 {
		if !slices.ContainsFunc(c.nodes, func(m *member) bool { ids, _ := m.voters(); return len(ids) != n }) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	c.t.Fatalf("not all nodes know of %d voters after a minute", n)
}

// joiner starts one more node; the first makes the cluster.
func (c *cluster) joiner() *member {
	c.t.Helper()
	n := len(c.nodes)
	m := &member{net: c.net, cfg: Config{
		Dir: filepath.Join(c.t.TempDir(), "raft"), Node: fmt.Sprintf("n%d", n+1), Cluster: "c1",
		Bootstrap: n == 0, Join: n > 0, Logger: slog.New(slog.DiscardHandler),
	}}
	m.cfg.wrap = m.keep
	m.cfg.free = func(string) (int64, error) { return 1 << 40, nil }
	c.nodes = append(c.nodes, m)
	c.start(m)
	return m
}

func (c *cluster) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// start opens a node that is not.
func (c *cluster) start(m *member) {
	c.t.Helper()
	id := m.cfg.Node
	_, inner := raft.NewInmemTransport(raft.ServerAddress(id))
	m.cfg.Transport, m.cfg.Peers = &wired{inner, c.net, id}, memPeers{c.net, id}
	for other, tr := range c.net.wires {
		inner.Connect(raft.ServerAddress(other), tr)
		tr.Connect(raft.ServerAddress(id), inner)
	}
	c.net.wires[id] = inner
	opened, err := Open(m.cfg)
	c.must(err)
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	m.Catalog, c.net.nodes[id] = opened, m
}

func (c *cluster) stop(m *member) {
	c.t.Helper()
	c.must(m.Close())
}

// ready waits until a node has caught up.
func (c *cluster) ready(m *member) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := m.Ready(ctx); err != nil {
		c.t.Fatalf("node %s: %v", m.cfg.Node, err)
	}
}

// leader waits for a leader that others agree on, among some nodes or all.
func (c *cluster) leader(among ...*member) *member {
	c.t.Helper()
	if len(among) == 0 {
		among = c.nodes
	}
	for range 6000 { // a minute
		for _, m := range among {
			if m.Leads() && m.Leader() == m.cfg.Node && c.agreed(m, among) {
				return m
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	for _, m := range among {
		c.t.Logf("node %s: %v, leader %q, servers %v", m.cfg.Node, m.raft.State(), m.Leader(), m.Servers())
	}
	c.t.Fatal("no leader within a minute")
	return nil
}

func (c *cluster) agreed(leader *member, among []*member) bool {
	for _, m := range among {
		if m.ended() == nil && m.Leader() != leader.cfg.Node {
			return false
		}
	}
	return true
}

// others returns all nodes but some.
func (c *cluster) others(but ...*member) []*member {
	return slices.DeleteFunc(slices.Clone(c.nodes), func(m *member) bool { return slices.Contains(but, m) })
}

func (c *cluster) close() {
	c.net.mend()
	for _, m := range c.nodes {
		_ = m.Close() // some are closed
	}
}

// same wants all nodes to have the same state, byte for byte.
func (c *cluster) same() {
	c.t.Helper()
	var want []byte
	for _, m := range c.nodes {
		c.ready(m)
	}
	for _, m := range c.nodes {
		got := encoded(c.t, m.View())
		if want == nil {
			want = got
		}
		if string(got) != string(want) {
			c.t.Errorf("node %s and %s differ:\n%s\n%s", m.cfg.Node, c.nodes[0].cfg.Node, plainRecords(c.t, got), plainRecords(c.t, want))
		}
	}
}

// ledger proposes things of which the state shows how often they were done:
// OpenEpoch for a node that nobody else names. A second effect of one proposal
// would leave fewer open epochs than were given out.
type ledger struct {
	mu      sync.Mutex
	n       int
	done    map[string]Epoch // acknowledged
	unknown int
}

func newLedger() *ledger { return &ledger{done: map[string]Epoch{}} }

// propose adds one, or learns that its outcome is unknown.
func (l *ledger) propose(t *testing.T, ctx context.Context, m *Catalog) (name string, ok bool) {
	l.mu.Lock()
	l.n++
	name = fmt.Sprintf("ledger-%d", l.n)
	l.mu.Unlock()
	r, err := m.Propose(ctx, openEpoch(name))
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil && r.Err == nil:
		l.done[name] = r.Epoch
		return name, true
	case err == nil:
		t.Errorf("%s was rejected: %v", name, r.Err)
	case !wire.IsCode(err, wire.Unavailable):
		t.Errorf("%s: got %v; want UNAVAILABLE", name, err)
	}
	l.unknown++
	return name, false
}

// totals returns how many proposals were acknowledged, and of how many the
// outcome is unknown.
func (l *ledger) totals() (done, unknown int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.done), l.unknown
}

// check compares the state with what was acknowledged.
func (l *ledger) check(t *testing.T, s *State) {
	t.Helper()
	open := map[string]Epoch{}
	s.open.Scan(func(e Epoch, o *epoch) bool {
		open[o.node] = e
		return true
	})
	if int(s.lastEpoch) != len(open) {
		t.Errorf("%d effects of %d proposals: some have had two", s.lastEpoch, len(open))
	}
	for name, e := range l.done {
		if open[name] != e {
			t.Errorf("%s was acknowledged with epoch %d; the state has %d", name, e, open[name])
		}
	}
	if extra := len(open) - len(l.done); extra > l.unknown {
		t.Errorf("%d effects that were not acknowledged, of %d proposals of unknown outcome", extra, l.unknown)
	}
}
