package main

import (
	"bufio"
	"context"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/bench/engine"
	"github.com/tarnlake/tarn/client/sink"
	"github.com/tarnlake/tarn/client/source"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/generate"
	"github.com/tarnlake/tarn/schema"
)

// dataSet is a table that all engines get with the same rows in the same order.
type dataSet struct {
	name  string
	files func(b *bench, rows int64) ([]string, error) // CSV or Parquet, to be read in order
	times int                                          // how often the files are repeated at the default number of rows; less often with fewer
	types []column                                     // of columns whose type the files do not tell; all of them if csv is to be read as it is
	rows  int64                                        // of the files, once; 0 if that is the bench's to choose
	keys  []string                                     // columns that are declared as lookup keys; only Tarn has such
}

type column struct{ name, typ string }

var dataSets = map[string]dataSet{
	"lines":   {name: "lines", files: wholesaleCSV, times: 1, types: columnsOf(generate.Wholesale(seed, 0).Schema), keys: []string{"order_key", "part_key"}},
	"flights": {name: "flights", files: fetchFlights, times: 1, rows: 3_000_000},
	"cremona": {name: "cremona", files: fetchCremona, times: 1, rows: 3_064_705,
		// sha is whole numbers for the first 300,000 rows, and then it is not.
		types: []column{{"om", "float64"}, {"reg", "float64"}, {"sha", "float64"}}},
	"retail": {name: "retail", files: retailFiles, times: 20, rows: 541_909, types: []column{
		{"InvoiceNo", "string"}, {"StockCode", "string"}, {"Description", "string"}, {"Quantity", "int64"},
		{"InvoiceDate", "timestamp[us]"}, {"UnitPrice", "decimal(12,3)"}, {"CustomerID", "decimal(8,1)"}, {"Country", "string"},
	}},
}

// seed of the generated table.
const seed = 42

func columnsOf(s *arrow.Schema) []column {
	var cs []column
	for _, f := range s.Fields() {
		cs = append(cs, column{f.Name, schema.TypeText(f.Type)})
	}
	return cs
}

// wholesaleCSV writes the generated table once and keeps it.
func wholesaleCSV(b *bench, rows int64) ([]string, error) {
	file := filepath.Join(b.cache, fmt.Sprintf("lines-%d.csv", rows))
	if _, err := os.Stat(file); err == nil {
		return []string{file}, nil
	}
	b.say("writing %d generated rows as CSV", rows)
	f, err := os.Create(file + ".tmp")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := writeCSV(f, generate.Wholesale(seed, rows)); err != nil {
		return nil, err
	}
	return []string{file}, os.Rename(file+".tmp", file)
}

func writeCSV(f *os.File, t generate.Table) error {
	w := bufio.NewWriterSize(f, 1<<20)
	s, err := sink.New("csv", w, t.Schema, sink.Options{})
	if err != nil {
		return err
	}
	for batch := range t.Batches() {
		if err := s.Write(batch); err != nil {
			return err
		}
	}
	if err := s.Close(); err != nil {
		return err
	}
	return w.Flush()
}

// fetchFlights gets 3,000,000 flights as Parquet out of an npm package.
func fetchFlights(b *bench, _ int64) ([]string, error) {
	dir := filepath.Join(b.cache, "vega-datasets-3.2.1")
	file := filepath.Join(dir, "package", "data", "flights-3m.parquet")
	return []string{file}, once(file, dir, `npm pack --silent vega-datasets@3.2.1 && tar xzf *.tgz package/data/flights-3m.parquet`)
}

// fetchCremona gets 3,064,705 elliptic curves as CSV out of a Debian package.
func fetchCremona(b *bench, _ int64) ([]string, error) {
	dir := filepath.Join(b.cache, "cremona")
	file := filepath.Join(dir, "cremona.csv")
	return []string{file}, once(file, dir, `set -e
		command -v sqlite3 >/dev/null || { apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq sqlite3 >/dev/null; }
		apt-get download -qq sagemath-database-cremona-elliptic-curves
		dpkg -x *.deb unpacked
		sqlite3 -header -csv "$(find unpacked -name '*.db' -size +100M | head -1)" 'select * from t_curve' > cremona.csv.tmp
		mv cremona.csv.tmp cremona.csv
		rm -rf unpacked *.deb`)
}

