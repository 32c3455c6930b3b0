package source

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/tarnlake/tarn/client/wire"
)

// An input is the bytes of one file or stream, before any format.
type input struct {
	name    string
	head    *bufio.Reader // the bytes as they are in the file
	at      io.ReaderAt   // nil for a stream
	size    int64         // -1: not known
	read    atomic.Int64  // bytes taken so far
	why     string        // how the format was told
	onClose []func() error
}

func openStdin(ctx context.Context, opts Options) (*Source, error) {
	if opts.Name == "" {
		opts.Name = "standard input"
	}
	return open(ctx, newInput(interruptible(ctx, os.Stdin), opts.Name), "", opts)
}

// interruptible makes reads end with ctx: a pipe whose writer is silent would
// hold them for as long as it likes. The goroutine stays with the pipe.
func interruptible(ctx context.Context, r io.Reader) io.Reader {
	out, in := io.Pipe()
	go func() {
		_, err := io.Copy(in, r)
		in.CloseWithError(err)
	}()
	context.AfterFunc(ctx, func() { in.CloseWithError(ctx.Err()) })
	return out
}

func openFile(path, name string) (*input, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, wire.Errorf(wire.BadInput, "%w", err).WithHint("check the path; tarn reads files on this machine, not on the node")
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = wire.Errorf(wire.BadInput, "%s is a directory", name).WithHint("name the files in it, or let the command expand the directory")
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	in := newInput(f, name)
	in.onClose = append(in.onClose, f.Close)
	if info.Mode().IsRegular() {
		in.at, in.size = f, info.Size()
	}
	return in, nil
}

func newInput(r io.Reader, name string) *input {
	in := &input{name: name, size: -1}
	in.head = bufio.NewReaderSize(&countingReader{r, &in.read}, 64<<10)
	return in
}

type countingReader struct {
	r io.Reader
	n *atomic.Int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

func (in *input) close() error {
	var err error
	for _, f := range slices.Backward(in.onClose) {
		err = errors.Join(err, f())
	}
	in.onClose = nil
	return err
}

var formats = []string{"csv", "tsv", "ndjson", "json", "parquet", "avro", "arrow"}

var extensions = map[string]string{
	".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".ndjson": "ndjson", ".jsonl": "ndjson", ".json": "json",
	".parquet": "parquet", ".pq": "parquet", ".avro": "avro", ".arrow": "arrow", ".arrows": "arrow", ".ipc": "arrow", ".feather": "arrow",
}

// detect tells the format, undoes compression, and says why in in.why.
func (in *input) detect(path, asked string) (string, error) {
	head, err := in.peek()
	if err != nil {
		return "", err
	}
	if packer := compression(head); packer != "" {
		if head, err = in.unpack(packer); err != nil {
			return "", err
		}
	}
	if asked != "" {
		if !slices.Contains(formats, asked) {
			return "", wire.Errorf(wire.InvalidArgument, "%q is not a format%s", asked, wire.DidYouMean(asked, formats)).
				WithHint("formats are %s", strings.Join(formats, ", "))
		}
		in.why = "as asked"
		return asked, nil
	}
	base := strings.ToLower(filepath.Base(path))
	base = strings.TrimSuffix(strings.TrimSuffix(base, ".gz"), ".zst")
	if format, ok := extensions[filepath.Ext(base)]; ok {
		in.why = "by the file's name"
		return format, in.checkText(format, head)
	}
	in.why = "by the first bytes"
	return in.sniff(head)
}

func (in *input) peek() ([]byte, error) {
	head, err := in.head.Peek(512)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read: %w", err)
	}
	return head, nil
}

// magic is how the binary formats begin.
var magic = []struct{ prefix, format string }{
	{"PAR1", "parquet"}, {"Obj\x01", "avro"}, {"ARROW1", "arrow"}, {"\xff\xff\xff\xff", "arrow"},
}

func (in *input) sniff(head []byte) (string, error) {
	for _, m := range magic {
		if bytes.HasPrefix(head, []byte(m.prefix)) {
			return m.format, nil
		}
	}
	format := "csv"
	if text := bytes.TrimLeft(bytes.TrimPrefix(head, utf8BOM), " \t\r\n"); len(text) > 0 && (text[0] == '{' || text[0] == '[') {
		format = "json"
	}
	if err := in.checkText(format, head); err != nil {
		return "", err
	}
	return format, in.checkNoBinary(head)
}

