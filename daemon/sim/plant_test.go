//go:build plant

package sim

import (
	"strings"
	"testing"

	"github.com/tarnlake/tarn/daemon/plant"
)

var plants = map[plant.Fault]string{
	plant.SkipDirSync: "skip the fsync of directories", plant.SkipFileSync: "skip the fsync of files", plant.SkipLogSync: "lose the newest append to Raft's log",
	plant.RetrySync: "try a failed fsync again and believe it", plant.AckOneCopy: "commit with one durable copy", plant.AckEarly: "acknowledge before the commit",
	plant.CommitAnyEpoch: "commit in a closed epoch", plant.DiscardUnknown: "trash files of a commit of unknown outcome",
	plant.ForgetBatches: "forget which batches were committed", plant.ForgetKeys: "forget which loads were committed",
	plant.ApplyTwice: "apply an entry twice", plant.CleanUnknown: "trash files that are not committed yet", plant.StaleReconcile: "compare disks with an old state",
	plant.CountLostDisk: "count a copy on a lost disk", plant.KeepLostDisk: "do not miss what a lost disk held", plant.IgnoreLate: "do not miss a late copy",
	plant.PlaceUnwritten: "place a member before it is written", plant.BlindRebuild: "rebuild without any checksum", plant.TrustReceipt: "do not compare a copy's receipt",
	plant.ReadUnverified: "lead without asking", plant.ReadReplica: "read from the own replica",
}

// TestPlants wants every planted fault to be caught by some seed. TARN_PLANT=n
// tries one of them.
func TestPlants(t *testing.T) {
	defer plant.Set(plant.None)
	only := plant.Fault(number("TARN_PLANT", 0))
	for f := plant.None + 1; f < plant.Last; f++ {
		if only != plant.None && f != only {
			continue
		}
		plant.Set(f)
		caught(t, f, number("TARN_SIM_SEEDS", 60))
	}
}

func caught(t *testing.T, f plant.Fault, seeds int) {
	for seed := range uint64(seeds) {
		if out := simulate(t, seed+1, nil); len(out.violations) > 0 {
			t.Logf("%d, %s: caught by seed %d: %s", f, plants[f], seed+1, strings.Join(out.violations[:1], "; "))
			return
		}
	}
	t.Errorf("%d, %s: not caught by %d seeds", f, plants[f], seeds)
}
