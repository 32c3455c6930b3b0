package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/client/sql"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/peer"
	"github.com/tarnlake/tarn/daemon/scan"
	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/format"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// service answers Arrow Flight. Generic clients need nothing of ours: a table
// by path, or bare SQL as the command, is enough to read, and a stream with a
// table as its path is enough to write.
type service struct {
	flight.BaseFlightServer
	n *Node
}

// maxSend is the limit of one message that we send, which every client takes:
// many stop at 4 MiB.
const maxSend = 3 << 20

// maxReceive is the limit of one message that we take: a stream holds one
// before we see it.
func (n *Node) maxReceive() int { return int(min(max(n.cfg.MemoryLimit/8, 16<<20), 256<<20)) }

func (n *Node) newGRPC() *grpc.Server {
	options := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(n.maxReceive()),
		grpc.NumStreamWorkers(uint32(2 * runtime.GOMAXPROCS(0))), // whose stacks have grown already
		grpc.ForceServerCodecV2(wire.Codec()),
		grpc.InitialWindowSize(wire.PutAhead), grpc.InitialConnWindowSize(wire.PutAhead),
		grpc.ReadBufferSize(wire.SocketBytes), grpc.WriteBufferSize(wire.SocketBytes),
		grpc.ChainUnaryInterceptor(n.guardUnary),
		grpc.ChainStreamInterceptor(n.guardStream),
	}
	if n.network != nil {
		options = append(options, n.network.guard.ServerOptions()...)
	}
	s := grpc.NewServer(options...)
	flight.RegisterFlightServiceServer(s, &service{n: n})
	if n.network != nil {
		peer.Register(s, peer.ServerConfig{
			Cluster: n.id.Cluster, Node: n.id.Node, Version: n.cfg.Version, Epoch: n.ownEpoch, Members: n.members, Catalog: n.catalog,
			Scan: n.scanShare, Report: n.encodeReport, Scrub: n.scrubHere, Plug: n.plug, Now: n.cfg.Clock.Wall, Told: n.clock.Told,
			Hello: n.catalog.Hello, Foreign: n.meetForeign,
		})
	}
	return s
}

const doPut = "/arrow.flight.protocol.FlightService/DoPut"

// guardUnary and guardStream turn a panic in a call into an error of that
// call, and count and log what fails.
func (n *Node) guardUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (res any, err error) {
	defer func() { err = n.guard(info.FullMethod, recover(), err) }()
	if err := n.begun(info.FullMethod); err != nil {
		return nil, err
	}
	n.work.RLock()
	defer n.work.RUnlock()
	return handle(ctx, req)
}

func (n *Node) guardStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) (err error) {
	defer func() { err = n.guard(info.FullMethod, recover(), err) }()
	if err := n.begun(info.FullMethod); err != nil {
		return err
	}
	if info.FullMethod != doPut { // which knows when it works and when it waits
		n.work.RLock()
		defer n.work.RUnlock()
	}
	return handle(srv, stream)
}

var errStarting = wire.Errorf(wire.Unavailable, "the node is starting: it catches up with its cluster").WithHint("ask again, or another node")

// begun refuses clients until the start is through. Nodes are answered: theirs
// may wait for this one.
func (n *Node) begun(method string) error {
	if n.serving.Load() || strings.HasPrefix(method, "/"+peer.ServiceName+"/") {
		return nil
	}
	return errStarting
}

func (n *Node) guard(method string, panicked any, err error) error {
	if panicked != nil {
		n.cfg.Logger.Error("panic in a call", "method", method, "panic", panicked, "stack", string(debug.Stack()))
		err = wire.Errorf(wire.Internal, "the node met a bug of its own: %v", panicked)
	}
	if err == nil {
		return nil
	}
	e := wire.FromError(err)
	n.metrics.errors.WithLabelValues(string(e.Code)).Inc()
	if e.Code == wire.Internal || e.Code == wire.Corrupt {
		n.cfg.Logger.Error("call failed", "method", method, "error", err)
	}
	return e
}

