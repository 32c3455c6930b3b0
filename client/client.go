// Package client is the Go library of Tarn: tables, appends and scans over
// Arrow Flight.
//
//	c, err := client.Dial(ctx, "127.0.0.1:7460")         // or "n1:7460,n2:7460", client.WithCertificate(pem)
//	receipt, err := c.Append(ctx, "orders", batch)       // durable and visible on return
//	for batch, err := range c.Scan(ctx, &expr.Query{Table: "orders"}) { … }
//
// Every error is, or wraps, a *wire.Error with a code, a message and often a
// hint. A Client is safe for concurrent use.
//
// A node may go away in the middle of a call, or be unable to answer it, cut off
// from the rest of its cluster. What only reads is asked again of another one,
// as long as no rows were handed on; Append goes on, because its batches are
// numbered; everything else fails with wire.Unavailable.
package client

import (
	"context"
	"encoding/json"
	"io"
	"sync"

	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/expr"
	"google.golang.org/grpc"
)

// Client talks to one node at a time: to the first that answered of those it
// was given, and to another one when that is gone.
type Client struct {
	addr   string
	door   *door
	flight flight.Client
	conn   *grpc.ClientConn
	mem    memory.Allocator

	blockMem memory.Allocator // of decoded blocks
	maxBlock int64            // bytes of rows that may come as one block

	mu    sync.Mutex
	lanes map[string][]*lane // idle lanes by table
	done  bool
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
	list, err := ask[wire.TableList](ctx, c, wire.ActionListTables, struct{}{})
	return list.Tables, err
}

// Table describes a table as of at.
func (c *Client) Table(ctx context.Context, name string, at expr.At) (wire.TableInfo, error) {
	return ask[wire.TableInfo](ctx, c, wire.ActionGetTable, wire.GetTable{Name: name, At: at})
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
	h, err := ask[wire.History](ctx, c, wire.ActionHistory, wire.GetTable{Name: name})
	return h.Commits, err
}

// Segments lists the segments of a table as of at, in commit order.
func (c *Client) Segments(ctx context.Context, name string, at expr.At) (wire.SegmentList, error) {
	return ask[wire.SegmentList](ctx, c, wire.ActionSegments, wire.GetTable{Name: name, At: at})
}

// VerifySegments makes the node read segments back and check every byte.
func (c *Client) VerifySegments(ctx context.Context, req wire.VerifySegments) (wire.SegmentReport, error) {
	return ask[wire.SegmentReport](ctx, c, wire.ActionSegment, req)
}

// Explain tells what a query would read, and why, without running it.
func (c *Client) Explain(ctx context.Context, q *expr.Query) (wire.Explanation, error) {
	return ask[wire.Explanation](ctx, c, wire.ActionExplain, q)
}

// Disks lists the disks of the cluster.
func (c *Client) Disks(ctx context.Context) ([]wire.Disk, error) {
	list, err := ask[wire.DiskList](ctx, c, wire.ActionDisks, struct{}{})
	return list.Disks, err
}

// ScrubDisk has a disk read back at once, every member that belongs on it.
// Disks tells how far that is.
func (c *Client) ScrubDisk(ctx context.Context, id string) error {
	_, err := call[struct{}](ctx, c, wire.ActionScrubDisk, wire.DiskName{ID: id})
	return err
}

// SetDisk changes what becomes of a disk, named by its id or enough of its
// beginning; change is one of wire.DiskUse, DiskDrain, DiskLose and DiskRemove.
func (c *Client) SetDisk(ctx context.Context, id, change string) error {
	_, err := call[struct{}](ctx, c, wire.ActionSetDisk, wire.SetDisk{ID: id, Change: change})
	return err
}

// LoseDiskAnyway gives a disk up even where rows are on too few others to be
// rebuilt: they are lost with it.
func (c *Client) LoseDiskAnyway(ctx context.Context, id string) error {
	_, err := call[struct{}](ctx, c, wire.ActionSetDisk, wire.SetDisk{ID: id, Change: wire.DiskLose, Force: true})
	return err
}

// Status returns the node's own word on how it is.
func (c *Client) Status(ctx context.Context) (wire.Status, error) {
	return ask[wire.Status](ctx, c, wire.ActionStatus, struct{}{})
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
