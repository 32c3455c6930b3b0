package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	"github.com/tarnlake/tarn/client/credential"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/cluster/gossip"
	"github.com/tarnlake/tarn/daemon/cluster/trust"
	"github.com/tarnlake/tarn/daemon/peer"
)

// network is how a node of a cluster speaks: the one port, shared out by
// protocol, Raft's streams, calls to other nodes, and gossip. A node alone has
// none of it.
type network struct {
	cfg     Config
	node    string // UUID
	address string // host:port by which others reach the port
	fellows *fellows
	ready   func() bool                     // the node has caught up with its cluster
	catalog atomic.Pointer[catalog.Catalog] // nil until it is open

	own       *trust.Roots // of node.pem
	renewer   *trust.Renewer
	side      trust.Side
	refusals  *trust.Refusals
	guard     *trust.Guard
	splitter  *trust.Splitter
	hangUp    func() error // closes splitter, once
	transport catalog.Transport
	peers     *peer.Client
	gossip    *gossip.Gossip
}

const certificateName = "node.pem"

// openNetwork begins to speak on a port that is open. Calls of gRPC are not
// answered yet: that is for who serves w.listener.
func openNetwork(cfg Config, id identity, l net.Listener, epoch func() catalog.Epoch, ready func() bool) (_ *network, err error) {
	w := &network{cfg: cfg, node: id.Node, address: advertised(cfg, l), ready: ready, refusals: trust.NewRefusals(cfg.Logger, time.Now)}
	if w.fellows, err = loadFellows(cfg.Dir); err != nil {
		return nil, err
	}
	cert, err := w.readCertificate()
	if err != nil {
		return nil, err
	}
	w.renewer = trust.NewRenewer(cert, trust.RenewerConfig{
		Now: time.Now, Logger: cfg.Logger, Roots: w.roots, Issue: w.issue,
		Keep: func(next *tls.Certificate) error { return writeCertificate(cfg.Dir, next) },
	})
	w.side = trust.Side{Roots: w.roots, Certificate: w.renewer.Certificate, Now: time.Now, Check: w.check}
	w.guard = &trust.Guard{State: func() trust.State { return w.view().Trust() }, Ready: ready, Now: time.Now, Refusals: w.refusals}
	w.splitter = trust.NewSplitter(l, w.side, w.refusals, trust.SplitConfig{})
	w.hangUp = sync.OnceValue(w.splitter.Close)
	streams := trust.NewRaftLayer(w.splitter.Listener(trust.ProtocolRaft), w.side, w.locateServer, (&net.Dialer{}).DialContext)
	w.transport = catalog.NewTransport(catalog.FencedStreams(streams, w.hello), cfg.Logger)
	w.peers = peer.NewClient(peer.ClientConfig{
		Cluster: id.Cluster, Node: id.Node, Epoch: epoch, View: w.view, Locate: w.locate, Hello: w.knownHello,
		TLS: func(node string) *tls.Config { return w.side.Client(trust.ProtocolGRPC, node) },
	})
	w.gossip, err = gossip.Start(gossip.Config{
		Cluster: id.Cluster, Keys: w.gossipKeys, Bind: cfg.Gossip, Advertise: gossipAdvertised(cfg, w.address),
		Meta: gossip.Meta{Node: id.Node, Address: w.address, Version: cfg.Version, Zone: cfg.Zone}, Logger: cfg.Logger, Refusals: w.refusals,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("gossip: %w", err), w.close())
	}
	return w, nil
}

// listener returns where calls of gRPC come in.
func (w *network) listener() net.Listener { return w.splitter.Listener(trust.ProtocolGRPC) }

// leave says goodbye and takes no more connections; those that are there live
// on. What it has heard last of where the others are is kept: they may have
// moved a moment ago, all of them.
func (w *network) leave() error {
	w.keepFellows()
	if err := w.gossip.Leave(); err != nil {
		w.cfg.Logger.Debug("saying goodbye in gossip", "error", err) // the others will notice
	}
	return w.hangUp()
}

func (w *network) close() error {
	var errs []error
	if w.gossip != nil {
		errs = append(errs, w.gossip.Close())
	}
	return errors.Join(append(errs, w.hangUp(), w.peers.Close(), w.transport.Close())...)
}

// tell has gossip spread the node's new life.
func (w *network) tell(epoch catalog.Epoch) {
	meta := gossip.Meta{Node: w.node, Address: w.address, Epoch: uint64(epoch), Version: w.cfg.Version, Zone: w.cfg.Zone}
	if err := w.gossip.Update(meta); err != nil {
		w.cfg.Logger.Warn("telling others of this node's new life", "error", err)
	}
}

// hello is what this node tells others, once its catalog is open.
func (w *network) hello() (catalog.Hello, error) {
	c := w.catalog.Load()
	if c == nil {
		return catalog.Hello{Speaks: w.cfg.speaks}, wire.Errorf(wire.Unavailable, "the node has only begun to start")
	}
	return c.Hello(), nil
}

// knownHello is hello for who does not call before the catalog is open.
func (w *network) knownHello() catalog.Hello {
	hello, _ := w.hello()
	return hello
}

// view is the newest state that was applied here, or an empty one.
func (w *network) view() *catalog.State {
	if c := w.catalog.Load(); c != nil {
		return c.View()
	}
	return emptyState
}

var emptyState = catalog.NewState()

// roots are whom this node believes: whom the cluster does, or, until that is
// known, whom it did when the node's certificate was made.
func (w *network) roots() *trust.Roots {
	if t := w.view().Trust(); t.Cluster != "" {
		if r, err := t.Roots(); err == nil {
			return r
		}
	}
	return w.own
}