// query finds the query in a descriptor.
func queryOf(d *flight.FlightDescriptor) (*expr.Query, error) {
	if d == nil {
		return nil, wire.Errorf(wire.InvalidArgument, "the call has no flight descriptor").WithHint("give a table as path, or SQL as command")
	}
	if d.Type == flight.DescriptorPATH {
		if len(d.Path) != 1 {
			return nil, wire.Errorf(wire.InvalidArgument, "path %q: want one element, the table", d.Path)
		}
		return &expr.Query{Table: d.Path[0]}, nil
	}
	return parseCommand(d.Cmd)
}

// parseCommand reads a wire.Descriptor or bare SQL.
func parseCommand(cmd []byte) (*expr.Query, error) {
	text := strings.TrimSpace(string(cmd))
	if !strings.HasPrefix(text, "{") {
		return sql.Parse(text)
	}
	var d wire.Descriptor
	if err := json.Unmarshal(cmd, &d); err != nil {
		return nil, wire.Errorf(wire.InvalidArgument, "the command is neither SQL nor a query in JSON: %w", err)
	}
	switch {
	case d.Query != nil:
		return d.Query, nil
	case d.SQL != "":
		return sql.Parse(d.SQL)
	}
	return nil, wire.Errorf(wire.InvalidArgument, "the command holds neither a query nor SQL")
}

// plan settles a query on a snapshot. The query it returns names that version.
func (s *service) plan(ctx context.Context, q *expr.Query) (*scan.Plan, *expr.Query, error) {
	if err := expr.Check(q); err != nil {
		return nil, nil, wire.Errorf(wire.InvalidArgument, "the query is malformed: %w", err)
	}
	view, err := s.n.catalog.Read(ctx)
	if err != nil {
		return nil, nil, err
	}
	snap, err := view.Snapshot(q.Table, q.At)
	if err != nil {
		return nil, nil, err
	}
	settled := *q
	settled.At = expr.At{Version: int64(snap.Version)}
	p, err := scan.New(snap, &settled, s.n.scanOptions())
	return p, &settled, err
}

// scanOptions: one query may take all that the node has for queries, but not
// while others hold it.
func (n *Node) scanOptions() scan.Options {
	return scan.Options{MemoryBytes: n.cfg.MemoryLimit / 3, Pool: n.scanMemory}
}

// GetFlightInfo settles a query and returns the ticket for its rows: always
// one endpoint without a location, because many clients read only one.
func (s *service) GetFlightInfo(ctx context.Context, d *flight.FlightDescriptor) (*flight.FlightInfo, error) {
	q, err := queryOf(d)
	if err != nil {
		return nil, err
	}
	p, q, err := s.plan(ctx, q)
	if err != nil {
		return nil, err
	}
	ticket, err := json.Marshal(wire.Ticket{Query: *q})
	if err != nil {
		return nil, err
	}
	return &flight.FlightInfo{
		Schema:           flight.SerializeSchema(p.Schema(), memory.DefaultAllocator),
		FlightDescriptor: d,
		Endpoint:         []*flight.FlightEndpoint{{Ticket: &flight.Ticket{Ticket: ticket}}},
		TotalRecords:     -1,
		TotalBytes:       -1,
		Ordered:          true,
	}, nil
}

// GetSchema returns the schema of a query's rows.
func (s *service) GetSchema(ctx context.Context, d *flight.FlightDescriptor) (*flight.SchemaResult, error) {
	q, err := queryOf(d)
	if err != nil {
		return nil, err
	}
	p, _, err := s.plan(ctx, q)
	if err != nil {
		return nil, err
	}
	return &flight.SchemaResult{Schema: flight.SerializeSchema(p.Schema(), memory.DefaultAllocator)}, nil
}

