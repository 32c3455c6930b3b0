package main

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/google/uuid"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/cluster/trust"
	"google.golang.org/grpc"
)

// guarded is a node of a cluster that says who calls, and does what admins ask.
type guarded struct {
	flight.BaseFlightServer
	t *testing.T

	mu    sync.Mutex
	state trust.State
	asked []string // what was done to nodes
}

func (g *guarded) State() trust.State {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.state
}

func (g *guarded) DoAction(action *flight.Action, stream flight.FlightService_DoActionServer) error {
	who, _ := trust.PrincipalOf(stream.Context())
	answer, err := g.answer(action, who)
	if err != nil {
		return err
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	return stream.Send(&flight.Result{Body: body})
}

func (g *guarded) answer(action *flight.Action, who trust.Principal) (any, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	read := func(req any) {
		if err := json.Unmarshal(action.Body, req); err != nil {
			g.t.Error(err)
		}
	}
	switch action.Type {
	case wire.ActionStatus:
		return wire.Status{Node: "guarded", Redundancy: string(who.Role) + " " + who.Name, Ready: true}, nil
	case wire.ActionCreateToken:
		var req wire.CreateToken
		read(&req)
		text, token, err := trust.NewAccessToken(now, rand.Reader, req.Name, trust.Role(req.Role), req.For)
		return wire.Secret{Text: text, ID: token.ID, Expires: token.Expires}, g.become(g.state.WithToken(now, token))(err)
	case wire.ActionJoinToken:
		var req wire.CreateJoinToken
		read(&req)
		text, join, err := g.state.NewJoinToken(now, rand.Reader, req.Uses, req.For)
		return wire.Secret{Text: text, ID: join.ID, Expires: join.Expires}, g.become(g.state.WithJoin(now, join))(err)
	case wire.ActionIssueCert:
		var req wire.IssueCertificate
		read(&req)
		chain, record, err := g.state.SignClient(now, req.CSR, req.Name, trust.Role(req.Role), req.For)
		return wire.IssuedCertificate{Chain: chain}, g.become(g.state.WithCertificate(now, record))(err)
	case wire.ActionListTokens:
		var list wire.TokenList
		for _, t := range g.state.AccessTokens() {
			list.Tokens = append(list.Tokens, wire.Token{ID: t.ID, Name: t.Name, Role: string(t.Role), Created: t.Created, Expires: t.Expires})
		}
		return list, nil
	case wire.ActionListCerts:
		var list wire.CertificateList
		for _, c := range g.state.ClientCertificates() {
			list.Certificates = append(list.Certificates, wire.Certificate{Serial: c.Serial, Name: c.Name, Role: string(c.Role), Created: c.Created, Expires: c.Expires, Revoked: c.Revoked})
		}
		return list, nil
	case wire.ActionNodes:
		return wire.NodeList{Nodes: []wire.Node{{ID: "5f0c", Name: "n1", State: "up", Vote: "leader", Disks: 2}, {ID: "77aa", Name: "n2", State: "down", Reason: "silent"}}}, nil
	case wire.ActionRevokeToken:
		var req wire.Revoke
		read(&req)
		return struct{}{}, g.become(g.state.WithoutToken(req.Name))(nil)
	case wire.ActionRevokeCert:
		var req wire.Revoke
		read(&req)
		next, err := g.state.WithoutCertificate(req.Name)
		if err == nil && !req.Force {
			err = g.state.CheckAdminLeft(next, time.Now())
		}
		return struct{}{}, g.become(next, err)(nil)
	}
	var req wire.NodeName
	read(&req)
	g.asked = append(g.asked, action.Type+" "+req.Node)
	return struct{}{}, nil
}

// become takes a new state, unless there was an error before it.
func (g *guarded) become(next trust.State, err error) func(before error) error {
	return func(before error) error {
		if before != nil {
			return before
		}
		if err == nil {
			g.state = next
		}
		return err
	}
}

// newGuarded starts a node of a cluster, and writes what shows its clients and
// the authority into files: etl.pem, admin.pem, token.txt and ca.pem.
func newGuarded(t *testing.T) (*cli, *guarded) {
	t.Helper()
	fail := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	state, err := trust.NewState(uuid.NewString(), now, rand.Reader)
	fail(err)
	g := &guarded{t: t}
	issue := func(sign func(csr []byte) ([][]byte, error)) *tls.Certificate {
		key, err := trust.NewKey()
		fail(err)
		csr, err := trust.NewCSR(key)
		fail(err)
		chain, err := sign(csr)
		fail(err)
		cert, err := trust.NewCertificate(key, chain)
		fail(err)
		return cert
	}
	node := issue(func(csr []byte) ([][]byte, error) { return state.SignNode(now, csr, uuid.NewString()) })
	client := func(name string, role trust.Role) string {
		cert := issue(func(csr []byte) ([][]byte, error) {
			chain, record, err := state.SignClient(now, csr, name, role, 0)
			fail(err)
			state, err = state.WithCertificate(now, record)
			return chain, err
		})
		pem, err := trust.MarshalPEM(cert)
		fail(err)
		return string(pem)
	}
	etl, admin := client("etl", trust.Writer), client("root", trust.Admin)
	text, token, err := trust.NewAccessToken(now, rand.Reader, "dashboard", trust.Reader, time.Hour)
	fail(err)
	state, err = state.WithToken(now, token)
	fail(err)
	roots, err := state.Roots()
	fail(err)
	g.state = state

	port, err := net.Listen("tcp", "127.0.0.1:0")
	fail(err)
	refusals := trust.NewRefusals(slog.New(slog.DiscardHandler), time.Now)
	side := trust.Side{Roots: func() *trust.Roots { return roots }, Certificate: func() *tls.Certificate { return node }, Now: time.Now}
	splitter := trust.NewSplitter(port, side, refusals, trust.SplitConfig{})
	guard := &trust.Guard{State: g.State, Now: time.Now, Refusals: refusals}
	s := grpc.NewServer(guard.ServerOptions()...)
	flight.RegisterFlightServiceServer(s, g)
	go splitter.Serve()
	go s.Serve(splitter.Listener(trust.ProtocolGRPC))
	t.Cleanup(func() { s.Stop(); splitter.Close() })

	c := offline(t)
	c.env["TARN_ADDR"] = port.Addr().String()
	c.write("etl.pem", etl)
	c.write("leaf.pem", pem1(etl))
	c.write("admin.pem", admin)
	c.write("token.txt", text+"\n")
	c.write("ca.pem", string(roots.PEM()))
	c.env["token"] = text
	return c, g
}

// pem1 is key and certificate without that of the authority.
func pem1(pem string) string {
	return pem[:strings.Index(pem, "-----END CERTIFICATE-----")] + "-----END CERTIFICATE-----\n"
}

func TestCredentials(t *testing.T) {
	c, _ := newGuarded(t)
	token := c.env["token"]
	file := func(name string) string { return c.dir + "/" + name }
	for _, test := range []struct {
		flags, env string // space-separated; "=" separates name and value
		want       string
	}{
		{"--cert " + file("etl.pem"), "", "writer etl"},
		{"--cert " + file("leaf.pem") + " --ca " + file("ca.pem"), "", "writer etl"},
		{"", "TARN_CERT=" + file("etl.pem"), "writer etl"},
		{"--token " + token + " --ca " + file("ca.pem"), "", "reader dashboard"},
		{"--token=@" + file("token.txt") + " --ca " + file("ca.pem"), "", "reader dashboard"},
		{"", "TARN_TOKEN=" + token + " TARN_CA=" + file("ca.pem"), "reader dashboard"},
		{"", "TARN_TOKEN=@" + file("token.txt") + " TARN_CA=" + file("ca.pem"), "reader dashboard"},
		{"--cert " + file("etl.pem"), "TARN_TOKEN=" + token + " TARN_CA=" + file("ca.pem"), "writer etl"},
		{"--token " + token, "TARN_CERT=" + file("etl.pem") + " TARN_CA=" + file("ca.pem"), "reader dashboard"},
		{"--addr 127.0.0.1:1," + c.env["TARN_ADDR"] + " --cert " + file("etl.pem"), "", "writer etl"},
	} {
		c.with(test.env, test.flags).matches(test.want)
	}
}

// with runs "tarn status" in an environment and with flags.
func (c *cli) with(env, flags string) result {
	c.t.Helper()
	for _, name := range []string{"TARN_CERT", "TARN_TOKEN", "TARN_CA"} {
		delete(c.env, name)
	}
	for _, pair := range strings.Fields(env) {
		name, value, _ := strings.Cut(pair, "=")
		c.env[name] = value
	}
	return c.run(append([]string{"status"}, strings.Fields(flags)...)...)
}

func TestWrongCredentials(t *testing.T) {
	c, _ := newGuarded(t)
	token := c.env["token"]
	file := func(name string) string { return c.dir + "/" + name }
	for _, test := range []struct {
		flags, env string
		code       int
		says       string
	}{
		{"", "", 12, "--cert FILE"},
		{"", "TARN_CA=" + file("ca.pem"), 12, "--cert FILE"},
		{"--ca " + file("ca.pem"), "", 2, "not who calls"},
		{"--token " + token, "", 2, "--ca FILE, or TARN_CA"},
		{"--token " + token + " --cert " + file("etl.pem"), "", 2, "both a certificate and a token"},
		{"", "TARN_TOKEN=" + token + " TARN_CERT=" + file("etl.pem"), 2, "both a certificate and a token"},
		{"--cert " + file("none.pem"), "", 2, "--cert: open @none.pem"},
		{"--cert " + file("ca.pem"), "", 2, "both a private key"},
		{"--token=@" + file("none") + " --ca " + file("ca.pem"), "", 2, "--token: open @none"},
		{"--token " + token + " --ca " + file("token.txt"), "", 2, "no certificate of an authority"},
		{"--token " + token[:20] + " --ca " + file("ca.pem"), "", 13, "cut short"},
		{"--addr 192.0.2.1:7460", "", 2, "without TLS only addresses on loopback"},
		{"--addr 127.0.0.1:1,nowhere", "", 2, "HOST:PORT"},
	} {
		r := c.with(test.env, test.flags)
		r.fails(test.code, test.says)
		if strings.Contains(r.err+r.out, token) {
			t.Errorf("%s: the token is shown:\n%s", r.line, r.err)
		}
	}
}

// TestHelpShowsNoToken: what the environment holds is secret.
func TestHelpShowsNoToken(t *testing.T) {
	c := offline(t)
	c.env["TARN_TOKEN"] = "tarn_token_secret"
	r := c.run("status", "--help")
	r.matches("--token TOKEN", "TARN_TOKEN", "--cert FILE", "--ca FILE")
	if strings.Contains(r.out+r.err, "secret") {
		t.Errorf("help shows the token:\n%s", r.out)
	}
}
