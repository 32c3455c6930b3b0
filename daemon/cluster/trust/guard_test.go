package trust

import (
	"context"
	"crypto/tls"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/tarnlake/tarn/client/credential"
	"github.com/tarnlake/tarn/client/wire"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// lake is a guarded Flight service that says who calls.
type lake struct {
	flight.BaseFlightServer
	*port
	state atomic.Pointer[State]
	guard *Guard
}

func newLake(t testing.TB, s State, withTap bool) *lake {
	t.Helper()
	l := &lake{port: newPort(t, sideOf(t, s, newNode(t, s)), SplitConfig{})}
	l.state.Store(&s)
	l.guard = &Guard{State: func() State { return *l.state.Load() }, Now: atNoon, Refusals: l.split.refusals}
	opts := []grpc.ServerOption{grpc.Creds(Credentials()), grpc.UnaryInterceptor(l.guard.Unary), grpc.StreamInterceptor(l.guard.Stream)}
	if withTap {
		opts = l.guard.ServerOptions()
	}
	server := grpc.NewServer(opts...)
	flight.RegisterFlightServiceServer(server, l)
	go server.Serve(l.split.Listener(ProtocolGRPC))
	t.Cleanup(server.Stop)
	return l
}

func whoCalls(ctx context.Context) []byte {
	p, ok := PrincipalOf(ctx)
	if !ok {
		return []byte("nobody")
	}
	return []byte(p.Name + " " + string(p.Role) + " " + p.Via)
}

func (l *lake) GetSchema(ctx context.Context, _ *flight.FlightDescriptor) (*flight.SchemaResult, error) {
	return &flight.SchemaResult{Schema: whoCalls(ctx)}, nil
}

func (l *lake) DoAction(_ *flight.Action, stream flight.FlightService_DoActionServer) error {
	return stream.Send(&flight.Result{Body: whoCalls(stream.Context())})
}

func (l *lake) DoPut(stream flight.FlightService_DoPutServer) error {
	for {
		if _, err := stream.Recv(); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if err := stream.Send(&flight.PutResult{AppMetadata: whoCalls(stream.Context())}); err != nil {
			return err
		}
	}
}

// dial connects as a client that shows cert, which may be nil, and believes s.
func (l *lake) dial(s State, cert *tls.Certificate) flight.FlightServiceClient {
	l.t.Helper()
	cfg := sideOf(l.t, s, cert).Client(ProtocolGRPC, "")
	conn, err := grpc.NewClient(l.addr, grpc.WithTransportCredentials(credentials.NewTLS(cfg)))
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { conn.Close() })
	return flight.NewFlightServiceClient(conn)
}

// as adds a token to the calls of a context.
func as(token string) context.Context {
	return metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer "+token)
}

func callSchema(ctx context.Context, c flight.FlightServiceClient) (string, error) {
	r, err := c.GetSchema(ctx, &flight.FlightDescriptor{})
	return string(r.GetSchema()), err
}

func callAction(ctx context.Context, c flight.FlightServiceClient, action string) (string, error) {
	stream, err := c.DoAction(ctx, &flight.Action{Type: action})
	if err != nil {
		return "", err
	}
	r, err := stream.Recv()
	return string(r.GetBody()), err
}

func callPut(ctx context.Context, c flight.FlightServiceClient) (string, error) {
	stream, err := c.DoPut(ctx)
	if err != nil {
		return "", err
	}
	_ = stream.Send(&flight.FlightData{}) // Recv has the reason if that fails
	r, err := stream.Recv()
	return string(r.GetAppMetadata()), err
}

// eachGuard runs a test with and without the tap.
func eachGuard(t *testing.T, test func(t *testing.T, withTap bool)) {
	t.Run("tap", func(t *testing.T) { test(t, true) })
	t.Run("interceptors", func(t *testing.T) { test(t, false) })
}

