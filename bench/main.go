// Command bench compares Tarn with DuckDB in one run, on the same rows, on
// the same machine: ingest, five scans per data set, bytes stored, and the
// latency of an acknowledged append against the disk's own fsync.
//
// Machines are noisy: read the ratios and medians, not the single times.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"text/tabwriter"
)

func main() {
	runs := flag.Int("runs", 5, "how often each scan is timed; the median counts")
	only := flag.String("only", "", "flights, cremona or append: only that part")
	flag.Parse()
	if err := run(context.Background(), *runs, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, runs int, only string) error {
	work, err := os.MkdirTemp("", "tarn-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	fmt.Printf("%d cores, %s/%s; lake and database in %s\n", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, work)
	for _, set := range dataSets {
		if only != "" && only != set.name {
			continue
		}
		file, err := set.fetch(cacheDir())
		if err != nil {
			fmt.Printf("\n%s: left out: %v\n", set.name, err)
			continue
		}
		if err := compare(ctx, set, file, filepath.Join(work, set.name), runs); err != nil {
			return fmt.Errorf("%s: %w", set.name, err)
		}
	}
	if only == "" || only == "append" {
		return appendLatency(ctx, filepath.Join(work, "append"))
	}
	return nil
}

// compare puts one file into both systems and times the same questions.
func compare(ctx context.Context, set dataSet, file, work string, runs int) error {
	if err := os.MkdirAll(work, 0o755); err != nil {
		return err
	}
	ours, err := openTarn(ctx, filepath.Join(work, "lake"))
	if err != nil {
		return err
	}
	defer ours.close()
	theirs, err := openDuck(filepath.Join(work, "duck.db"))
	if err != nil {
		return err
	}
	defer theirs.close()

	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	defer out.Flush()
	fmt.Fprintf(out, "\n%s\ttarn\tDuckDB\tratio\t\n", set.name)
	if err := compareIngest(ctx, out, set, file, work, ours, theirs); err != nil {
		return err
	}
	for _, q := range set.questions {
		if err := compareQuestion(ctx, out, q, runs, ours, theirs); err != nil {
			return fmt.Errorf("%s: %w", q.name, err)
		}
	}
	return nil
}

func compareIngest(ctx context.Context, out *tabwriter.Writer, set dataSet, file, work string, ours *tarn, theirs *duck) error {
	a, err := timed(func() error { return ours.ingest(ctx, set, file) })
	if err != nil {
		return err
	}
	b, err := timed(func() error { return theirs.ingest(set, file) })
	if err != nil {
		return err
	}
	row(out, "ingest, seconds", a.Seconds(), b.Seconds())
	stored, err := ours.bytes(ctx, set.name)
	if err != nil {
		return err
	}
	native, parquet, err := theirs.bytes(set.name, filepath.Join(work, "duck.parquet"))
	if err != nil {
		return err
	}
	row(out, "MB stored (DuckDB's own storage)", float64(stored)/1e6, float64(native)/1e6)
	row(out, "MB stored (DuckDB's zstd Parquet)", float64(stored)/1e6, float64(parquet)/1e6)
	return nil
}

// compareQuestion checks that both give the same answer and times them in turn.
func compareQuestion(ctx context.Context, out *tabwriter.Writer, q question, runs int, ours *tarn, theirs *duck) error {
	var a, b times
	for range runs + 1 { // the first of each warms the caches
		var mine, yours string
		d, err := timed(func() (err error) { mine, err = ours.ask(ctx, q.sql); return err })
		if err != nil {
			return fmt.Errorf("tarn: %w", err)
		}
		a = append(a, d)
		d, err = timed(func() (err error) { yours, err = theirs.ask(q.sql); return err })
		if err != nil {
			return fmt.Errorf("DuckDB: %w", err)
		}
		b = append(b, d)
		if mine != yours {
			return fmt.Errorf("different answers to %s\n  tarn   %.200s\n  DuckDB %.200s", q.sql, mine, yours)
		}
	}
	row(out, q.name+", ms", a[1:].median(), b[1:].median())
	return nil
}

// row prints ours, theirs and ours divided by theirs: below 1 is better.
func row(out *tabwriter.Writer, name string, ours, theirs float64) {
	fmt.Fprintf(out, "%s\t%.2f\t%.2f\t%.2f\t\n", name, ours, theirs, ours/theirs)
}

func cacheDir() string {
	if dir := os.Getenv("TARN_BENCH_CACHE"); dir != "" {
		return dir
	}
	base, err := os.UserCacheDir()
	if err != nil {
		base = os.TempDir()
	}
	return filepath.Join(base, "tarn-bench")
}
