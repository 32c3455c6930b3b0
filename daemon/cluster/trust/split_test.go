package trust

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/raft"
	"github.com/tarnlake/tarn/client/credential"
	"github.com/tarnlake/tarn/client/wire"
)

// port is a running splitter on loopback.
type port struct {
	t     testing.TB
	split *Splitter
	addr  string
	log   *logBuffer
}

// logBuffer is a log that can be waited on.
type logBuffer struct {
	mu   sync.Mutex
	said bytes.Buffer
	more chan struct{} // closed by the next line
}

func newLogBuffer() *logBuffer { return &logBuffer{more: make(chan struct{})} }

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.more)
	l.more = make(chan struct{})
	return l.said.Write(p)
}

func (l *logBuffer) read() (said string, more <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.said.String(), l.more
}

func newPort(t testing.TB, side Side, cfg SplitConfig) *port {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &port{t: t, addr: l.Addr().String(), log: newLogBuffer()}
	p.split = NewSplitter(l, side, NewRefusals(slog.New(slog.NewTextHandler(p.log, nil)), side.Now), cfg)
	done := make(chan error, 1)
	go func() { done <- p.split.Serve() }()
	t.Cleanup(func() {
		p.split.Close()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return p
}

// echo answers every connection of a protocol with what it says.
func (p *port) echo(protocol string) {
	l := p.split.Listener(protocol)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { io.Copy(c, c); c.Close() }()
		}
	}()
}

// said connects with cfg and returns what comes back of a word.
func (p *port) said(cfg *tls.Config) (string, error) {
	raw, err := net.Dial("tcp", p.addr)
	if err != nil {
		return "", err
	}
	defer raw.Close()
	c := tls.Client(raw, cfg)
	if err := c.Handshake(); err != nil {
		return "", err
	}
	return p.echoed(c)
}

func (p *port) echoed(c net.Conn) (string, error) {
	if _, err := c.Write([]byte("tarn")); err != nil {
		return "", err
	}
	b := make([]byte, 4)
	_, err := io.ReadFull(c, b)
	return string(b), err
}

func (p *port) wantEcho(cfg *tls.Config) {
	p.t.Helper()
	if got, err := p.said(cfg); got != "tarn" || err != nil {
		p.t.Errorf("said %q, %v; want it back", got, err)
	}
}

// waitLog waits until the log says text.
func (p *port) waitLog(text string) {
	p.t.Helper()
	late := time.After(30 * time.Second)
	for {
		said, more := p.log.read()
		if strings.Contains(said, text) {
			return
		}
		select {
		case <-more:
		case <-late:
			p.t.Fatalf("the log does not say %q:\n%s", text, said)
		}
	}
}

