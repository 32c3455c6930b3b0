//go:build plant

package sim

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/tarnlake/tarn/daemon/plant"
)

// planted is how a fault is caught: by a seed of the simulation, or, where
// what it takes is too rare there, by a test of a package.
type planted struct {
	what string
	by   string // the invariant
	seed uint64 // that has caught it; the interleaving is another each time, so it may take others
	fit  func(config) bool

	pkg, test string
	args      []string // of the test
	says      string   // what the test must say of it, so that it fails for no other reason; "": whatever
}

func whichever(config) bool { return true }
func several(c config) bool { return c.nodes >= 3 }
func with(some ...kind) func(config) bool {
	return func(c config) bool {
		return !slices.ContainsFunc(some, func(k kind) bool { return !slices.Contains(c.kinds, k) })
	}
}

var plants = map[plant.Fault]planted{
	plant.SkipDirSync:    {what: "skip the fsync of directories", by: "I7", seed: 1, fit: whichever},
	plant.SkipFileSync:   {what: "skip the fsync of files", by: "I7", seed: 1, fit: whichever},
	plant.SkipLogSync:    {what: "lose the newest append to Raft's log", by: "I6", seed: 4, fit: with(crashAll)},
	plant.RetrySync:      {what: "try a failed fsync again and believe it", by: "I7", seed: 3, fit: with(sickDisk)},
	plant.AckOneCopy:     {what: "commit with one durable copy", by: "I7", seed: 1, fit: several},
	plant.AckEarly:       {what: "acknowledge before the commit", by: "I1", seed: 1, fit: whichever},
	plant.CommitAnyEpoch: {what: "commit in a closed epoch", pkg: "catalog", test: "TestEpochsOfOneNodeCloseEachOther", says: "got <nil>; want CONFLICT"},
	plant.DiscardUnknown: {what: "trash files of a commit of unknown outcome", pkg: "ingest", test: "TestUnknownOutcomeKeepsFiles", says: "counts on a file that is not there"},
	plant.ForgetBatches:  {what: "forget which batches were committed", by: "I2", seed: 1, fit: with(rough)},
	plant.ForgetKeys:     {what: "forget which loads were committed", by: "I2", seed: 11, fit: with(rough)},
	plant.ApplyTwice:     {what: "apply an entry twice", pkg: "catalog", test: "TestProposalsAgainstAModel", says: "took effect true; want false", args: []string{"-rapid.nofailfile"}},
	plant.CleanUnknown:   {what: "trash files that are not committed yet", by: "I8", seed: 5, fit: whichever},
	plant.StaleReconcile: {what: "compare disks with an old state", by: "I8", seed: 3, fit: with(drain)},
	plant.CountLostDisk:  {what: "count a copy on a lost disk", pkg: "catalog", test: "TestStorageAgainstRack", says: "[rapid] failed after", args: []string{"-rapid.nofailfile"}},
	plant.KeepLostDisk:   {what: "do not miss what a lost disk held", by: "I7", seed: 6, fit: with(permanent)},
	plant.IgnoreLate:     {what: "do not miss a late copy", by: "I7", seed: 1, fit: several},
	plant.PlaceUnwritten: {what: "drop the source before the copy is written and read back", by: "I7", seed: 1, fit: with(drain)},
	plant.BlindRebuild:   {what: "rebuild from what is read, without checksums", by: "I7", seed: 1, fit: with(permanent)},
	plant.TrustReceipt:   {what: "do not compare a copy's receipt", by: "I7", seed: 13, fit: with(rough)},
	plant.ReadUnverified: {what: "lead without asking", pkg: "catalog", test: "TestALeaderThatHangsIsNotBelieved|TestANewLeaderCatchesUp", says: "a stale read"},
	plant.ReadReplica:    {what: "read from the own replica", by: "I6", seed: 1, fit: several},
	plant.SealBlind:      {what: "drop small segments before their stripe is read back", pkg: "members", test: "TestStripeIsReadBack", says: "read back wrong was taken"},
	plant.MergeAgain:     {what: "merge what was merged already", pkg: "catalog", test: "TestCommitRefuses", says: "got <nil>; want CONFLICT"},
	plant.ScrubDataOnly:  {what: "scrub without parity and second copies", by: "I14", seed: 3, fit: with(permanent)},
}

// TestPlants wants every planted fault to be caught. TARN_PLANT=n tries one of
// them, TARN_SIM_SEEDS=n so many seeds that fit it.
func TestPlants(t *testing.T) {
	only := plant.Fault(number("TARN_PLANT", 0))
	defer plant.Set(plant.None)
	for f := plant.None + 1; f < plant.Last; f++ {
		if only != plant.None && f != only {
			continue
		}
		p, ok := plants[f]
		switch {
		case !ok:
			t.Errorf("fault %d is not in the table", f)
		case p.test != "":
			caughtByTest(t, f, p)
		default:
			plant.Set(f)
			caught(t, f, p, number("TARN_SIM_SEEDS", 40))
			plant.Set(plant.None)
		}
	}
}

// caught runs the seed that has caught it, and then others that fit.
func caught(t *testing.T, f plant.Fault, p planted, seeds int) {
	for seed := range tries(p, seeds) {
		if out := simulate(t, seed, nil); len(out.violations) > 0 {
			t.Logf("%d, %s: caught by seed %d: %s", f, p.what, seed, out.violations[0])
			if !strings.HasPrefix(out.violations[0], p.by+":") {
				t.Logf("%d: it was expected to be caught as %s", f, p.by)
			}
			return
		}
	}
	t.Errorf("%d, %s: not caught by %d seeds", f, p.what, seeds)
}

// tries yields seeds for a planted fault.
func tries(p planted, most int) func(yield func(uint64) bool) {
	return func(yield func(uint64) bool) {
		for n := 0; p.seed > 0 && n < 3 && most > 0; n++ {
			if most--; !yield(p.seed) {
				return
			}
		}
		for seed := uint64(1); most > 0; seed++ {
			if !p.fit(newConfig(rand.New(rand.NewPCG(seed, 0)))) {
				continue
			}
			if most--; !yield(seed) {
				return
			}
		}
	}
}

// failed reports whether the tests have all failed, for the reason that they
// are to find.
func (p planted) failed(out string) bool {
	return strings.Contains(out, p.says) && !slices.ContainsFunc(strings.Split(p.test, "|"), func(test string) bool {
		return !strings.Contains(out, "--- FAIL: "+test)
	})
}

// caughtByTest runs a test with the fault planted, which must fail.
func caughtByTest(t *testing.T, f plant.Fault, p planted) {
	cmd := exec.Command("go", "test", "-tags", "plant", "-count=1", "-run", "^("+p.test+")$", "../"+p.pkg)
	cmd.Args = append(cmd.Args, p.args...)
	cmd.Env = append(os.Environ(), fmt.Sprintf("TARN_PLANT=%d", f))
	out, err := cmd.CombinedOutput()
	if err == nil || !p.failed(string(out)) {
		t.Errorf("%d, %s: not caught by %s of daemon/%s: %v\n%s", f, p.what, p.test, p.pkg, err, out)
		return
	}
	t.Logf("%d, %s: caught by %s of daemon/%s", f, p.what, p.test, p.pkg)
}
