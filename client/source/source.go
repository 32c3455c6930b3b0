// Package source reads files into Arrow batches of canonical types: CSV,
// NDJSON and JSON, Parquet, Avro, Arrow IPC. It says what it inferred and why,
// puts bad rows aside with their line, and never holds a whole file: memory is
// bounded by the batch and by limits named in this package.
//
// Words: the sample is the first bytes of a text file, from which the dialect
// and the types are inferred; a finding is one thing inferred; a reject is a
// row that could not be read and was put aside.
//
// It does not talk to a node, and it does not write: see client.Load.
package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/schema"
)

// Limits of one source. They bound memory whatever the file says of itself.
const (
	sampleBytes  = 8 << 20  // text that types are inferred from
	batchBytes   = 8 << 20  // a batch is cut at about this size
	batchRows    = 65536    // and at this many rows
	maxRowBytes  = 32 << 20 // one row or value of a text file
	maxTextBytes = 64 << 10 // of a row as it stands in a Reject
	maxColumns   = 10000
)

var mem = memory.NewGoAllocator()

// Options says how to read. The zero value infers everything and stops at the
// first bad row.
type Options struct {
	// Format is csv, tsv, ndjson, json, parquet, avro or arrow. Empty: by the
	// file's extension, then by its first bytes. Text may be compressed with
	// gzip or zstd, which its first bytes tell.
	Format string

	// Want is the schema that rows must fit: columns are matched by name
	// (without regard to case where no exact name matches), text is read as
	// those types, columns that the file lacks are null, and columns that Want
	// lacks are an error. Nil: the schema is the file's own, or inferred.
	Want *schema.Schema

	// Types overrides inferred types by column name, as text of
	// schema.ParseType. It is for files without Want.
	Types map[string]string

	// Parts are columns that the path of the file has, for Open. Those that
	// the file has itself are passed over.
	Parts []Part

	// CSV is the dialect of csv and tsv; zero fields are sniffed.
	CSV CSVOptions

	// MaxRejects is how many rows may be put aside. One more is a BAD_INPUT
	// error that names file, line, column and reason.
	MaxRejects int64

	// OnReject, if set, gets every reject, also the one that is too many. It is
	// called from the goroutine that draws batches.
	OnReject func(Reject)

	// BatchRows is how many rows a batch has at most; 0 means 65,536. Batches
	// are cut at about 8 MiB in any case.
	BatchRows int

	// Name stands for the file in messages; empty means its path.
	Name string
}

// Reject is a row that was put aside.
type Reject struct {
	Line   int64  // where the row starts, from 1; for Avro and binary files the row
	Column string // the first column that did not fit, or "" for the row as a whole
	Reason string
	Text   string // the row as it stands in the file, cut at 64 KiB
}

// Finding is one thing that was inferred, and why.
type Finding struct {
	Column string // "" for the file itself
	Found  string // "int64", "delimiter ','"
	Why    string // "all 8,192 sampled values"
}

// String returns the finding as one line.
func (f Finding) String() string {
	if f.Column == "" {
		return fmt.Sprintf("%s: %s", f.Found, f.Why)
	}
	return fmt.Sprintf("%s: %s: %s", f.Column, f.Found, f.Why)
}

// A Source is one open file. Batches and Close belong to one goroutine;
// Progress and Rejects may be called from any.
type Source struct {
	ctx      context.Context
	name     string
	schema   *schema.Schema
	findings []Finding
	rows     reader
	in       *input
	rejects  *rejects
	rowsRead atomic.Int64
}

// A reader is one format. next returns a batch of the source's schema, which
// the caller owns, or io.EOF; no call follows an error.
type reader interface {
	next() (arrow.RecordBatch, error)
	close() error
}

// Open opens a file, or standard input for "-". The caller closes the source.
func Open(ctx context.Context, path string, opts Options) (*Source, error) {
	if path == "-" {
		return openStdin(ctx, opts)
	}
	if len(opts.Parts) > 0 {
		return openParts(ctx, path, opts)
	}
	if opts.Name == "" {
		opts.Name = path
	}
	in, err := openFile(path, opts.Name)
	if err != nil {
		return nil, err
	}
	return open(ctx, in, path, opts)
}

// OpenReader reads from a stream; name tells the format by its extension and
// stands in messages where Options.Name is empty. Formats that need random
// access (Parquet, Arrow files) are first copied to a temporary file. The
// stream is not closed.
func OpenReader(ctx context.Context, r io.Reader, name string, opts Options) (*Source, error) {
	if opts.Name == "" {
		opts.Name = name
	}
	return open(ctx, newInput(r, opts.Name), name, opts)
}

