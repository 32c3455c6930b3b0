package client

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/client/credential"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/format"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
)

// DefaultAddr is where a node listens unless it is told otherwise.
const DefaultAddr = "127.0.0.1:7460"

// maxMessageBytes bounds one message from a node. Nodes cut batches to about
// 3.5 MiB; only a single larger row makes a larger message.
const maxMessageBytes = 256 << 20

// Option changes how Dial connects.
type Option func(*settings)

type settings struct {
	mem, blockMem memory.Allocator
	wait          time.Duration
	secrets       secrets
}

// WithAllocator makes the client decode batches with mem, which has to be safe
// for concurrent use.
func WithAllocator(mem memory.Allocator) Option {
	return func(s *settings) { s.mem, s.blockMem = mem, mem }
}

// WithDialTimeout bounds how long Dial waits for a node, and a call for
// another one when its node is gone; the default is 5 seconds.
func WithDialTimeout(d time.Duration) Option { return func(s *settings) { s.wait = d } }

// Dial connects to a node of those at addrs, one host:port or several with
// commas between, and returns once one answers. They are tried in turn. Without
// WithCertificate or WithToken there is no TLS, and all addresses must be of
// this machine. It fails with wire.Unavailable if no node can be reached, and
// with wire.Unauthenticated if what answers is not a node of the cluster.
func Dial(ctx context.Context, addrs string, opts ...Option) (*Client, error) {
	set := settings{mem: memory.DefaultAllocator, blockMem: format.Unzeroed, wait: 5 * time.Second}
	for _, o := range opts {
		o(&set)
	}
	list, err := parseAddrs(addrs)
	if err != nil {
		return nil, err
	}
	d, err := newDoor(ctx, list, set.secrets)
	if err != nil {
		return nil, err
	}
	d.wait = set.wait
	conn, err := grpc.NewClient(d.target(), d.options()...)
	if err != nil {
		return nil, wire.Errorf(wire.InvalidArgument, "address %q: %w", addrs, err)
	}
	if err := d.enter(ctx, conn); err != nil {
		conn.Close()
		return nil, err
	}
	return &Client{
		addr: addrs, door: d, conn: conn, mem: set.mem, blockMem: set.blockMem, maxBlock: maxBlockBytes, lanes: map[string][]*lane{},
		flight: flight.NewClientFromConn(conn, nil),
	}, nil
}

func parseAddrs(text string) ([]string, error) {
	addrs := strings.Split(text, ",")
	for i, addr := range addrs {
		addrs[i] = strings.TrimSpace(addr)
		if _, port, err := net.SplitHostPort(addrs[i]); err != nil || port == "" {
			return nil, wire.Errorf(wire.InvalidArgument, "%q is not an address of the form HOST:PORT", addrs[i]).
				WithHint("give host:port, such as %s; several with commas between", DefaultAddr)
		}
	}
	return addrs, nil
}

// A door is where a client goes in: the addresses, and what to show there.
type door struct {
	addrs   []string
	secrets secrets
	wait    time.Duration
	tries   tries
	list    *manual.Resolver // of the addresses, in the order in which they are tried

	moving sync.Mutex
	at     atomic.Pointer[string] // the address that has let us in last
}

func newDoor(ctx context.Context, addrs []string, s secrets) (*door, error) {
	if s.err != nil {
		return nil, s.err
	}
	if err := s.check(time.Now()); err != nil {
		return nil, err
	}
	if !s.secure() {
		for _, addr := range addrs {
			if err := onlyHere(ctx, addr); err != nil {
				return nil, err
			}
		}
	}
	d := &door{addrs: addrs, secrets: s, list: manual.NewBuilderWithScheme(scheme)}
	d.list.InitialState(addresses(addrs))
	return d, nil
}

// onlyHere refuses an address that is not of this machine. A name that nobody
// knows is left for the connection to fail at.
func onlyHere(ctx context.Context, addr string) error {
	host, _, _ := net.SplitHostPort(addr) // parseAddrs has looked
	if host == "" {
		return nil
	}
	ips, _ := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	for _, ip := range ips {
		if !isHere(ip.Unmap()) {
			return wire.Errorf(wire.InvalidArgument, "%s is another machine, and without TLS only addresses on loopback are called", addr).
				WithHint("give --cert FILE, or --token and --ca")
		}
	}
	return nil
}

func isHere(ip netip.Addr) bool { return ip.IsLoopback() || ip.IsUnspecified() }

// target names what the resolver of options resolves.
func (d *door) target() string { return scheme + ":///lake" }

const scheme = "tarn"

// options make gRPC try the addresses in turn and stay with the first that
// lets us in, until it is gone.
func (d *door) options() []grpc.DialOption {
	options := []grpc.DialOption{
		grpc.WithResolvers(d.list),
		grpc.WithContextDialer(d.dial),
		grpc.WithTransportCredentials(d.secrets.transport()),
		grpc.WithAuthority(credential.NodeName),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: soon, MinConnectTimeout: connectTime}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessageBytes), grpc.ForceCodecV2(wire.Codec())),
		grpc.WithInitialWindowSize(wire.ReadAhead), grpc.WithInitialConnWindowSize(wire.ReadAhead),
		grpc.WithReadBufferSize(wire.SocketBytes), grpc.WithWriteBufferSize(wire.SocketBytes),
	}
	if d.secrets.secure() { // other machines may vanish without a word
		options = append(options, grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 20 * time.Second, Timeout: 10 * time.Second}))
	}
	if d.secrets.token != "" {
		options = append(options, grpc.WithPerRPCCredentials(bearer(d.secrets.token)))
	}
	return options
}

const connectTime = 5 * time.Second // for one address, handshake included

// soon is when addresses are tried again of which none let us in.
var soon = backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second}

// dial connects to one address, and shakes hands where there is TLS.
func (d *door) dial(ctx context.Context, addr string) (net.Conn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err == nil {
		conn, err = d.secrets.shake(ctx, conn)
	}
	d.tries.note(addr, err)
	if err == nil {
		d.at.Store(&addr)
	}
	return conn, err
}

// where returns the address that we are at, or "".
func (d *door) where() string {
	if at := d.at.Load(); at != nil {
		return *at
	}
	return ""
}

// leave has gRPC go on with the next address, if it is still at the one that a
// call found of no use: calls that fail together leave once. What is under way
// there goes on.
func (d *door) leave(from string) {
	d.moving.Lock()
	defer d.moving.Unlock()
	i := slices.Index(d.addrs, from)
	if i < 0 || d.where() != from || len(d.addrs) == 1 {
		return
	}
	others := slices.Concat(d.addrs[i+1:], d.addrs[:i])
	d.at.Store(nil)
	d.list.UpdateState(addresses(others)) // which ends the connection
	d.list.UpdateState(addresses(append(others, from)))
}

func addresses(addrs []string) (s resolver.State) {
	for _, addr := range addrs {
		s.Addresses = append(s.Addresses, resolver.Address{Addr: addr})
	}
	return s
}

// enter waits until a node has let us in, or none will.
func (d *door) enter(ctx context.Context, conn *grpc.ClientConn) error {
	ctx, cancel := context.WithTimeout(ctx, d.wait)
	defer cancel()
	for {
		state := conn.GetState()
		switch state {
		case connectivity.Ready:
			return nil
		case connectivity.Idle:
			conn.Connect()
		}
		if state == connectivity.TransientFailure || !conn.WaitForStateChange(ctx, state) {
			return d.tries.explain(d.addrs, d.secrets.secure(), context.Cause(ctx))
		}
	}
}
