package sim

import (
	"log/slog"
	"os"
	"runtime/debug"
	"strconv"
	"testing"
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // a run keeps little and makes much
	os.Exit(m.Run())
}

// TestSeeds runs many seeds, or the one of TARN_SIM_SEED:
//
//	TARN_SIM_SEED=n    that seed alone, with what the nodes log
//	TARN_SIM_SEEDS=n   so many seeds; default 40, or 8 with -short
//	TARN_SIM_FROM=n    the first of them; default 1
func TestSeeds(t *testing.T) {
	if seed := number("TARN_SIM_SEED", 0); seed > 0 {
		report(t, uint64(seed), simulate(t, uint64(seed), slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo})))
		return
	}
	n := 40
	if testing.Short() {
		n = 8
	}
	first := number("TARN_SIM_FROM", 1)
	for i := range number("TARN_SIM_SEEDS", n) {
		seed := uint64(first + i)
		report(t, seed, simulate(t, seed, nil))
	}
}

func number(env string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(env)); err == nil {
		return n
	}
	return otherwise
}

// report fails the test for a seed that has found something, and says all
// that is needed to look at it.
func report(t *testing.T, seed uint64, out outcome) {
	t.Helper()
	if testing.Verbose() {
		t.Logf("seed %d: %v; %s", seed, out.cfg, out.stats)
	}
	if len(out.violations) == 0 {
		return
	}
	t.Errorf("seed %d: %v\n%s\nreplay: make sim SEED=%d", seed, out.cfg, out.stats, seed)
	for _, v := range out.violations {
		t.Errorf("  %s", v)
	}
	for _, f := range out.plan {
		t.Logf("  %v", f)
	}
}
