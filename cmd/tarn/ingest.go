package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/tarnlake/tarn/client"
	"github.com/tarnlake/tarn/client/source"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/format/codec"
	"github.com/tarnlake/tarn/schema"
)

// ingestFlags say which files go into which table, and how.
type ingestFlags struct {
	table               string
	create, explain     bool
	partitionBy, sortBy []string
	lookup, text        []string
	profile             string
	types               []string
	format, key         string
	maxRejects          int64
	rejectFile          string
	hive                bool
	roots               []string // of paths that have columns
	csv                 csvFlags
	dialect             source.CSVOptions
}

// csvFlags are what people may know better than the sniffing of CSV.
type csvFlags struct {
	header           bool
	delimiter, quote string
	null             []string
}

func (a *app) ingestCommand() *cobra.Command {
	var f ingestFlags
	c := &cobra.Command{
		Use:   "ingest TABLE FILE…",
		Short: "Put files into a table, one commit a file",
		Long: `Put CSV, NDJSON, JSON, Parquet, Avro and Arrow files into a table. FILE may be a
glob, a directory (all files below it) or - for standard input; text may be
compressed with gzip or zstd.

Each file is one commit: all of it is there, or none. With --key, running the
same command again adds nothing, and continues where a failed one stopped: the
node remembers the key together with each file's path as given, not what is in
the file: new rows in a file that was there need a new key or a new path.

Directories such as country=IT below a directory, a glob or the directory that
all files given are in make columns of files that do not have them.

A row that does not fit the table stops the file, unless --max-rejects allows
to put it aside into the reject file.`,
		Example: `  tarn ingest orders 'data/*.csv' --create --partition-by 'month(at)' --sort-by at
  tarn ingest orders new.parquet --key 2024-05-06
  tarn ingest orders export.csv --max-rejects 100 --types 'zip=string,price=decimal(10,2)' --create
  zcat log.json.gz | tarn ingest clicks - --format ndjson
  tarn ingest orders data/ --explain`,
		Args:              args(cobra.MinimumNArgs(2)),
		ValidArgsFunction: a.completeTables(true),
	}
	flags := c.Flags()
	flags.BoolVar(&f.create, "create", false, "make the table if it is not there, with the columns and types that fit all files")
	flags.StringArrayVar(&f.partitionBy, "partition-by", nil, "with --create: partition by `EXPR,…`, such as country or month(at)")
	flags.StringArrayVar(&f.sortBy, "sort-by", nil, "with --create: sort by `COL,…`")
	flags.StringArrayVar(&f.lookup, "lookup", nil, "with --create: index `COL,…` for looking up single values")
	flags.StringArrayVar(&f.text, "text", nil, "with --create: index the words of `COL,…` for has_token")
	flags.StringVar(&f.profile, "profile", "", "with --create: `PROFILE` of segments: default, fast to write, or compact on disk")
	flags.StringArrayVar(&f.types, "types", nil, "with --create: `COL=TYPE,…` instead of the inferred types")
	flags.StringVar(&f.format, "format", "", "`FORMAT` of the files: csv, tsv, ndjson, json, parquet, avro or arrow (default: told by name and first bytes)")
	flags.BoolVar(&f.csv.header, "header", false, "CSV: whether the first row has the names (default: told by its looks)")
	flags.StringVar(&f.csv.delimiter, "delimiter", "", "CSV: `CHARACTER` between values (default: told among , ; tab |)")
	flags.StringVar(&f.csv.quote, "quote", "", "CSV: `CHARACTER` around values (default \")")
	flags.StringArrayVar(&f.csv.null, "null", nil, "CSV: `TEXT` that means null; may be given many times")
	flags.StringVar(&f.key, "key", "", "idempotency `KEY`: the same file under the same key is added once")
	flags.Int64Var(&f.maxRejects, "max-rejects", 0, "put up to `N` bad rows aside, over all files, before giving up")
	flags.StringVar(&f.rejectFile, "reject-file", "", "`FILE` where they go, as CSV (default TABLE.rejects.csv)")
	flags.BoolVar(&f.hive, "hive", true, "take columns that a file lacks from its path: country=IT/x.parquet below a directory given")
	flags.BoolVar(&f.explain, "explain", false, "show what would be inferred and why; commit nothing")
	_ = c.RegisterFlagCompletionFunc("format", oneOf("csv", "tsv", "ndjson", "json", "parquet", "avro", "arrow"))
	_ = c.RegisterFlagCompletionFunc("profile", oneOf(codec.Profiles...))
	_ = c.RegisterFlagCompletionFunc("partition-by", a.completeColumns)
	for _, name := range []string{"sort-by", "lookup", "text"} {
		_ = c.RegisterFlagCompletionFunc(name, a.completeColumns)
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := f.check(c); err != nil {
			return err
		}
		dialect, err := f.csv.options(c.Flags().Changed("header"))
		if err != nil {
			return err
		}
		f.dialect = dialect
		f.table = args[0]
		files, err := source.Expand(args[1:])
		if err != nil {
			return err
		}
		if f.hive {
			f.roots = source.Roots(args[1:])
		}
		if f.explain {
			return a.explainFiles(c.Context(), f, files)
		}
		return a.withClient(c.Context(), func(n *client.Client) error {
			return a.ingest(c.Context(), n, f, files)
		})
	}
	return a.talks(a.prints(c))
}

