// Package sink writes Arrow batches as files and text: table, CSV, NDJSON,
// JSON, Arrow IPC, Parquet. The same batches give the same bytes, on every
// host and in every time zone: the command line and the mount share it.
//
// Everything but the table can be read back by package source without loss,
// given the schema. docs/formats.md tells how each type is spelled.
package sink

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/schema"
)

var mem = memory.NewGoAllocator()

// Options says how to write. The zero value is fine.
type Options struct {
	MaxRows int    // table: rows shown; 0 means 40, negative all (which are then held in memory)
	Null    string // what null is in a table (default NULL) and in CSV (default nothing at all)
	Color   bool   // table: dim what is not data
}

// A Sink takes batches and writes them. It is not safe for concurrent use.
type Sink interface {
	// Write takes a batch of the sink's schema, which the caller keeps.
	Write(arrow.RecordBatch) error

	// Close writes what is left. The writer below is not closed. A sink that is
	// not closed, or whose Write failed, has written an incomplete file.
	Close() error
}

// Formats is the names that New takes.
func Formats() []string { return []string{"table", "csv", "ndjson", "json", "arrow", "parquet"} }

// New returns a sink that writes to w. Types that Tarn does not store are
// refused with an error that names the column; others are turned into their
// canonical type first.
func New(format string, w io.Writer, s *arrow.Schema, opts Options) (Sink, error) {
	s, err := canonical(s)
	if err != nil {
		return nil, err
	}
	var out Sink
	switch format {
	case "table":
		out = newTable(w, s, opts)
	case "csv":
		out, err = newCSV(w, s, opts)
	case "ndjson":
		out = newJSON(w, s, "", "\n", "")
	case "json":
		out = newJSON(w, s, "[", ",\n ", "]\n")
	case "arrow":
		out, err = newArrow(w, s)
	case "parquet":
		out, err = newParquet(w, s)
	default:
		return nil, wire.Errorf(wire.InvalidArgument, "%q is not an output format%s", format, wire.DidYouMean(format, Formats())).
			WithHint("formats are %s", strings.Join(Formats(), ", "))
	}
	if err != nil {
		return nil, err
	}
	return &canonicalizer{out, s}, nil
}

// canonical returns the schema with canonical types.
func canonical(s *arrow.Schema) (*arrow.Schema, error) {
	fields := slices.Clone(s.Fields())
	for i := range fields {
		var err error
		if fields[i].Type, err = schema.Canonical(fields[i].Type); err != nil {
			return nil, wire.Errorf(wire.Unsupported, "column %q: %w", fields[i].Name, err)
		}
	}
	return arrow.NewSchema(fields, nil), nil
}

// canonicalizer stands before every sink, so that each sees canonical types
// and its own schema.
type canonicalizer struct {
	Sink
	schema *arrow.Schema
}

func (c *canonicalizer) Write(b arrow.RecordBatch) error {
	if int(b.NumCols()) != c.schema.NumFields() {
		return fmt.Errorf("a batch of %d columns where %d are due", b.NumCols(), c.schema.NumFields())
	}
	cols := make([]arrow.Array, b.NumCols())
	for i, f := range c.schema.Fields() {
		var err error
		if cols[i], err = schema.Canonicalize(mem, b.Column(i)); err != nil {
			return fmt.Errorf("column %q: %w", f.Name, err)
		}
		if !arrow.TypeEqual(cols[i].DataType(), f.Type) {
			return fmt.Errorf("column %q: %s where %s is due", f.Name, cols[i].DataType(), f.Type)
		}
	}
	return c.Sink.Write(array.NewRecordBatch(c.schema, cols, b.NumRows()))
}