var utf8BOM = []byte("\xef\xbb\xbf")

// checkText refuses, early and by name, binary files that claim to be text.
func (in *input) checkText(format string, head []byte) error {
	if format == "parquet" || format == "avro" || format == "arrow" {
		return nil
	}
	for _, m := range magic {
		if bytes.HasPrefix(head, []byte(m.prefix)) && bytes.IndexByte(head, 0) >= 0 {
			return wire.Errorf(wire.BadInput, "%s: begins like a file of format %s, not %s", in.name, m.format, format).
				WithHint("--format %s", m.format)
		}
	}
	if bytes.HasPrefix(head, []byte{0xff, 0xfe}) || bytes.HasPrefix(head, []byte{0xfe, 0xff}) {
		return wire.Errorf(wire.BadInput, "%s: is UTF-16; Tarn reads UTF-8", in.name).
			WithHint("iconv -f UTF-16 -t UTF-8 %s", in.name)
	}
	return nil
}

// checkNoBinary refuses what no name and no mark calls a format and is no
// text either.
func (in *input) checkNoBinary(head []byte) error {
	if bytes.IndexByte(head, 0) >= 0 {
		return wire.Errorf(wire.BadInput, "%s: is no text: it has a zero byte among its first %d bytes", in.name, len(head)).
			WithHint("formats are %s; --format names one", strings.Join(formats, ", "))
	}
	return nil
}

func compression(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return "gzip"
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return "zstd"
	}
	return ""
}

const maxZstdWindow = 128 << 20 // what zstd --long=27 makes

// unpack puts a decompressor in front and returns the first bytes behind it.
func (in *input) unpack(packer string) ([]byte, error) {
	r, err := in.decompressor(packer)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", packer, err)
	}
	in.head, in.at = bufio.NewReaderSize(unpacked{r, packer}, 64<<10), nil
	return in.peek()
}

// unpacked says of an error that it is the compressed stream's.
type unpacked struct {
	r      io.Reader
	packer string
}

func (u unpacked) Read(p []byte) (int, error) {
	n, err := u.r.Read(p)
	switch {
	case err == nil || err == io.EOF || errors.Is(err, context.Canceled):
		return n, err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return n, fmt.Errorf("the %s stream is cut short: %w", u.packer, err)
	}
	return n, fmt.Errorf("the %s stream is damaged: %w", u.packer, err)
}

func (in *input) decompressor(packer string) (io.Reader, error) {
	if packer == "gzip" {
		return gzip.NewReader(in.head)
	}
	r, err := zstd.NewReader(in.head, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdWindow))
	if err != nil {
		return nil, err
	}
	in.onClose = append(in.onClose, func() error { r.Close(); return nil })
	return r, nil
}

// randomAccess returns the whole input as a ReaderAt, spooling a stream to a
// temporary file that has no name any more when this returns.
func (in *input) randomAccess() (io.ReaderAt, int64, error) {
	if in.at != nil {
		return &countingReaderAt{in.at, &in.read, in.size}, in.size, nil
	}
	f, err := os.CreateTemp("", "tarn-spool-*")
	if err != nil {
		return nil, 0, fmt.Errorf("spool: %w", err)
	}
	in.onClose = append(in.onClose, f.Close)
	if err := os.Remove(f.Name()); err != nil {
		return nil, 0, fmt.Errorf("spool: %w", err)
	}
	n, err := io.Copy(f, in.head)
	if err != nil {
		return nil, 0, fmt.Errorf("spool: %w", err)
	}
	return f, n, nil
}

// countingReaderAt counts bytes read, for progress; re-reads do not take it
// past the size of the file.
type countingReaderAt struct {
	r    io.ReaderAt
	n    *atomic.Int64
	size int64
}

func (c *countingReaderAt) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.r.ReadAt(p, off)
	c.n.Store(min(c.size, c.n.Load()+int64(n)))
	return n, err
}