func open(ctx context.Context, in *input, path string, opts Options) (*Source, error) {
	s := &Source{ctx: ctx, name: opts.Name, in: in}
	s.rejects = &rejects{name: opts.Name, max: opts.MaxRejects, on: opts.OnReject}
	if opts.BatchRows <= 0 {
		opts.BatchRows = batchRows
	}
	err := guard(opts.Name, func() error { return s.start(path, opts) })
	if err != nil {
		in.close()
		return nil, err
	}
	return s, nil
}

func (s *Source) start(path string, opts Options) error {
	if opts.Want != nil && len(opts.Types) > 0 {
		return wire.Errorf(wire.InvalidArgument, "types are given by the table: column types cannot be overridden").
			WithHint("tarn table alter TABLE widen COLUMN TYPE")
	}
	format, err := s.in.detect(path, opts.Format)
	if err != nil {
		return err
	}
	s.found("", format, s.in.why)
	switch format {
	case "csv", "tsv":
		return s.startCSV(format, opts)
	case "ndjson", "json":
		return s.startJSON(format, opts)
	case "parquet":
		return s.startParquet(opts)
	case "avro":
		return s.startAvro(opts)
	}
	return s.startArrow(opts)
}

func (s *Source) found(column, what, why string) {
	s.findings = append(s.findings, Finding{column, what, why})
}

// Schema returns the schema of the batches: Options.Want, or the file's own
// with ids from 1. It is not to be changed.
func (s *Source) Schema() *schema.Schema { return s.schema }

// Explain returns what was inferred and why: first of the file, then one
// finding for each column.
func (s *Source) Explain() []Finding { return s.findings }

// Batches returns the rows, once. A batch belongs to the caller. After an
// error, which is always an *wire.Error or the context's, the sequence ends.
func (s *Source) Batches() iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for {
			batch, err := s.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			s.rowsRead.Add(batch.NumRows())
			if !yield(batch, nil) {
				return
			}
		}
	}
}

func (s *Source) next() (batch arrow.RecordBatch, err error) {
	if err := s.ctx.Err(); err != nil {
		return nil, err
	}
	err = guard(s.name, func() (err error) {
		for err == nil && (batch == nil || batch.NumRows() == 0) {
			batch, err = s.rows.next()
		}
		return err
	})
	return batch, err
}

// guard turns what a decoder of a damaged file does wrong into an error that
// names the file. Panics of our own ("BUG: …") stay panics.
func guard(name string, f func() error) (err error) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if text, ok := p.(string); ok && len(text) > 4 && text[:4] == "BUG:" {
			panic(p)
		}
		err = wire.Errorf(wire.BadInput, "%s: the file is damaged: %v", name, p)
	}()
	err = f()
	var known *wire.Error
	if err == nil || errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &known) {
		return err
	}
	return wire.Errorf(wire.BadInput, "%s: %w", name, err)
}

// Progress returns the rows handed out, the bytes of the file read so far,
// and its size, or -1 where that is not known.
func (s *Source) Progress() (rows, bytes, totalBytes int64) {
	return s.rowsRead.Load(), s.in.read.Load(), s.in.size
}

// Rejects returns how many rows were put aside.
func (s *Source) Rejects() int64 { return s.rejects.n.Load() }

// Close lets go of the file. It may be called twice.
func (s *Source) Close() error {
	var err error
	if s.rows != nil {
		err = guard(s.name, s.rows.close)
		s.rows = ended{}
	}
	return errors.Join(err, s.in.close())
}

// ended is the reader of a closed source.
type ended struct{}

func (ended) next() (arrow.RecordBatch, error) { return nil, io.EOF }
func (ended) close() error                     { return nil }

// rejects counts rows put aside, and says when there are too many.
type rejects struct {
	name string
	max  int64
	on   func(Reject)
	n    atomic.Int64
}

func (r *rejects) add(x Reject) error {
	if len(x.Text) > maxTextBytes {
		x.Text = x.Text[:maxTextBytes]
	}
	if r.on != nil {
		r.on(x)
	}
	if r.n.Add(1) <= r.max {
		return nil
	}
	where := fmt.Sprintf("%s: line %d", r.name, x.Line)
	hint := "--max-rejects N sets up to N bad rows aside and goes on"
	if x.Column != "" {
		where += fmt.Sprintf(", column %q", x.Column)
		hint = fmt.Sprintf("--types '%s=string' gives the column another type; %s", x.Column, hint)
	}
	if r.max > 0 {
		where = fmt.Sprintf("more than %d rejects; the last is at %s", r.max, where)
	}
	return wire.Errorf(wire.BadInput, "%s: %s", where, x.Reason).WithHint("%s", hint)
}
