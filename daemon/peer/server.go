package peer

import (
	"context"
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/cluster/trust"
	"github.com/tarnlake/tarn/daemon/members"
	"google.golang.org/grpc"
)

// Catalog is this node's part of the catalog, as far as other nodes need it.
type Catalog interface {
	View() *catalog.State
	// StateAt returns a state of this node that has an index, or why it has not
	// come so far.
	StateAt(ctx context.Context, index uint64) (*catalog.State, error)
	// ApplyEntry puts an encoded command into the log, if this node leads, and
	// returns the index at which it was applied here.
	ApplyEntry(ctx context.Context, entry []byte) (index uint64, err error)
	// ReadIndex returns an index that holds all that was acknowledged before
	// the call, if this node leads.
	ReadIndex(ctx context.Context) (index uint64, err error)
}

// ServerConfig is what a Server answers from.
type ServerConfig struct {
	Cluster, Node string               // UUIDs
	Version       string               // of this build
	Epoch         func() catalog.Epoch // of this life
	Members       *members.Store
	Catalog       Catalog

	// Hello is of this node, and those it does not Meet are refused; default: of
	// a node without a catalog. Foreign is told of them, and why; nil: nobody is.
	Hello   func() catalog.Hello
	Foreign func(other catalog.Hello, why error)

	// Now is the wall clock; default time.Now. Told, if not nil, is called with
	// by how much another node says that this clock is ahead.
	Now  func() time.Time
	Told func(ahead time.Duration)

	// Scan does a share of a scan and sends what it comes to; nil: the node
	// scans for nobody.
	Scan func(ctx context.Context, share []byte, send func([]byte) error) error

	// Report says how the node is; Scrub has it read a disk back. nil: it does not.
	Report func(ctx context.Context) ([]byte, error)
	Scrub  func(disk string) error

	// Plug makes a directory a disk of the node. nil: it takes none.
	Plug func(Plug) (catalog.DiskFacts, error)

	// Idle is how long a member may be in the making without a word of its
	// writer; default 2 minutes, which is several beats of a writer.
	Idle time.Duration
}

// Server answers the calls of other nodes. It is safe for concurrent use. gRPC
// must use wire.Codec.
type Server struct{ cfg ServerConfig }