// retailFiles finds the sales of a shop, one file a day, beside the repository.
func retailFiles(*bench, int64) ([]string, error) {
	dir := os.Getenv("TARN_TEST_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "data")
	}
	files, err := filepath.Glob(filepath.Join(dir, "retail", "by-day", "*.csv"))
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("no files in %s (TARN_TEST_DATA names another folder)", filepath.Join(dir, "retail", "by-day"))
	}
	return files, err
}

// once runs a script in dir unless file is there already.
func once(file, dir, script string) error {
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	cmd := exec.Command("bash", "-c", script)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("fetching into %s: %w: %s", dir, err, out)
	}
	_, err := os.Stat(file)
	return err
}

// load puts the files into a new lake, in one commit, through the Go client,
// and leaves the lake without a node. It returns how many rows are in it.
func (d dataSet) load(ctx context.Context, b *bench, files []string, lake string) (rows int64, err error) {
	if err := os.RemoveAll(lake); err != nil {
		return 0, err
	}
	n, err := engine.StartNode(ctx, b.bin, lake, b.threads)
	if err != nil {
		return 0, err
	}
	defer n.Close()
	first, err := source.Open(ctx, files[0], d.sourceOptions(nil))
	if err != nil {
		return 0, err
	}
	want := first.Schema()
	first.Close()
	_, err = n.Client.CreateTable(ctx, wire.CreateTable{Name: d.name, Fields: want.Fields, Options: wire.TableOptions{Lookup: d.keys}})
	if err != nil {
		return 0, err
	}
	receipt, err := n.Client.Load(ctx, d.name, "", d.batches(ctx, files, want))
	return receipt.Rows, err
}

func (d dataSet) sourceOptions(want *schema.Schema) source.Options {
	o := source.Options{Want: want, Types: map[string]string{}}
	if want == nil {
		for _, c := range d.types {
			o.Types[c.name] = c.typ
		}
	}
	return o
}

// batches reads all files, as often as the data set says.
func (d dataSet) batches(ctx context.Context, files []string, want *schema.Schema) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for _, file := range slices.Concat(slices.Repeat([][]string{files}, d.times)...) {
			src, err := source.Open(ctx, file, d.sourceOptions(want))
			if err != nil {
				yield(nil, err)
				return
			}
			for batch, err := range src.Batches() {
				if !yield(batch, err) || err != nil {
					src.Close()
					return
				}
			}
			src.Close()
		}
	}
}

// fillDuck writes DuckDB's database and its zstd Parquet of the same rows.
func (d dataSet) fillDuck(files []string, db, parquet string, threads int) error {
	for _, f := range []string{db, db + ".wal", parquet} {
		if err := os.RemoveAll(f); err != nil {
			return err
		}
	}
	duck, err := engine.OpenDuckDB(db, threads)
	if err != nil {
		return err
	}
	defer duck.Close()
	from := d.duckSource(files)
	statements := []string{fmt.Sprintf("CREATE TABLE %s AS %s", d.name, from)}
	for range d.times - 1 {
		statements = append(statements, fmt.Sprintf("INSERT INTO %s %s", d.name, from))
	}
	statements = append(statements, "CHECKPOINT",
		fmt.Sprintf("COPY %s TO '%s' (FORMAT parquet, COMPRESSION zstd)", d.name, parquet))
	for _, s := range statements {
		if err := duck.Exec(s); err != nil {
			return fmt.Errorf("DuckDB: %.200s: %w", s, err)
		}
	}
	return nil
}

// duckSource is a FROM clause over the files with the types that Tarn is given.
func (d dataSet) duckSource(files []string) string {
	names := "['" + strings.Join(files, "', '") + "']"
	if strings.HasSuffix(files[0], ".parquet") {
		return fmt.Sprintf("FROM read_parquet(%s)", names)
	}
	var types []string
	for _, c := range d.types {
		types = append(types, fmt.Sprintf("'%s': '%s'", c.name, duckTypes.Replace(c.typ)))
	}
	return fmt.Sprintf("FROM read_csv(%s, header = true, types = {%s})", names, strings.Join(types, ", "))
}

var duckTypes = strings.NewReplacer("float64", "DOUBLE", "int64", "BIGINT", "int32", "INTEGER", "string", "VARCHAR",
	"timestamp[us]", "TIMESTAMP", "date", "DATE")
