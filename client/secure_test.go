package client_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/google/uuid"
	"github.com/tarnlake/tarn/client"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/cluster/trust"
	"github.com/tarnlake/tarn/expr"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// authority is the trust of a cluster of a test.
type authority struct {
	t *testing.T

	mu    sync.Mutex
	state trust.State
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	s, err := trust.NewState(uuid.NewString(), time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{t: t, state: s}
}

func (a *authority) State() trust.State {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state
}

// change has the cluster agree on another state.
func (a *authority) change(f func(trust.State) (trust.State, error)) {
	a.t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	next, err := f(a.state)
	if err != nil {
		a.t.Fatal(err)
	}
	a.state = next
}

func (a *authority) roots() *trust.Roots {
	a.t.Helper()
	r, err := a.State().Roots()
	if err != nil {
		a.t.Fatal(err)
	}
	return r
}

// certificate issues one to a client at a moment, for a day.
func (a *authority) certificate(name string, role trust.Role, at time.Time) *tls.Certificate {
	a.t.Helper()
	key, csr := a.request()
	chain, record, err := a.State().SignClient(at, csr, name, role, 24*time.Hour)
	if err != nil {
		a.t.Fatal(err)
	}
	a.change(func(s trust.State) (trust.State, error) { return s.WithCertificate(at, record) })
	return a.pair(key, chain)
}

func (a *authority) token(name string, role trust.Role) string {
	a.t.Helper()
	text, token, err := trust.NewAccessToken(time.Now(), rand.Reader, name, role, time.Hour)
	if err != nil {
		a.t.Fatal(err)
	}
	a.change(func(s trust.State) (trust.State, error) { return s.WithToken(time.Now(), token) })
	return text
}

// lake answers as a node would, and remembers who called and what it was given.
type lake struct {
	flight.BaseFlightServer
	name string
	rows *rows         // shared by the nodes of a cluster
	stop func()        // ends the node as if its machine had gone
	more chan struct{} // nil, or what is waited for after the first rows

	mu      sync.Mutex
	callers []string
	dies    string // the method in which the node is gone before it has answered
	unable  bool   // it sees no leader
}

// rows is what a cluster has been given: batches by producer.
type rows struct {
	mu   sync.Mutex
	seqs map[string]int64
}

func (l *lake) called(ctx context.Context, method string) (dies bool) {
	who, _ := trust.PrincipalOf(ctx)
	l.mu.Lock()
	l.callers = append(l.callers, string(who.Role)+" "+who.Name)
	dies = l.dies == method
	l.mu.Unlock()
	if dies {
		go l.stop()
		<-ctx.Done()
	}
	return dies
}

func (l *lake) DoAction(action *flight.Action, stream flight.FlightService_DoActionServer) error {
	if err := l.cut(); err != nil {
		return err
	}
	if l.called(stream.Context(), action.Type) {
		return stream.Context().Err()
	}
	body, err := json.Marshal(wire.Status{Node: l.name})
	if err != nil {
		return err
	}
	return stream.Send(&flight.Result{Body: body})
}

// cut is the answer of a node that is cut off from its cluster, or nil.
func (l *lake) cut() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.unable {
		return wire.Errorf(wire.Unavailable, "no node leads the catalog as far as node %s can see", l.name)
	}
	return nil
}

// DoGet answers every query with five rows of version 1, and five more.
func (l *lake) DoGet(_ *flight.Ticket, stream flight.FlightService_DoGetServer) error {
	ctx, five := stream.Context(), ids(0, 5)
	if err := l.cut(); err != nil {
		return err
	}
	if l.called(ctx, "get") {
		return ctx.Err()
	}
	if err := stream.SendHeader(metadata.Pairs(wire.VersionHeader, "1")); err != nil {
		return err
	}
	w := wire.NewBatchWriter(stream, five.Schema(), true)
	if l.called(ctx, "first rows") {
		return ctx.Err()
	}
	if err := w.Write(five, nil); err != nil {
		return err
	}
	if l.more != nil {
		<-l.more
	}
	if l.called(ctx, "more rows") {
		return ctx.Err()
	}
	return errors.Join(w.Write(five, nil), w.Close())
}

// DoPut takes batches of an append: one more than once is a duplicate.
func (l *lake) DoPut(stream flight.FlightService_DoPutServer) error {
	for {
		data, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := l.cut(); err != nil {
			return err
		}
		var id wire.BatchID
		if data.FlightDescriptor != nil {
			continue // the schema
		}
		if err := json.Unmarshal(data.AppMetadata, &id); err != nil {
			return err
		}
		receipt := wire.Receipt{Seq: id.Seq, Duplicate: l.rows.take(id)}
		if l.called(stream.Context(), "put") {
			return stream.Context().Err()
		}
		body, err := json.Marshal(receipt)
		if err != nil {
			return err
		}
		if err := stream.Send(&flight.PutResult{AppMetadata: body}); err != nil {
			return err
		}
	}
}

