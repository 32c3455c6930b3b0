package client

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/google/uuid"
	"github.com/tarnlake/tarn/client/wire"
)

// Append adds the rows of batch to a table. On return they are durable and
// visible to every scan. Columns are matched by name. Concurrent calls share
// commits, so throughput grows with concurrency; one call takes about the
// table's flush interval and two fsyncs.
//
// A call that loses its connection, or whose node cannot take rows now, is tried
// again until ctx ends, at the other addresses in turn; the cluster drops what
// it had already committed. When ctx ends first, the rows may or
// may not be in the table: the only call whose outcome is unknown.
func (c *Client) Append(ctx context.Context, table string, batch arrow.RecordBatch) (wire.Receipt, error) {
	l, err := c.takeLane(table)
	if err != nil {
		return wire.Receipt{}, err
	}
	l.seq++
	began, waited := time.Now(), time.Duration(0)
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		at := c.door.where()
		r, err := l.send(ctx, batch, waited)
		if err == nil {
			c.returnLane(l)
			return r, nil
		}
		l.hangUp()
		e := wire.FromError(err)
		if !e.Retryable() && e.Code != wire.Canceled || ctx.Err() != nil { // not canceled here: a node that stops
			// This lane's number may or may not be used up: never use it again.
			return wire.Receipt{}, e
		}
		if unable(err) {
			c.door.leave(at)
		}
		select {
		case <-ctx.Done():
			return wire.Receipt{}, e
		case <-time.After(wait/2 + rand.N(wait)):
		}
		waited = time.Since(began)
	}
}

const firstRetry, lastRetry = 20 * time.Millisecond, time.Second

// A lane is one producer: a name, the number of its last batch, and a stream.
// At most one batch of a lane is under way, so its numbers reach the node in
// order and "already seen" can only mean "already committed".
type lane struct {
	c        *Client
	table    string
	producer string
	seq      int64
	schema   *arrow.Schema // of the open stream
	stream   flight.FlightService_DoPutClient
	writer   *wire.BatchWriter
	cancel   context.CancelFunc
}

func (c *Client) takeLane(table string) (*lane, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done {
		return nil, wire.Errorf(wire.Unavailable, "the client is closed")
	}
	if idle := c.lanes[table]; len(idle) > 0 {
		c.lanes[table] = idle[:len(idle)-1]
		return idle[len(idle)-1], nil
	}
	return &lane{c: c, table: table, producer: uuid.NewString()}, nil
}

func (c *Client) returnLane(l *lane) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done {
		l.hangUp()
		return
	}
	c.lanes[l.table] = append(c.lanes[l.table], l)
}

// send puts one batch on the lane's stream, opening it where needed, and
// waits for the receipt. waited is how long ago it did so first.
func (l *lane) send(ctx context.Context, batch arrow.RecordBatch, waited time.Duration) (wire.Receipt, error) {
	var r wire.Receipt
	if l.stream == nil || !l.schema.Equal(batch.Schema()) {
		l.hangUp()
		if err := l.open(batch.Schema()); err != nil {
			return r, err
		}
	}
	stop := context.AfterFunc(ctx, l.cancel) // the stream outlives the call, not its end by ctx
	defer stop()
	id, err := json.Marshal(wire.Sent{BatchID: wire.BatchID{Producer: l.producer, Seq: l.seq}, Waited: waited})
	if err != nil {
		return r, err
	}
	if err := l.writer.Write(batch, id); err != nil {
		return r, putError(err, l.stream)
	}
	res, err := l.stream.Recv()
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(res.AppMetadata, &r)
}

func (l *lane) open(s *arrow.Schema) error {
	ctx, cancel := context.WithCancel(context.Background())
	stream, err := l.c.flight.DoPut(ctx)
	if err != nil {
		cancel()
		return err
	}
	w, err := newPutWriter(stream, s, wire.Put{Table: l.table, Mode: wire.ModeAppend})
	if err != nil {
		cancel()
		return err
	}
	l.stream, l.cancel, l.schema, l.writer = stream, cancel, s, w
	return nil
}

func (l *lane) hangUp() {
	if l.cancel != nil {
		l.cancel()
	}
	l.stream, l.cancel, l.writer = nil, nil, nil
}

func newPutWriter(stream flight.FlightService_DoPutClient, s *arrow.Schema, put wire.Put) (*wire.BatchWriter, error) {
	cmd, err := json.Marshal(wire.Descriptor{Put: &put})
	if err != nil {
		return nil, err
	}
	w := wire.NewBatchWriter(stream, s, false)
	w.Describe(cmd)
	return w, nil
}

// putError finds out why a write failed: gRPC reports only that the stream
// ended, and the reason waits to be received.
func putError(err error, stream flight.FlightService_DoPutClient) error {
	for {
		if _, rerr := stream.Recv(); rerr != nil {
			if e := wire.FromError(rerr); e.Code != wire.Internal {
				return e
			}
			return err
		}
	}
}