// DoGet runs the query of a ticket. A ticket may also be bare SQL.
func (s *service) DoGet(t *flight.Ticket, stream flight.FlightService_DoGetServer) error {
	q, err := ticketQuery(t)
	if err != nil {
		return err
	}
	ctx := stream.Context()
	p, q, err := s.plan(ctx, q)
	if err != nil {
		return err
	}
	if err := stream.SetHeader(metadata.Pairs(wire.VersionHeader, strconv.FormatInt(q.At.Version, 10))); err != nil {
		return err
	}
	s.n.metrics.scans.Inc()
	return watched(ctx, s.n.cfg.SendTimeout, func(ctx context.Context, out *sender) error {
		w := wire.NewBatchWriter(stream, p.Schema(), true)
		for part, err := range p.RunSpread(ctx, s.n.readers, acceptedPages(ctx), s.n.spread()) {
			if err != nil {
				return scanError(ctx, err)
			}
			if err := out.send(func() error { return sendPart(w, part) }); err != nil {
				return err
			}
			s.n.metrics.rowsOut.Add(float64(part.Rows))
		}
		return out.send(w.Close) // sends the schema if there was no batch
	})
}

func ticketQuery(t *flight.Ticket) (*expr.Query, error) {
	var ticket wire.Ticket
	text := strings.TrimSpace(string(t.GetTicket()))
	if !strings.HasPrefix(text, "{") {
		return sql.Parse(text)
	}
	if err := json.Unmarshal([]byte(text), &ticket); err != nil {
		return nil, wire.Errorf(wire.InvalidArgument, "the ticket does not parse: %w", err).WithHint("get one with GetFlightInfo")
	}
	return &ticket.Query, nil
}

// acceptedPages returns what the client of a call can decode.
func acceptedPages(ctx context.Context) format.Features {
	md, _ := metadata.FromIncomingContext(ctx)
	return format.Features(wire.ParsePagesAccepted(md.Get(wire.PagesHeader)))
}

func sendPart(w *wire.BatchWriter, part scan.Part) error {
	if part.Batch == nil {
		return w.WriteBlock(wire.Block{Rows: part.Rows, Pages: part.Pages, Dictionaries: part.Dictionaries})
	}
	return sendBatch(w, part.Batch)
}

func sendBatch(w *wire.BatchWriter, batch arrow.RecordBatch) error {
	for part := range wire.Slices(batch, maxSend) {
		if err := w.Write(part, nil); err != nil {
			return err
		}
	}
	return nil
}

func scanError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return wire.Errorf(wire.Canceled, "the scan was canceled: %w", ctx.Err())
	}
	return err
}

// ListFlights lists the tables.
func (s *service) ListFlights(_ *flight.Criteria, stream flight.FlightService_ListFlightsServer) error {
	view, err := s.n.catalog.Read(stream.Context())
	if err != nil {
		return err
	}
	for _, t := range view.Tables() {
		info := &flight.FlightInfo{
			Schema:           flight.SerializeSchema(t.Schema.Arrow(), memory.DefaultAllocator),
			FlightDescriptor: &flight.FlightDescriptor{Type: flight.DescriptorPATH, Path: []string{t.Name}},
			TotalRecords:     t.Commit.TotalRows,
			TotalBytes:       bytesOf(t),
		}
		if err := stream.Send(info); err != nil {
			return err
		}
	}
	return nil
}

func bytesOf(t *catalog.Snapshot) int64 {
	var total int64
	for _, s := range t.Segments {
		total += s.Bytes
	}
	return total
}

// Handshake lets clients through that insist on one. There is nothing to log
// in to: nodes without TLS serve loopback only.
func (s *service) Handshake(stream flight.FlightService_HandshakeServer) error {
	req, err := stream.Recv()
	if err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	return stream.Send(&flight.HandshakeResponse{ProtocolVersion: req.GetProtocolVersion()})
}
