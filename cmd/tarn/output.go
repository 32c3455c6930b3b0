package main

import (
	"iter"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/spf13/cobra"
	"github.com/tarnlake/tarn/client/sink"
	"github.com/tarnlake/tarn/client/wire"
)

// outputs are the formats of rows that a command prints.
var outputs = []string{"table", "csv", "ndjson", "json", "arrow", "parquet"}

// prints gives a command the flag of one that prints rows.
func (a *app) prints(c *cobra.Command) *cobra.Command {
	output := a.getenv("TARN_OUTPUT")
	if output == "" {
		output = "table"
	}
	c.Flags().StringVar(&a.output, "output", output, "`FORMAT`: "+strings.Join(outputs, ", ")+" (TARN_OUTPUT)")
	_ = c.RegisterFlagCompletionFunc("output", oneOf(outputs...))
	return c
}

// printRows writes batches in the format of --output and returns how many
// rows there were. The header of an empty result is written as well.
func (a *app) printRows(s *arrow.Schema, batches iter.Seq2[arrow.RecordBatch, error]) (rows int64, err error) {
	if err := a.checkOutput(); err != nil {
		return 0, err
	}
	out, err := sink.New(a.output, a.out, s, sink.Options{})
	if err != nil {
		return 0, err
	}
	for batch, err := range batches {
		if err != nil {
			return rows, err
		}
		if err := out.Write(batch); err != nil {
			return rows, err
		}
		rows += batch.NumRows()
	}
	return rows, out.Close()
}

func (a *app) checkOutput() error {
	known := false
	for _, o := range outputs {
		known = known || o == a.output
	}
	switch {
	case !known:
		return wire.Errorf(wire.InvalidArgument, "--output %q is not a format%s", a.output, wire.DidYouMean(a.output, outputs)).
			WithHint("the formats are %s", strings.Join(outputs, ", "))
	case a.outTerminal && (a.output == "arrow" || a.output == "parquet"):
		return wire.Errorf(wire.InvalidArgument, "%s is not for a terminal", a.output).WithHint("write it to a file: … > FILE.%s", a.output)
	}
	return nil
}
