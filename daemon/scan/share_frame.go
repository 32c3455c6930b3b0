package scan

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/schema"
	"github.com/zeebo/xxh3"
)

// What a share comes to crosses the network as frames: a header and what its
// kind says. The first frame begins the answer to one request, the last one
// ends it; between them each frame has the number after the one before.
//
//	byte 0      kind
//	bytes 4-7   number of the frame, from 0
//	bytes 8-11  place of the segment among those of the share
//	bytes 12-15 members: number of the aggregate; else 0
//
// All numbers are little-endian.
type frameKind byte

// Kinds of frames. Part of what nodes say to each other: never change one.
const (
	frameBegin   frameKind = 1 // XXH3-64 of the request, version of the table: 8 bytes each
	frameRows    frameKind = 2 // an Arrow IPC stream of one batch, and so are 4 and 5
	frameBlock   frameKind = 3 // a block as it is stored: see blockFrame
	frameStates  frameKind = 4
	frameMembers frameKind = 5
	frameEnd     frameKind = 6 // how many rows there were: 8 bytes
	frameFailed  frameKind = 7 // a wire.Error as JSON
)

const (
	frameHeader = 16

	// MaxFrame bounds the bytes of a frame. Most are far smaller: only a single
	// row, or a block with its dictionaries, may be larger than frameBytes.
	MaxFrame   = 256 << 20
	frameBytes = 1 << 20

	maxFailure = 64 << 10 // bytes of an error
)

// newFrame begins a frame that will have so many bytes behind its header, about.
func newFrame(kind frameKind, number uint32, nth, agg int, size int64) []byte {
	b := make([]byte, 4, frameHeader+size)
	b[0] = byte(kind)
	b = binary.LittleEndian.AppendUint32(b, number)
	b = binary.LittleEndian.AppendUint32(b, uint32(nth))
	return binary.LittleEndian.AppendUint32(b, uint32(agg))
}

// frameWriter sends frames.
type frameWriter struct {
	send   func([]byte) error
	failed error // of send
	next   uint32
	rows   int64
}

func (w *frameWriter) frame(kind frameKind, nth, agg int, payload ...[]byte) error {
	size := int64(0)
	for _, p := range payload {
		size += int64(len(p))
	}
	b := newFrame(kind, w.next, nth, agg, size)
	for _, p := range payload {
		b = append(b, p...)
	}
	return w.put(b)
}

func (w *frameWriter) put(frame []byte) error {
	if len(frame) > MaxFrame {
		return wire.Errorf(wire.LimitExceeded, "a row of the result takes %s; at most %s pass between nodes", sizeText(int64(len(frame))), sizeText(MaxFrame)).
			WithHint("select fewer columns, or less of a long text")
	}
	w.next++
	w.failed = w.send(frame)
	return w.failed
}

// batch sends a batch as an Arrow IPC stream of its own.
func (w *frameWriter) batch(it *item, batch arrow.RecordBatch) error {
	out := bytes.NewBuffer(newFrame(it.kind, w.next, it.nth, it.agg, schema.BatchBytes(batch)+4<<10))
	stream := ipc.NewWriter(out, ipc.WithSchema(batch.Schema()), ipc.WithAllocator(mem))
	if err := stream.Write(batch); err != nil {
		return err
	}
	if err := stream.Close(); err != nil {
		return err
	}
	return w.put(out.Bytes())
}

func (w *frameWriter) begin(request []byte, v catalog.Version) error {
	b := binary.LittleEndian.AppendUint64(nil, xxh3.Hash(request))
	return w.frame(frameBegin, 0, 0, binary.LittleEndian.AppendUint64(b, uint64(v)))
}

// item sends an item, as several frames if it is large.
func (w *frameWriter) item(it item) error {
	w.rows += it.rows()
	if it.block != nil {
		return w.frame(it.kind, it.nth, 0, blockFrame(it.block)...)
	}
	for batch := range wire.Slices(it.batch, frameBytes) {
		if err := w.batch(&it, batch); err != nil {
			return err
		}
	}
	return nil
}

// end sends the last frame.
func (w *frameWriter) end(err error) error {
	if err == nil {
		return w.frame(frameEnd, 0, 0, binary.LittleEndian.AppendUint64(nil, uint64(w.rows)))
	}
	nth := 0
	if f, ok := err.(*failure); ok {
		nth = f.nth
	}
	e := *wire.FromError(wrap(err))
	e.Message, e.Hint = clipped(e.Message), clipped(e.Hint)
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return w.frame(frameFailed, nth, 0, text)
}

// clipped keeps an error's text far below maxFailure, even escaped.
func clipped(s string) string { return s[:min(len(s), maxFailure/16)] }

// blockFrame returns what a block is in a frame: rows, the number of pages and
// that of dictionaries, the bytes of each, 4 bytes a number; then the pages
// and the dictionaries. A dictionary of no bytes is none.
func blockFrame(b *Part) [][]byte {
	head := binary.LittleEndian.AppendUint32(nil, uint32(b.Rows))
	head = binary.LittleEndian.AppendUint32(head, uint32(len(b.Pages)))
	head = binary.LittleEndian.AppendUint32(head, uint32(len(b.Dictionaries)))
	parts := slices.Concat(b.Pages, b.Dictionaries)
	for _, p := range parts {
		head = binary.LittleEndian.AppendUint32(head, uint32(len(p)))
	}
	return append([][]byte{head}, parts...)
}

