package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/client/wire"
)

// Load adds all batches to a table in one commit: all of them are durable and
// visible when it returns, and none of them if it fails. Memory stays bounded
// however many batches there are. The batches have one schema; no batch at
// all is a commit of nothing and makes no version.
//
// An error that is ErrUnknownOutcome came after the word to commit was given
// and before the node's answer: the rows are in, all of them, or none is.
//
// With a key, a second Load with the same key adds nothing and says so in the
// receipt, also when the first one's outcome never reached the caller.
func (c *Client) Load(ctx context.Context, table, key string, batches iter.Seq2[arrow.RecordBatch, error]) (wire.Receipt, error) {
	ctx, cancel := context.WithCancel(ctx) // a return before the half-close commits nothing
	defer cancel()
	l := &load{c: c, put: wire.Put{Table: table, Mode: wire.ModeLoad, Key: key}}
	for batch, err := range batches {
		if err == nil {
			err = l.write(ctx, batch)
		}
		if errors.Is(err, errAnswered) {
			break
		}
		if err != nil {
			return wire.Receipt{}, err
		}
	}
	if l.stream == nil {
		return wire.Receipt{}, nil
	}
	return l.finish()
}

// ErrUnknownOutcome is wrapped by the error of a Load whose connection was
// lost when the node may have committed already.
var ErrUnknownOutcome = errors.New("whether the rows are in is not known")

type load struct {
	c      *Client
	put    wire.Put
	stream flight.FlightService_DoPutClient
	writer *wire.BatchWriter
	schema *arrow.Schema
	rows   int64
}

// errAnswered says that the node has its answer before the end of the rows:
// it knows the key.
var errAnswered = errors.New("the node has answered")

func (l *load) write(ctx context.Context, batch arrow.RecordBatch) error {
	if l.stream == nil {
		if err := l.open(ctx, batch.Schema()); err != nil {
			return err
		}
	}
	l.rows += batch.NumRows()
	for part := range wire.Slices(batch, maxPutBytes) {
		err := l.writer.Write(part, nil)
		if errors.Is(err, io.EOF) {
			return errAnswered
		}
		if err != nil {
			return putError(err, l.stream)
		}
	}
	return nil
}

func (l *load) open(ctx context.Context, s *arrow.Schema) (err error) {
	if l.stream, err = l.c.flight.DoPut(ctx); err != nil {
		return wire.FromError(err)
	}
	l.schema = s
	l.writer, err = newPutWriter(l.stream, s, l.put)
	return err
}

// finish half-closes the stream, which is the word to commit, and waits for
// the receipt.
func (l *load) finish() (wire.Receipt, error) {
	var r wire.Receipt
	end, err := json.Marshal(wire.LoadEnd{Rows: l.rows})
	if err != nil {
		return r, err
	}
	empty := emptyBatch(l.schema)
	defer empty.Release()
	if err := l.writer.Write(empty, end); err != nil && !errors.Is(err, io.EOF) {
		return r, putError(err, l.stream)
	}
	if err := l.stream.CloseSend(); err != nil {
		return r, wire.FromError(err)
	}
	res, err := l.stream.Recv()
	if err != nil {
		return r, receiptError(err)
	}
	if err := json.Unmarshal(res.AppMetadata, &r); err != nil {
		return r, wire.Errorf(wire.Internal, "the node's receipt does not parse: %w", err)
	}
	return r, nil
}

// receiptError tells an answer of the node from the loss of the way to it.
func receiptError(err error) error {
	e := wire.FromError(err)
	answered := e.Code == wire.Unavailable && e.Unwrap() == nil // read out of what the node sent
	switch {
	case answered || e.Code != wire.Unavailable && e.Code != wire.Canceled && e.Code != wire.DeadlineExceeded && !errors.Is(err, io.EOF):
		return e
	case e.Code == wire.Internal: // the end of a stream without an answer
		e.Code = wire.Unavailable
	}
	return wire.Errorf(e.Code, "no receipt came (%s): %w", e.Message, ErrUnknownOutcome)
}

func emptyBatch(s *arrow.Schema) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	defer b.Release()
	return b.NewRecordBatch()
}

// maxPutBytes is about how large a message a client sends: large enough to
// be quick, small enough to keep both sides' memory flat.
const maxPutBytes = 2 << 20
