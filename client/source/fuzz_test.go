package source

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/twmb/avro"
	"github.com/twmb/avro/ocf"
)

// wantSound checks that every array can be read from end to end.
func wantSound(t *testing.T, batches []arrow.RecordBatch) {
	t.Helper()
	for _, b := range batches {
		if err := array.ValidateRecordFull(b); err != nil {
			t.Fatalf("a batch that is not sound: %v", err)
		}
	}
}

// FuzzCSV holds the splitter against encoding/csv: what that reads, ours reads
// as the same rows; and the whole reader never panics.
func FuzzCSV(f *testing.F) {
	for _, seed := range []string{"a,b\n1,\"x\"\"y\n\"\n", "a;b\r\n1;2\r\n", "\"", "a\n\n\"\"\n", "\xef\xbb\xbfx,y\n,", "1,2,3", "a\"b,c\r", "\"a\r\nb\",\r\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		wantSameRows(t, data)
		_, batches, err := readText(t, "x.csv", string(data), Options{MaxRejects: 1 << 30, BatchRows: 3})
		if err == nil {
			wantSound(t, batches)
		}
	})
}

func wantSameRows(t *testing.T, data []byte) {
	if bytes.Contains(data, []byte("\r\r")) || bytes.HasSuffix(data, []byte("\r")) {
		return // encoding/csv drops a CR at the end of the file, and of CR CR LF
	}
	r := csv.NewReader(bytes.NewReader(data))
	r.FieldsPerRecord = -1
	want, err := r.ReadAll()
	if err != nil {
		return
	}
	w := newWindow(iotestOneByte{bytes.NewReader(data)}, maxRowBytes)
	w.buf = make([]byte, 1) // grows from almost nothing
	sp := newSplitter(w, ',', '"')
	for {
		row, err := sp.row()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil && len(sp.raw) == 0 {
			continue
		}
		if err != nil || len(want) == 0 {
			t.Fatalf("%q: got %v, %v; want %v", data, row, err, want)
		}
		var texts []string
		for _, f := range row {
			texts = append(texts, strings.ReplaceAll(string(f.text), "\r\n", "\n")) // encoding/csv makes LF of CRLF in quotes
		}
		if strings.Join(texts, "\x00") != strings.Join(want[0], "\x00") {
			t.Fatalf("%q: got %q; want %q", data, texts, want[0])
		}
		want = want[1:]
	}
	if len(want) > 0 {
		t.Fatalf("%q: rows missing: %q", data, want)
	}
}

// iotestOneByte hands out one byte at a time.
type iotestOneByte struct{ r io.Reader }

func (r iotestOneByte) Read(p []byte) (int, error) { return r.r.Read(p[:1]) }

// seedBatch has a column of most shapes.
func seedBatch() arrow.RecordBatch {
	s := arrow.NewSchema([]arrow.Field{
		{Name: "i", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "d", Type: &arrow.Decimal128Type{Precision: 9, Scale: 2}, Nullable: true},
		{Name: "l", Type: arrow.ListOf(arrow.StructOf(arrow.Field{Name: "x", Type: arrow.FixedWidthTypes.Date32, Nullable: true})), Nullable: true},
		{Name: "t", Type: &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}, Nullable: true},
	}, nil)
	text := `{"i":1,"s":"a","d":"1.25","l":[{"x":"2010-12-01"},null],"t":"2010-12-01 08:26:00Z"}
{"i":2,"s":null,"d":null,"l":null,"t":null}
{"i":null,"s":"a","d":"-3.00","l":[],"t":"1969-12-31 23:59:59Z"}`
	b, _, err := array.RecordFromJSON(mem, s, strings.NewReader("["+strings.ReplaceAll(text, "\n", ",")+"]"))
	if err != nil {
		panic(err)
	}
	return b
}

func seedParquet(codec compress.Compression) []byte {
	var out bytes.Buffer
	b := seedBatch()
	w, err := pqarrow.NewFileWriter(b.Schema(), &out, parquet.NewWriterProperties(parquet.WithCompression(codec)), pqarrow.DefaultWriterProps())
	if err != nil {
		panic(err)
	}
	if err := errors.Join(w.Write(b), w.Close()); err != nil {
		panic(err)
	}
	return out.Bytes()
}

