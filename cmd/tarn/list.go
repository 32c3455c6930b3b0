package main

import (
	"encoding/json"
	"fmt"
	"iter"
	"text/tabwriter"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/client/sink"
)

// column is one column of a list that a command prints.
type column struct {
	name   string
	values arrow.Array
}

// texts makes a column of strings; an empty one is null.
func texts[R any](name string, rows []R, value func(R) string) column {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	for _, r := range rows {
		if s := value(r); s != "" {
			b.Append(s)
		} else {
			b.AppendNull()
		}
	}
	return column{name, b.NewArray()}
}

func numbers[R any](name string, rows []R, value func(R) int64) column {
	b := array.NewInt64Builder(memory.DefaultAllocator)
	for _, r := range rows {
		b.Append(value(r))
	}
	return column{name, b.NewArray()}
}

func flags[R any](name string, rows []R, value func(R) bool) column {
	b := array.NewBooleanBuilder(memory.DefaultAllocator)
	for _, r := range rows {
		b.Append(value(r))
	}
	return column{name, b.NewArray()}
}

// times makes a column of timestamps in UTC; a zero time is null.
func times[R any](name string, rows []R, value func(R) time.Time) column {
	b := array.NewTimestampBuilder(memory.DefaultAllocator, &arrow.TimestampType{Unit: arrow.Millisecond, TimeZone: "UTC"})
	for _, r := range rows {
		if t := value(r); !t.IsZero() {
			b.Append(arrow.Timestamp(t.UnixMilli()))
		} else {
			b.AppendNull()
		}
	}
	return column{name, b.NewArray()}
}

// printList writes columns in the format of --output.
func (a *app) printList(columns ...column) error {
	fields := make([]arrow.Field, len(columns))
	values := make([]arrow.Array, len(columns))
	for i, c := range columns {
		fields[i] = arrow.Field{Name: c.name, Type: c.values.DataType(), Nullable: true}
		values[i] = c.values
	}
	s := arrow.NewSchema(fields, nil)
	batch := array.NewRecordBatch(s, values, int64(values[0].Len()))
	_, err := a.printRows(s, one(batch), all)
	return err
}

// one is the sequence of a single batch.
func one(batch arrow.RecordBatch) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) { yield(batch, nil) }
}

// pair is one line of what a command tells about one thing.
type pair struct{ name, value string }

// printPairs writes name and value in two columns; empty values are left out.
// A value may have words of others in it, such as a path in an error.
func (a *app) printPairs(pairs []pair) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, p := range pairs {
		if p.value != "" {
			fmt.Fprintf(w, "%s\t%s\n", p.name, sink.Printable(p.value))
		}
	}
	return w.Flush()
}

// printMessage writes one answer of the node: as JSON if --output says json
// or ndjson, else by text.
func (a *app) printMessage(message any, text func() error) error {
	switch a.output {
	case "json", "ndjson":
		e := json.NewEncoder(a.out)
		e.SetEscapeHTML(false) // plans have > and &
		if a.output == "json" {
			e.SetIndent("", "  ")
		}
		return e.Encode(message)
	}
	return text()
}
