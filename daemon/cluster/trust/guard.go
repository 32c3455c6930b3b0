package trust

import (
	"context"
	"strings"
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/tap"
)

// Guard lets calls through to gRPC that their callers may make. Tap checks
// before anything of a call is kept, the interceptors what Tap cannot see: the
// name of an action, and whether the caller of a long stream was revoked
// meanwhile. Without Tap they check everything. Safe for concurrent use.
type Guard struct {
	State    func() State
	Ready    func() bool // whether State has all that the cluster has agreed on; nil: it always has
	Now      func() time.Time
	Refusals *Refusals
}

// What one connection may ask of gRPC itself.
const (
	maxHeaderBytes = 64 << 10
	maxStreams     = 1024
	prefaceTime    = 10 * time.Second
	pingPause      = 10 * time.Second // clients ask whether we are there no more often
)

// ServerOptions returns all that makes a gRPC server guarded: it takes
// connections of a Splitter only. Interceptors of options before these see
// what the interceptors refuse, but not what Tap does; Refusals counts both.
func (g *Guard) ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.Creds(Credentials()),
		grpc.InTapHandle(g.Tap),
		grpc.ChainUnaryInterceptor(g.Unary),
		grpc.ChainStreamInterceptor(g.Stream),
		grpc.MaxHeaderListSize(maxHeaderBytes),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.ConnectionTimeout(prefaceTime),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: pingPause}),
	}
}

type principalKey struct{}

// PrincipalOf returns who makes the call that ctx is of; false if no Guard
// has let it through.
func PrincipalOf(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(principalKey{}).(Principal)
	return p, ok
}

// Tap is grpc.InTapHandle's: it runs before gRPC makes a stream of a call.
func (g *Guard) Tap(ctx context.Context, info *tap.Info) (context.Context, error) {
	return g.enter(ctx, info.FullMethodName)
}

// Unary is a grpc.UnaryServerInterceptor.
func (g *Guard) Unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	ctx, err := g.enter(ctx, info.FullMethod)
	if err != nil {
		return nil, err
	}
	return handle(ctx, req)
}

// Stream is a grpc.StreamServerInterceptor.
func (g *Guard) Stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	ctx, err := g.enter(stream.Context(), info.FullMethod)
	if err != nil {
		return err
	}
	p, _ := PrincipalOf(ctx)
	return handle(srv, &guarded{ServerStream: stream, ctx: ctx, guard: g, who: p, method: info.FullMethod})
}

// enter finds out who calls method, and returns a context that knows it if
// they may.
func (g *Guard) enter(ctx context.Context, method string) (context.Context, error) {
	if _, done := PrincipalOf(ctx); done {
		return ctx, nil // by Tap
	}
	p, err := g.caller(ctx)
	if err == nil {
		err = allow(p, calls, method)
	}
	if err != nil {
		return ctx, g.refuse(ctx, method, p, err)
	}
	return context.WithValue(ctx, principalKey{}, p), nil
}

func (g *Guard) refuse(ctx context.Context, what string, p Principal, err error) error {
	from := "unknown"
	if at, ok := peer.FromContext(ctx); ok && at.Addr != nil {
		from = at.Addr.String()
	}
	g.Refusals.Note(what, from, err, p.Name)
	return err
}

// caller returns who makes a call: by its token if it has one, else by the
// certificate of its connection.
func (g *Guard) caller(ctx context.Context) (Principal, error) {
	conn := connOf(ctx)
	md, _ := metadata.FromIncomingContext(ctx)
	if header := md.Get("authorization"); len(header) > 0 {
		p, err := g.bearer(header)
		if err == nil && conn != nil {
			conn.vouch()
		}
		return p, err
	}
	switch {
	case conn == nil || conn.refused == nil && !conn.known:
		return Principal{}, wire.Errorf(wire.Unauthenticated, "the call shows neither a certificate nor a token").
			WithHint("tarn token create makes a token, tarn cluster cert issue a certificate")
	case conn.refused != nil:
		return Principal{}, conn.refused
	}
	return g.known(g.State().Recognize(conn.peer))
}

// known keeps a node that has not caught up from refusing for good whom it
// does not know yet: they are to ask again.
func (g *Guard) known(p Principal, err error) (Principal, error) {
	if err != nil && g.Ready != nil && !g.Ready() {
		err = wire.Errorf(wire.Unavailable, "the node is starting: it does not know yet whom the cluster trusts").WithHint("ask again, or another node")
	}
	return p, err
}

func (g *Guard) bearer(header []string) (Principal, error) {
	if len(header) > 1 {
		return Principal{}, wire.Errorf(wire.Unauthenticated, "the call has %d authorization headers", len(header))
	}
	scheme, text, _ := strings.Cut(header[0], " ")
	if !strings.EqualFold(scheme, "bearer") {
		return Principal{}, wire.Errorf(wire.Unauthenticated, "the authorization header is not that of a bearer token").
			WithHint("authorization: Bearer %s…", AccessPrefix)
	}
	return g.known(g.State().Authenticate(g.Now(), strings.TrimSpace(text)))
}

// guarded is a stream whose caller is asked about again with each message, for
// streams live long: a revoked writer appends nothing more.
type guarded struct {
	grpc.ServerStream
	ctx    context.Context
	guard  *Guard
	who    Principal
	method string
}

func (s *guarded) Context() context.Context { return s.ctx }

func (s *guarded) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	what := s.method
	err := s.guard.State().still(s.guard.Now(), s.who)
	if err == nil && s.method == doAction {
		what, err = s.action(m)
	}
	if err != nil {
		return s.guard.refuse(s.ctx, what, s.who, err)
	}
	return nil
}

// action checks the action that the one message of DoAction asks for.
func (s *guarded) action(m any) (string, error) {
	named, ok := m.(interface{ GetType() string })
	if !ok {
		return s.method, wire.Errorf(wire.Internal, "an action without a name")
	}
	return named.GetType(), allow(s.who, actions, named.GetType())
}

// still refuses a principal that was let in before and would not be now.
func (s State) still(now time.Time, p Principal) error {
	switch {
	case p.Role == Node:
		return nil // one that is removed loses its connections: Splitter.Recheck
	case p.Via == ViaToken:
		if t, ok := s.Tokens[p.ID]; !ok || expired(t.Expires, now) {
			return wire.Errorf(wire.Unauthenticated, "access token %s was revoked or has expired", p.ID)
		}
	default:
		if c, ok := s.Certificates[p.ID]; !ok || c.Revoked {
			return wire.Errorf(wire.Unauthenticated, "certificate %s of client %s was revoked", p.ID, p.Name)
		}
	}
	return nil
}
