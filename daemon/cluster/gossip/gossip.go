// Package gossip tells who seems to be here. Each node of a cluster says with
// every sign of life who it is and where; who is not heard of for a while is
// thought dead. That is a hint and no more: who is up, down or lost is
// decided by the catalog (see daemon/cluster/liveness).
//
// The protocol is that of hashicorp/memberlist, sealed by this package: see
// seal.go. memberlist does not tell whom it suspects before it thinks them
// dead, so there is no such state here.
package gossip

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/memberlist"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/cluster/trust"
)

// Config is what gossip works with.
type Config struct {
	Cluster   string          // UUID: nobody else's messages are looked at
	Keys      func() [][]byte // AES-256; the first seals, all open; asked for each message, from many goroutines
	Bind      string          // host:port to listen on, UDP and TCP; port 0 picks one
	Advertise string          // host:port by which others reach it; empty: what Bind says, which is one address then
	Meta      Meta
	Logger    *slog.Logger
	Refusals  *trust.Refusals      // logs what is not let in
	Transport memberlist.Transport // nil: the network; else Bind is not looked at. It is shut down with this node
}

const (
	// reclaim is after what time a node that is thought dead may be back at
	// another address.
	reclaim = 30 * time.Second

	streamTime    = 5 * time.Second // for a message on a stream
	broadcastTime = 5 * time.Second // for a word about ourselves to be passed on
)

// Gossip is one node's part in it. Safe for concurrent use.
type Gossip struct {
	*book
	transport *sealedTransport
	list      *memberlist.Memberlist
	addr      string

	mu     sync.Mutex // of changes of ourselves
	left   bool
	closed bool
}

// Start begins to listen and to answer. Until Join, or until somebody joins
// this node, it is alone.
func Start(cfg Config) (*Gossip, error) {
	cluster, err := uuid.Parse(cfg.Cluster)
	if err != nil {
		return nil, wire.Errorf(wire.InvalidArgument, "%.80q is not a cluster's UUID", cfg.Cluster)
	}
	b, err := newBook(cfg.Meta)
	if err != nil {
		return nil, err
	}
	advertise, err := advertised(cfg)
	if err != nil {
		return nil, err
	}
	below := cfg.Transport
	if below == nil {
		if below, err = listen(cfg); err != nil {
			return nil, err
		}
	}
	t := newSealedTransport(below, &box{cluster: cluster, keys: cfg.Keys}, cfg.Refusals)
	list, err := memberlist.Create(settings(cfg, b, t, advertise))
	if err != nil {
		_ = t.Shutdown()
		return nil, wire.Errorf(wire.Unavailable, "gossip: %w", err)
	}
	return &Gossip{book: b, transport: t, list: list, addr: list.LocalNode().Address()}, nil
}

func settings(cfg Config, b *book, t *sealedTransport, advertise netip.AddrPort) *memberlist.Config {
	c := memberlist.DefaultLANConfig()
	c.Name = cfg.Meta.Node
	c.Transport = t
	c.Delegate, c.Events, c.Alive, c.Conflict = b, b, b, b
	c.Logger = newLogger(cfg.Logger)
	c.UDPBufferSize -= packetHead + sealOverhead
	c.EnableCompression = false // messages are small, and what is not unpacked cannot burst
	c.DeadNodeReclaimTime = reclaim
	c.TCPTimeout = streamTime
	if advertise.IsValid() {
		c.AdvertiseAddr, c.AdvertisePort = advertise.Addr().String(), int(advertise.Port())
	}
	return c
}

// advertised returns the address to tell others; the zero one if it is the
// one that is bound.
func advertised(cfg Config) (netip.AddrPort, error) {
	if cfg.Advertise != "" {
		addrs, err := resolve(context.Background(), cfg.Advertise)
		if err != nil {
			return netip.AddrPort{}, err
		}
		return addrs[0], nil
	}
	host, _, _ := net.SplitHostPort(cfg.Bind)
	if ip := net.ParseIP(host); cfg.Transport == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return netip.AddrPort{}, wire.Errorf(wire.InvalidArgument, "gossip listens on every address (%s): by which of them others reach this node has to be said", cfg.Bind).
			WithHint("give the address to advertise, HOST:PORT")
	}
	return netip.AddrPort{}, nil
}

