package wire

import (
	"encoding/json"
	"io"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"google.golang.org/grpc/mem"
)

// PagesHeader is the header of a DoGet by which a client says that blocks may
// come as they are stored: which abilities of a decoder of pages it has, in
// hexadecimal. A node sends what needs nothing else so, and the rest, or all
// of it if the node does not know the header, as Arrow.
const PagesHeader = "tarn-pages"

// PagesAccepted returns the header's value for those abilities.
func PagesAccepted(abilities uint64) string { return strconv.FormatUint(abilities, 16) }

// ParsePagesAccepted reads the values of the header: no abilities, unless
// there is one value that makes sense.
func ParsePagesAccepted(values []string) uint64 {
	if len(values) != 1 {
		return 0
	}
	n, err := strconv.ParseUint(values[0], 16, 64)
	if err != nil {
		return 0
	}
	return n
}

// A Block is a run of rows of a result as they are stored: a page of each
// column (see format.DecodePages). Dictionaries are those that pages of this
// block and of the next ones refer to, one for each column, empty where there
// is none, in place of all that came before; without any those are still good.
type Block struct {
	Rows         int
	Pages        [][]byte
	Dictionaries [][]byte
}

// blockHeader is the application metadata of a message without an Arrow
// header, whose body is the pages and then the dictionaries, each at a multiple
// of blockAlign.
type blockHeader struct {
	Block struct {
		Rows         int   `json:"rows"`
		Bytes        []int `json:"bytes"`                  // of each page
		Dictionaries []int `json:"dictionaries,omitempty"` // bytes of each
	} `json:"block"`
}

const blockAlign = 64

var blockPadding [blockAlign]byte

// WriteBlock sends a block, before the first message the schema. The stream's
// reader must have asked for blocks. The pages must not change until the stream
// ends.
func (w *BatchWriter) WriteBlock(b Block) error {
	if err := w.begin(); err != nil {
		return err
	}
	var h blockHeader
	h.Block.Rows = b.Rows
	var body slices
	h.Block.Bytes = body.writeAligned(b.Pages)
	h.Block.Dictionaries = body.writeAligned(b.Dictionaries)
	metadata, err := json.Marshal(h)
	if err != nil {
		return err
	}
	head := appendLength(appendField(nil, fieldMetadata, metadata), fieldBody, body.Len())
	return w.out.stream.SendMsg(encoded(append(mem.BufferSlice{mem.SliceBuffer(head)}, body.buffers...)))
}

// writeAligned writes parts, each at a multiple of blockAlign, and returns the
// bytes of each.
func (s *slices) writeAligned(parts [][]byte) (sizes []int) {
	for _, b := range parts {
		sizes = append(sizes, len(b))
		if len(b) == 0 {
			continue
		}
		s.Write(b)
		if pad := -len(b) & (blockAlign - 1); pad > 0 {
			s.Write(blockPadding[:pad])
		}
	}
	return sizes
}

// begin sends the schema, if nothing was sent yet.
func (w *BatchWriter) begin() error {
	if w.out.begun {
		return nil
	}
	p := ipc.GetSchemaPayload(w.schema, memory.DefaultAllocator)
	defer p.Release()
	err := w.out.WritePayload(p)
	w.out.ahead = true
	return err
}

// blockOf returns the block that a message holds; nil if it is one of Arrow's.
// Pages and dictionaries are memory of the message.
func blockOf(m *flight.FlightData) (_ *Block, err error) {
	if len(m.DataHeader) > 0 || len(m.AppMetadata) == 0 {
		return nil, nil
	}
	var h blockHeader
	if err := json.Unmarshal(m.AppMetadata, &h); err != nil {
		return nil, Errorf(Internal, "the header of a block does not parse: %w", err)
	}
	b := &Block{Rows: h.Block.Rows}
	body := m.DataBody
	if b.Pages, body, err = takeAligned(body, h.Block.Bytes); err != nil {
		return nil, err
	}
	if b.Dictionaries, body, err = takeAligned(body, h.Block.Dictionaries); err != nil {
		return nil, err
	}
	if len(body) > 0 {
		return nil, Errorf(Internal, "a block has %d bytes beyond its pages", len(body))
	}
	return b, nil
}

// takeAligned takes what writeAligned has written off a body.
func takeAligned(body []byte, sizes []int) (parts [][]byte, rest []byte, err error) {
	for _, n := range sizes {
		if n < 0 || n > len(body) {
			return nil, nil, Errorf(Internal, "a part of a block of %d bytes; %d are left", n, len(body))
		}
		parts = append(parts, body[:n:n])
		body = body[min(len(body), n+(-n&(blockAlign-1))):]
	}
	return parts, body, nil
}

// Rows is what comes next of a result: either of the two.
type Rows struct {
	Batch arrow.RecordBatch // good until the next rows are asked for
	Block *Block
}

// A RowReader reads the rows of a Flight stream, which are Arrow's and, if that
// was asked for, blocks. It is not safe for concurrent use.
type RowReader struct {
	in   *messages
	rows *ipc.Reader
}

// NewRowReader reads the schema of a stream. Errors of the stream come as they
// are.
func NewRowReader(stream flight.DataStreamReader, alloc memory.Allocator) (*RowReader, error) {
	first, err := stream.Recv()
	if err != nil {
		return nil, err
	}
	in := &messages{stream: stream, next: first}
	rows, err := ipc.NewReaderFromMessageReader(in, ipc.WithAllocator(alloc))
	if err != nil {
		return nil, err
	}
	return &RowReader{in, rows}, nil
}

// Schema returns the schema of the rows.
func (r *RowReader) Schema() *arrow.Schema { return r.rows.Schema() }

// Next returns the rows that come next, or io.EOF after the last ones.
func (r *RowReader) Next() (Rows, error) {
	m, err := r.in.stream.Recv()
	if err != nil {
		return Rows{}, err
	}
	block, err := blockOf(m)
	if block != nil || err != nil {
		return Rows{Block: block}, err
	}
	r.in.next = m
	if r.rows.Next() {
		return Rows{Batch: r.rows.RecordBatch()}, nil
	}
	if err := r.rows.Err(); err != nil {
		return Rows{}, err
	}
	return Rows{}, io.EOF
}

// Close lets go of what the reader holds. It does not end the stream.
func (r *RowReader) Close() { r.rows.Release() }

// messages gives the messages of a stream to the Arrow library.
type messages struct {
	stream flight.DataStreamReader
	next   *flight.FlightData // was received already
}

// Message implements ipc.MessageReader.
func (m *messages) Message() (*ipc.Message, error) {
	d := m.next
	if m.next = nil; d == nil {
		var err error
		if d, err = m.stream.Recv(); err != nil {
			return nil, err
		}
	}
	return ipc.NewMessage(memory.NewBufferBytes(d.DataHeader), memory.NewBufferBytes(d.DataBody)), nil
}

// Retain and Release implement ipc.MessageReader: memory is the collector's.
func (m *messages) Retain()  {}
func (m *messages) Release() {}
