package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/tarnlake/tarn/client/wire"
	"golang.org/x/sync/semaphore"
)

// DoPut takes rows in: see wire.Put for the two ways.
func (s *service) DoPut(stream flight.FlightService_DoPutServer) error {
	if err := s.n.roomForLog(); err != nil {
		return err
	}
	in := s.n.puts.stream(stream)
	defer in.close()
	rows, err := flight.NewRecordReader(in, ipc.WithAllocator(in.memory))
	if err != nil {
		return wire.Errorf(wire.BadInput, "the stream does not begin with a schema: %w", err)
	}
	defer rows.Release()
	put, err := putOf(rows.LatestFlightDescriptor())
	if err != nil {
		return err
	}
	if put.Mode == wire.ModeAppend {
		return s.append(stream, rows, put)
	}
	return s.load(stream, rows, put)
}

// putMemory is what all puts of a node share: room for messages, as they come,
// and for what is decoded from them.
type putMemory struct {
	limit    int64
	messages *semaphore.Weighted
	decoded  atomic.Int64 // bytes left
}

func newPutMemory(limit int64) *putMemory {
	m := &putMemory{limit: limit, messages: semaphore.NewWeighted(limit)}
	m.decoded.Store(limit)
	return m
}

func (m *putMemory) stream(from flight.FlightService_DoPutServer) *verifiedStream {
	return &verifiedStream{FlightService_DoPutServer: from, node: m, memory: wire.NewSharedBudget(m.limit, &m.decoded), kept: map[int64]int64{}}
}

// verifiedStream refuses messages that Arrow's reader, which believes every
// count in them, must not see. It gives each message a budget of its own, and
// hands it on when the node has room for it.
type verifiedStream struct {
	flight.FlightService_DoPutServer
	node   *putMemory
	memory *wire.Budget
	held   int64           // bytes of the last message
	kept   map[int64]int64 // bytes of each dictionary, which Arrow's reader keeps
}

// Recv returns the next sound message. The one before it is done with.
func (s *verifiedStream) Recv() (*flight.FlightData, error) {
	s.done()
	d, err := s.FlightService_DoPutServer.Recv()
	if err != nil || len(d.GetDataHeader()) == 0 {
		return d, err
	}
	size := min(int64(len(d.GetDataHeader())+len(d.GetDataBody())), s.node.limit)
	if err := s.node.messages.Acquire(s.Context(), size); err != nil {
		return nil, err
	}
	s.held = size
	m, err := wire.VerifyMessage(d.GetDataHeader())
	if err != nil {
		return nil, wire.Errorf(wire.BadInput, "%w", err)
	}
	if m.BodyBytes < 0 || m.BodyBytes > int64(len(d.GetDataBody())) {
		return nil, wire.Errorf(wire.BadInput, "a message says that its body has %d bytes, and has %d", m.BodyBytes, len(d.GetDataBody()))
	}
	if m.IsDictionary {
		err = s.keep(m, size)
	}
	return d, err
}

// keep counts a dictionary for as long as the stream lives.
func (s *verifiedStream) keep(m wire.Message, size int64) error {
	if !m.IsDelta {
		s.node.messages.Release(s.kept[m.DictionaryID])
		s.kept[m.DictionaryID] = 0
	}
	if !s.node.messages.TryAcquire(size) {
		return wire.Errorf(wire.LimitExceeded, "the node has no room for a dictionary of %d bytes beside the streams under way", size).
			WithHint("send plain columns, or fewer streams at once")
	}
	s.kept[m.DictionaryID] += size
	return nil
}

// close gives back all that the stream took.
func (s *verifiedStream) close() {
	s.done()
	for _, size := range s.kept {
		s.node.messages.Release(size)
	}
}

// done gives back what the last message took.
func (s *verifiedStream) done() {
	s.memory.Renew()
	s.node.messages.Release(s.held)
	s.held = 0
}