// frameReader reads the frames of one answer. They come from a node that may
// run another version, be damaged or mean ill: whatever does not fit the
// request is an error.
type frameReader struct {
	p       *Plan // of the share's segments
	request []byte
	pages   bool // blocks may come as they are stored

	shapes map[frameKind]*arrow.Schema // but of members
	next   uint32
	nth    int
	rows   int64
	last   sortPlace // of rows that are sorted
	ended  bool
}

func newFrameReader(p *Plan, request []byte, pages bool) *frameReader {
	r := &frameReader{p: p, request: request, pages: pages, shapes: map[frameKind]*arrow.Schema{}}
	if p.grouped {
		r.shapes[frameStates] = p.stateSchema()
	} else {
		r.shapes[frameRows] = p.rowSchema()
	}
	return r
}

func badFrame(format string, args ...any) error {
	return wire.Errorf(wire.Internal, "an answer to a share of a scan that cannot be read: "+format, args...).
		WithHint("let all nodes run the same version of tarn")
}

// item reads the next frame; any is false if that is one without an item. What
// it returns keeps views of the frame.
func (r *frameReader) item(frame []byte) (it item, any bool, err error) {
	defer func() {
		if v := recover(); v != nil { // Arrow's reader and checks panic on some damage
			err = badFrame("%v", v)
		}
	}()
	return r.read(frame)
}

func (r *frameReader) read(frame []byte) (it item, any bool, err error) {
	if len(frame) < frameHeader || len(frame) > MaxFrame {
		return it, false, badFrame("a frame of %d bytes", len(frame))
	}
	number := binary.LittleEndian.Uint32(frame[4:])
	it = item{kind: frameKind(frame[0]), nth: int(binary.LittleEndian.Uint32(frame[8:])), agg: int(binary.LittleEndian.Uint32(frame[12:]))}
	switch {
	case r.ended || number != r.next || (number == 0) != (it.kind == frameBegin) && it.kind != frameFailed:
		return it, false, badFrame("frame %d of kind %d where number %d is due", number, it.kind, r.next)
	case it.nth >= len(r.p.segments):
		return it, false, badFrame("frame %d is of segment %d of %d", number, it.nth, len(r.p.segments))
	}
	r.next++
	body := frame[frameHeader:]
	switch it.kind {
	case frameBegin:
		return it, false, r.begin(body)
	case frameEnd:
		return it, false, r.end(body)
	case frameFailed:
		r.ended = true
		return it, false, failureOf(it.nth, body)
	}
	return it, true, r.content(&it, body)
}

// content reads the rows of an item.
func (r *frameReader) content(it *item, body []byte) (err error) {
	if it.nth < r.nth {
		return badFrame("segment %d after segment %d", it.nth, r.nth)
	}
	r.nth = it.nth
	it.weight = int64(len(body))
	if it.kind == frameBlock {
		it.block, err = r.block(body)
	} else {
		it.batch, err = r.batch(it, body)
	}
	r.rows += it.rows()
	return err
}

func (r *frameReader) begin(body []byte) error {
	if len(body) != 16 || binary.LittleEndian.Uint64(body) != xxh3.Hash(r.request) {
		return badFrame("it answers another request")
	}
	if v := binary.LittleEndian.Uint64(body[8:]); v != uint64(r.p.snap.Version) {
		return badFrame("it is of version %d; version %d was asked for", v, r.p.snap.Version)
	}
	return nil
}

func (r *frameReader) end(body []byte) error {
	if len(body) != 8 || binary.LittleEndian.Uint64(body) != uint64(r.rows) {
		return badFrame("its end does not fit the %d rows before it", r.rows)
	}
	r.ended = true
	return nil
}

// failureOf returns the error that ended a share.
func failureOf(nth int, body []byte) error {
	e := &wire.Error{}
	if len(body) > maxFailure || json.Unmarshal(body, e) != nil || e.Code == "" {
		return badFrame("it failed, and its error does not parse")
	}
	return &failure{nth, e}
}

func (r *frameReader) block(body []byte) (*Part, error) {
	if !r.pages || len(body) < 12 {
		return nil, badFrame("a block as it is stored, of %d bytes", len(body))
	}
	le := binary.LittleEndian
	b := &Part{Rows: int(le.Uint32(body))}
	pages, dictionaries := le.Uint32(body[4:]), le.Uint32(body[8:])
	width := uint32(r.p.schema.NumFields())
	if b.Rows == 0 || pages != width || dictionaries != 0 && dictionaries != width || len(body) < 12+4*int(pages+dictionaries) {
		return nil, badFrame("a block of %d rows, %d pages and %d dictionaries", b.Rows, pages, dictionaries)
	}
	sizes, rest := body[12:][:4*(pages+dictionaries)], body[12+4*(pages+dictionaries):]
	for ; len(sizes) > 0; sizes = sizes[4:] {
		n := int(le.Uint32(sizes))
		if n > len(rest) {
			return nil, badFrame("a page of %d bytes; %d are left", n, len(rest))
		}
		part := rest[:n:n]
		rest = rest[n:]
		switch {
		case uint32(len(b.Pages)) < pages:
			b.Pages = append(b.Pages, part)
		case n == 0:
			b.Dictionaries = append(b.Dictionaries, nil)
		default:
			b.Dictionaries = append(b.Dictionaries, part)
		}
	}
	if len(rest) > 0 {
		return nil, badFrame("a block has %d bytes beyond its pages", len(rest))
	}
	return b, nil
}