// listen opens the port, UDP and TCP. A port that the kernel picked for one
// may be taken for the other: then another is picked.
func listen(cfg Config) (memberlist.Transport, error) {
	bind, err := resolveBind(cfg.Bind)
	if err != nil {
		return nil, err
	}
	c := &memberlist.NetTransportConfig{BindAddrs: []string{bind.Addr().String()}, BindPort: int(bind.Port()), Logger: newLogger(cfg.Logger)}
	for try := 1; ; try++ {
		t, err := memberlist.NewNetTransport(c)
		if err == nil {
			return t, nil
		}
		if bind.Port() != 0 || try == 10 {
			return nil, wire.Errorf(wire.Unavailable, "gossip cannot listen on %s: %w", cfg.Bind, err).WithHint("is another node running there?")
		}
	}
}

func resolveBind(bind string) (netip.AddrPort, error) {
	if host, port, err := net.SplitHostPort(bind); err == nil && host == "" {
		bind = net.JoinHostPort("0.0.0.0", port)
	}
	addrs, err := resolve(context.Background(), bind)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return addrs[0], nil
}

// resolve returns the addresses that host:port stands for, at least one.
func resolve(ctx context.Context, hostPort string) ([]netip.AddrPort, error) {
	host, portText, err := net.SplitHostPort(hostPort)
	var port uint64
	if err == nil {
		port, err = strconv.ParseUint(portText, 10, 16)
	}
	if err != nil {
		return nil, wire.Errorf(wire.InvalidArgument, "%.255q is not an address of the form HOST:PORT", hostPort)
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, wire.Errorf(wire.Unavailable, "%s: %w", hostPort, err)
	}
	addrs := make([]netip.AddrPort, len(ips))
	for i, ip := range ips {
		addrs[i] = netip.AddrPortFrom(ip.Unmap(), uint16(port))
	}
	return addrs, nil
}

// Join makes this node known to the nodes at addrs (host:port of gossip), and
// them to it. It returns how many answered; none is wire.Unavailable. To be
// called again when a node finds itself alone.
func (g *Gossip) Join(ctx context.Context, addrs ...string) (int, error) {
	answered := 0
	var errs []error
	for _, addr := range addrs {
		n, err := g.joinOne(ctx, addr)
		answered += n
		errs = append(errs, err)
	}
	if answered == 0 {
		return 0, wire.Errorf(wire.Unavailable, "no node answers in gossip: %w", errors.Join(errs...)).
			WithHint("are these addresses (UDP and TCP) of nodes of this cluster? A node of another one does not answer")
	}
	return answered, nil
}

func (g *Gossip) joinOne(ctx context.Context, addr string) (answered int, err error) {
	found, err := resolve(ctx, addr)
	if err != nil {
		return 0, err
	}
	for _, a := range found {
		if ctx.Err() != nil {
			return answered, context.Cause(ctx)
		}
		n, joinErr := g.list.Join([]string{a.String()})
		answered += n
		err = errors.Join(err, joinErr)
	}
	return answered, err
}

// Update changes what this node says about itself. It returns once the word
// is on its way, or nobody is there to hear it.
func (g *Gossip) Update(m Meta) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.left || g.closed {
		return errLeft
	}
	return g.update(m)
}

var errLeft = wire.Errorf(wire.Unavailable, "this node has left gossip")

func (g *Gossip) update(m Meta) error {
	if err := g.say(m); err != nil {
		return err
	}
	if err := g.list.UpdateNode(broadcastTime); err != nil {
		return wire.Errorf(wire.Unavailable, "gossip: %w", err)
	}
	return nil
}

// Leave says goodbye: others see that the node left, not that it died. The
// node takes no part any more; Close is still to be called.
func (g *Gossip) Leave() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.left || g.closed {
		return nil
	}
	g.left = true
	m := g.saying()
	m.Leaving = true
	err := g.update(m)
	return errors.Join(err, g.list.Leave(broadcastTime))
}

// Close ends it without a word, and frees the port. Calls under way may fail.
func (g *Gossip) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil
	}
	g.closed = true
	return g.list.Shutdown()
}

// Addr returns the address by which others reach this node's gossip.
func (g *Gossip) Addr() string { return g.addr }

// Counts is what was not let in since the start.
type Counts struct {
	Garbage   uint64 // not messages of gossip, or streams that broke off
	Foreign   uint64 // of another cluster
	WrongKey  uint64
	Unknown   uint64 // words on a node that do not parse, or are another's
	Conflicts uint64 // claims that a node is at another address while it is alive
}

// Counts returns what was not let in since the start.
func (g *Gossip) Counts() Counts {
	t := g.transport
	return Counts{Garbage: t.garbage.Load(), Foreign: t.foreign.Load(), WrongKey: t.wrongKey.Load(),
		Unknown: g.unknown.Load(), Conflicts: g.conflicts.Load()}
}