func putOf(d *flight.FlightDescriptor) (*wire.Put, error) {
	hint := "name the table as path, or send {\"put\":{\"table\":…}} as command"
	switch {
	case d == nil:
		return nil, wire.Errorf(wire.InvalidArgument, "the stream does not say which table it is for").WithHint("%s", hint)
	case d.Type == flight.DescriptorPATH && len(d.Path) == 1:
		return &wire.Put{Table: d.Path[0], Mode: wire.ModeLoad}, nil
	}
	var desc wire.Descriptor
	if err := json.Unmarshal(d.Cmd, &desc); err != nil || desc.Put == nil {
		return nil, wire.Errorf(wire.InvalidArgument, "the stream does not say which table it is for").WithHint("%s", hint)
	}
	if m := desc.Put.Mode; m != "" && m != wire.ModeLoad && m != wire.ModeAppend {
		return nil, wire.Errorf(wire.InvalidArgument, "unknown mode %q; known: load, append", m)
	}
	return desc.Put, nil
}

// append commits and answers batch by batch.
func (s *service) append(stream flight.FlightService_DoPutServer, rows *flight.Reader, put *wire.Put) error {
	for rows.Next() {
		var sent wire.Sent
		if meta := rows.LatestAppMetadata(); len(meta) > 0 {
			if err := json.Unmarshal(meta, &sent); err != nil {
				return wire.Errorf(wire.InvalidArgument, "the batch's metadata is not a batch id: %w", err)
			}
		}
		if err := s.appendBatch(stream, put.Table, rows.RecordBatch(), sent); err != nil {
			return err
		}
	}
	return readError(stream.Context(), rows)
}

func (s *service) appendBatch(stream flight.FlightService_DoPutServer, table string, batch arrow.RecordBatch, sent wire.Sent) error {
	s.n.work.RLock()
	defer s.n.work.RUnlock()
	batch.Retain()
	r, err := s.n.ingest.AppendAgain(stream.Context(), table, batch, sent.BatchID, sent.Waited)
	if err != nil {
		return err
	}
	s.n.metrics.committed(r.Rows)
	return sendReceipt(stream, r)
}

// load commits the whole stream once the client has half-closed it.
func (s *service) load(stream flight.FlightService_DoPutServer, rows *flight.Reader, put *wire.Put) error {
	s.n.work.RLock()
	defer s.n.work.RUnlock()
	ctx := stream.Context()
	l, known, err := s.n.ingest.NewLoad(ctx, put.Table, put.Key)
	if err != nil {
		return err
	}
	if known != nil {
		return sendReceipt(stream, *known)
	}
	committed := false
	defer func() {
		if !committed {
			l.Abort()
		}
	}()
	var end *wire.LoadEnd
	for rows.Next() {
		batch := rows.RecordBatch()
		if meta := rows.LatestAppMetadata(); len(meta) > 0 && batch.NumRows() == 0 {
			end = &wire.LoadEnd{}
			if err := json.Unmarshal(meta, end); err != nil {
				return wire.Errorf(wire.InvalidArgument, "the end of the load does not parse: %w", err)
			}
			continue
		}
		batch.Retain()
		if err := l.Write(ctx, batch); err != nil {
			return err
		}
	}
	if err := readError(ctx, rows); err != nil {
		return err
	}
	if end != nil && end.Rows != l.Rows() {
		return wire.Errorf(wire.BadInput, "the client sent %d rows and %d arrived: nothing was committed", end.Rows, l.Rows())
	}
	committed = true
	r, err := l.Commit()
	if err != nil {
		return err
	}
	s.n.metrics.committed(r.Rows)
	return sendReceipt(stream, r)
}

// readError tells the end of a stream, which the client means, from a stream
// that broke off.
func readError(ctx context.Context, rows *flight.Reader) error {
	if ctx.Err() != nil {
		return wire.Errorf(wire.Canceled, "the stream broke off: nothing more was committed: %w", ctx.Err())
	}
	if err := rows.Err(); err != nil && !errors.Is(err, io.EOF) {
		return wire.Errorf(wire.BadInput, "reading the stream: %w", err)
	}
	return nil
}

func sendReceipt(stream flight.FlightService_DoPutServer, r wire.Receipt) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return stream.Send(&flight.PutResult{AppMetadata: b})
}
