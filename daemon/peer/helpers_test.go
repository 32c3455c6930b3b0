package peer

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/members"
	"github.com/tarnlake/tarn/daemon/members/memberstest"
	"google.golang.org/grpc"
)

// cluster is a rack whose nodes have gRPC between them.
type cluster struct {
	*memberstest.Rack
	t     testing.TB
	nodes map[string]*testNode

	mu      sync.Mutex
	changed chan struct{}
	clock   time.Time
}

// testNode is a node's server and client.
type testNode struct {
	*cluster
	name   string
	at     net.Listener
	server *grpc.Server
	client *Client

	applied [][]byte      // entries that it was asked to apply
	calls   int           // that got as far as gRPC
	manner  manner        // of answering
	asked   chan struct{} // has an element when somebody has waited for the catalog
}

// manner is how a node answers.
type manner int

const (
	answerAll manner = iota
	hang
	refuse
)

func newCluster(t testing.TB, nodes int) *cluster {
	t.Helper()
	c := &cluster{Rack: memberstest.New(t, nodes, 1), t: t, nodes: map[string]*testNode{}, changed: make(chan struct{}), clock: time.Unix(1e9, 0)}
	for i := range nodes {
		n := &testNode{cluster: c, name: fmt.Sprint("n", i+1), asked: make(chan struct{}, 1)}
		c.nodes[n.name] = n
		n.client = NewClient(n.clientConfig())
		t.Cleanup(func() { n.client.Close() })
		n.serve(ServerConfig{})
		c.Store(n.name).Reach(n.client.Disk)
	}
	return c
}

func (n *testNode) clientConfig() ClientConfig {
	return ClientConfig{
		Cluster: memberstest.Cluster, Node: n.name, View: n.State,
		Epoch: func() catalog.Epoch { return n.Epoch(n.name) },
		Dial:  n.dial, Now: n.now,
	}
}

// serve begins to answer, with what is set in cfg and the rest by default.
func (n *testNode) serve(cfg ServerConfig) {
	n.t.Helper()
	cfg.Cluster, cfg.Node, cfg.Version = memberstest.Cluster, n.name, "v1"
	cfg.Epoch = func() catalog.Epoch { return n.Epoch(n.name) }
	cfg.Members, cfg.Catalog = n.Store(n.name), n
	at, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		n.t.Fatal(err)
	}
	server := grpc.NewServer(grpc.ForceServerCodecV2(wire.Codec()), grpc.MaxRecvMsgSize(16<<20), grpc.UnaryInterceptor(n.unary), grpc.StreamInterceptor(n.stream))
	Register(server, cfg)
	go server.Serve(at)
	n.t.Cleanup(server.Stop)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.at, n.server = at, server
}

// restart replaces the server.
func (n *testNode) restart(cfg ServerConfig) {
	n.t.Helper()
	n.server.Stop()
	n.serve(cfg)
}

func (n *testNode) arrive(ctx context.Context) error {
	n.mu.Lock()
	n.calls++
	manner := n.manner
	n.mu.Unlock()
	switch manner {
	case hang:
		<-ctx.Done()
		return ctx.Err()
	case refuse:
		return wire.Errorf(wire.Unavailable, "not today")
	}
	return nil
}

func (n *testNode) unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	if err := n.arrive(ctx); err != nil {
		return nil, err
	}
	return handle(ctx, req)
}

func (n *testNode) stream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	if err := n.arrive(stream.Context()); err != nil {
		return err
	}
	return handle(srv, stream)
}

// set sets how a node answers from now on.
func (n *testNode) set(m manner) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.manner = m
}

func (n *testNode) countCalls() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.calls
}

// dial finds a node by the address that the catalog has of it.
func (c *cluster) dial(ctx context.Context, address string) (net.Conn, error) {
	node, _, _ := strings.Cut(address, ":")
	c.mu.Lock()
	at := c.nodes[node].at.Addr().String()
	c.mu.Unlock()
	return new(net.Dialer).DialContext(ctx, "tcp", at)
}

func (c *cluster) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.clock
}

// pass lets time pass.
func (c *cluster) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clock = c.clock.Add(d)
}

// apply applies a command, which wakes those that wait for it.
func (c *cluster) apply(cmd catalog.Command) {
	c.t.Helper()
	c.Apply(cmd)
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.changed)
	c.changed = make(chan struct{})
}

// A testNode is its own catalog.
var _ Catalog = (*testNode)(nil)

func (n *testNode) View() *catalog.State { return n.State() }

func (n *testNode) StateAt(ctx context.Context, index uint64) (*catalog.State, error) {
	for {
		n.mu.Lock()
		changed := n.changed
		n.mu.Unlock()
		select {
		case n.asked <- struct{}{}:
		default:
		}
		if view := n.View(); view.Index() >= index {
			return view, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (n *testNode) ApplyEntry(_ context.Context, entry []byte) (uint64, error) {
	if string(entry) == "full" {
		return 0, wire.Errorf(wire.DiskFull, "no room").WithHint("make some")
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.applied = append(n.applied, entry)
	return uint64(1000 + len(n.applied)), nil
}

func (n *testNode) ReadIndex(context.Context) (uint64, error) { return 77, nil }

// remote is a disk of node n2 as n1 sees it.
func (c *cluster) remote() members.Disk { return c.nodes["n1"].client.Disk("n2d1") }

// empty fails unless the disk of a node has no files, nor begun ones. It stops
// the node's server, so that no call is under way any more.
func (n *testNode) empty() {
	n.t.Helper()
	n.server.GracefulStop()
	m, _ := n.Store(n.name).Medium(n.name + "d1")
	left, err := m.Leftovers()
	all, err2 := m.Inventory()
	if len(left)+len(all) > 0 || err != nil || err2 != nil {
		n.t.Errorf("node %s has %v, and begun %v, %v, %v; want nothing", n.name, all, left, err, err2)
	}
}
