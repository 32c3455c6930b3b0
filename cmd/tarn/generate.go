package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/spf13/cobra"
	"github.com/tarnlake/tarn/client/sink"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/generate"
)

// generateFlags say which lake is made and how it is written.
type generateFlags struct {
	rows, fileRows int64
	seed           uint64
	format         string
}

// lakeFormats are the formats that a lake's files can have.
var lakeFormats = []string{"parquet", "csv", "ndjson", "arrow"}

func (a *app) generateCommand() *cobra.Command {
	var f generateFlags
	c := &cobra.Command{
		Use:   "generate DIR",
		Short: "Write the files of a made-up retail lake, for demos and tests",
		Long: `Write the files of a made-up shop, a directory a table: products, orders,
order_lines and clicks. It is skewed as real shops are, with returns, guests
without an id and rows that come late. The same seed and number of rows give
the same rows everywhere. Existing files are not overwritten.

The last two lines are a query and what it must answer, as CSV.`,
		Example: `  tarn generate ./shop
  tarn generate ./shop --rows 100000000 --seed 7 --format csv
  tarn ingest orders ./shop/orders --create --partition-by 'month(ordered_at)' --sort-by ordered_at`,
		Args:              args(cobra.ExactArgs(1)),
		ValidArgsFunction: completeDirs,
	}
	flags := c.Flags()
	flags.Int64Var(&f.rows, "rows", generate.DefaultRows, "make `N` rows over all tables")
	flags.Uint64Var(&f.seed, "seed", 1, "make the shop of seed `N`")
	flags.StringVar(&f.format, "format", "parquet", "`FORMAT` of the files: parquet, csv, ndjson or arrow")
	flags.Int64Var(&f.fileRows, "file-rows", 250_000, "begin a new file after about `N` rows")
	_ = c.RegisterFlagCompletionFunc("format", oneOf(lakeFormats...))
	c.RunE = func(_ *cobra.Command, args []string) error {
		if err := f.check(); err != nil {
			return err
		}
		return a.generate(args[0], f)
	}
	return c
}

func (f generateFlags) check() error {
	if f.rows < 1 || f.fileRows < 1 {
		return wire.Errorf(wire.InvalidArgument, "--rows and --file-rows count from 1")
	}
	if !slices.Contains(lakeFormats, f.format) {
		return wire.Errorf(wire.InvalidArgument, "--format %q is not one of parquet, csv, ndjson and arrow%s", f.format, wire.DidYouMean(f.format, lakeFormats))
	}
	return nil
}

func (a *app) generate(dir string, f generateFlags) error {
	for _, table := range generate.Retail(f.seed, f.rows) {
		started := time.Now()
		files, err := writeTable(filepath.Join(dir, table.Name), table, f)
		if err != nil {
			return err
		}
		if err := a.say("%s: %d rows in %s, %s", table.Name, table.Rows, countText(files, "file"), time.Since(started).Round(time.Millisecond)); err != nil {
			return err
		}
	}
	return a.sayAnswers(generate.Count(f.seed, f.rows))
}

// sayAnswers tells what a question about the orders must answer: the sums
// come from the model of the shop, not from the files.
func (a *app) sayAnswers(t generate.Totals) error {
	revenue := decimal128.FromI64(t.Revenue).ToString(2)
	if err := a.say("SELECT count(*), sum(total), count(return_of), count(*) - count(customer_id) FROM orders"); err != nil {
		return err
	}
	return a.say("must answer: %d,%s,%d,%d", t.Orders, revenue, t.Returns, t.Guests)
}

// writeTable writes the files of one table into dir and returns how many.
func writeTable(dir string, table generate.Table, f generateFlags) (files int, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, err
	}
	var out *dataFile
	for batch := range table.Batches() {
		if out == nil {
			files++
			name := filepath.Join(dir, fmt.Sprintf("%s-%04d.%s", table.Name, files, f.format))
			if out, err = newDataFile(name, f.format, table.Schema); err != nil {
				return files, err
			}
		}
		if err := out.write(batch); err != nil {
			return files, err
		}
		if out.rows >= f.fileRows {
			if err := out.close(); err != nil {
				return files, err
			}
			out = nil
		}
	}
	if out == nil {
		return files, nil
	}
	return files, out.close()
}

// dataFile is a file that rows are written to. One that fails is removed.
type dataFile struct {
	file *os.File
	sink sink.Sink
	rows int64
}

func newDataFile(name, format string, s *arrow.Schema) (*dataFile, error) {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, wire.Errorf(wire.InvalidArgument, "%w", err).WithHint("choose another directory")
	}
	d := &dataFile{file: file}
	if d.sink, err = sink.New(format, file, s, sink.Options{}); err != nil {
		return nil, d.fail(err)
	}
	return d, nil
}

func (d *dataFile) write(batch arrow.RecordBatch) error {
	d.rows += batch.NumRows()
	if err := d.sink.Write(batch); err != nil {
		return d.fail(err)
	}
	return nil
}

func (d *dataFile) close() error {
	if err := d.sink.Close(); err != nil {
		return d.fail(err)
	}
	return d.file.Close()
}

func (d *dataFile) fail(err error) error {
	d.file.Close()
	os.Remove(d.file.Name())
	return fmt.Errorf("%s: %w", d.file.Name(), err)
}
