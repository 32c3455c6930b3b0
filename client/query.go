package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"runtime"
	"strconv"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/tarnlake/tarn/client/sql"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/expr"
)

// Result is a query whose snapshot and schema are settled and whose rows are
// on their way.
type Result struct {
	c       *Client
	ctx     context.Context
	query   expr.Query // on the settled version
	schema  *arrow.Schema
	version int64

	first  atomic.Pointer[rows] // what the first range reads; nil: taken
	forget runtime.Cleanup      // of first, if nobody ranges
}

// Query runs q on the node and returns when it is settled on a version and the
// first rows are there, or it is known that there are none. The others come when
// Batches is ranged over; ctx governs that too. The node holds little of a result
// that is not read, and that no longer than until ctx ends, the Result is
// garbage, or the node's patience with clients that do not read is over.
func (c *Client) Query(ctx context.Context, q *expr.Query) (*Result, error) {
	r := &Result{c: c, ctx: ctx, query: *q}
	first, err := r.run()
	if err != nil {
		return nil, err
	}
	if r.version, err = first.version(); err != nil {
		first.leave()
		return nil, err
	}
	r.schema, r.query.At = first.Schema(), expr.At{Version: r.version}
	r.first.Store(first)
	r.forget = runtime.AddCleanup(r, func(cancel context.CancelFunc) { cancel() }, first.cancel)
	return r, nil
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

// Batches yields the rows. A batch is valid until the next one is asked for;
// Retain it to keep it longer. After an error nothing follows. Each range over
// the sequence after the first runs the query again, on the same snapshot.
func (r *Result) Batches() iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		rows := r.first.Swap(nil)
		if rows != nil {
			r.forget.Stop()
		} else {
			var err error
			if rows, err = r.run(); err != nil {
				yield(nil, err)
				return
			}
		}
		defer rows.leave() // leaving the loop early stops the node
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

// rows is a result that is being read.
type rows struct {
	*flight.Reader
	stream flight.FlightService_DoGetClient
	cancel context.CancelFunc
}

// run starts the query. One call does it all: any node takes a query that is
// not settled yet as a ticket, so there is nothing to ask for first.
func (r *Result) run() (_ *rows, err error) {
	ticket, err := json.Marshal(wire.Ticket{Query: r.query})
	if err != nil {
		return nil, wire.Errorf(wire.InvalidArgument, "query: %w", err)
	}
	ctx, cancel := context.WithCancel(r.ctx)
	defer func() {
		if err != nil {
			cancel()
		}
	}()
	stream, err := r.c.flight.DoGet(ctx, &flight.Ticket{Ticket: ticket})
	if err != nil {
		return nil, wire.FromError(err)
	}
	reader, err := flight.NewRecordReader(stream, ipc.WithAllocator(r.c.mem))
	if err != nil {
		return nil, streamError(err, stream)
	}
	return &rows{reader, stream, cancel}, nil
}

// version returns the version of the table that the rows are of.
func (r *rows) version() (int64, error) {
	header, err := r.stream.Header()
	if err != nil {
		return 0, wire.FromError(err)
	}
	said := header.Get(wire.VersionHeader)
	if len(said) != 1 {
		return 0, wire.Errorf(wire.Internal, "the node's answer has %d versions; want 1", len(said))
	}
	version, err := strconv.ParseInt(said[0], 10, 64)
	if err != nil {
		return 0, wire.Errorf(wire.Internal, "the node's answer is of version %q: %w", said[0], err)
	}
	return version, nil
}

// leave ends the call, if it has not ended yet.
func (r *rows) leave() {
	r.cancel()
	r.Release()
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
