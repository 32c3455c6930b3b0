package wire

import (
	"bytes"
	"io"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"google.golang.org/grpc/mem"
)

// wired is a stream that keeps what would go over the network.
type wired struct {
	t    testing.TB
	sent [][]byte
}

func (w *wired) SendMsg(m any) error {
	b, err := Codec().Marshal(m)
	if err != nil {
		w.t.Fatal(err)
	}
	w.sent = append(w.sent, b.Materialize())
	b.Free()
	return nil
}

// Recv reads the messages as any other maker's code does.
func (w *wired) Recv() (*flight.FlightData, error) {
	if len(w.sent) == 0 {
		return nil, io.EOF
	}
	m := &flight.FlightData{}
	err := Codec().(codec).CodecV2.Unmarshal(mem.BufferSlice{mem.SliceBuffer(w.sent[0])}, m)
	w.sent = w.sent[1:]
	return m, err
}

func someBatch() arrow.RecordBatch {
	s := arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int64, Nullable: true}, {Name: "t", Type: arrow.BinaryTypes.String}}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	for i := range 1000 {
		if b.Field(0).(*array.Int64Builder).Append(int64(i)); i%7 == 0 {
			b.Field(0).(*array.Int64Builder).AppendNull()
			b.Field(1).(*array.StringBuilder).Append("twice")
		}
		b.Field(1).(*array.StringBuilder).Append("text")
	}
	return b.NewRecordBatch()
}

func TestBatchWriter(t *testing.T) {
	batch := someBatch()
	for _, keep := range []bool{true, false} {
		w := &wired{t: t}
		out := NewBatchWriter(w, batch.Schema(), keep)
		out.Describe([]byte("into a table"))
		for _, part := range []arrow.RecordBatch{batch, batch.NewSlice(13, 500), batch.NewSlice(3, 3)} {
			if err := out.Write(part, []byte("metadata")); err != nil {
				t.Fatal(err)
			}
		}
		r, err := flight.NewRecordReader(w)
		if err != nil {
			t.Fatal(err)
		}
		if d := r.LatestFlightDescriptor(); d.GetType() != flight.DescriptorCMD || string(d.GetCmd()) != "into a table" {
			t.Errorf("keep %v: descriptor %v", keep, d)
		}
		for _, want := range []arrow.RecordBatch{batch, batch.NewSlice(13, 500), batch.NewSlice(3, 3)} {
			if !r.Next() || !array.RecordEqual(r.RecordBatch(), want) || string(r.LatestAppMetadata()) != "metadata" {
				t.Errorf("keep %v: got %v (%v), metadata %q; want %v", keep, r.RecordBatch(), r.Err(), r.LatestAppMetadata(), want)
			}
		}
	}
}

// TestBatchWriterEmpty: a stream without batches has its schema.
func TestBatchWriterEmpty(t *testing.T) {
	w := &wired{t: t}
	if err := NewBatchWriter(w, someBatch().Schema(), true).Close(); err != nil {
		t.Fatal(err)
	}
	r, err := flight.NewRecordReader(w)
	if err != nil || !r.Schema().Equal(someBatch().Schema()) {
		t.Errorf("got %v, %v; want the schema", r, err)
	}
}

// FuzzCodec holds what is read of a message, in whatever pieces it comes,
// against protobuf.
func FuzzCodec(f *testing.F) {
	w := &wired{t: f}
	out := NewBatchWriter(w, someBatch().Schema(), true)
	out.Describe([]byte("command"))
	if err := out.Write(someBatch().NewSlice(0, 20), []byte("metadata")); err != nil {
		f.Fatal(err)
	}
	for _, m := range append(w.sent, nil, []byte{0x12, 0}, []byte{0x12, 1, 'a', 0x12, 1, 'b'}, []byte{0x12, 0xff, 0xff, 0xff, 0xff, 0x0f}, []byte{0x92, 0, 1, 'x'}) {
		f.Add(m, uint16(7))
	}
	f.Fuzz(func(t *testing.T, b []byte, piece uint16) {
		var pieces mem.BufferSlice
		for rest := b; len(rest) > 0; {
			n := min(len(rest), 1+int(piece))
			pieces, rest = append(pieces, mem.SliceBuffer(rest[:n])), rest[n:]
		}
		got, want := &flight.FlightData{}, &flight.FlightData{}
		gotErr, wantErr := Codec().Unmarshal(pieces, got), Codec().(codec).CodecV2.Unmarshal(pieces, want)
		if (gotErr == nil) != (wantErr == nil) {
			t.Fatalf("%x: error %v; want %v", b, gotErr, wantErr)
		}
		if wantErr == nil && (!bytes.Equal(got.DataHeader, want.DataHeader) || !bytes.Equal(got.AppMetadata, want.AppMetadata) || !bytes.Equal(got.DataBody, want.DataBody) ||
			got.FlightDescriptor.String() != want.FlightDescriptor.String()) {
			t.Errorf("%x: got %v; want %v", b, got, want)
		}
	})
}