// batch reads the batch of an item, which must be of the schema that is due.
func (r *frameReader) batch(it *item, body []byte) (arrow.RecordBatch, error) {
	want := r.shapes[it.kind]
	if it.kind == frameMembers && r.p.grouped && it.agg < len(r.p.aggs) {
		if _, ok := r.p.aggs[it.agg].new().(membered); ok {
			want = r.p.memberSchema(it.agg)
		}
	}
	if want == nil {
		return nil, badFrame("frames of kind %d (%d) in %s", it.kind, it.agg, r.p.yields())
	}
	batch, err := readStream(body, want)
	if err != nil {
		return nil, badFrame("%w", err)
	}
	one := it.kind == frameStates && len(r.p.keys) == 0
	if n := batch.NumRows(); n == 0 || one && n != 1 {
		return nil, badFrame("a batch of %d rows", n)
	}
	if it.kind == frameRows && len(r.p.order) > 0 {
		return batch, r.inOrder(batch)
	}
	return batch, nil
}

// inOrder checks the sort keys of rows and the places of their segments.
func (r *frameReader) inOrder(batch arrow.RecordBatch) error {
	rows := sortedRowsOf(batch)
	for i := range rows.n {
		at := rows.place(i)
		if at.nth < 0 || int(at.nth) >= len(r.p.segments) {
			return badFrame("a row of segment %d of %d", at.nth, len(r.p.segments))
		}
		if at.before(r.last) {
			return badFrame("its rows are not in order")
		}
		r.last = at
	}
	return nil
}

// readStream reads an Arrow IPC stream of one batch of schema want.
func readStream(stream []byte, want *arrow.Schema) (arrow.RecordBatch, error) {
	in := &messages{rest: stream}
	r, err := ipc.NewReaderFromMessageReader(in, ipc.WithSchema(want), ipc.WithAllocator(wire.NewBudget(MaxFrame)))
	if err != nil {
		return nil, err
	}
	if !r.Next() {
		return nil, fmt.Errorf("no batch: %w", cmp.Or(r.Err(), io.ErrUnexpectedEOF))
	}
	batch := r.RecordBatch()
	for i, col := range batch.Columns() {
		if err := validate(col); err != nil {
			return nil, fmt.Errorf("column %s: %w", batch.ColumnName(i), err)
		}
	}
	if _, err := in.Message(); err != io.EOF || len(in.rest) > 0 {
		return nil, fmt.Errorf("there is more behind the batch")
	}
	return batch, nil
}

// validate checks what Arrow's reader leaves to others: that buffers are long
// enough and offsets point inside. Whether text is UTF-8 was checked when it
// entered the lake, and harms nobody here.
func validate(a arrow.Array) error {
	if s, ok := a.(*array.String); ok {
		d := s.Data()
		a = array.NewBinaryData(array.NewData(arrow.BinaryTypes.Binary, d.Len(), d.Buffers(), nil, d.NullN(), d.Offset()))
	}
	return array.ValidateFull(a)
}

// messages takes a stream of Arrow IPC apart. It implements ipc.MessageReader.
type messages struct{ rest []byte }

const continued = 0xffffffff // what each message begins with; then the bytes of its metadata

// Message returns the next message, or io.EOF at the end of the stream.
func (m *messages) Message() (*ipc.Message, error) {
	if len(m.rest) < 8 || binary.LittleEndian.Uint32(m.rest) != continued {
		return nil, io.ErrUnexpectedEOF
	}
	size := int64(binary.LittleEndian.Uint32(m.rest[4:]))
	m.rest = m.rest[8:]
	if size == 0 {
		return nil, io.EOF
	}
	meta, err := m.take(size)
	if err != nil {
		return nil, err
	}
	message, err := wire.VerifyMessage(meta)
	if err != nil {
		return nil, err
	}
	body, err := m.take(message.BodyBytes)
	if err != nil {
		return nil, err
	}
	return ipc.NewMessage(memory.NewBufferBytes(meta), memory.NewBufferBytes(body)), nil
}

func (m *messages) take(n int64) ([]byte, error) {
	if n < 0 || n > int64(len(m.rest)) {
		return nil, io.ErrUnexpectedEOF
	}
	b := m.rest[:n:n]
	m.rest = m.rest[n:]
	return b, nil
}

// Retain and Release implement ipc.MessageReader: memory is the collector's.
func (m *messages) Retain()  {}
func (m *messages) Release() {}