// Register adds a Server to a gRPC server.
func Register(to grpc.ServiceRegistrar, cfg ServerConfig) {
	if cfg.Hello == nil {
		cfg.Hello = func() catalog.Hello { return catalog.Hello{Speaks: catalog.BuildSpeaks()} }
	}
	if cfg.Foreign == nil {
		cfg.Foreign = func(catalog.Hello, error) {}
	}
	if cfg.Idle <= 0 {
		cfg.Idle = 2 * time.Minute
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	to.RegisterService(&service, &Server{cfg})
}

var service = grpc.ServiceDesc{
	ServiceName: ServiceName,
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{
		unary(ping, 0, (*Server).ping),
		unary(propose, maxEntry, (*Server).propose),
		unary(readIndex, 0, (*Server).readIndex),
		unary(statMember, 0, (*Server).statMember),
		unary(hashMember, 0, (*Server).hashMember),
		unary(trashMember, 0, (*Server).trashMember),
		unary(report, 0, (*Server).report),
		unary(scrubDisk, 0, (*Server).scrubDisk),
		unary(plugDisk, 0, (*Server).plugDisk),
	},
	Streams: []grpc.StreamDesc{
		{StreamName: createMember, ClientStreams: true, Handler: streamed((*Server).createMember)},
		{StreamName: readMember, ServerStreams: true, Handler: streamed((*Server).readMember)},
		{StreamName: scanShare, ServerStreams: true, Handler: streamed((*Server).scan)},
	},
}

// unary makes a call of one message each way, whose request may carry so many
// bytes.
func unary[Q, A any](name string, maxBody int, serve func(*Server, context.Context, Q, []byte) (A, error)) grpc.MethodDesc {
	handle := func(srv any, ctx context.Context, in any) (any, error) {
		s, f := srv.(*Server), in.(*frame)
		if err := s.admit(ctx, lifeless[name]); err != nil {
			return nil, err
		}
		if err := bounded(ctx); err != nil {
			return nil, err
		}
		q, err := decode[Q](f, maxBody)
		if err != nil {
			return nil, err
		}
		a, err := serve(s, ctx, q, f.DataBody)
		if err != nil {
			return nil, answer(err)
		}
		if body, ok := any(a).(raw); ok {
			return newFrame(empty{}, body)
		}
		return newFrame(a, nil)
	}
	return grpc.MethodDesc{MethodName: name, Handler: func(srv any, ctx context.Context, read func(any) error, around grpc.UnaryServerInterceptor) (any, error) {
		in := new(frame)
		if err := read(in); err != nil {
			return nil, err
		}
		if around == nil {
			return handle(srv, ctx, in)
		}
		info := &grpc.UnaryServerInfo{Server: srv, FullMethod: method(name)}
		return around(ctx, in, info, func(ctx context.Context, in any) (any, error) { return handle(srv, ctx, in) })
	}}
}

func streamed(serve func(*Server, grpc.ServerStream) error) grpc.StreamHandler {
	return func(srv any, stream grpc.ServerStream) error {
		s := srv.(*Server)
		if err := s.admit(stream.Context(), false); err != nil {
			return err
		}
		return answer(serve(s, stream))
	}
}

// lifeless are the calls that a node needs before its life has begun.
var lifeless = map[string]bool{ping: true, propose: true, readIndex: true}

// admit refuses calls that are not from a living node of the cluster, or not
// for this one.
func (s *Server) admit(ctx context.Context, lifeless bool) error {
	c, err := callerOf(ctx)
	if err != nil {
		return err
	}
	if p, known := trust.PrincipalOf(ctx); known && (p.Role != trust.Node || p.Name != c.node) {
		return wire.Errorf(wire.PermissionDenied, "the call says to be of node %s, its certificate is that of %s", c.node, p.Name)
	}
	switch {
	case c.cluster != s.cfg.Cluster:
		return wire.Errorf(wire.Conflict, "the call is of cluster %s; this node is of %s", c.cluster, s.cfg.Cluster)
	case c.to != s.cfg.Node:
		return wire.Errorf(wire.Conflict, "the call is for node %s; this is %s", c.to, s.cfg.Node)
	}
	if err := s.cfg.Hello().Meet(c.hello); err != nil {
		s.cfg.Foreign(c.hello, err)
		return err
	}
	switch {
	case c.epoch == 0 && lifeless:
		return nil
	case c.epoch == 0:
		return wire.Errorf(wire.Conflict, "node %s calls before its life has begun", c.node)
	case over(s.cfg.Catalog.View(), c.epoch):
		return wire.Errorf(wire.Conflict, "epoch %d of node %s is over", c.epoch, c.node)
	}
	return nil
}

// over reports whether the catalog has closed an epoch: the node has begun
// another life, or was given up. What a closed epoch has not committed is
// trash; so would be a segment 0, which no epoch gives out.
func over(view *catalog.State, epoch catalog.Epoch) bool {
	return view.Verdict("", catalog.SegmentFile(catalog.NewSegmentID(epoch, 0))) == catalog.Trash
}

// maxCall is how long any call but the writing of a member may take.
const maxCall = 2 * time.Hour

// bounded refuses a call that would wait for ever.
func bounded(ctx context.Context) error {
	if d, ok := ctx.Deadline(); !ok || time.Until(d) > maxCall {
		return wire.Errorf(wire.InvalidArgument, "the call has no deadline within %v", maxCall)
	}
	return nil
}

func (s *Server) ping(_ context.Context, h pingHeader, _ []byte) (Pong, error) {
	if s.cfg.Told != nil && h.Known {
		s.cfg.Told(time.Duration(h.Ahead))
	}
	return Pong{
		Node: s.cfg.Node, Epoch: s.cfg.Epoch(), Version: s.cfg.Version, Speaks: s.cfg.Hello().Speaks, Index: s.cfg.Catalog.View().Index(), Clock: s.cfg.Now().UnixNano(),
	}, nil
}

func (s *Server) propose(ctx context.Context, _ empty, entry []byte) (a indexHeader, err error) {
	a.Index, err = s.cfg.Catalog.ApplyEntry(ctx, entry)
	return a, catalogError(err)
}

func (s *Server) readIndex(ctx context.Context, _ empty, _ []byte) (a indexHeader, err error) {
	a.Index, err = s.cfg.Catalog.ReadIndex(ctx)
	return a, catalogError(err)
}

// catalogError gives an error of the catalog a code, which it has but for bugs.
func catalogError(err error) error {
	if err != nil {
		return wire.FromError(err)
	}
	return nil
}

// find returns a disk of this node and the file that a call is about.
func (s *Server) find(h memberHeader) (members.Disk, catalog.MemberFile, error) {
	file, err := h.member()
	if err != nil {
		return nil, file, err
	}
	disk, here := s.cfg.Members.Local(h.Disk)
	if !here {
		return nil, file, wire.Errorf(wire.Unavailable, "disk %.64q is not in node %s", h.Disk, s.cfg.Node)
	}
	return disk, file, nil
}

func (s *Server) statMember(ctx context.Context, h memberHeader, _ []byte) (receiptHeader, error) {
	disk, file, err := s.find(h)
	if err != nil {
		return receiptHeader{}, err
	}
	f, err := disk.Open(ctx, file)
	if err != nil {
		return receiptHeader{}, err
	}
	return receiptHeader{Size: f.Size()}, f.Close()
}

func (s *Server) hashMember(ctx context.Context, h memberHeader, _ []byte) (receiptHeader, error) {
	disk, file, err := s.find(h)
	if err != nil {
		return receiptHeader{}, err
	}
	got, err := disk.Hash(ctx, file)
	return receiptHeader{got.Size, got.Hash}, err
}

// trashMember trusts nobody's word but that of this node's own state.
func (s *Server) trashMember(ctx context.Context, h trashHeader, _ []byte) (empty, error) {
	disk, file, err := s.find(h.memberHeader)
	if err != nil {
		return empty{}, err
	}
	view, err := s.cfg.Catalog.StateAt(ctx, h.Index)
	if err != nil {
		return empty{}, err
	}
	if view.Verdict(h.Disk, file) != catalog.Trash {
		return empty{}, wire.Errorf(wire.Conflict, "%s is not trash on disk %s", file, h.Disk)
	}
	return empty{}, disk.Trash(ctx, file, view.Index())
}
