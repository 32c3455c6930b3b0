package daemon

import (
	"context"
	"time"

	"github.com/tarnlake/tarn/daemon/repair"
)

// RepairRates is how many bytes a second a node writes, and reads back, of
// members that move to a disk, by the fastest tier that it has, unless
// Config.RepairRate says otherwise.
var RepairRates = map[string]int64{"hot": 256 << 20, "warm": 128 << 20, "cold": 64 << 20, "archive": 32 << 20}

// repairPace holds repair back so that ingest and queries have their share.
// By default only members that move wait: one that is lost is rebuilt as fast
// as can be.
func (n *Node) repairPace() func(ctx context.Context, lost bool, bytes int64) error {
	limiter := repair.NewLimiter(n.repairRate(), time.Now, repair.Sleep)
	return func(ctx context.Context, lost bool, bytes int64) error {
		if lost && n.cfg.RepairRate <= 0 {
			return nil
		}
		return limiter.Wait(ctx, bytes)
	}
}

func (n *Node) repairRate() int64 {
	if n.cfg.RepairRate > 0 {
		return n.cfg.RepairRate
	}
	n.plugging.Lock()
	defer n.plugging.Unlock()
	rate := RepairRates[Tiers[len(Tiers)-1]]
	for _, d := range n.id.Disks {
		rate = max(rate, RepairRates[d.Tier])
	}
	return rate
}
