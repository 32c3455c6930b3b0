package trust

import (
	"crypto/tls"
	"crypto/x509"
	"slices"
	"time"

	"github.com/tarnlake/tarn/client/credential"
	"github.com/tarnlake/tarn/client/wire"
)

// What a connection to the one port is for, agreed on by ALPN.
const (
	ProtocolGRPC = credential.ProtocolGRPC
	ProtocolRaft = "tarn-raft"
	ProtocolJoin = "tarn-join"
)

// Side is one machine's end of its connections: whom it believes and what it
// shows. The functions are asked for each connection, so that authorities and
// certificates can change while the machine runs; they are called from many
// goroutines. Configurations made from it resume no sessions: each
// connection is verified anew.
type Side struct {
	Roots       func() *Roots
	Certificate func() *tls.Certificate // nil or returning nil: it shows none
	Now         func() time.Time

	// Check, if not nil, may refuse a peer whose certificate is good: a node
	// that was removed from the cluster. It is not asked about servers.
	Check func(Peer) error
}

// Server returns the configuration of the one port. With tarn-raft only nodes
// get through the handshake. With h2 everybody does: what a certificate is
// worth is found by Splitter, and told with the first call.
func (s Side) Server() *tls.Config {
	c := &tls.Config{
		MinVersion:             tls.VersionTLS13,
		Time:                   s.Now,
		NextProtos:             []string{ProtocolGRPC, ProtocolJoin},
		ClientAuth:             tls.RequestClientCert,
		SessionTicketsDisabled: true,
		GetCertificate:         func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.shown() },
	}
	forRaft := c.Clone()
	forRaft.NextProtos = []string{ProtocolRaft}
	forRaft.ClientAuth = tls.RequireAnyClientCert
	forRaft.VerifyConnection = func(cs tls.ConnectionState) error { return s.onlyNodes(cs.PeerCertificates) }
	c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if slices.Contains(hello.SupportedProtos, ProtocolRaft) {
			return forRaft, nil
		}
		return nil, nil
	}
	return c
}

func (s Side) shown() (*tls.Certificate, error) {
	if s.Certificate != nil {
		if cert := s.Certificate(); cert != nil {
			return cert, nil
		}
	}
	return nil, wire.Errorf(wire.Unavailable, "this machine has no certificate yet")
}

// caller verifies who has connected to us.
func (s Side) caller(chain []*x509.Certificate) (Peer, error) {
	p, err := s.Roots().Verify(s.Now(), chain, x509.ExtKeyUsageClientAuth)
	if err == nil && s.Check != nil {
		err = s.Check(p)
	}
	return p, err
}

func (s Side) onlyNodes(chain []*x509.Certificate) error {
	p, err := s.caller(chain)
	if err == nil && p.Role != Node {
		err = wire.Errorf(wire.Unauthenticated, "the peer is %s; only nodes may", p.Identity)
	}
	return err
}

// Client returns the configuration to connect to a node with, for one
// protocol. node is the UUID that it must have; empty means any node of the
// cluster. Neither host name nor address are looked at.
func (s Side) Client(protocol, node string) *tls.Config {
	c := credential.Dialing(protocol, s.Now, func(chain []*x509.Certificate) error {
		return s.Roots().VerifyServer(s.Now(), chain, node)
	})
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if cert, err := s.shown(); err == nil {
			return cert, nil
		}
		return &tls.Certificate{}, nil // shows none
	}
	return c
}