func TestEachProtocolHasItsListener(t *testing.T) {
	s := newState(t)
	p := newPort(t, sideOf(t, s, newNode(t, s)), SplitConfig{})
	node, client := sideOf(t, s, newNode(t, s)), sideOf(t, s, issue(t, s, noon, Writer, "etl", time.Hour))
	got := make(chan string, 3)
	for _, protocol := range []string{ProtocolGRPC, ProtocolRaft, ProtocolJoin} {
		go func() {
			c, err := p.split.Listener(protocol).Accept()
			if err != nil {
				got <- err.Error()
				return
			}
			defer c.Close()
			who := "nobody"
			if peer, ok := c.(*Conn).Peer(); ok {
				who = string(peer.Role)
			}
			got <- protocol + " " + who
		}()
	}
	for want, cfg := range map[string]*tls.Config{
		"h2 writer": client.Client(ProtocolGRPC, ""), "tarn-raft node": node.Client(ProtocolRaft, ""), "tarn-join nobody": sideOf(t, s, nil).Client(ProtocolJoin, ""),
	} {
		c, err := tls.Dial("tcp", p.addr, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if who := <-got; who != want {
			t.Errorf("%q has connected; want %q", who, want)
		}
		c.Close()
	}
}

func TestClientsBelieveOnlyNodesOfTheirCluster(t *testing.T) {
	s, other := newState(t), newState(t)
	cert := newNode(t, s)
	id, err := credential.IdentityOf(cert.Leaf)
	if err != nil {
		t.Fatal(err)
	}
	p := newPort(t, sideOf(t, s, cert), SplitConfig{})
	p.echo(ProtocolGRPC)
	p.wantEcho(sideOf(t, s, nil).Client(ProtocolGRPC, ""))
	p.wantEcho(sideOf(t, s, nil).Client(ProtocolGRPC, id.Name))
	p.wantEcho(&tls.Config{RootCAs: poolOf(t, s), ServerName: credential.NodeName, NextProtos: []string{"h2"}, Time: atNoon}) // as other makers verify

	_, err = p.said(sideOf(t, other, nil).Client(ProtocolGRPC, ""))
	wantError(t, err, wire.Unauthenticated, "of cluster "+s.Cluster+"; this is cluster "+other.Cluster)
	somebody := uuid.NewString()
	_, err = p.said(sideOf(t, s, nil).Client(ProtocolGRPC, somebody))
	wantError(t, err, wire.Unauthenticated, "the server is node "+id.Name+"; node "+somebody+" was to be called")
	late := sideOf(t, s, nil)
	late.Now = func() time.Time { return noon.Add(2 * NodeLife) }
	_, err = p.said(late.Client(ProtocolGRPC, ""))
	wantError(t, err, wire.Unauthenticated, "expired")
	early := sideOf(t, s, nil)
	early.Now = func() time.Time { return noon.Add(-2 * time.Hour) }
	_, err = p.said(early.Client(ProtocolGRPC, ""))
	wantError(t, err, wire.Unauthenticated, "not valid before", "clocks")
}

func TestAClientIsNoServer(t *testing.T) {
	s := newState(t)
	p := newPort(t, sideOf(t, s, issue(t, s, noon, Admin, "mallory", time.Hour)), SplitConfig{})
	_, err := p.said(sideOf(t, s, nil).Client(ProtocolGRPC, ""))
	wantError(t, err, wire.Unauthenticated, "mallory", "not for this side")
}

func TestOnlyNodesSpeakRaft(t *testing.T) {
	s, other := newState(t), newState(t)
	removed := newNode(t, s)
	side := sideOf(t, s, newNode(t, s))
	side.Check = func(p Peer) error {
		if p.Serial == credential.SerialOf(removed.Leaf) {
			return wire.Errorf(wire.Unauthenticated, "%s was removed", p.Identity)
		}
		return nil
	}
	p := newPort(t, side, SplitConfig{})
	p.echo(ProtocolRaft)
	p.wantEcho(sideOf(t, s, newNode(t, s)).Client(ProtocolRaft, ""))
	for want, cert := range map[string]*tls.Certificate{
		"mallory": issue(t, s, noon, Admin, "mallory", time.Hour),
		"of cluster " + other.Cluster + "; this is cluster " + s.Cluster: newNode(t, other),
		"client didn't provide a certificate":                            nil,
		"expired at 2026-03-01 11:00:00":                                 issue(t, s, noon.Add(-2*time.Hour), Node, uuid.NewString(), time.Hour),
		"not valid before 2026-03-01 13:00:00":                           issue(t, s, noon.Add(2*time.Hour), Node, uuid.NewString(), time.Hour),
		"was removed":                                                    removed,
	} {
		if got, err := p.said(sideOf(t, s, cert).Client(ProtocolRaft, "")); err == nil {
			t.Errorf("%s: said %q", want, got)
		}
		p.waitLog(want)
	}
}

func TestConnectionsThatSayNothingOfUse(t *testing.T) {
	s := newState(t)
	p := newPort(t, sideOf(t, s, newNode(t, s)), SplitConfig{})
	p.echo(ProtocolGRPC)
	old := sideOf(t, s, nil).Client(ProtocolGRPC, "")
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	for want, cfg := range map[string]*tls.Config{
		"does not say what it is for (ALPN)":       {InsecureSkipVerify: true},
		"unsupported application protocols":        {InsecureSkipVerify: true, NextProtos: []string{"spdy/3"}},
		"client offered only unsupported versions": old,
	} {
		if _, err := p.said(cfg); err == nil {
			t.Errorf("%s: taken", want)
		}
		p.waitLog(want)
	}
	raw, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if _, err := raw.Write([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	p.waitLog("does not speak TLS")
	p.wantEcho(sideOf(t, s, nil).Client(ProtocolGRPC, ""))
}

// TestSilentConnectionsPushOutTheirOwn: with the limit full of connections
// that say nothing, those who have something to say get through at once.
func TestSilentConnectionsPushOutTheirOwn(t *testing.T) {
	s := newState(t)
	p := newPort(t, sideOf(t, s, newNode(t, s)), SplitConfig{Handshakes: 4, Handshake: time.Hour})
	p.echo(ProtocolGRPC)
	for range 12 {
		silent, err := net.Dial("tcp", p.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
	}
	p.waitLog("this one was the slowest")
	p.wantEcho(sideOf(t, s, nil).Client(ProtocolGRPC, ""))
	if got := p.split.shaking.len(); got > 4 {
		t.Errorf("%d handshakes at once; want at most 4", got)
	}
}

func TestAHandshakeHasADeadline(t *testing.T) {
	s := newState(t)
	p := newPort(t, sideOf(t, s, newNode(t, s)), SplitConfig{Handshake: 50 * time.Millisecond})
	silent, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	if _, err := silent.Write([]byte{22, 3, 1}); err != nil { // the beginning of a hello
		t.Fatal(err)
	}
	if _, err := silent.Read(make([]byte, 1)); err == nil {
		t.Error("the connection was answered")
	}
	p.waitLog("too long to shake hands")
}

// TestNobodyAccepts: connections that their listener does not take are closed
// in time too, and Close does not wait for them.
func TestNobodyAccepts(t *testing.T) {
	s := newState(t)
	p := newPort(t, sideOf(t, s, newNode(t, s)), SplitConfig{Handshake: 50 * time.Millisecond})
	if _, err := p.said(sideOf(t, s, nil).Client(ProtocolGRPC, "")); err == nil {
		t.Error("a connection was answered that nobody took")
	}
	p.split.Listener(ProtocolGRPC).Close()
	if _, err := p.split.Listener(ProtocolGRPC).Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept after Close: %v", err)
	}
	_, _ = p.said(sideOf(t, s, nil).Client(ProtocolGRPC, ""))
	p.waitLog("h2 is not served any more")
}

func TestStrangersAreBounded(t *testing.T) {
	s := newState(t)
	p := newPort(t, sideOf(t, s, newNode(t, s)), SplitConfig{Strangers: 3})
	p.echo(ProtocolGRPC)
	var first net.Conn
	for i := range 4 {
		c, err := tls.Dial("tcp", p.addr, sideOf(t, s, nil).Client(ProtocolGRPC, ""))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if got, err := p.echoed(c); got != "tarn" {
			t.Fatal(err)
		}
		if i == 0 {
			first = c
		}
	}
	if _, err := first.Read(make([]byte, 1)); err == nil {
		t.Error("the oldest stranger is still answered")
	}
	if got := p.split.strangers.len(); got != 3 {
		t.Errorf("%d strangers; want 3", got)
	}
	p.wantEcho(sideOf(t, s, issue(t, s, noon, Reader, "etl", time.Hour)).Client(ProtocolGRPC, ""))
}

// TestAConnectionEndsWithItsCertificate: it was made in the last moment.
func TestAConnectionEndsWithItsCertificate(t *testing.T) {
	s := newState(t)
	side := sideOf(t, s, newNode(t, s))
	p := newPort(t, side, SplitConfig{})
	p.echo(ProtocolRaft)
	mine := sideOf(t, s, issue(t, s, noon, Node, uuid.NewString(), 0))
	c, err := tls.Dial("tcp", p.addr, mine.Client(ProtocolRaft, ""))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the connection was answered")
	}
}

func TestRecheckCutsThoseThatWereRemoved(t *testing.T) {
	s := newState(t)
	var mu sync.Mutex
	var removed string
	side := sideOf(t, s, newNode(t, s))
	side.Check = func(p Peer) error {
		mu.Lock()
		defer mu.Unlock()
		if p.Name == removed {
			return wire.Errorf(wire.Unauthenticated, "%s was removed", p.Identity)
		}
		return nil
	}
	p := newPort(t, side, SplitConfig{})
	p.echo(ProtocolRaft)
	var conns []*tls.Conn
	for range 2 {
		c, err := tls.Dial("tcp", p.addr, sideOf(t, s, newNode(t, s)).Client(ProtocolRaft, ""))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := p.echoed(c); err != nil {
			t.Fatal(err)
		}
		if len(conns) == 0 {
			mu.Lock()
			removed = p.split.living(p.split.known)[0].peer.Name
			mu.Unlock()
		}
		conns = append(conns, c)
	}
	p.split.Recheck()
	if _, err := conns[0].Read(make([]byte, 1)); err == nil {
		t.Error("the removed node is still answered")
	}
	if got, err := p.echoed(conns[1]); got != "tarn" {
		t.Errorf("the other node: %v", err)
	}
	p.waitLog("was removed")
}

// TestRecheckCutsThoseThatWereRefusedTooSoon: a node that replays its log has
// not come yet to where another joined. The connection on which it said so must
// not stay refused.
func TestRecheckCutsThoseThatWereRefusedTooSoon(t *testing.T) {
	s := newState(t)
	var behind atomic.Bool
	behind.Store(true)
	side := sideOf(t, s, newNode(t, s))
	side.Check = func(p Peer) error {
		if behind.Load() {
			return wire.Errorf(wire.Unauthenticated, "%s was removed", p.Identity)
		}
		return nil
	}
	p := newPort(t, side, SplitConfig{})
	p.echo(ProtocolGRPC)
	c, err := tls.Dial("tcp", p.addr, sideOf(t, s, newNode(t, s)).Client(ProtocolGRPC, ""))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, err := p.echoed(c); got != "tarn" {
		t.Fatalf("gRPC is to tell why: %v", err)
	}
	p.split.Recheck()
	if got, err := p.echoed(c); got != "tarn" {
		t.Fatalf("one that is still refused lost its connection: %v", err)
	}
	behind.Store(false)
	p.split.Recheck()
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the connection that was refused too soon is still there")
	}
}

func TestRaftLayer(t *testing.T) {
	s := newState(t)
	cert := newNode(t, s)
	id, err := credential.IdentityOf(cert.Leaf)
	if err != nil {
		t.Fatal(err)
	}
	p := newPort(t, sideOf(t, s, cert), SplitConfig{})
	find := func(a raft.ServerAddress) (string, string, error) {
		switch a {
		case "silent":
			return "silent", "", nil
		case raft.ServerAddress(id.Name):
			return p.addr, id.Name, nil
		case "moved":
			return p.addr, uuid.NewString(), nil
		}
		return "", "", errors.New("no such node")
	}
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		if addr == "silent" {
			here, _ := net.Pipe()
			return here, nil
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	layer := NewRaftLayer(p.split.Listener(ProtocolRaft), sideOf(t, s, newNode(t, s)), find, dial)
	// A transport of Raft's own on both ends.
	there := raft.NewNetworkTransport(layer, 1, time.Second, io.Discard)
	defer there.Close()
	go func() {
		for rpc := range there.Consumer() {
			rpc.Respond(&raft.TimeoutNowResponse{}, nil)
		}
	}()
	err = there.TimeoutNow("n", raft.ServerAddress(id.Name), &raft.TimeoutNowRequest{}, &raft.TimeoutNowResponse{})
	if err != nil {
		t.Errorf("a call of Raft: %v", err)
	}
	_, err = layer.Dial("moved", 5*time.Second)
	wantError(t, err, wire.Unauthenticated, "the server is node "+id.Name)
	if _, err = layer.Dial("unknown", time.Second); err == nil {
		t.Error("an unknown server was dialed")
	}
	if _, err = layer.Dial("silent", 20*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a silent server: %v", err)
	}
}