func (r *rows) take(id wire.BatchID) (duplicate bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	duplicate = r.seqs[id.Producer] >= id.Seq
	r.seqs[id.Producer] = max(id.Seq, r.seqs[id.Producer])
	return duplicate
}

func newRows() *rows { return &rows{seqs: map[string]int64{}} }

// node starts a node of the cluster.
func (a *authority) node(name string) (addr string, l *lake) {
	a.t.Helper()
	node := uuid.NewString()
	key, csr := a.request()
	chain, err := a.State().SignNode(time.Now(), csr, node)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.serve(name, a.pair(key, chain))
}

func (a *authority) request() (key *ecdsa.PrivateKey, csr []byte) {
	a.t.Helper()
	k, err := trust.NewKey()
	if err != nil {
		a.t.Fatal(err)
	}
	csr, err = trust.NewCSR(k)
	if err != nil {
		a.t.Fatal(err)
	}
	return k, csr
}

func (a *authority) pair(key *ecdsa.PrivateKey, chain [][]byte) *tls.Certificate {
	a.t.Helper()
	cert, err := trust.NewCertificate(key, chain)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert
}

// serve starts what shows cert as a node would, behind a guard.
func (a *authority) serve(name string, cert *tls.Certificate) (addr string, l *lake) {
	a.t.Helper()
	port, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		a.t.Fatal(err)
	}
	side := trust.Side{Roots: a.roots, Certificate: func() *tls.Certificate { return cert }, Now: time.Now}
	refusals := trust.NewRefusals(slog.New(slog.DiscardHandler), time.Now)
	splitter := trust.NewSplitter(port, side, refusals, trust.SplitConfig{})
	guard := &trust.Guard{State: a.State, Now: time.Now, Refusals: refusals}
	go splitter.Serve()
	a.t.Cleanup(func() { splitter.Close() })
	return port.Addr().String(), startLake(a.t, name, splitter.Listener(trust.ProtocolGRPC), newRows(), guard.ServerOptions()...)
}

// startPlain starts a node without TLS.
func startPlain(t *testing.T, name string, r *rows) (addr string, l *lake) {
	t.Helper()
	port, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return port.Addr().String(), startLake(t, name, port, r)
}

func startLake(t *testing.T, name string, port net.Listener, r *rows, options ...grpc.ServerOption) *lake {
	s := grpc.NewServer(append(options, grpc.ForceServerCodecV2(wire.Codec()))...)
	l := &lake{name: name, rows: r, stop: s.Stop}
	flight.RegisterFlightServiceServer(s, l)
	go s.Serve(port)
	t.Cleanup(s.Stop)
	return l
}

