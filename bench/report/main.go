// Command report makes docs/benchmarks.md and its plots of the results that
// the benchmarks have written. Nobody edits a number by hand.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tarnlake/tarn/bench/result"
)

func main() {
	why := flag.String("why", "why.json", "`file` with the reasons for misses, by work; the only words that are written by hand")
	in, out := flag.String("in", "results", "`directory` of the results"), flag.String("out", filepath.Join("..", "docs"), "`directory` for benchmarks.md")
	flag.Parse()
	if err := run(*in, *out, *why); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func run(in, out, why string) error {
	works, err := result.ReadAll(in)
	if err != nil {
		return err
	}
	if len(works) == 0 {
		return fmt.Errorf("no results in %s: run make bench", in)
	}
	reasons, err := readReasons(why)
	if err != nil {
		return err
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
	return os.WriteFile(filepath.Join(out, "benchmarks.md"), []byte(page(works, reasons)), 0o644)
}

// readReasons reads a JSON object: "WORK" or "WORK against PEER" to a sentence.
func readReasons(file string) (map[string]string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	why := map[string]string{}
	return why, json.Unmarshal(b, &why)
}