func TestCallsKnowTheirCaller(t *testing.T) {
	eachGuard(t, func(t *testing.T, withTap bool) {
		s, token := withToken(t, newState(t), "etl", Writer, time.Hour)
		cert, s := withClient(t, s, "bi", Reader)
		node := newNode(t, s)
		l := newLake(t, s, withTap)
		id, err := credential.IdentityOf(node.Leaf)
		if err != nil {
			t.Fatal(err)
		}
		for want, c := range map[string]struct {
			ctx  context.Context
			cert *tls.Certificate
		}{
			"etl writer token":                {as(token), nil},
			"bi reader certificate":           {context.Background(), cert},
			id.Name + " node certificate":     {context.Background(), node},
			"etl writer token, over the cert": {as(token), cert},
		} {
			want, _, _ := strings.Cut(want, ",")
			client := l.dial(s, c.cert)
			if got, err := callSchema(c.ctx, client); got != want || err != nil {
				t.Errorf("unary call by %q, %v; want %q", got, err, want)
			}
			if got, err := callAction(c.ctx, client, wire.ActionStatus); got != want || err != nil {
				t.Errorf("action by %q, %v; want %q", got, err, want)
			}
		}
		if got := l.split.strangers.len(); got != 0 {
			t.Errorf("%d strangers after calls with good tokens; want 0", got)
		}
	})
}

// withClient returns a client's certificate and the state that lists it.
func withClient(t testing.TB, s State, name string, role Role) (*tls.Certificate, State) {
	t.Helper()
	key, csr := newRequest(t)
	chain, record, err := s.SignClient(noon, csr, name, role, 0)
	if err != nil {
		t.Fatal(err)
	}
	if s, err = s.WithCertificate(noon, record); err != nil {
		t.Fatal(err)
	}
	cert, err := NewCertificate(key, chain)
	if err != nil {
		t.Fatal(err)
	}
	return cert, s
}

func TestAnonymousIsRefused(t *testing.T) {
	eachGuard(t, func(t *testing.T, withTap bool) {
		s, token := withToken(t, newState(t), "etl", Writer, time.Hour)
		other := newState(t)
		_, foreign := withToken(t, other, "etl", Admin, 0)
		unlisted := issue(t, s, noon, Admin, "ghost", time.Hour)
		old := issue(t, s, noon.Add(-2*time.Hour), Admin, "old", time.Hour)
		l := newLake(t, s, withTap)
		two := metadata.AppendToOutgoingContext(as(token), "authorization", "Bearer "+token)
		basic := metadata.AppendToOutgoingContext(context.Background(), "authorization", "Basic YTpi")
		for name, c := range map[string]struct {
			ctx  context.Context
			cert *tls.Certificate
			want string
		}{
			"nothing":                     {context.Background(), nil, "neither a certificate nor a token"},
			"foreign token":               {as(foreign), nil, "revoked, or is of another cluster"},
			"cut token":                   {as(token[:40]), nil, "cut short"},
			"empty token":                 {as(""), nil, "this is not an access token"},
			"two tokens":                  {two, nil, "2 authorization headers"},
			"basic":                       {basic, nil, "not that of a bearer token"},
			"foreign certificate":         {context.Background(), newNode(t, other), "this is cluster " + s.Cluster},
			"expired certificate":         {context.Background(), old, "expired at 2026-03-01 11:00:00 UTC"},
			"not listed":                  {context.Background(), unlisted, "was revoked, or is not known"},
			"bad token, good certificate": {as(foreign), newNode(t, s), "revoked, or is of another cluster"},
		} {
			client := l.dial(s, c.cert)
			for _, call := range []func(context.Context, flight.FlightServiceClient) (string, error){callSchema, callPut} {
				_, err := call(c.ctx, client)
				t.Log(name)
				wantError(t, err, wire.Unauthenticated, c.want)
				if status.Code(err) != codes.Unauthenticated {
					t.Errorf("%s: gRPC code %v; want Unauthenticated", name, status.Code(err))
				}
			}
		}
		l.waitLog("msg=refused what=/arrow.flight.protocol.FlightService/")
		if said, _ := l.log.read(); strings.Contains(said, token[20:]) || strings.Contains(said, foreign[20:]) {
			t.Error("the log holds a token")
		}
	})
}