func pemOf(t *testing.T, cert *tls.Certificate) []byte {
	t.Helper()
	text, err := trust.MarshalPEM(cert)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// statusBy dials addrs with options and returns which node answers.
func statusBy(t *testing.T, addrs string, options ...client.Option) (string, error) {
	t.Helper()
	c, err := client.Dial(t.Context(), addrs, options...)
	if err != nil {
		return "", err
	}
	defer c.Close()
	s, err := c.Status(t.Context())
	return s.Node, err
}

func TestCertificateAndToken(t *testing.T) {
	a := newAuthority(t)
	addr, l := a.node("n1")
	for _, test := range []struct {
		option client.Option
		want   string
	}{
		{client.WithCertificate(pemOf(t, a.certificate("etl", trust.Writer, time.Now()))), "writer etl"},
		{client.WithToken(a.token("dashboard", trust.Reader), a.roots().PEM()), "reader dashboard"},
	} {
		if got, err := statusBy(t, addr, test.option); err != nil || got != "n1" {
			t.Fatalf("%q, %v; want n1", got, err)
		}
		l.mu.Lock()
		if got := l.callers[len(l.callers)-1]; got != test.want {
			t.Errorf("the node was called by %q; want %q", got, test.want)
		}
		l.mu.Unlock()
	}
}

// TestRefusals: whatever is wrong is said, with its code, before or after the
// handshake.
func TestRefusals(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	addr, _ := a.node("n1")
	plain, _ := startPlain(t, "p1", newRows())
	noNode, _ := a.serve("impostor", a.certificate("mallory", trust.Admin, time.Now()))
	good := pemOf(t, a.certificate("etl", trust.Writer, time.Now()))
	old := pemOf(t, a.certificate("old", trust.Writer, time.Now().Add(-48*time.Hour)))
	gone := pemOf(t, a.certificate("gone", trust.Writer, time.Now()))
	a.change(func(s trust.State) (trust.State, error) { return s.WithoutCertificate("gone") })
	revoked := a.token("revoked", trust.Reader)
	a.change(func(s trust.State) (trust.State, error) { return s.WithoutToken("revoked") })
	cas, leaf := a.roots().PEM(), bytes.SplitAfter(good, []byte("-----END CERTIFICATE-----\n"))[0]
	for _, test := range []struct {
		name   string
		addr   string
		option client.Option
		code   wire.Code
		says   string
	}{
		{"expired", addr, client.WithCertificate(old), wire.Unauthenticated, `client "old" (writer)`},
		{"revoked certificate", addr, client.WithCertificate(gone), wire.Unauthenticated, "was revoked"},
		{"revoked token", addr, client.WithToken(revoked, cas), wire.Unauthenticated, "was revoked"},
		{"mistyped token", addr, client.WithToken(revoked[:30], cas), wire.Unauthenticated, "cut short"},
		{"other cluster", addr, client.WithCertificate(pemOf(t, other.certificate("etl", trust.Writer, time.Now()))), wire.Unauthenticated, "of cluster " + a.state.Cluster},
		{"other authority", addr, client.WithToken(revoked, other.roots().PEM()), wire.Unauthenticated, "of cluster " + a.state.Cluster},
		{"not a node", noNode, client.WithCertificate(good), wire.Unauthenticated, "not for this side"},
		{"TLS to a plain node", plain, client.WithCertificate(good), wire.Unavailable, "does not speak TLS"},
		{"nobody there", "127.0.0.1:1", client.WithCertificate(good), wire.Unavailable, "refused"},
		{"nobody there, plain", "127.0.0.1:1", nil, wire.Unavailable, "refused"},
		{"no credentials", addr, nil, wire.Unavailable, "--cert FILE"},
		{"plain to another machine", "192.0.2.1:7460", nil, wire.InvalidArgument, "without TLS only addresses on loopback"},
		{"one is another machine", plain + ",[2001:db8::1]:7460", nil, wire.InvalidArgument, "[2001:db8::1]:7460 is another machine"},
		{"no authority", addr, client.WithCertificate(leaf), wire.InvalidArgument, "authority"},
		{"no certificate", addr, client.WithCertificate(cas), wire.InvalidArgument, "private key"},
		{"no CA", addr, client.WithToken("tarn_token_x", nil), wire.InvalidArgument, "no certificate of an authority"},
		{"two words", addr, client.WithToken("Bearer x", cas), wire.InvalidArgument, "not an access token"},
		{"no port", "localhost", nil, wire.InvalidArgument, "HOST:PORT"},
		{"no address", plain + ",", nil, wire.InvalidArgument, "HOST:PORT"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var options []client.Option
			if test.option != nil {
				options = append(options, test.option)
			}
			_, err := statusBy(t, test.addr, options...)
			if !wire.IsCode(err, test.code) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v; want %s that says %q", err, test.code, test.says)
			}
		})
	}
}

// TestSeveralAddresses: they are tried in turn, and what is wrong is said of
// each if none lets us in.
func TestSeveralAddresses(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	first, _ := a.node("n1")
	second, l := a.node("n2")
	foreign, _ := other.node("f1")
	cert := client.WithCertificate(pemOf(t, a.certificate("etl", trust.Writer, time.Now())))
	for addrs, want := range map[string]string{
		first + "," + second:                          "n1",
		"127.0.0.1:1, " + second:                      "n2",
		"127.0.0.1:1," + foreign + ", " + second + "": "n2",
	} {
		if got, err := statusBy(t, addrs, cert); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %s", addrs, got, err, want)
		}
	}
	l.stop()
	_, err := statusBy(t, "127.0.0.1:1,"+foreign, cert)
	if !wire.IsCode(err, wire.Unauthenticated) || !strings.Contains(err.Error(), "127.0.0.1:1: ") || !strings.Contains(err.Error(), foreign+": the peer is node") {
		t.Errorf("%v; want what is wrong with each", err)
	}
}

