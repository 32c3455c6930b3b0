package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/tarnlake/tarn/client/credential"
	"github.com/tarnlake/tarn/client/wire"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// secrets is what a client shows, and whom it believes.
type secrets struct {
	certificate *tls.Certificate
	token       string
	roots       *credential.Roots
	err         error // of an option
}

// WithCertificate makes the client show a certificate, and believe only nodes
// of the cluster that issued it. pem holds the private key, the certificate
// and that of the cluster's authority, as tarn cluster cert issue writes them.
func WithCertificate(pem []byte) Option {
	return func(s *settings) {
		cert, roots, err := credential.ParsePEM(pem)
		switch {
		case err != nil:
			s.secrets.err = errors.Join(s.secrets.err, err)
		case roots == nil:
			s.secrets.err = errors.Join(s.secrets.err, wire.Errorf(wire.InvalidArgument, "the file of the certificate does not hold the one of the cluster's authority").
				WithHint("append it to the file, or give --ca FILE"))
		}
		s.secrets.certificate, s.secrets.roots = cert, roots
	}
}

// WithToken makes the client show an access token with each call, and only to
// nodes of the cluster whose authorities caPEM holds.
func WithToken(token string, caPEM []byte) Option {
	return func(s *settings) {
		roots, err := credential.ParseCAs(caPEM)
		if err == nil {
			err = checkToken(token)
		}
		s.secrets.err = errors.Join(s.secrets.err, err)
		s.secrets.token, s.secrets.roots = token, roots
	}
}

// checkToken refuses what cannot be in a header: part of a file, most likely.
func checkToken(token string) error {
	odd := func(r rune) bool { return r <= ' ' || r > '~' }
	if token == "" || len(token) > maxToken || strings.ContainsFunc(token, odd) {
		return wire.Errorf(wire.InvalidArgument, "this is not an access token: it is empty, too long, or more than one word").
			WithHint("tarn token create shows a token once")
	}
	return nil
}

const maxToken = 4096

// secure reports whether there is TLS.
func (s *secrets) secure() bool { return s.roots != nil }

// check says what a node would say of a certificate that is no good, before
// it is shown.
func (s *secrets) check(now time.Time) error {
	if s.certificate == nil {
		return nil
	}
	_, err := s.roots.Verify(now, []*x509.Certificate{s.certificate.Leaf}, x509.ExtKeyUsageClientAuth)
	return err
}

// shake makes a connection secure, if it is to be; else it returns raw. It
// closes raw if that fails.
func (s *secrets) shake(ctx context.Context, raw net.Conn) (net.Conn, error) {
	if !s.secure() {
		return raw, nil
	}
	conn := tls.Client(raw, s.config())
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, err
	}
	return conn, nil
}

func (s *secrets) config() *tls.Config {
	c := credential.Dialing(credential.ProtocolGRPC, time.Now, func(chain []*x509.Certificate) error {
		return s.roots.VerifyServer(time.Now(), chain, "")
	})
	if s.certificate != nil {
		c.Certificates = []tls.Certificate{*s.certificate}
	}
	return c
}

// transport is what gRPC is told of connections that were made already.
func (s *secrets) transport() credentials.TransportCredentials {
	if s.secure() {
		return shaken{insecure.NewCredentials()}
	}
	return insecure.NewCredentials()
}

// shaken are the credentials of connections that have shaken hands. So a
// failure is known by its address and its own words, and not by those of gRPC.
type shaken struct {
	credentials.TransportCredentials
}

func (shaken) ClientHandshake(_ context.Context, _ string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	if _, ok := conn.(*tls.Conn); !ok {
		panic("BUG: a connection without TLS")
	}
	return conn, overTLS{credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}}, nil
}

func (shaken) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "tls"}
}

func (s shaken) Clone() credentials.TransportCredentials { return s }

// overTLS tells gRPC that a token may be shown.
type overTLS struct{ credentials.CommonAuthInfo }

// AuthType is that of credentials.AuthInfo.
func (overTLS) AuthType() string { return "tls" }

// bearer shows a token with each call.
type bearer string

// GetRequestMetadata is that of credentials.PerRPCCredentials.
func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

// RequireTransportSecurity is that of credentials.PerRPCCredentials.
func (bearer) RequireTransportSecurity() bool { return true }