func TestRolesLimitCalls(t *testing.T) {
	eachGuard(t, func(t *testing.T, withTap bool) {
		s, reader := withToken(t, newState(t), "bi", Reader, 0)
		s, writer := withToken(t, s, "etl", Writer, 0)
		l := newLake(t, s, withTap)
		client := l.dial(s, nil)
		_, err := callPut(as(reader), client)
		wantError(t, err, wire.PermissionDenied, "bi is a reader", "DoPut takes a writer")
		_, err = callAction(as(reader), client, wire.ActionDropTable)
		wantError(t, err, wire.PermissionDenied, "tarn.table.drop takes a writer")
		_, err = callAction(as(writer), client, "tarn.secret")
		wantError(t, err, wire.PermissionDenied, `nobody may call "tarn.secret"`)
		for _, call := range []func() (string, error){
			func() (string, error) { return callPut(as(writer), client) },
			func() (string, error) { return callAction(as(writer), client, wire.ActionDropTable) },
		} {
			if got, err := call(); got != "etl writer token" {
				t.Errorf("%q, %v", got, err)
			}
		}
	})
}

// TestARevokedWriterAppendsNothingMore: not on a stream that lives, either.
func TestARevokedWriterAppendsNothingMore(t *testing.T) {
	s, token := withToken(t, newState(t), "etl", Writer, 0)
	cert, s := withClient(t, s, "loader", Writer)
	l := newLake(t, s, true)
	type put struct {
		ctx    context.Context
		client flight.FlightServiceClient
		stream flight.FlightService_DoPutClient
	}
	var puts []put
	for _, p := range []put{{ctx: as(token), client: l.dial(s, nil)}, {ctx: context.Background(), client: l.dial(s, cert)}} {
		var err error
		if p.stream, err = p.client.DoPut(p.ctx); err != nil {
			t.Fatal(err)
		}
		if err := p.stream.Send(&flight.FlightData{}); err != nil {
			t.Fatal(err)
		}
		if _, err := p.stream.Recv(); err != nil {
			t.Fatal(err)
		}
		puts = append(puts, p)
	}
	after, err := s.WithoutToken("etl")
	if err != nil {
		t.Fatal(err)
	}
	if after, err = after.WithoutCertificate("loader"); err != nil {
		t.Fatal(err)
	}
	l.state.Store(&after)
	for _, p := range puts {
		if err := p.stream.Send(&flight.FlightData{}); err != nil {
			t.Fatal(err)
		}
		_, err := p.stream.Recv()
		wantError(t, err, wire.Unauthenticated, "revoked")
		_, err = callSchema(p.ctx, p.client)
		wantError(t, err, wire.Unauthenticated, "revoked")
	}
}

// TestNothingOfAStrangersCallIsKept: a message over the limit is refused for
// its size when it is read; a stranger's is not read.
func TestNothingOfAStrangersCallIsKept(t *testing.T) {
	s, token := withToken(t, newState(t), "etl", Reader, 0)
	l := newLake(t, s, true)
	client := l.dial(s, nil)
	huge := &flight.FlightDescriptor{Cmd: make([]byte, 5<<20)}
	_, err := client.GetSchema(as(token), huge)
	wantError(t, err, wire.LimitExceeded)
	_, err = client.GetSchema(context.Background(), huge)
	wantError(t, err, wire.Unauthenticated, "neither a certificate nor a token")
	long := metadata.AppendToOutgoingContext(as(token), "x", strings.Repeat("x", 2*maxHeaderBytes))
	if _, err = client.GetSchema(long, &flight.FlightDescriptor{}); err == nil {
		t.Error("a header over the limit was taken")
	}
}

// TestOnlySplitConnectionsAreServed: a listener that shakes no hands is no way
// around the checks.
func TestOnlySplitConnectionsAreServed(t *testing.T) {
	_, _, err := Credentials().ServerHandshake(nil)
	if !errors.Is(err, errNotSplit) {
		t.Errorf("%v; want %v", err, errNotSplit)
	}
	g := &Guard{State: func() State { return State{} }, Now: atNoon, Refusals: NewRefusals(slog.New(slog.DiscardHandler), atNoon)}
	_, err = g.Unary(context.Background(), nil, &grpc.UnaryServerInfo{FullMethod: flightService + "GetSchema"}, nil)
	wantError(t, err, wire.Unauthenticated, "neither a certificate nor a token")
}

