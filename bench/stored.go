package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/tarnlake/tarn/bench/engine"
	"github.com/tarnlake/tarn/bench/result"
	"github.com/tarnlake/tarn/format"
	"golang.org/x/sys/unix"
)

// bytesStored compares files: all of the medium, the database, the Parquet.
func bytesStored(data string) func(context.Context, *bench, work) (*result.Work, error) {
	return func(ctx context.Context, b *bench, w work) (*result.Work, error) {
		p, err := b.prepare(ctx, data, b.rows)
		if err != nil {
			return nil, err
		}
		r := &result.Work{Data: data, Rows: p.rows, Unit: "MB"}
		for _, k := range []engine.Kind{engine.Tarn, engine.DuckDB, engine.DuckParquet} {
			n, err := bytesBelow(k.Files(p.place)[0])
			if err != nil {
				return nil, err
			}
			if k == engine.Tarn {
				declared, err := declaredBytes(k.Files(p.place)[0])
				if err != nil {
					return nil, err
				}
				if declared > 0 {
					r.Notes = append(r.Notes, fmt.Sprintf("without the indexes of the two declared lookup keys, which no peer has here: %.1f MB", float64(declared)/1e6))
				}
				r.Ours = result.Figure{Engine: string(k), Median: float64(n-declared) / 1e6}
				continue
			}
			r.Peers = append(r.Peers, result.Figure{Engine: string(k), Median: float64(n) / 1e6})
		}
		r.Compare()
		parquet, _ := r.Peer(string(engine.DuckParquet))
		r.Targets = append(r.Targets, result.Against(string(engine.DuckParquet), parquet.Ratio, 1, 1/.85))
		r.Notes = append(r.Notes, fmt.Sprintf("%.2f bytes a row; %.2f of the Parquet's bytes", r.Ours.Median*1e6/float64(p.rows), 1/parquet.Ratio))
		return r, nil
	}
}

// declaredBytes returns what the segments of a lake spend on indexes that
// somebody declared.
func declaredBytes(lake string) (n int64, err error) {
	return n, filepath.WalkDir(lake, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Base(filepath.Dir(filepath.Dir(path))) != "data" {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		of, err := declaredIn(f)
		n += of
		return err
	})
}

func declaredIn(f *os.File) (n int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	r, err := format.Open(f, info.Size())
	if err != nil {
		return 0, err
	}
	columns, err := r.Stats()
	for _, c := range columns {
		for _, x := range c.Indexes {
			if x.Name != "values" {
				n += x.Bytes
			}
		}
	}
	return n, err
}

// loadRuns: a load takes long, and long things vary less.
const loadRuns = 3

// Whether a load declares the lookup keys of the table, and so indexes them:
// the peer's file has no indexes.
const (
	withoutKeys = false
	withKeys    = true
)

func load(keys bool) func(context.Context, *bench, work) (*result.Work, error) {
	return func(ctx context.Context, b *bench, _ work) (*result.Work, error) {
		set := dataSets["lines"]
		if !keys {
			set.keys = nil
		}
		r, err := b.loadCSV(ctx, set)
		if err == nil && !keys {
			r.Targets = []result.Target{result.Against(string(engine.DuckParquet), r.Peers[0].Ratio, 1, 2)}
		}
		return r, err
	}
}

// loadCSV times the commands that a user would run on one CSV file: tarn
// ingest into a new table of a running node, and DuckDB's COPY to zstd Parquet.
// Tarn's rows are durable at the end; DuckDB's file is synced so that its rows
// are, too.
func (b *bench) loadCSV(ctx context.Context, set dataSet) (*result.Work, error) {
	files, err := set.files(b, b.rows)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(b.cache, "load")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	info, err := os.Stat(files[0])
	if err != nil {
		return nil, err
	}
	r := &result.Work{Data: "lines", Rows: b.rows, Unit: "s", Ours: result.Figure{Engine: string(engine.Tarn)}}
	copied := result.Figure{Engine: string(engine.DuckParquet)}
	for i := range loadRuns {
		took, err := set.ingest(ctx, b, files[0], filepath.Join(dir, fmt.Sprintf("lake-%d", i)))
		if err != nil {
			return nil, err
		}
		r.Ours.Runs = append(r.Ours.Runs, took.Seconds())
		if took, err = set.copyToParquet(files, filepath.Join(dir, "rows.parquet"), b.threads); err != nil {
			return nil, err
		}
		copied.Runs = append(copied.Runs, took.Seconds())
	}
	r.Ours.Median, copied.Median = result.Median(r.Ours.Runs), result.Median(copied.Runs)
	r.Peers = []result.Figure{copied}
	r.Compare()
	r.Notes = append(r.Notes, fmt.Sprintf("%.0f MB of CSV, %.0f MB/s", float64(info.Size())/1e6, float64(info.Size())/1e6/r.Ours.Median))
	return r, nil
}

// ingest runs the command line, with the node already up, and removes the lake.
func (d dataSet) ingest(ctx context.Context, b *bench, file, lake string) (time.Duration, error) {
	defer os.RemoveAll(lake)
	n, err := engine.StartNode(ctx, b.bin, lake, b.threads)
	if err != nil {
		return 0, err
	}
	defer n.Close()
	var types []string
	for _, c := range d.types {
		types = append(types, c.name+"="+c.typ)
	}
	args := []string{"ingest", d.name, file, "--create", "--types", strings.Join(types, ",")}
	if len(d.keys) > 0 {
		args = append(args, "--lookup", strings.Join(d.keys, ","))
	}
	cmd := exec.CommandContext(ctx, b.bin, args...)
	cmd.Env = append(os.Environ(), "TARN_ADDR="+n.Addr)
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%w: %s", err, out)
	}
	return time.Since(start), nil
}

func (d dataSet) copyToParquet(files []string, parquet string, threads int) (time.Duration, error) {
	db, err := engine.OpenDuckDB("", threads)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	start := time.Now()
	if err := db.Exec(fmt.Sprintf("COPY (%s) TO '%s' (FORMAT parquet, COMPRESSION zstd)", d.duckSource(files), parquet)); err != nil {
		return 0, err
	}
	f, err := os.Open(parquet)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	err = unix.Fdatasync(int(f.Fd()))
	return time.Since(start), err
}
