package wire

import (
	"bytes"
	"io"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// pages are a block of pages of awkward lengths.
var pages = Block{Rows: 7, Pages: [][]byte{[]byte("a page"), {}, bytes.Repeat([]byte("64 bytes"), 8), bytes.Repeat([]byte("x"), 65)}}

// shared are a block that comes with the dictionaries of two of its columns.
var shared = Block{Rows: 3, Pages: pages.Pages, Dictionaries: [][]byte{nil, bytes.Repeat([]byte("d"), 64), {}, []byte("text")}}

// TestBlocks: blocks and batches come in the order in which they were sent,
// after one schema, whichever is first.
func TestBlocks(t *testing.T) {
	batch := someBatch()
	for _, order := range []string{"", "p", "b", "pp", "pb", "bp", "pbpbb", "d", "dpbd"} {
		w := &wired{t: t}
		out := NewBatchWriter(w, batch.Schema(), true)
		for _, kind := range order {
			var err error
			switch kind {
			case 'p':
				err = out.WriteBlock(pages)
			case 'd':
				err = out.WriteBlock(shared)
			default:
				err = out.Write(batch, nil)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
		if len(w.sent) != 1+len(order) {
			t.Errorf("%q: %d messages; want one for the schema and one each", order, len(w.sent))
		}
		r, err := NewRowReader(w, memory.DefaultAllocator)
		if err != nil || !r.Schema().Equal(batch.Schema()) {
			t.Fatalf("%q: %v; want the schema", order, err)
		}
		for i, kind := range order {
			got, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case kind == 'p':
				checkBlock(t, got.Block, pages)
			case kind == 'd':
				checkBlock(t, got.Block, shared)
			case !array.RecordEqual(got.Batch, batch):
				t.Errorf("%q: %d is %v; want %v", order, i, got.Batch, batch)
			}
		}
		if _, err := r.Next(); err != io.EOF {
			t.Errorf("%q: in the end %v; want EOF", order, err)
		}
		r.Close()
	}
}

func checkBlock(t *testing.T, got *Block, want Block) {
	t.Helper()
	if got == nil || got.Rows != want.Rows || !equalParts(got.Pages, want.Pages) || !equalParts(got.Dictionaries, want.Dictionaries) {
		t.Fatalf("got %v; want %v", got, want)
	}
}

func equalParts(a, b [][]byte) bool {
	for i := range min(len(a), len(b)) {
		if !bytes.Equal(a[i], b[i]) {
			return false
		}
	}
	return len(a) == len(b)
}

// oneMessage is a stream of a schema and one message.
func oneMessage(t testing.TB, m *flight.FlightData) *RowReader {
	t.Helper()
	w := &wired{t: t}
	if err := NewBatchWriter(w, someBatch().Schema(), true).Close(); err != nil {
		t.Fatal(err)
	}
	schema, err := w.Recv()
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewRowReader(&received{schema, m}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

type received []*flight.FlightData

func (r *received) Recv() (*flight.FlightData, error) {
	if len(*r) == 0 {
		return nil, io.EOF
	}
	m := (*r)[0]
	*r = (*r)[1:]
	return m, nil
}

func TestBlocksRefused(t *testing.T) {
	for _, test := range []struct{ metadata, body string }{
		{``, ``},
		{`not json`, ``},
		{`{"block":{"rows":1,"bytes":[1]}}`, ``},
		{`{"block":{"rows":1,"bytes":[-1]}}`, `x`},
		{`{"block":{"rows":1,"bytes":[9223372036854775807]}}`, `x`},
		{`{"block":{"rows":1,"bytes":[1]}}`, `xy` + string(blockPadding[:])},
		{`{"block":{"rows":1,"bytes":[1,1]}}`, `xy`},
		{`{"block":{"rows":"many"}}`, ``},
		{`{"block":{"rows":1,"bytes":[1],"dictionaries":[1]}}`, `x`},
		{`{"block":{"rows":1,"bytes":[],"dictionaries":[-1]}}`, `x`},
		{`{"block":{"rows":1,"bytes":[],"dictionaries":[0]}}`, `x`},
		{`{}`, `x`},
	} {
		r := oneMessage(t, &flight.FlightData{AppMetadata: []byte(test.metadata), DataBody: []byte(test.body)})
		if got, err := r.Next(); err == nil || err == io.EOF {
			t.Errorf("%s with %d bytes: got %+v, %v; want an error", test.metadata, len(test.body), got, err)
		}
	}
}

func TestPagesAccepted(t *testing.T) {
	for _, n := range []uint64{0, 1, 0xffff, 1<<64 - 1} {
		if got := ParsePagesAccepted([]string{PagesAccepted(n)}); got != n {
			t.Errorf("got %#x; want %#x", got, n)
		}
	}
	for _, values := range [][]string{nil, {""}, {"ff", "ff"}, {"-1"}, {"0xff"}, {"1ffffffffffffffff"}} {
		if got := ParsePagesAccepted(values); got != 0 {
			t.Errorf("%q: got %#x; want none", values, got)
		}
	}
}

// FuzzBlock: a node may say anything of a block; its pages are within the
// message all the same.
func FuzzBlock(f *testing.F) {
	w := &wired{t: f}
	out := NewBatchWriter(w, someBatch().Schema(), true)
	for _, b := range []Block{pages, shared} {
		if err := out.WriteBlock(b); err != nil {
			f.Fatal(err)
		}
	}
	for m, err := w.Recv(); err == nil; m, err = w.Recv() {
		f.Add(m.AppMetadata, m.DataBody)
	}
	f.Add([]byte(`{"block":{"rows":-1,"bytes":[-1,5]}}`), []byte("12345"))
	f.Fuzz(func(t *testing.T, metadata, body []byte) {
		block, err := blockOf(&flight.FlightData{AppMetadata: metadata, DataBody: body})
		if block == nil || err != nil {
			return
		}
		total := 0
		for _, p := range append(block.Pages, block.Dictionaries...) {
			total += len(p)
		}
		if total > len(body) {
			t.Errorf("pages and dictionaries of %d bytes out of %d", total, len(body))
		}
	})
}
