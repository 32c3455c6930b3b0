package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/tarnlake/tarn/client/sql"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/expr"
)

// Result is a query whose snapshot and schema are settled and whose rows have
// not been read yet.
type Result struct {
	c       *Client
	ctx     context.Context
	schema  *arrow.Schema
	ticket  *flight.Ticket
	version int64
}

// Query plans q on the node. Rows come when Batches is ranged over; ctx
// governs that too.
func (c *Client) Query(ctx context.Context, q *expr.Query) (*Result, error) {
	cmd, err := json.Marshal(wire.Descriptor{Query: q})
	if err != nil {
		return nil, wire.Errorf(wire.InvalidArgument, "query: %w", err)
	}
	info, err := c.flight.GetFlightInfo(ctx, &flight.FlightDescriptor{Type: flight.DescriptorCMD, Cmd: cmd})
	if err != nil {
		return nil, wire.FromError(err)
	}
	s, err := flight.DeserializeSchema(info.Schema, c.mem)
	if err != nil || len(info.Endpoint) != 1 {
		return nil, wire.Errorf(wire.Internal, "the node's answer has %d endpoints and schema error %v; want 1 and none", len(info.Endpoint), err)
	}
	var t wire.Ticket
	if err := json.Unmarshal(info.Endpoint[0].Ticket.Ticket, &t); err != nil {
		return nil, wire.Errorf(wire.Internal, "the node's ticket does not parse: %w", err)
	}
	return &Result{c: c, ctx: ctx, schema: s, ticket: info.Endpoint[0].Ticket, version: t.Query.At.Version}, nil
}

// SQL parses one SELECT over one table and plans it (see client/sql for what
// is understood).
func (c *Client) SQL(ctx context.Context, text string) (*Result, error) {
	q, err := sql.Parse(text)
	if err != nil {
		return nil, err
	}
	return c.Query(ctx, q)
}

// Schema returns the schema of the result's batches.
func (r *Result) Schema() *arrow.Schema { return r.schema }

// Version returns the table version that the query reads.
func (r *Result) Version() int64 { return r.version }

// Batches runs the query. A batch is valid until the next one is asked for;
// Retain it to keep it longer. After an error nothing follows. Each range
// over the sequence runs the query again, on the same snapshot.
func (r *Result) Batches() iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		ctx, cancel := context.WithCancel(r.ctx) // leaving the loop early stops the node
		defer cancel()
		stream, err := r.c.flight.DoGet(ctx, r.ticket)
		if err != nil {
			yield(nil, wire.FromError(err))
			return
		}
		rows, err := flight.NewRecordReader(stream, ipc.WithAllocator(r.c.mem))
		if err != nil {
			yield(nil, streamError(err, stream))
			return
		}
		defer rows.Release()
		for rows.Next() {
			if !yield(rows.RecordBatch(), nil) {
				return
			}
		}
		if err := rows.Err(); err != nil && !errors.Is(err, io.EOF) {
			yield(nil, wire.FromError(err))
		}
	}
}

// streamError finds the node's own error behind that of the Arrow reader,
// which reports a stream that fails before its schema in words of its own.
func streamError(err error, stream flight.FlightService_DoGetClient) error {
	if _, serr := stream.Recv(); serr != nil && serr != io.EOF {
		return wire.FromError(serr)
	}
	return wire.FromError(err)
}

// Scan runs q and yields its batches; it is Query and Batches in one.
func (c *Client) Scan(ctx context.Context, q *expr.Query) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		r, err := c.Query(ctx, q)
		if err != nil {
			yield(nil, err)
			return
		}
		r.Batches()(yield)
	}
}
