package trust

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/hashicorp/raft"
)

// RaftLayer is what Raft speaks to the other nodes through: a
// raft.StreamLayer over the one port.
type RaftLayer struct {
	net.Listener
	side   Side
	locate func(raft.ServerAddress) (addr, node string, err error)
	dial   func(ctx context.Context, network, addr string) (net.Conn, error)
}

var _ raft.StreamLayer = (*RaftLayer)(nil)

// NewRaftLayer makes a layer of the tarn-raft listener of a Splitter. locate
// says at which host:port a server of Raft's configuration is, and which
// node's UUID it must show: an address may be another node's by now. dial is
// that of a net.Dialer, or of a simulated network.
func NewRaftLayer(l net.Listener, side Side, locate func(raft.ServerAddress) (addr, node string, err error),
	dial func(ctx context.Context, network, addr string) (net.Conn, error)) *RaftLayer {
	return &RaftLayer{Listener: l, side: side, locate: locate, dial: dial}
}

// Dial connects to a server, handshake included, within timeout.
func (r *RaftLayer) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	addr, node, err := r.locate(address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return dialTLS(ctx, r.dial, addr, r.side.Client(ProtocolRaft, node))
}

func dialTLS(ctx context.Context, dial func(ctx context.Context, network, addr string) (net.Conn, error), addr string, cfg *tls.Config) (*tls.Conn, error) {
	raw, err := dial(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, cfg)
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, err
	}
	return conn, nil
}
