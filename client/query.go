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
	"github.com/tarnlake/tarn/client/sql"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/format"
	"google.golang.org/grpc/metadata"
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
	var first *rows
	err := c.again(ctx, func() (_ bool, err error) {
		first, r.version, err = r.settle()
		return true, err
	})
	if err != nil {
		return nil, wire.FromError(err)
	}
	r.schema, r.query.At = first.Schema(), expr.At{Version: r.version}
	r.first.Store(first)
	r.forget = runtime.AddCleanup(r, func(cancel context.CancelFunc) { cancel() }, first.cancel)
	return r, nil
}

// settle starts the query and returns which version its rows are of.
func (r *Result) settle() (*rows, int64, error) {
	first, err := r.run(format.PageAbilities)
	if err != nil {
		return nil, 0, err
	}
	version, err := first.version()
	if err != nil {
		first.leave()
	}
	return first, version, err
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
		out := &delivery{yield: yield}
		err := r.c.again(r.ctx, func() (bool, error) {
			err := r.read(out, format.PageAbilities)
			return out.rows == 0, err
		})
		if errors.Is(err, format.ErrTooLarge) { // the node has to cut the rows, then
			out.skip, out.rows = out.rows, 0
			err = r.read(out, 0)
		}
		if err != nil && !errors.Is(err, errEnough) {
			yield(nil, wire.FromError(err))
		}
	}
}

// read delivers the rows of the result, of which blocks may come as pages that
// need nothing beyond what accept has.
func (r *Result) read(out *delivery, accept format.Features) error {
	rows := r.first.Swap(nil)
	if rows != nil {
		r.forget.Stop()
	} else {
		var err error
		if rows, err = r.run(accept); err != nil {
			return err
		}
	}
	defer rows.leave() // leaving early stops the node
	for {
		next, err := rows.Next()
		switch {
		case err == io.EOF:
			return nil
		case err == nil && next.Block != nil:
			return r.c.decodeAhead(rows, next, out)
		case err == nil:
			err = out.deliver(next.Batch)
		}
		if err != nil {
			return err
		}
	}
}

// rows is a result that is being read.
type rows struct {
	*wire.RowReader
	stream flight.FlightService_DoGetClient
	ctx    context.Context // of the call; the stream's own ends with its last message
	cancel context.CancelFunc
}

// run starts the query. One call does it all: any node takes a query that is
// not settled yet as a ticket, so there is nothing to ask for first.
func (r *Result) run(accept format.Features) (_ *rows, err error) {
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
	if accept != 0 {
		ctx = metadata.AppendToOutgoingContext(ctx, wire.PagesHeader, wire.PagesAccepted(uint64(accept)))
	}
	stream, err := r.c.flight.DoGet(ctx, &flight.Ticket{Ticket: ticket})
	if err != nil {
		return nil, err
	}
	reader, err := wire.NewRowReader(stream, r.c.mem)
	if err != nil {
		return nil, err
	}
	return &rows{reader, stream, ctx, cancel}, nil
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
	r.Close()
}

// delivery hands batches to the consumer of a result.
type delivery struct {
	yield func(arrow.RecordBatch, error) bool
	skip  int64 // rows that the consumer has had before
	rows  int64 // that came since
}

// errEnough says that the consumer wants no more.
var errEnough = errors.New("enough rows")

func (d *delivery) deliver(batch arrow.RecordBatch) error {
	had := min(max(0, d.skip-d.rows), batch.NumRows())
	d.rows += batch.NumRows()
	if had > 0 {
		if had == batch.NumRows() {
			return nil
		}
		batch = batch.NewSlice(had, batch.NumRows())
		defer batch.Release()
	}
	if !d.yield(batch, nil) {
		return errEnough
	}
	return nil
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