// check refuses flags that would count for nothing.
func (f ingestFlags) check(c *cobra.Command) error {
	if f.maxRejects < 0 {
		return wire.Errorf(wire.InvalidArgument, "--max-rejects %d: want a number of rows", f.maxRejects)
	}
	for _, name := range []string{"partition-by", "sort-by", "lookup", "text", "profile", "types"} {
		if c.Flags().Changed(name) && !f.create && !f.explain {
			return wire.Errorf(wire.InvalidArgument, "--%s counts only for a new table", name).WithHint("add --create, or leave it out")
		}
	}
	return nil
}

// options returns the dialect that the flags ask for; what they leave open is
// sniffed.
func (f csvFlags) options(headerGiven bool) (o source.CSVOptions, err error) {
	if headerGiven {
		o.Header = &f.header
	}
	o.Null = f.null
	if o.Delimiter, err = character("--delimiter", strings.ReplaceAll(f.delimiter, `\t`, "\t")); err != nil {
		return o, err
	}
	o.Quote, err = character("--quote", f.quote)
	return o, err
}

func character(flag, text string) (rune, error) {
	switch r, size := utf8.DecodeRuneInString(text); {
	case text == "":
		return 0, nil
	case size == len(text):
		return r, nil
	}
	return 0, wire.Errorf(wire.InvalidArgument, "%s wants one character; got %q", flag, text)
}

// ingest settles the table and loads the files.
func (a *app) ingest(ctx context.Context, n *client.Client, f ingestFlags, files []string) error {
	in := &ingest{app: a, node: n, flags: f, files: files, started: time.Now()}
	in.rejects = &rejectFile{path: f.rejectFile}
	if f.rejectFile == "" {
		in.rejects.path = f.table + ".rejects.csv"
	}
	defer in.close()
	if err := in.settleTable(ctx); err != nil {
		return err
	}
	in.meter = a.startMeter(files)
	err := in.loadAll(ctx)
	in.meter.stop()
	if errors.Is(err, client.ErrUnknownOutcome) {
		return in.unknown(err)
	}
	if err != nil {
		in.unmake(ctx)
		in.reportFailure()
		return err
	}
	return in.summary()
}

// ingest is one run of the command.
type ingest struct {
	*app
	node    *client.Client
	flags   ingestFlags
	files   []string
	started time.Time

	want    *schema.Schema  // the table's
	made    *wire.DropTable // undoes the making of the table; nil: it was there
	first   *source.Source  // of what can be read only once: open since the table was made from it
	rejects *rejectFile
	meter   *meter

	loaded     []loadedFile
	rows       int64
	bytes      int64
	duplicates int
}

type loadedFile struct {
	path    string
	receipt wire.Receipt
}

func (in *ingest) close() {
	if in.first != nil {
		in.first.Close()
	}
	in.rejects.close()
}

// options are the ones for a file whose table is not there yet.
func (f ingestFlags) options() (source.Options, error) {
	opts := source.Options{Format: f.format, Types: map[string]string{}, CSV: f.dialect}
	for _, t := range splitLists(f.types) {
		column, typ, ok := cutType(t)
		if !ok {
			return opts, wire.Errorf(wire.InvalidArgument, "--types %q is not of the form COLUMN=TYPE", t)
		}
		opts.Types[column] = typ
	}
	return opts, nil
}

// loadAll loads the files in order and stops at the first that fails.
func (in *ingest) loadAll(ctx context.Context) error {
	for _, path := range in.files {
		if err := in.load(ctx, path); err != nil {
			return err
		}
	}
	return nil
}

// load puts one file into the table, as one commit.
func (in *ingest) load(ctx context.Context, path string) error {
	src, err := in.open(ctx, path)
	if err != nil {
		return err
	}
	defer src.Close()
	in.meter.watch(path, src)
	receipt, err := in.node.Load(ctx, in.flags.table, in.keyOf(path), in.rejects.before(src.Batches()))
	if err != nil {
		return in.hinted(err)
	}
	_, read, _ := src.Progress()
	in.rejects.count += src.Rejects()
	in.bytes += read
	in.meter.finish(src)
	in.loaded = append(in.loaded, loadedFile{path, receipt})
	if receipt.Duplicate {
		in.duplicates++
		in.meter.print("%s: was there already (version %d); nothing added", path, receipt.Version)
		return nil
	}
	in.rows += receipt.Rows
	if receipt.Rows == 0 {
		in.meter.print("%s: 0 rows, nothing to commit%s", path, rejectedText(src.Rejects()))
		return nil
	}
	in.meter.print("%s: %d rows, version %d%s", path, receipt.Rows, receipt.Version, rejectedText(src.Rejects()))
	return nil
}

