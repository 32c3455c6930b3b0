package catalog

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/tarnlake/tarn/client/wire"
)

// slowVoter answers a heartbeat when it is told to.
type slowVoter struct {
	*raft.InmemTransport
	sent, answer chan struct{}
	success      bool
}

func (s *slowVoter) AppendEntries(_ raft.ServerID, _ raft.ServerAddress, req *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	s.sent <- struct{}{}
	<-s.answer
	*resp = raft.AppendEntriesResponse{Term: req.Term, Success: s.success}
	return nil
}

// TestOldAnswersAreNoPledge: the answer to a heartbeat that was sent before the question
// says nothing about now, however late it comes.
func TestOldAnswersAreNoPledge(t *testing.T) {
	_, inner := raft.NewInmemTransport("a")
	v := &slowVoter{inner, make(chan struct{}), make(chan struct{}), true}
	l := &link{Transport: v, node: "a", stalled: func() bool { return false }}
	heartbeat := func(between func()) {
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := l.AppendEntries("b", "b", &raft.AppendEntriesRequest{Term: 7}, new(raft.AppendEntriesResponse)); err != nil {
				t.Error(err)
			}
		})
		<-v.sent
		between()
		v.answer <- struct{}{}
		wg.Wait()
	}
	count := func(term, question uint64) int {
		n, _ := l.pledges.count("a", []string{"a", "b", "c"}, pledge{term, question})
		return n
	}
	var question uint64
	heartbeat(func() { question = l.pledges.ask() })
	if n := count(7, question); n != 1 {
		t.Errorf("sent before the question: %d pledges; want 1, its own", n)
	}
	heartbeat(func() {})
	if n := count(7, question); n != 2 {
		t.Errorf("sent after the question: %d pledges; want 2", n)
	}
	if n := count(8, question); n != 1 {
		t.Errorf("for another term: %d pledges; want 1", n)
	}
	v.success, question = false, l.pledges.ask()
	heartbeat(func() {})
	if n := count(7, question); n != 1 {
		t.Errorf("a refusal: %d pledges; want 1", n)
	}
	l.stalled = func() bool { return true }
	if err := l.AppendEntries("b", "b", nil, nil); !errors.Is(err, errStalled) {
		t.Errorf("the disk hangs: got %v; want silence", err)
	}
}

// layer is a raft.StreamLayer that finds nodes by their ids.
type layer struct {
	net.Listener
	mu *sync.Mutex
	at map[raft.ServerAddress]string
}

func (l *layer) Dial(id raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	l.mu.Lock()
	addr, ok := l.at[id]
	l.mu.Unlock()
	if !ok {
		return nil, fmt.Errorf("nobody knows %s", id)
	}
	return net.DialTimeout("tcp", addr, timeout)
}

// TestOverTCP: three nodes with their logs on disk and raft's own transport,
// which knows them by their ids.
func TestOverTCP(t *testing.T) {
	n := &network{nodes: map[string]*member{}, mishaps: func(string, string) mishap { return none }}
	var mu sync.Mutex
	at := map[raft.ServerAddress]string{}
	var all []*Catalog
	for i, id := range []string{"n1", "n2", "n3"} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		at[raft.ServerAddress(id)] = listener.Addr().String()
		mu.Unlock()
		cfg := testConfig(t.TempDir())
		cfg.Node, cfg.Bootstrap, cfg.Join = id, i == 0, i > 0
		cfg.Transport = raft.NewNetworkTransport(&layer{listener, &mu, at}, 3, time.Second, io.Discard)
		cfg.Peers = memPeers{n, id}
		c, err := Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer closeCatalog(t, c)
		n.mu.Lock()
		n.nodes[id] = &member{Catalog: c}
		n.mu.Unlock()
		all = append(all, c)
	}
	for i, c := range all {
		if i > 0 {
			onLeader(t, all, func(l *Catalog) error { return l.AddNode(t.Context(), c.cfg.Node) })
		}
		if err := c.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			onLeader(t, all, func(l *Catalog) error { return l.Promote(t.Context(), c.cfg.Node) })
		}
	}
	l := newLedger()
	var wg sync.WaitGroup
	for _, c := range all {
		for range 20 {
			wg.Go(func() { l.propose(t, t.Context(), c) })
		}
	}
	wg.Wait()
	for _, c := range all {
		s, err := c.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		l.check(t, s)
	}
	if done, unknown := l.totals(); done != 60 {
		t.Errorf("%d were done, %d unknown; want 60", done, unknown)
	}
}

// onLeader changes something where the leader is; on a slow machine that may
// be another one in the middle of it.
func onLeader(t *testing.T, all []*Catalog, change func(*Catalog) error) {
	t.Helper()
	for {
		for _, c := range all {
			err := change(c)
			if err == nil {
				return
			}
			if !wire.IsCode(err, wire.Unavailable) {
				t.Fatal(err)
			}
		}
		if err := all[0].Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestASnapshotTakesThePlaceOfAnAnswer: whoever waits is told that, and those
// whose entry may yet come are not.
func TestASnapshotTakesThePlaceOfAnAnswer(t *testing.T) {
	s := NewState()
	s, _ = s.Apply(proposed(openEpoch("n"), "done", 0), 1)
	s, _ = s.Apply(openEpoch("n"), proposalWindow)
	var w waiters
	done, late, early := w.expect(Proposal{"done", 0}), w.expect(Proposal{"late", 0}), w.expect(Proposal{"early", 1})
	w.jump(s)
	for _, one := range []*waiter{done, late} {
		select {
		case <-one.done:
			if one.result.Err != errAgain {
				t.Errorf("%s: got %v; want %v", one.proposal.ID, one.result.Err, errAgain)
			}
		default:
			t.Errorf("%s waits on", one.proposal.ID)
		}
	}
	select {
	case <-early.done:
		t.Errorf("early was told %v, and may yet be applied", early.result.Err)
	default:
	}
	for _, one := range []*waiter{done, late, early} {
		w.forget(one)
	}
	if len(w.by) != 0 {
		t.Errorf("%d still wait", len(w.by))
	}
}
