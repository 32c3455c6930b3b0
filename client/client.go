// Package client is the Go library of Tarn: tables, appends and scans over
// Arrow Flight.
//
//	c, err := client.Dial(ctx, "127.0.0.1:7460")
//	receipt, err := c.Append(ctx, "orders", batch)       // durable and visible on return
//	for batch, err := range c.Scan(ctx, &expr.Query{Table: "orders"}) { … }
//
// Every error is, or wraps, a *wire.Error with a code, a message and often a
// hint. A Client is safe for concurrent use.
package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/format"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
)

// DefaultAddr is where a node listens unless it is told otherwise.
const DefaultAddr = "127.0.0.1:7460"

// maxMessageBytes bounds one message from a node. Nodes cut batches to about
// 3.5 MiB; only a single larger row makes a larger message.
const maxMessageBytes = 256 << 20

// Client is a connection to one node.
type Client struct {
	addr   string
	flight flight.Client
	conn   *grpc.ClientConn
	mem    memory.Allocator

	blockMem memory.Allocator // of decoded blocks
	maxBlock int64            // bytes of rows that may come as one block

	mu    sync.Mutex
	lanes map[string][]*lane // idle lanes by table
	done  bool
}

// Option changes how Dial connects.
type Option func(*settings)

type settings struct {
	mem, blockMem memory.Allocator
	wait          time.Duration
}

// WithAllocator makes the client decode batches with mem, which has to be safe
// for concurrent use.
func WithAllocator(mem memory.Allocator) Option {
	return func(s *settings) { s.mem, s.blockMem = mem, mem }
}

// WithDialTimeout bounds how long Dial waits for the node; the default is 5 seconds.
func WithDialTimeout(d time.Duration) Option { return func(s *settings) { s.wait = d } }

// Dial connects to the node at addr (host:port) and returns once it answers,
// or fails with wire.Unavailable.
func Dial(ctx context.Context, addr string, opts ...Option) (*Client, error) {
	set := settings{mem: memory.DefaultAllocator, blockMem: format.Unzeroed, wait: 5 * time.Second}
	for _, o := range opts {
		o(&set)
	}
	conn, err := grpc.NewClient(addr,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessageBytes), grpc.ForceCodecV2(wire.Codec())),
		grpc.WithInitialWindowSize(wire.ReadAhead), grpc.WithInitialConnWindowSize(wire.ReadAhead),
		grpc.WithReadBufferSize(wire.SocketBytes), grpc.WithWriteBufferSize(wire.SocketBytes))
	if err != nil {
		return nil, wire.Errorf(wire.InvalidArgument, "address %q: %w", addr, err).WithHint("give host:port, such as %s", DefaultAddr)
	}
	if err := waitReady(ctx, conn, set.wait); err != nil {
		conn.Close()
		return nil, wire.Errorf(wire.Unavailable, "no Tarn node answers at %s: %w", addr, err).
			WithHint("start one with: tarn server --dir DIR --listen %s   (or name another with --addr)", addr)
	}
	return &Client{
		addr: addr, conn: conn, mem: set.mem, blockMem: set.blockMem, maxBlock: maxBlockBytes, lanes: map[string][]*lane{},
		flight: flight.NewClientFromConn(conn, nil),
	}, nil
}

func waitReady(ctx context.Context, conn *grpc.ClientConn, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	conn.Connect()
	for {
		state := conn.GetState()
		switch state {
		case connectivity.Ready:
			return nil
		case connectivity.TransientFailure:
			return fmt.Errorf("connection refused or not a gRPC server")
		}
		if !conn.WaitForStateChange(ctx, state) {
			return ctx.Err()
		}
	}
}

// Addr returns the address given to Dial.
func (c *Client) Addr() string { return c.addr }

// Close ends the connection. Calls under way fail.
func (c *Client) Close() error {
	c.mu.Lock()
	c.done = true
	for _, idle := range c.lanes {
		for _, l := range idle {
			l.hangUp()
		}
	}
	c.lanes = nil
	c.mu.Unlock()
	return c.conn.Close()
}

