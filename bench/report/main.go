// Command report makes docs/benchmarks.md and its plots of the results that
// the benchmarks have written. Nobody edits a number by hand.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tarnlake/tarn/bench/result"
)

func main() {
	in, out := flag.String("in", "results", "`directory` of the results"), flag.String("out", filepath.Join("..", "docs"), "`directory` for benchmarks.md")
	flag.Parse()
	if err := run(*in, *out); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func run(in, out string) error {
	works, err := result.ReadAll(in)
	if err != nil {
		return err
	}
	if len(works) == 0 {
		return fmt.Errorf("no results in %s: run make bench", in)
	}
	plots := filepath.Join(out, "benchmarks")
	if err := os.MkdirAll(plots, 0o755); err != nil {
		return err
	}
	for name, svg := range map[string]string{"ratios.svg": ratioPlot(works), "bytes.svg": bytesPlot(works), "growth.svg": growthPlot(works)} {
		if svg == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(plots, name), []byte(svg), 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(out, "benchmarks.md"), []byte(page(works)), 0o644)
}
