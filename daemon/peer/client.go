package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/members"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// ClientConfig says who calls, and how others are found.
type ClientConfig struct {
	Cluster, Node string // UUIDs
	Epoch         func() catalog.Epoch
	Hello         func() catalog.Hello // of this node; nil: of one that has no catalog
	View          func() *catalog.State

	// Locate returns the address of a node, or why nobody knows; nil: the one
	// in View.
	Locate func(node string) (address string, err error)
	// TLS returns what connects to a node and makes sure that it is that one
	// (trust.Side.Client); nil: connections are in the clear, for tests.
	TLS func(node string) *tls.Config
	// Dial connects; nil: as net.Dialer does.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// Now is the clock of Rest; default time.Now.
	Now func() time.Time

	// Stall is how long a node may take for what is no work; default 10
	// seconds. Reads have a second more for each 4 MiB.
	Stall time.Duration
	// Rest is how long a disk is not asked that could not be reached, or was
	// too slow; default 3 seconds. So only one call in a while waits for it.
	Rest time.Duration
}

// Client calls other nodes, over one connection to each. It is safe for
// concurrent use. Errors have a code of package wire; those of disks also wrap
// what members.Disk says.
type Client struct {
	cfg ClientConfig

	mu    sync.Mutex
	conns map[string]*connection // by node
	disks map[string]*disk       // by id
	done  bool
}

type connection struct {
	address string
	*grpc.ClientConn
}

// NewClient returns a client that has no connections yet. Close it when done.
func NewClient(cfg ClientConfig) *Client {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Stall <= 0 {
		cfg.Stall = 10 * time.Second
	}
	if cfg.Rest <= 0 {
		cfg.Rest = 3 * time.Second
	}
	if cfg.Locate == nil {
		cfg.Locate = func(node string) (string, error) { return registered(cfg.View(), node) }
	}
	return &Client{cfg: cfg, conns: map[string]*connection{}, disks: map[string]*disk{}}
}

func registered(view *catalog.State, node string) (address string, err error) {
	n, ok := view.Node(node)
	if !ok || n.Address == "" {
		return "", wire.Errorf(wire.Unavailable, "node %s has no address in the catalog", node)
	}
	return n.Address, nil
}

// Close ends all connections, and the calls on them.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done = true
	var errs []error
	for _, conn := range c.conns {
		errs = append(errs, conn.Close())
	}
	clear(c.conns)
	return errors.Join(errs...)
}

// Ping asks a node how it is, and tells it by how much its clock was ahead of
// those of the others a moment ago, if that is known.
func (c *Client) Ping(ctx context.Context, node string, ahead time.Duration, known bool) (Pong, error) {
	return call[Pong](ctx, c, node, ping, pingHeader{known, int64(ahead)}, nil)
}

// Propose has a node that leads put an encoded command into the log, and
// returns the index at which it was applied there. When ctx ends it is not
// known whether it was.
func (c *Client) Propose(ctx context.Context, node string, entry []byte) (index uint64, err error) {
	a, err := call[indexHeader](ctx, c, node, propose, empty{}, entry)
	return a.Index, err
}

// ReadIndex returns an index that holds all that was acknowledged before the
// call, from a node that leads.
func (c *Client) ReadIndex(ctx context.Context, node string) (uint64, error) {
	a, err := call[indexHeader](ctx, c, node, readIndex, empty{}, nil)
	return a.Index, err
}

// call makes a call of one message each way. A context without a deadline gets
// that of a call that is no work.
func call[A any](ctx context.Context, c *Client, node, name string, header any, body []byte) (a A, err error) {
	a, _, err = exchange[A](ctx, c, node, name, header, body, 0)
	return a, err
}