func (w *network) gossipKeys() [][]byte {
	if keys := w.view().Trust().GossipKeys; len(keys) > 0 {
		return keys
	}
	return w.fellows.keys()
}

// issue signs the node's own next certificate: every node can.
func (w *network) issue(ctx context.Context, csr []byte) ([][]byte, error) {
	c := w.catalog.Load()
	if c == nil {
		return nil, wire.Errorf(wire.Unavailable, "the node has only begun to start")
	}
	view, err := c.Read(ctx)
	if err != nil {
		return nil, err
	}
	return view.Trust().SignNode(time.Now(), csr, w.node)
}

// check refuses nodes that the cluster has removed.
func (w *network) check(p trust.Peer) error {
	view := w.view()
	if p.Role != trust.Node || len(view.Nodes()) == 0 {
		return nil
	}
	switch _, known := view.Node(p.Name); {
	case known:
		return nil
	case !w.ready(): // it may have come since this node last ran
		return wire.Errorf(wire.Unavailable, "node %s is not in the catalog of this node, which is starting and may be behind", p.Name).
			WithHint("wait until it has caught up")
	default:
		return wire.Errorf(wire.Unauthenticated, "node %s was removed from the cluster", p.Name).
			WithHint("to let it in again, start it in an empty directory with a new join token")
	}
}

// locateServer is locate for Raft, in whose configuration a node's UUID is its
// address.
func (w *network) locateServer(server raft.ServerAddress) (addr, node string, err error) {
	addr, err = w.locate(string(server))
	return addr, string(server), err
}

// locate says where a node is: where gossip hears it, else where the catalog
// has it, else where it was when this node last ran. The catalog may be wrong
// for long: a node that has moved can tell it only once it has a replica again.
func (w *network) locate(node string) (addr string, err error) {
	if w.gossip != nil {
		for _, m := range w.gossip.Members() {
			if m.Node == node && m.State == gossip.Alive && m.Address != "" {
				return m.Address, nil
			}
		}
	}
	if n, ok := w.view().Node(node); ok && n.Address != "" {
		return n.Address, nil
	}
	if addr := w.fellows.address(node); addr != "" {
		return addr, nil
	}
	return "", wire.Errorf(wire.Unavailable, "nobody has said yet where node %s is", node)
}

// keepInTouch follows the catalog: where the others are, who was removed, and
// whether gossip has lost sight of everybody.
func (w *network) keepInTouch(ctx context.Context) {
	tick := time.NewTicker(touchEvery)
	defer tick.Stop()
	for {
		w.keepFellows()
		w.splitter.Recheck()
		w.findOthers(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (w *network) keepFellows() {
	if err := w.fellows.follow(w.view()); err != nil {
		w.cfg.Logger.Error("keeping where the other nodes are", "error", err)
	}
}

const touchEvery = 2 * time.Second

// findOthers joins gossip where this node hears of nobody.
func (w *network) findOthers(ctx context.Context) {
	heard := 0
	for _, m := range w.gossip.Members() {
		if m.Node != w.node && m.State == gossip.Alive {
			heard++
		}
	}
	others := w.fellows.gossips(w.node)
	if heard > 0 || len(others) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, touchEvery)
	defer cancel()
	if _, err := w.gossip.Join(ctx, others...); err != nil && ctx.Err() == nil {
		w.cfg.Logger.Debug("no other node is heard of", "error", err)
	}
}

func (w *network) readCertificate() (*tls.Certificate, error) {
	at := filepath.Join(w.cfg.Dir, certificateName)
	b, err := os.ReadFile(at)
	if err != nil {
		return nil, wire.Errorf(wire.Corrupt, "the node's certificate is missing: %w", err).
			WithHint("it cannot be made anew here: remove the node and let it join again with an empty directory, its disks keep their rows")
	}
	cert, roots, err := credential.ParsePEM(b)
	if err == nil && roots == nil {
		err = errors.New("there is no authority in it")
	}
	if err != nil {
		return nil, wire.Errorf(wire.Corrupt, "%s: %w", at, err)
	}
	w.own = roots
	return cert, nil
}

func writeCertificate(dir string, cert *tls.Certificate) error {
	b, err := credential.MarshalPEM(cert)
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(dir, certificateName), b, 0o600)
}

// advertised returns where others reach the port: what the operator has said,
// or the address it listens on, or one of the machine's if that is all of them.
func advertised(cfg Config, l net.Listener) string {
	if cfg.Advertise != "" {
		return cfg.Advertise
	}
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok || !addr.IP.IsUnspecified() {
		return l.Addr().String()
	}
	return (&net.TCPAddr{IP: machineIP(), Port: addr.Port}).String()
}

// machineIP returns an address of this machine that is not loopback, if there
// is one.
func machineIP() net.IP {
	addrs, _ := net.InterfaceAddrs() // none will do
	for _, a := range addrs {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.IsGlobalUnicast() && ip.IP.To4() != nil {
			return ip.IP
		}
	}
	return net.IPv4(127, 0, 0, 1)
}

// gossipAdvertised returns where others reach gossip, where that is not simply
// what it binds: on the host of the port.
func gossipAdvertised(cfg Config, address string) string {
	bind, port, err := net.SplitHostPort(cfg.Gossip)
	host, _, _ := net.SplitHostPort(address)
	if ip := net.ParseIP(bind); err != nil || port == "0" || bind != "" && (ip == nil || !ip.IsUnspecified()) {
		return ""
	}
	return net.JoinHostPort(host, port)
}
