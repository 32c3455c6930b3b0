// Command bench measures Tarn beside its peers: in one run, on the same rows,
// with the same number of threads, one engine after the other in turn so that
// the machine's noise hits all, and only after their answers were found equal.
// A different answer ends the run.
//
// It writes one JSON file for each work; the command in ./report makes
// docs/benchmarks.md of them.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/tarnlake/tarn/bench/engine"
	"github.com/tarnlake/tarn/bench/result"
	"github.com/tarnlake/tarn/generate"
)

// bench is one run.
type bench struct {
	rows       int64 // of the generated table
	growthBase int64
	runs, cold int
	keys       int
	threads    int
	reuse      bool
	profiles   string // directory for CPU profiles; empty: none
	out        string
	cache      string
	bin        string // tarn
	modules    string // where node finds chdb; empty: no ClickHouse

	duckVersion string
	locked      *os.File // held to the end
	ready       map[string]*prepared
	run         result.Run
	failed      []string // works that missed a target
}

func main() {
	kind, place := flag.String("engine", "", "be this engine on -place: for the benchmark itself"), flag.String("place", "", "see -engine")
	b := &bench{ready: map[string]*prepared{}}
	only := flag.String("work", "", "run only works whose name begins with one of these, separated by commas")
	list := flag.Bool("list", false, "list the works and stop")
	flag.Int64Var(&b.rows, "rows", generate.WholesaleRows, "rows of the generated table")
	flag.Int64Var(&b.growthBase, "growth", 0, "rows of the smallest table of work growth (default a sixth of -rows)")
	flag.IntVar(&b.runs, "runs", 5, "warm runs of each engine; the median counts")
	flag.IntVar(&b.cold, "cold", 3, "cold runs of each engine; 0 leaves them out")
	flag.IntVar(&b.keys, "keys", 1000, "keys that each lookup work asks for over all warm runs, if that does not take minutes")
	flag.IntVar(&b.threads, "threads", min(2, runtime.NumCPU()), "threads of each engine")
	flag.BoolVar(&b.reuse, "reuse", false, "take the lake of the last run: its format has not changed since")
	flag.StringVar(&b.profiles, "cpuprofile", "", "write a CPU profile of Tarn's warm runs of each work into this `directory`")
	flag.StringVar(&b.out, "out", "", "`directory` for the results (default results; with fewer rows one in the cache)")
	flag.Parse()
	err := error(nil)
	switch {
	case *kind != "":
		err = engine.Serve(context.Background(), engine.Kind(*kind), *place)
	case *list:
		listWorks()
	default:
		err = b.all(context.Background(), *only)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func listWorks() {
	for _, w := range works {
		fmt.Printf("%-22s %s\n", w.name, w.title)
	}
}

// all runs the works that are asked for, each to its end, and writes what it has found.
func (b *bench) all(ctx context.Context, only string) error {
	if err := b.settle(); err != nil {
		return err
	}
	ran, broken := 0, []string{}
	for i, w := range works {
		if !chosen(w.name, only) {
			continue
		}
		ran++
		res, err := w.run(ctx, b, w)
		if skip := (*unavailable)(nil); asUnavailable(err, &skip) {
			b.say("%s: left out: %v", w.name, skip.reason)
			continue
		}
		if err != nil { // the others are still worth knowing
			b.say("%s: FAILED: %v", w.name, err)
			broken = append(broken, w.name)
			continue
		}
		if err := b.keep(res, w, i); err != nil {
			return err
		}
	}
	if ran == 0 {
		return fmt.Errorf("no work begins with %q (see -list)", only)
	}
	if len(b.failed) > 0 {
		fmt.Printf("\ntargets missed: %s\n", strings.Join(b.failed, ", "))
	}
	fmt.Printf("results in %s\n", b.out)
	if len(broken) > 0 {
		return fmt.Errorf("failed: %s", strings.Join(broken, ", "))
	}
	return nil
}

func chosen(name, only string) bool {
	if only == "" {
		return true
	}
	for prefix := range strings.SplitSeq(only, ",") {
		if strings.HasPrefix(name, strings.TrimSpace(prefix)) {
			return true
		}
	}
	return false
}

// keep completes a result, shows it and writes it.
func (b *bench) keep(r *result.Work, w work, order int) error {
	r.Name, r.Title, r.Order, r.Threads, r.Run = w.name, w.title, order, cmpOr(r.Threads, b.threads), b.run
	b.show(r)
	if !r.Met() {
		b.failed = append(b.failed, r.Name)
	}
	return r.Write(b.out)
}

func cmpOr(a, b int) int {
	if a != 0 {
		return a
	}
	return b
}

// settle finds programs and folders, and looks at the machine.
func (b *bench) settle() (err error) {
	if b.cache, err = cacheDir(); err != nil {
		return err
	}
	if b.bin = os.Getenv("TARN_BIN"); b.bin == "" {
		b.bin = filepath.Join("..", "bin", "tarn")
	}
	if b.out == "" {
		b.out = "results"
		if b.rows != generate.WholesaleRows {
			b.out = filepath.Join(b.cache, fmt.Sprintf("results-%d", b.rows))
		}
	}
	if b.growthBase == 0 {
		b.growthBase = max(b.rows/6, 1)
	}
	for _, dir := range []string{b.cache, b.profiles} {
		if err := os.MkdirAll(cmpOrText(dir, "."), 0o755); err != nil {
			return err
		}
	}
	if err := b.lock(); err != nil {
		return err
	}
	b.run = result.Run{Date: time.Now().UTC().Truncate(time.Second), Machine: describe(b.threads), Versions: map[string]string{"go": runtime.Version()}}
	b.run.Versions["tarn"] = b.tarnVersion()
	b.findClickHouse()
	if err := b.findDuckDB(); err != nil {
		return err
	}
	m := b.run.Machine
	b.say("%s, %d cores, %.0f GB; %d threads; memory reads %.1f GB/s with one core, %.1f with %d; load %.1f", m.CPU, m.Cores, m.MemoryGB, b.threads, m.ReadGBs1, m.ReadGBs, b.threads, m.LoadAverage)
	b.say("%v", b.run.Versions)
	return nil
}

func cmpOrText(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func (b *bench) tarnVersion() string {
	out, err := exec.Command(b.bin, "version").Output()
	if err != nil {
		return "unknown: " + err.Error()
	}
	return strings.TrimPrefix(strings.TrimSpace(string(out)), "tarn ")
}

func (b *bench) findDuckDB() error {
	d, err := engine.OpenDuckDB("", b.threads)
	if err != nil {
		return err
	}
	defer d.Close()
	b.duckVersion = d.Version()
	b.run.Versions["duckdb"] = b.duckVersion
	return nil
}

// chdbVersion of the npm package that brings ClickHouse.
const chdbVersion = "3.4.0"

// findClickHouse installs it into the cache, where node and npm are there.
func (b *bench) findClickHouse() {
	dir := filepath.Join(b.cache, "chdb-"+chdbVersion)
	err := once(filepath.Join(dir, "node_modules", "chdb", "package.json"), dir,
		"node --version && npm install --silent --no-audit --no-fund --prefix . chdb@"+chdbVersion)
	if err != nil {
		b.say("without ClickHouse: %v", err)
		return
	}
	b.modules = dir
	b.run.Versions["chdb"] = chdbVersion
}

func (b *bench) say(format string, args ...any) { fmt.Printf("· "+format+"\n", args...) }

func cacheDir() (string, error) {
	if dir := os.Getenv("TARN_BENCH_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	base, err := os.UserCacheDir()
	if err != nil {
		base = os.TempDir()
	}
	return filepath.Join(base, "tarn-bench"), nil
}
