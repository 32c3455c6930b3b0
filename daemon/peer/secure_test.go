package peer

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/cluster/trust"
	"github.com/tarnlake/tarn/daemon/members"
	"google.golang.org/grpc"
)

// castle is a node behind the one port with all its checks.
type castle struct {
	t       *testing.T
	trust   trust.State
	view    *catalog.State
	node    string
	address string
}

func newCastle(t *testing.T, nodes ...string) *castle {
	t.Helper()
	s, err := trust.NewState(uuid.NewString(), time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &castle{t: t, trust: s, node: nodes[0], address: l.Addr().String(), view: catalog.NewState()}
	for i, n := range nodes {
		c.view, _ = c.view.Apply(catalog.Command{RegisterNode: &catalog.RegisterNode{Node: n, Name: n, Address: c.address}}, uint64(2*i+1))
		c.view, _ = c.view.Apply(catalog.Command{OpenEpoch: &catalog.OpenEpoch{Node: n}}, uint64(2*i+2))
	}
	refusals := trust.NewRefusals(slog.New(slog.DiscardHandler), time.Now)
	split := trust.NewSplitter(l, c.side(c.nodeCertificate(c.node)), refusals, trust.SplitConfig{})
	go split.Serve()
	guard := &trust.Guard{State: func() trust.State { return c.trust }, Now: time.Now, Refusals: refusals}
	server := grpc.NewServer(append(guard.ServerOptions(), grpc.ForceServerCodecV2(wire.Codec()))...)
	Register(server, ServerConfig{Cluster: s.Cluster, Node: c.node, Epoch: func() catalog.Epoch { return 1 }, Members: members.NewStore(), Catalog: c})
	go server.Serve(split.Listener(trust.ProtocolGRPC))
	t.Cleanup(func() {
		server.Stop()
		split.Close()
	})
	return c
}

func (c *castle) side(cert *tls.Certificate) trust.Side {
	c.t.Helper()
	roots, err := c.trust.Roots()
	if err != nil {
		c.t.Fatal(err)
	}
	return trust.Side{Roots: func() *trust.Roots { return roots }, Certificate: func() *tls.Certificate { return cert }, Now: time.Now}
}

// certificate has a chain signed for a new key.
func (c *castle) certificate(sign func(csr []byte) ([][]byte, error)) *tls.Certificate {
	c.t.Helper()
	key, err := trust.NewKey()
	if err != nil {
		c.t.Fatal(err)
	}
	csr, err := trust.NewCSR(key)
	if err != nil {
		c.t.Fatal(err)
	}
	chain, err := sign(csr)
	if err != nil {
		c.t.Fatal(err)
	}
	cert, err := trust.NewCertificate(key, chain)
	if err != nil {
		c.t.Fatal(err)
	}
	return cert
}

func (c *castle) nodeCertificate(node string) *tls.Certificate {
	return c.certificate(func(csr []byte) ([][]byte, error) { return c.trust.SignNode(time.Now(), csr, node) })
}

// ping calls node as caller, with a certificate.
func (c *castle) ping(caller, node string, cert *tls.Certificate) error {
	side := c.side(cert)
	client := NewClient(ClientConfig{
		Cluster: c.trust.Cluster, Node: caller, Epoch: func() catalog.Epoch { return 2 }, View: c.View,
		TLS: func(node string) *tls.Config { return side.Client(trust.ProtocolGRPC, node) },
	})
	defer client.Close()
	_, err := client.Ping(c.t.Context(), node, 0, false)
	return err
}

func (c *castle) View() *catalog.State                                    { return c.view }
func (c *castle) StateAt(context.Context, uint64) (*catalog.State, error) { return c.view, nil }
func (c *castle) ApplyEntry(context.Context, []byte) (uint64, error)      { return 0, nil }
func (c *castle) ReadIndex(context.Context) (uint64, error)               { return 0, nil }

// TestOnlyNodesCall: the certificate says who calls, and who answers.
func TestOnlyNodesCall(t *testing.T) {
	one, two, three := uuid.NewString(), uuid.NewString(), uuid.NewString()
	c := newCastle(t, one, two, three)
	admin := c.certificate(func(csr []byte) ([][]byte, error) {
		chain, cert, err := c.trust.SignClient(time.Now(), csr, "root", trust.Admin, 0)
		if err == nil {
			c.trust, err = c.trust.WithCertificate(time.Now(), cert)
		}
		return chain, err
	})
	for name, test := range map[string]struct {
		caller, node string
		cert         *tls.Certificate
		want         wire.Code
	}{
		"a node":                    {two, one, c.nodeCertificate(two), ""},
		"another node's name":       {three, one, c.nodeCertificate(two), wire.PermissionDenied},
		"a client":                  {two, one, admin, wire.PermissionDenied},
		"nobody":                    {two, one, nil, wire.Unauthenticated},
		"to another than was meant": {two, three, c.nodeCertificate(two), wire.Unauthenticated},
		"somebody else's authority": {two, one, newCastle(t, one).nodeCertificate(two), wire.Unauthenticated},
	} {
		if err := c.ping(test.caller, test.node, test.cert); (err == nil) != (test.want == "") || err != nil && !wire.IsCode(err, test.want) {
			t.Errorf("%s: got %v; want %q", name, err, test.want)
		}
	}
}
