package gossip

import (
	"bytes"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/memberlist"
	"github.com/tarnlake/tarn/daemon/cluster/trust"
)

// network is a network in memory. Its packets get lost where nobody takes
// them, and its streams are pipes.
type network struct {
	mu    sync.Mutex
	ports map[netip.AddrPort]*port
	next  uint16
}

func newNetwork() *network { return &network{ports: map[netip.AddrPort]*port{}} }

// port is one machine's end, a memberlist.Transport.
type port struct {
	network *network
	addr    netip.AddrPort
	packets chan *memberlist.Packet
	streams chan net.Conn
}

// open returns a port at an address that nobody has had before.
func (n *network) open() *port {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.next++
	return n.openAt(netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), n.next))
}

func (n *network) openAt(addr netip.AddrPort) *port {
	p := &port{network: n, addr: addr, packets: make(chan *memberlist.Packet, 64), streams: make(chan net.Conn, 64)}
	n.ports[addr] = p
	return p
}

// cut takes a port off the network, as when a machine loses its power.
func (n *network) cut(p *port) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ports[p.addr] == p {
		delete(n.ports, p.addr)
	}
}

var errNoRoute = errors.New("no route")

// to returns the port at addr, if p is on the network itself.
func (p *port) to(addr string) (*port, error) {
	p.network.mu.Lock()
	defer p.network.mu.Unlock()
	at, err := netip.ParseAddrPort(addr)
	dest := p.network.ports[at]
	if err != nil || dest == nil || p.network.ports[p.addr] != p {
		return nil, errNoRoute
	}
	return dest, nil
}

func (p *port) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return p.addr.Addr().AsSlice(), int(p.addr.Port()), nil
}

func (p *port) WriteTo(b []byte, addr string) (time.Time, error) {
	now := time.Now()
	dest, err := p.to(addr)
	if err != nil {
		return now, nil // nobody tells the sender of a packet
	}
	select {
	case dest.packets <- &memberlist.Packet{Buf: bytes.Clone(b), From: net.UDPAddrFromAddrPort(p.addr), Timestamp: now}:
	default:
	}
	return now, nil
}

func (p *port) PacketCh() <-chan *memberlist.Packet { return p.packets }

func (p *port) DialTimeout(addr string, _ time.Duration) (net.Conn, error) {
	dest, err := p.to(addr)
	if err != nil {
		return nil, err
	}
	here, there := net.Pipe()
	select {
	case dest.streams <- there:
		return here, nil
	default:
		return nil, errNoRoute
	}
}

func (p *port) StreamCh() <-chan net.Conn { return p.streams }

func (p *port) Shutdown() error {
	p.network.cut(p)
	return nil
}

// cluster is what the nodes of a test have in common.
type cluster struct {
	t       *testing.T
	network *network
	id      string

	mu   sync.Mutex
	keys [][]byte
}

func newCluster(t *testing.T, n *network) *cluster {
	return &cluster{t: t, network: n, id: uuid.NewString(), keys: [][]byte{newKey()}}
}

func newKey() []byte {
	key := make([]byte, keySize)
	_, _ = rand.Read(key) // never fails
	return key
}

func (c *cluster) setKeys(keys ...[]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys = keys
}

func (c *cluster) currentKeys() [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.keys
}

func (c *cluster) config(node string, transport memberlist.Transport) Config {
	return Config{
		Cluster: c.id, Keys: c.currentKeys, Transport: transport,
		Meta:   Meta{Node: node, Address: "192.0.2.9:7460", Epoch: 7, Version: "v1", Zone: "a"},
		Logger: slog.New(slog.DiscardHandler), Refusals: trust.NewRefusals(slog.New(slog.DiscardHandler), time.Now),
	}
}

// start starts a node at a port. At the end of the test it is closed, and time
// passes until all that it had begun is over.
func (c *cluster) start(node string, p *port) *Gossip {
	c.t.Helper()
	g, err := Start(c.config(node, p))
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		g.Close()
		time.Sleep(time.Minute) // of the bubble's time
	})
	return g
}

// grow starts n nodes that all join the first.
func (c *cluster) grow(n int) (nodes []*Gossip, ports []*port) {
	c.t.Helper()
	for range n {
		p := c.network.open()
		g := c.start(uuid.NewString(), p)
		if len(nodes) > 0 {
			c.join(g, nodes[0])
		}
		nodes, ports = append(nodes, g), append(ports, p)
	}
	for _, g := range nodes {
		for _, other := range nodes {
			c.wait(g, other.saying().Node, Alive)
		}
	}
	return nodes, ports
}

func (c *cluster) join(g, other *Gossip) {
	c.t.Helper()
	if n, err := g.Join(c.t.Context(), other.Addr()); n != 1 || err != nil {
		c.t.Fatalf("join: %d answered, %v; want 1", n, err)
	}
}

// wait returns node as g sees it once that is in that state.
func (c *cluster) wait(g *Gossip, node string, state State) Member {
	c.t.Helper()
	return c.waitFor(g, node, func(m Member) bool { return m.State == state })
}

func (c *cluster) waitFor(g *Gossip, node string, is func(Member) bool) Member {
	c.t.Helper()
	end := time.After(10 * time.Minute)
	for {
		m, known := memberOf(g, node)
		if known && is(m) {
			return m
		}
		select {
		case <-g.Changes():
		case <-end:
			c.t.Fatalf("node %s is %+v (known: %v) after ten minutes", node, m, known)
		}
	}
}

func memberOf(g *Gossip, node string) (Member, bool) {
	for _, m := range g.Members() {
		if m.Node == node {
			return m, true
		}
	}
	return Member{}, false
}
