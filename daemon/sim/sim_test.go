package sim

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"strconv"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // a run keeps little and makes much
	os.Exit(m.Run())
}

// TestSeeds runs many seeds, or the one of TARN_SIM_SEED:
//
//	TARN_SIM_SEED=n    that seed alone, with what the nodes log
//	TARN_SIM_SEEDS=n   so many seeds; default 40, or 8 with -short, or as many as begin within a minute
//	TARN_SIM_FROM=n    the first of them; default 1
func TestSeeds(t *testing.T) {
	if seed := number("TARN_SIM_SEED", 0); seed > 0 {
		report(t, uint64(seed), simulate(t, uint64(seed), slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})))
		return
	}
	first, most, end := number("TARN_SIM_FROM", 1), number("TARN_SIM_SEEDS", 0), time.Time{}
	if most == 0 {
		most, end = 40, time.Now().Add(time.Minute)
	}
	if testing.Short() {
		most = min(most, 8)
	}
	for i := range most {
		if !end.IsZero() && time.Now().After(end) {
			t.Logf("%d seeds, for a minute", i)
			break
		}
		seed := uint64(first + i)
		report(t, seed, simulate(t, seed, nil))
	}
}

// TestSeedIsTheStory: all that a seed chooses is chosen again.
func TestSeedIsTheStory(t *testing.T) {
	story := func(seed uint64) string {
		rng := rand.New(rand.NewPCG(seed, 0))
		cfg := newConfig(rng)
		return fmt.Sprint(cfg, newPlan(rng, cfg))
	}
	seen := map[string]uint64{}
	for seed := range uint64(200) {
		first, again := story(seed), story(seed)
		if first != again {
			t.Errorf("seed %d: two stories", seed)
		}
		if other, ok := seen[first]; ok {
			t.Errorf("seeds %d and %d have one story", other, seed)
		}
		seen[first] = seed
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