func (in *ingest) open(ctx context.Context, path string) (*source.Source, error) {
	if in.first != nil { // the only file
		return in.first, nil
	}
	opts := source.Options{Format: in.flags.format, Want: in.want, CSV: in.flags.dialect, Parts: source.PathParts(in.flags.roots, path)}
	in.limitRejects(&opts, path)
	return source.Open(ctx, path, opts)
}

func (in *ingest) limitRejects(opts *source.Options, path string) {
	opts.MaxRejects = in.flags.maxRejects - in.rejects.count
	if in.flags.maxRejects > 0 {
		opts.OnReject = func(r source.Reject) { in.rejects.add(path, r) }
	}
}

// hinted takes hints for new tables from an error about a table that was
// there before.
func (in *ingest) hinted(err error) error {
	e := wire.FromError(err)
	if e.Code == wire.Unavailable && !errors.Is(err, client.ErrUnknownOutcome) && e.Hint == "" {
		return e.WithHint("start the node if it is down, and run the same command again")
	}
	if in.made == nil && strings.HasPrefix(e.Hint, "--types ") {
		return e.WithHint("mend the file, change the column (tarn table alter %s --help), or set up to N bad rows aside with --max-rejects N", in.flags.table)
	}
	return e
}

// keyOf is the idempotency key of one file of the run.
func (in *ingest) keyOf(path string) string {
	if in.flags.key == "" {
		return ""
	}
	return in.flags.key + " " + filepath.ToSlash(filepath.Clean(path))
}

func rejectedText(n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", %d rejected", n)
}

// summary tells what the whole run did.
func (in *ingest) summary() error {
	if err := in.rejects.close(); err != nil {
		return wire.Errorf(wire.Internal, "reject file %s: %w", in.rejects.path, err)
	}
	took := time.Since(in.started)
	text := fmt.Sprintf("%s: %d rows from %s in %s (%.0f rows/s, %.1f MB/s)", in.flags.table, in.rows, countText(len(in.loaded), "file"),
		took.Round(time.Millisecond), float64(in.rows)/took.Seconds(), float64(in.bytes)/1e6/took.Seconds())
	if in.duplicates > 0 {
		text += fmt.Sprintf("; %s there already", countText(in.duplicates, "file"))
	}
	if in.rejects.count > 0 {
		text += fmt.Sprintf("; %s in %s", countText(int(in.rejects.count), "rejected row"), in.rejects.path)
	}
	return in.say("%s", text)
}

func countText(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// reportFailure says how far a run of several files came: each file is in
// completely or not at all.
func (in *ingest) reportFailure() {
	if len(in.files) == 1 {
		fmt.Fprintf(in.streams.err, "%s: nothing was committed\n", in.files[0])
		return
	}
	fmt.Fprintf(in.streams.err, "committed: %s\n", namesText(in.files[:len(in.loaded)]))
	fmt.Fprintf(in.streams.err, "not committed: %s\n", namesText(in.files[len(in.loaded):]))
	if in.flags.key != "" {
		fmt.Fprintf(in.streams.err, "the same command with --key %s continues there\n", in.flags.key)
	}
}

// unknown says of a connection that was lost while the node committed what
// can be said, and what to do.
func (in *ingest) unknown(err error) error {
	at := len(in.loaded)
	if len(in.files) > 1 {
		fmt.Fprintf(in.streams.err, "committed: %s\n", namesText(in.files[:at]))
		fmt.Fprintf(in.streams.err, "not committed: %s\n", namesText(in.files[at+1:]))
	}
	fmt.Fprintf(in.streams.err, "%s: all of it was committed, or nothing\n", in.files[at])
	e := wire.FromError(err)
	if in.flags.key != "" {
		return e.WithHint("run the same command again: with --key %s nothing is added twice", in.flags.key)
	}
	return e.WithHint("tarn table history %s shows whether a version with its rows is there; with --key a command can be run again without a look", in.flags.table)
}

// namesText lists names, the first few of many.
func namesText(names []string) string {
	const shown = 10
	switch {
	case len(names) == 0:
		return "no file"
	case len(names) > shown:
		return fmt.Sprintf("%v and %d more", names[:shown], len(names)-shown)
	}
	return fmt.Sprint(names)
}
