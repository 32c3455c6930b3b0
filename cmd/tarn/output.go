package main

import (
	"iter"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/spf13/cobra"
	"github.com/tarnlake/tarn/client/sink"
	"github.com/tarnlake/tarn/client/wire"
)

// prints gives a command the flag of one that prints rows.
func (a *app) prints(c *cobra.Command) *cobra.Command {
	output := a.getenv("TARN_OUTPUT")
	if output == "" {
		output = "table"
	}
	c.Flags().StringVar(&a.output, "output", output, "`FORMAT`: "+strings.Join(sink.Formats(), ", ")+" (TARN_OUTPUT)")
	_ = c.RegisterFlagCompletionFunc("output", oneOf(sink.Formats()...))
	return c
}

// all shows every row of a table.
const all = -1

// printRows writes batches in the format of --output and returns how many
// rows there were. A table shows at most maxRows of them (0: as many as fit a
// screen).
func (a *app) printRows(s *arrow.Schema, batches iter.Seq2[arrow.RecordBatch, error], maxRows int) (rows int64, err error) {
	if err := a.checkOutput(); err != nil {
		return 0, err
	}
	colour := a.outTerminal && a.getenv("NO_COLOR") == ""
	out, err := sink.New(a.output, a.out, s, sink.Options{MaxRows: maxRows, Color: colour})
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
	switch {
	case !slices.Contains(sink.Formats(), a.output):
		return wire.Errorf(wire.InvalidArgument, "--output %q is not a format%s", a.output, wire.DidYouMean(a.output, sink.Formats())).
			WithHint("the formats are %s", strings.Join(sink.Formats(), ", "))
	case a.outTerminal && (a.output == "arrow" || a.output == "parquet"):
		return wire.Errorf(wire.InvalidArgument, "%s is not for a terminal", a.output).WithHint("write it to a file: … > FILE.%s", a.output)
	}
	return nil
}