// CreateTable makes a table.
func (c *Client) CreateTable(ctx context.Context, req wire.CreateTable) (wire.TableInfo, error) {
	return call[wire.TableInfo](ctx, c, wire.ActionCreateTable, req)
}

// Tables returns the newest snapshot of every table, by name.
func (c *Client) Tables(ctx context.Context) ([]wire.TableInfo, error) {
	list, err := call[wire.TableList](ctx, c, wire.ActionListTables, struct{}{})
	return list.Tables, err
}

// Table describes a table as of at.
func (c *Client) Table(ctx context.Context, name string, at expr.At) (wire.TableInfo, error) {
	return call[wire.TableInfo](ctx, c, wire.ActionGetTable, wire.GetTable{Name: name, At: at})
}

// AlterTable changes a table's schema or options, as one new version.
func (c *Client) AlterTable(ctx context.Context, req wire.AlterTable) (wire.TableInfo, error) {
	return call[wire.TableInfo](ctx, c, wire.ActionAlterTable, req)
}

// DropTable removes a table and all of its versions.
func (c *Client) DropTable(ctx context.Context, name string) error {
	return c.DropTableIf(ctx, wire.DropTable{Name: name})
}

// DropTableIf removes a table as DropTable does, unless it has changed since
// the version that req names: then it fails with CONFLICT.
func (c *Client) DropTableIf(ctx context.Context, req wire.DropTable) error {
	_, err := call[struct{}](ctx, c, wire.ActionDropTable, req)
	return err
}

// History returns the versions that retention has kept, oldest first.
func (c *Client) History(ctx context.Context, name string) ([]wire.Commit, error) {
	h, err := call[wire.History](ctx, c, wire.ActionHistory, wire.GetTable{Name: name})
	return h.Commits, err
}

// Segments lists the segments of a table as of at, in commit order.
func (c *Client) Segments(ctx context.Context, name string, at expr.At) (wire.SegmentList, error) {
	return call[wire.SegmentList](ctx, c, wire.ActionSegments, wire.GetTable{Name: name, At: at})
}

// VerifySegments makes the node read segments back and check every byte.
func (c *Client) VerifySegments(ctx context.Context, req wire.VerifySegments) (wire.SegmentReport, error) {
	return call[wire.SegmentReport](ctx, c, wire.ActionSegment, req)
}

// Explain tells what a query would read, and why, without running it.
func (c *Client) Explain(ctx context.Context, q *expr.Query) (wire.Explanation, error) {
	return call[wire.Explanation](ctx, c, wire.ActionExplain, q)
}

// Disks lists the disks of the cluster.
func (c *Client) Disks(ctx context.Context) ([]wire.Disk, error) {
	list, err := call[wire.DiskList](ctx, c, wire.ActionDisks, struct{}{})
	return list.Disks, err
}

// SetDisk changes what becomes of a disk, named by its id or enough of its
// beginning; change is one of wire.DiskUse, DiskDrain, DiskLose and DiskRemove.
func (c *Client) SetDisk(ctx context.Context, id, change string) error {
	_, err := call[struct{}](ctx, c, wire.ActionSetDisk, wire.SetDisk{ID: id, Change: change})
	return err
}

// Status returns the node's own word on how it is.
func (c *Client) Status(ctx context.Context) (wire.Status, error) {
	return call[wire.Status](ctx, c, wire.ActionStatus, struct{}{})
}

// call sends one action and decodes its single result.
func call[R any](ctx context.Context, c *Client, action string, req any) (R, error) {
	var res R
	body, err := json.Marshal(req)
	if err != nil {
		return res, wire.Errorf(wire.InvalidArgument, "%s: %w", action, err)
	}
	stream, err := c.flight.DoAction(ctx, &flight.Action{Type: action, Body: body})
	if err != nil {
		return res, wire.FromError(err)
	}
	got, err := stream.Recv()
	if err != nil {
		return res, wire.FromError(err)
	}
	if err := json.Unmarshal(got.Body, &res); err != nil {
		return res, wire.Errorf(wire.Internal, "%s: the node's answer does not parse: %w", action, err)
	}
	if _, err := stream.Recv(); err != io.EOF && err != nil {
		return res, wire.FromError(err)
	}
	return res, nil
}