// exchange is a call whose answer may carry so many bytes.
func exchange[A any](ctx context.Context, c *Client, node, name string, header any, body []byte, most int) (a A, answer []byte, err error) {
	limit := maxCall / 2
	if _, has := ctx.Deadline(); !has {
		limit = c.cfg.Stall
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	conn, err := c.connect(node)
	if err != nil {
		return a, nil, err
	}
	in, err := newFrame(header, body)
	if err != nil {
		return a, nil, err
	}
	out := new(frame)
	if err := conn.Invoke(c.as(ctx, node), method(name), in, out); err != nil {
		return a, nil, wire.FromError(err)
	}
	a, err = decode[A](out, most)
	return a, out.DataBody, err
}

// as adds who calls to the metadata of a call.
func (c *Client) as(ctx context.Context, node string) context.Context {
	hello := catalog.Hello{Speaks: catalog.BuildSpeaks()}
	if c.cfg.Hello != nil {
		hello = c.cfg.Hello()
	}
	return caller{cluster: c.cfg.Cluster, node: c.cfg.Node, to: node, hello: hello, epoch: c.cfg.Epoch()}.on(ctx)
}

// connect returns the connection to a node; gRPC dials when it is needed.
func (c *Client) connect(node string) (*grpc.ClientConn, error) {
	address, err := c.cfg.Locate(node)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done {
		return nil, wire.Errorf(wire.Unavailable, "the node is stopping")
	}
	if conn := c.conns[node]; conn != nil {
		if conn.address == address {
			return conn.ClientConn, nil
		}
		conn.Close() // it has moved; calls under way end as if it had stopped
	}
	c.forget()
	conn, err := c.dial(node, address)
	if err != nil {
		return nil, wire.Errorf(wire.Unavailable, "node %s at %s: %w", node, address, err)
	}
	c.conns[node] = &connection{address, conn}
	return conn, nil
}

// forget closes the connections to nodes that are no more; the lock is held.
func (c *Client) forget() {
	for node, conn := range c.conns {
		if _, there := c.cfg.View().Node(node); !there {
			conn.Close()
			delete(c.conns, node)
		}
	}
}

// retryDial bounds how long gRPC waits before it dials again.
const retryDial = 2 * time.Second

func (c *Client) dial(node, address string) (*grpc.ClientConn, error) {
	secure := insecure.NewCredentials()
	if c.cfg.TLS != nil {
		secure = credentials.NewTLS(c.cfg.TLS(node))
	}
	again := backoff.DefaultConfig
	again.BaseDelay, again.MaxDelay = retryDial/10, retryDial
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(secure),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: again, MinConnectTimeout: c.cfg.Stall}),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(wire.Codec()), grpc.MaxCallRecvMsgSize(maxChunk+maxHeader)),
		grpc.WithInitialWindowSize(wire.ReadAhead), grpc.WithInitialConnWindowSize(wire.ReadAhead),
		grpc.WithReadBufferSize(wire.SocketBytes), grpc.WithWriteBufferSize(wire.SocketBytes),
	}
	if c.cfg.Dial != nil {
		options = append(options, grpc.WithContextDialer(c.cfg.Dial))
	}
	return grpc.NewClient("passthrough:///"+address, options...)
}

// Disk returns a disk of another node, whether it is there or not: the catalog
// is asked with each call which node has it.
func (c *Client) Disk(id string) members.Disk {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.disks[id]
	if d == nil {
		d = &disk{client: c, id: id}
		c.disks[id] = d
	}
	return d
}

// nodeOf returns the node that has a disk.
func (c *Client) nodeOf(disk string) (string, error) {
	d, ok := c.cfg.View().Disk(disk)
	if !ok {
		return "", wire.Errorf(wire.Unavailable, "disk %s is not in the catalog", disk)
	}
	if d.Node == c.cfg.Node {
		return "", wire.Errorf(wire.Unavailable, "disk %s is this node's and not there", disk)
	}
	return d.Node, nil
}

// readTime returns how long so many bytes may take.
func (c *Client) readTime(bytes int64) time.Duration {
	return c.cfg.Stall + time.Duration(bytes>>22)*time.Second
}

// slow is the error of a node that did not answer in time.
func (c *Client) slow(what string) error {
	return fmt.Errorf("%w: %w", members.ErrAway, wire.Errorf(wire.DeadlineExceeded, "no answer to %s for %v", what, c.cfg.Stall))
}
