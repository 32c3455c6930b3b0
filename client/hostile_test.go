package client_test

import (
	"bytes"
	"net"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/schema"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// liar is a node that answers every query with the same blocks.
type liar struct {
	flight.BaseFlightServer
	schema *arrow.Schema
	blocks []wire.Block
}

func (l *liar) DoGet(_ *flight.Ticket, stream flight.FlightService_DoGetServer) error {
	if err := stream.SetHeader(metadata.Pairs(wire.VersionHeader, "1")); err != nil {
		return err
	}
	w := wire.NewBatchWriter(stream, l.schema, true)
	for _, b := range l.blocks {
		if err := w.WriteBlock(b); err != nil {
			return err
		}
	}
	return w.Close()
}

// startLiar returns the address of a node that lies.
func startLiar(t *testing.T, l *liar) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(grpc.ForceServerCodecV2(wire.Codec()))
	flight.RegisterFlightServiceServer(s, l)
	go s.Serve(listener)
	t.Cleanup(s.Stop)
	return listener.Addr().String()
}

// sharedBlocks returns the schema of a file of one column of text, its blocks
// as they are stored, and their dictionary.
func sharedBlocks(t *testing.T) (*arrow.Schema, []wire.Block, []byte) {
	t.Helper()
	rows := repeated(0, 2*format.BlockRows)
	s := &schema.Schema{ID: 1, Fields: []schema.Field{{ID: 1, Name: "city", Type: arrow.BinaryTypes.String, Nullable: true}}}
	var file bytes.Buffer
	w, err := format.NewWriter(&file, s, format.Info{}, format.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(array.NewRecordBatch(s.Arrow(), rows.Columns()[1:2], rows.NumRows())); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := format.Open(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		t.Fatal(err)
	}
	var blocks []wire.Block
	for b := range r.Blocks() {
		pages, err := r.Pages(t.Context(), b, []int32{1})
		if err != nil {
			t.Fatal(err)
		}
		blocks = append(blocks, wire.Block{Rows: r.BlockRows(b), Pages: pages})
	}
	dictionaries, err := r.Dictionaries(t.Context(), []int32{1})
	if err != nil || dictionaries[0] == nil {
		t.Fatalf("got dictionaries %v, %v; want one", dictionaries, err)
	}
	return s.Arrow(), blocks, dictionaries[0]
}

// TestDictionariesThatLie: a dictionary that never came, or was taken away, or
// is none, is damage.
func TestDictionariesThatLie(t *testing.T) {
	s, blocks, good := sharedBlocks(t)
	for _, test := range []struct {
		name          string
		first, second [][]byte
		blocks        int // that are good
	}{
		{"as it should be", [][]byte{good}, nil, 2},
		{"never came", nil, nil, 0},
		{"came too late", nil, [][]byte{good}, 0},
		{"taken away", [][]byte{good}, [][]byte{nil}, 1},
		{"cut", [][]byte{good[:len(good)/2]}, nil, 0},
		{"cut later", [][]byte{good}, [][]byte{good[:9]}, 1},
		{"too many", [][]byte{good, good}, nil, 0},
	} {
		sent := []wire.Block{blocks[0], blocks[1]}
		sent[0].Dictionaries, sent[1].Dictionaries = test.first, test.second
		c := dial(t, startLiar(t, &liar{schema: s, blocks: sent}))
		rows, code := int64(0), wire.Code("")
		for b, err := range c.Scan(t.Context(), &expr.Query{Table: "t"}) {
			if err != nil {
				code = wire.FromError(err).Code
				break
			}
			rows += b.NumRows()
		}
		want := wire.Code("")
		if test.blocks < 2 {
			want = wire.Corrupt
		}
		if rows != int64(test.blocks)*format.BlockRows || code != want {
			t.Errorf("%s: %d rows, error %q; want %d, %q", test.name, rows, code, test.blocks*format.BlockRows, want)
		}
	}
}
