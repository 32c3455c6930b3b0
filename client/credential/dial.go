package credential

import (
	"crypto/tls"
	"crypto/x509"
	"time"

	"github.com/tarnlake/tarn/client/wire"
)

// ProtocolGRPC is what a connection for gRPC says by ALPN that it is for.
const ProtocolGRPC = "h2"

// Dialing returns the configuration to connect to a node with, for one
// protocol. verify says whether to believe the server, by the chain that it
// shows: the check that crypto/tls would make compares host names, and cannot
// say whose cluster it is that answers. Neither host name nor address are
// looked at.
func Dialing(protocol string, now func() time.Time, verify func(chain []*x509.Certificate) error) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		Time:               now,
		NextProtos:         []string{protocol},
		ServerName:         NodeName,
		InsecureSkipVerify: true,
		VerifyConnection:   func(cs tls.ConnectionState) error { return verify(cs.PeerCertificates) },
	}
}

// VerifyServer verifies that chain is that of a node of the cluster: of node,
// a UUID, if that is not empty. The error is wire.Unauthenticated.
func (r *Roots) VerifyServer(now time.Time, chain []*x509.Certificate, node string) error {
	p, err := r.Verify(now, chain, x509.ExtKeyUsageServerAuth)
	if err != nil {
		return err
	}
	if p.Role != Node {
		return wire.Errorf(wire.Unauthenticated, "the server is %s; only nodes serve", p.Identity)
	}
	if node != "" && p.Name != node {
		return wire.Errorf(wire.Unauthenticated, "the server is node %s; node %s was to be called", p.Name, node)
	}
	return nil
}