func seedArrow(file bool, opts ...ipc.Option) []byte {
	var out bytes.Buffer
	b := seedBatch()
	opts = append(opts, ipc.WithSchema(b.Schema()))
	var w interface {
		Write(arrow.RecordBatch) error
		Close() error
	} = ipc.NewWriter(&out, opts...)
	if file {
		w, _ = ipc.NewFileWriter(&out, opts...)
	}
	if err := errors.Join(w.Write(b), w.Close()); err != nil {
		panic(err)
	}
	return out.Bytes()
}

const seedAvroSchema = `{"type":"record","name":"r","fields":[
 {"name":"a","type":["null","long"]}, {"name":"b","type":{"type":"array","items":"string"}},
 {"name":"c","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},
 {"name":"d","type":{"type":"map","values":"double"}}, {"name":"e","type":{"type":"enum","name":"e","symbols":["X","Y"]}},
 {"name":"f","type":{"type":"fixed","name":"f","size":3}}, {"name":"g","type":{"type":"long","logicalType":"timestamp-micros"}},
 {"name":"h","type":{"type":"int","logicalType":"date"}}, {"name":"i","type":["null","f"]}]}`

func seedAvro(codec ocf.WriterOpt) []byte {
	var out bytes.Buffer
	opts := []ocf.WriterOpt{ocf.WithSyncMarker([16]byte{1}), ocf.WithSchema(seedAvroSchema)}
	if codec != nil {
		opts = append(opts, codec)
	}
	w, err := ocf.NewWriter(&out, avro.MustParse(seedAvroSchema, rawLogicalTypes()...), opts...)
	if err != nil {
		panic(err)
	}
	for i := range int64(3) {
		row := map[string]any{"a": i, "b": []any{"x", "y"}, "c": []byte{255, 6}, "d": map[string]any{"k": 1.5, "j": 2.5}, "e": "Y",
			"f": []byte("abc"), "g": i * 1e6, "h": int32(i), "i": nil}
		if err := w.Encode(row); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return out.Bytes()
}

func fuzzBinary(f *testing.F, name string, seeds ...[]byte) {
	for _, seed := range seeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) { readHostile(t, name, data) })
}

// readHostile wants an error or sound batches.
func readHostile(t *testing.T, name string, data []byte) error {
	s, err := OpenReader(context.Background(), bytes.NewReader(data), name, Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	batches, err := drain(s)
	if err == nil {
		wantSound(t, batches)
	}
	return err
}

func FuzzParquet(f *testing.F) {
	fuzzBinary(f, "x.parquet", seedParquet(compress.Codecs.Uncompressed), seedParquet(compress.Codecs.Snappy), seedParquet(compress.Codecs.Zstd))
}

func FuzzAvro(f *testing.F) {
	fuzzBinary(f, "x.avro", seedAvro(ocf.WithCodec(ocf.DeflateCodec(1))), seedAvro(ocf.WithCodec(ocf.SnappyCodec())), seedAvro(nil))
}

func FuzzArrow(f *testing.F) {
	fuzzBinary(f, "x.arrow", seedArrow(true), seedArrow(false), seedArrow(true, ipc.WithZstd()), seedArrow(false, ipc.WithLZ4()))
}

// TestDamage cuts small files short at every byte and flips a bit of every
// byte: an error or sound batches, never a panic.
func TestDamage(t *testing.T) {
	files := map[string][]byte{
		"x.parquet": seedParquet(compress.Codecs.Snappy), "x.avro": seedAvro(ocf.WithCodec(ocf.DeflateCodec(1))),
		"file.arrow": seedArrow(true, ipc.WithZstd()), "stream.arrow": seedArrow(false),
	}
	for name, data := range files {
		t.Run(name, func(t *testing.T) {
			if err := readHostile(t, name, data); err != nil {
				t.Fatalf("undamaged: %v", err)
			}
			for i := range data {
				_ = readHostile(t, name, data[:i]) // a stream may end between two messages
				flipped := bytes.Clone(data)
				flipped[i] ^= 1 << (i % 8)
				_ = readHostile(t, name, flipped)
			}
			if err := readHostile(t, name, data[:len(data)/2]); err == nil {
				t.Error("half the file is taken for all of it")
			}
		})
	}
}