// TestEveryCallHasARule reads what there is: the service's methods, and the
// constants of the actions. Package peer does so for the calls between nodes.
func TestEveryCallHasARule(t *testing.T) {
	server := grpc.NewServer()
	flight.RegisterFlightServiceServer(server, &flight.BaseFlightServer{})
	have := 0
	for service, info := range server.GetServiceInfo() {
		for _, m := range info.Methods {
			have++
			if _, ok := calls["/"+service+"/"+m.Name]; !ok {
				t.Errorf("call %s/%s has no rule", service, m.Name)
			}
		}
	}
	for call, least := range calls {
		if strings.HasPrefix(call, peerService) {
			have++
			if least != Node {
				t.Errorf("call %s is for a %s; want only nodes", call, least)
			}
		}
	}
	if have != len(calls) {
		t.Errorf("%d rules for %d calls", len(calls), have)
	}
	names := actionNames(t)
	for _, name := range names {
		if _, ok := actions[name]; !ok {
			t.Errorf("action %s has no rule", name)
		}
	}
	if len(names) != len(actions) {
		t.Errorf("%d rules for %d actions", len(actions), len(names))
	}
}

func actionNames(t *testing.T) (names []string) {
	t.Helper()
	for _, file := range []string{"message.go", "cluster.go"} {
		names = append(names, actionsIn(t, "../../../client/wire/"+file)...)
	}
	return names
}

func actionsIn(t *testing.T, file string) (names []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(v.Names[0].Name, "Action") {
			name, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, name)
		}
		return true
	})
	return names
}

func TestAFloodOfRefusalsIsFewLines(t *testing.T) {
	now := noon
	var out strings.Builder
	r := NewRefusals(slog.New(slog.NewTextHandler(&out, nil)), func() time.Time { return now })
	for range 1000 {
		r.Note("a call", "192.0.2.1:5", errors.New("no"), "")
	}
	if got := strings.Count(out.String(), "\n"); got != refusalBurst {
		t.Errorf("%d lines for 1000 refusals at once; want %d", got, refusalBurst)
	}
	now = now.Add(refusalEvery)
	for range 10 {
		r.Note("a call", "192.0.2.1:5", errors.New("no"), "")
	}
	if got := strings.Count(out.String(), "\n"); got != refusalBurst+1 || !strings.Contains(out.String(), "left_out=990") {
		t.Errorf("%d lines a second later; want one more, for 990: %s", got, out.String())
	}
	now = now.Add(-time.Hour) // a clock set back must not silence it for an hour
	r.Note("a call", "192.0.2.1:5", errors.New("no"), "")
	now = now.Add(time.Minute)
	r.Note("a call", "192.0.2.1:5", errors.New("again"), "")
	if !strings.Contains(out.String(), "again") {
		t.Error("nothing is logged after the clock was set back")
	}
	if got := r.Total(); got != 1012 {
		t.Errorf("%d refusals counted; want 1012", got)
	}
}

func TestLongNamesAreClipped(t *testing.T) {
	err := allow(Principal{Role: Node}, calls, strings.Repeat("/x\n", 10_000))
	wantError(t, err, wire.PermissionDenied, "nobody may call")
	if len(err.Error()) > 300 || strings.Contains(err.Error(), "\n") {
		t.Errorf("the message is %d bytes: %q", len(err.Error()), err)
	}
}

// TestStartingNodeRefusesNobodyForGood: who is not known to a node that has not
// caught up is told to ask again.
func TestStartingNodeRefusesNobodyForGood(t *testing.T) {
	ready := false
	g := &Guard{Ready: func() bool { return ready }}
	stranger := State{}
	_, err := g.known(stranger.Recognize(Peer{Identity: Identity{Name: "admin", Role: Admin}, Serial: "1"}))
	wantError(t, err, wire.Unavailable, "the node is starting")
	ready = true
	_, err = g.known(stranger.Recognize(Peer{Identity: Identity{Name: "admin", Role: Admin}, Serial: "1"}))
	wantError(t, err, wire.Unauthenticated, "not known here")
}