// TestReadsMoveOn: when a node goes away before it has answered, what only
// reads is asked of the next.
func TestReadsMoveOn(t *testing.T) {
	first, l1 := startPlain(t, "n1", newRows())
	second, _ := startPlain(t, "n2", newRows())
	c := dial(t, first+","+second)
	wantNode := func(want string) {
		t.Helper()
		if s, err := c.Status(t.Context()); err != nil || s.Node != want {
			t.Errorf("%q, %v; want %s", s.Node, err, want)
		}
	}
	wantNode("n1")
	wantNode("n1") // it stays with one
	l1.mu.Lock()
	l1.dies = wire.ActionStatus
	l1.mu.Unlock()
	wantNode("n2")
	wantNode("n2")
}

// TestQueriesMoveOn: as long as no rows were handed on, and no longer.
func TestQueriesMoveOn(t *testing.T) {
	for _, test := range []struct {
		dies string
		want int64 // rows
	}{{"get", 10}, {"first rows", 10}, {"more rows", 5}} {
		first, l1 := startPlain(t, "n1", newRows())
		second, l2 := startPlain(t, "n2", newRows())
		l1.dies, l1.more = test.dies, make(chan struct{})
		c := dial(t, first+","+second)
		got, failed := int64(0), error(nil)
		for batch, err := range c.Scan(t.Context(), &expr.Query{Table: "log"}) {
			if err != nil {
				failed = err
				break
			}
			if got += batch.NumRows(); got == 5 && test.dies == "more rows" {
				close(l1.more)
			}
		}
		if got != test.want || (failed != nil) != (test.want == 5) {
			t.Errorf("dies before %s: %d rows, %v; want %d", test.dies, got, failed, test.want)
		}
		if moved := len(l2.callers) > 0; moved != (test.want == 10) {
			t.Errorf("dies before %s: the second node was called: %v", test.dies, moved)
		}
	}
}

// TestWritesDoNotMoveOn: what changes something is not repeated by itself.
func TestWritesDoNotMoveOn(t *testing.T) {
	first, l1 := startPlain(t, "n1", newRows())
	second, l2 := startPlain(t, "n2", newRows())
	c := dial(t, first+","+second)
	l1.mu.Lock()
	l1.dies = wire.ActionDropTable
	l1.mu.Unlock()
	if err := c.DropTable(t.Context(), "log"); err == nil {
		t.Error("the table was dropped; want an error, for the outcome is not known")
	}
	if n := len(l2.callers); n != 0 {
		t.Errorf("%d calls of the second node; want none", n)
	}
}

// TestAppendMovesOn: a batch whose receipt is lost with its node goes to the
// next under its number, and is known there.
func TestAppendMovesOn(t *testing.T) {
	cluster := newRows()
	first, l1 := startPlain(t, "n1", cluster)
	second, _ := startPlain(t, "n2", cluster)
	c := dial(t, first+","+second)
	if r, err := c.Append(t.Context(), "log", ids(0, 5)); err != nil || r.Seq != 1 || r.Duplicate {
		t.Fatalf("%+v, %v; want the first batch taken", r, err)
	}
	l1.mu.Lock()
	l1.dies = "put"
	l1.mu.Unlock()
	if r, err := c.Append(t.Context(), "log", ids(5, 5)); err != nil || r.Seq != 2 || !r.Duplicate {
		t.Errorf("%+v, %v; want batch 2, which the cluster has already", r, err)
	}
	if r, err := c.Append(t.Context(), "log", ids(10, 5)); err != nil || r.Seq != 3 || r.Duplicate {
		t.Errorf("%+v, %v; want batch 3 taken", r, err)
	}
}

// TestNodeWithoutLeader: a node that answers that it can do nothing is left for
// another one, by appends, queries and questions; and back, when that one can do
// nothing and the first can again.
func TestNodeWithoutLeader(t *testing.T) {
	shared := newRows()
	a, first := startPlain(t, "n1", shared)
	b, second := startPlain(t, "n2", shared)
	c, err := client.Dial(t.Context(), a+","+b)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	set := func(l *lake, unable bool) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.unable = unable
	}
	for i, cut := range []*lake{first, second, first} {
		set(first, cut == first)
		set(second, cut == second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		switch i {
		case 0:
			if _, err := c.Append(ctx, "t", ids(0, 5)); err != nil {
				t.Errorf("append: %v", err)
			}
		case 1:
			if r, err := c.Query(ctx, &expr.Query{Table: "t"}); err != nil || r.Version() != 1 {
				t.Errorf("query: %v", err)
			}
		case 2:
			if s, err := c.Status(ctx); err != nil || s.Node != "n2" {
				t.Errorf("status: %v of %q; want n2", err, s.Node)
			}
		}
	}
	set(first, true)
	set(second, true)
	if _, err := c.Status(t.Context()); !wire.IsCode(err, wire.Unavailable) {
		t.Errorf("with both cut off: %v; want UNAVAILABLE", err)
	}
}
