package wire

import (
	"encoding/binary"
	"strings"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec of everything but rows
	"google.golang.org/grpc/mem"
)

// Rows go over the network as they lie in memory. The protobuf library, which
// everything else goes through, would copy each message twice on either side.
//
// A FlightData message on the wire, of which all fields are length-delimited:
const (
	fieldDescriptor = 1
	fieldHeader     = 2
	fieldMetadata   = 3
	fieldBody       = 1000
)

// Settings of a connection.
const (
	// ReadAhead is how much of a result may be under way to a client: a message
	// and more, so that one is made while the one before it is read.
	ReadAhead = 4 << 20
	// PutAhead is how much of all puts of a connection may be under way to a
	// node, which does not count it as its memory.
	PutAhead = 1 << 20
	// SocketBytes is how much goes into one call of the system.
	SocketBytes = 128 << 10
)

// A BatchWriter writes batches to a Flight stream of which one end uses Codec.
// It is not safe for concurrent use.
type BatchWriter struct {
	schema *arrow.Schema
	rows   *ipc.Writer
	out    *payloads
}

// NewBatchWriter returns a writer of batches of schema s. With keep the memory
// of batches goes to the network as it is: it may be read until the stream
// ends, so it must be left to the garbage collector and never change. Without,
// a batch is done with when Write returns.
func NewBatchWriter(stream interface{ SendMsg(any) error }, s *arrow.Schema, keep bool) *BatchWriter {
	out := &payloads{stream: stream, keep: keep}
	return &BatchWriter{s, ipc.NewWriterWithPayloadWriter(out, ipc.WithSchema(s)), out}
}

// Describe sets the command of the descriptor that the first message carries.
func (w *BatchWriter) Describe(cmd []byte) {
	w.out.descriptor = appendField([]byte{1 << 3, byte(flight.DescriptorCMD)}, 2, cmd) // type and cmd of a FlightDescriptor
}

// Write sends a batch, before the first one the schema. metadata goes with the
// batch, if there is any.
func (w *BatchWriter) Write(batch arrow.RecordBatch, metadata []byte) error {
	w.out.metadata = metadata
	return w.rows.Write(batch)
}

// Close sends the schema if there was no batch. It does not end the stream.
func (w *BatchWriter) Close() error { return w.rows.Close() }

// payloads sends what the Arrow library makes of batches.
type payloads struct {
	stream     interface{ SendMsg(any) error }
	keep       bool
	descriptor []byte
	metadata   []byte
	begun      bool // something was sent, the schema first of all
	ahead      bool // the schema was sent before the Arrow library does
}

func (p *payloads) Start() error { return nil }
func (p *payloads) Close() error { return nil }

// WritePayload sends one message, but no second schema.
func (p *payloads) WritePayload(payload ipc.Payload) error {
	if p.ahead {
		p.ahead = false
		return nil
	}
	p.begun = true
	var body slices
	if err := payload.SerializeBody(&body); err != nil {
		return err
	}
	meta := payload.Meta()
	defer meta.Release()
	var head []byte
	if p.descriptor != nil {
		head = appendField(head, fieldDescriptor, p.descriptor)
		p.descriptor = nil
	}
	head = appendField(head, fieldHeader, meta.Bytes())
	if len(p.metadata) > 0 {
		head = appendField(head, fieldMetadata, p.metadata)
	}
	size := body.Len()
	if size > 0 {
		head = appendLength(head, fieldBody, size)
	}
	if !p.keep {
		body.buffers = mem.BufferSlice{body.copied()}
	}
	return p.stream.SendMsg(encoded(append(mem.BufferSlice{mem.SliceBuffer(head)}, body.buffers...)))
}

func appendLength(b []byte, field uint64, size int) []byte {
	const lengthDelimited = 2
	return binary.AppendUvarint(binary.AppendUvarint(b, field<<3|lengthDelimited), uint64(size))
}

func appendField(b []byte, field uint64, value []byte) []byte {
	return append(appendLength(b, field, len(value)), value...)
}

// slices collects what is written without copying it.
type slices struct{ buffers mem.BufferSlice }

func (s *slices) Write(p []byte) (int, error) {
	s.buffers = append(s.buffers, mem.SliceBuffer(p))
	return len(p), nil
}

// Len returns how many bytes there are.
func (s *slices) Len() int { return s.buffers.Len() }

// copied returns all that was written in memory that gRPC gives back.
func (s *slices) copied() mem.Buffer {
	pool := mem.DefaultBufferPool()
	room := pool.Get(s.Len())
	s.buffers.CopyTo(*room)
	return mem.NewBuffer(room, pool)
}

// encoded is a message that is ready to be sent.
type encoded mem.BufferSlice

// Codec is the codec of gRPC for connections that rows go over. It writes what
// every codec of protobuf reads, and reads what every one writes.
func Codec() encoding.CodecV2 { return codec{encoding.GetCodecV2("proto")} }

type codec struct{ encoding.CodecV2 }

func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if m, ok := v.(encoded); ok {
		return mem.BufferSlice(m), nil
	}
	return c.CodecV2.Marshal(v)
}

func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	if m, ok := v.(*flight.FlightData); ok && readData(data, m) {
		return nil
	}
	return c.CodecV2.Unmarshal(data, v)
}

// readData reads a message of rows into m. It leaves messages with anything
// else in them, and damaged ones, to protobuf, and m then as it was.
func readData(data mem.BufferSlice, m *flight.FlightData) bool {
	r := data.Reader()
	defer r.Close()
	var header, metadata, body []byte
	into := map[uint64]*[]byte{fieldHeader<<3 | 2: &header, fieldMetadata<<3 | 2: &metadata, fieldBody<<3 | 2: &body}
	for r.Remaining() > 0 {
		tag, err := binary.ReadUvarint(r)
		field := into[tag]
		if err != nil || field == nil || *field != nil {
			return false
		}
		size, err := binary.ReadUvarint(r)
		if err != nil || size > uint64(r.Remaining()) {
			return false
		}
		if *field, err = take(r, int(size)); err != nil {
			return false
		}
	}
	m.Reset()
	m.DataHeader, m.AppMetadata, m.DataBody = header, metadata, body
	return true
}

// take reads n bytes into memory of their own. A strings.Builder is the one
// thing in the standard library that does not first fill it with zeros, which
// for large messages takes as long as to copy them; nothing else has its text.
func take(r *mem.Reader, n int) ([]byte, error) {
	if n == 0 {
		return []byte{}, nil
	}
	pieces, err := r.Peek(n, nil)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	b.Grow(n)
	for _, p := range pieces {
		b.Write(p)
	}
	_, err = r.Discard(n)
	return unsafe.Slice(unsafe.StringData(b.String()), n), err
}
