package health

import (
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/repair"
)

// work lists what is being done.
func (f Facts) work() (all []wire.Work) {
	for _, kind := range []repair.Kind{repair.Rebuild, repair.Replace, repair.Drain, repair.Rebalance} {
		if w := f.way(kind); w.Count > 0 {
			all = append(all, w)
		}
	}
	if w := f.scrub(); w.Count > 0 {
		all = append(all, w)
	}
	if waiting := f.backlog(); waiting > 0 {
		all = append(all, wire.Work{Kind: wire.WorkMerge, Count: waiting})
	}
	return all
}

// way sums up one kind of members that are on their way. Each node writes what
// its own disks miss, all kinds in one queue: the last of them says how long.
func (f Facts) way(kind repair.Kind) wire.Work {
	w := wire.Work{Kind: string(kind)}
	nodes := map[string]bool{}
	for _, l := range f.Members.Left {
		if l.Kind != kind {
			continue
		}
		w.Count, w.Bytes = w.Count+l.Members, w.Bytes+l.Bytes
		if !f.takes(l.Disk) {
			w.Waiting += l.Members
			continue
		}
		nodes[f.disk(l.Disk).Node] = true
	}
	known := w.Waiting == 0
	for node := range nodes {
		rate := f.Reports[node].Rate
		w.Rate += rate
		if known = known && rate > 0; known {
			w.Seconds = max(w.Seconds, seconds(f.leftOn(node), rate))
		}
	}
	if !known {
		w.Seconds = 0
	}
	return w
}

// takes reports whether a disk would take a member now.
func (f Facts) takes(disk string) bool {
	d := f.disk(disk)
	if d == nil || d.State != catalog.DiskUp && d.State != catalog.DiskDraining {
		return false
	}
	n := f.node(d.Node)
	return n != nil && n.State == catalog.NodeUp
}

// leftOn returns how many bytes a node has to write.
func (f Facts) leftOn(node string) (bytes int64) {
	for _, l := range f.Members.Left {
		if d := f.disk(l.Disk); d != nil && d.Node == node {
			bytes += l.Bytes
		}
	}
	return bytes
}

// seconds returns how long bytes take, at least one.
func seconds(bytes, rate int64) int64 {
	return max(1, (bytes+rate-1)/rate)
}

// scrub sums up the passes over disks that are under way.
func (f Facts) scrub() wire.Work {
	w := wire.Work{Kind: wire.WorkScrub}
	for _, r := range f.Reports {
		for _, d := range r.Disks {
			s := d.Scrub
			if !s.Running {
				continue
			}
			rate := int64(float64(s.Bytes) / max(f.Now.Sub(s.Started), time.Second).Seconds())
			w.Count, w.Bytes, w.Rate = w.Count+1, w.Bytes+s.Left, w.Rate+rate
			if rate > 0 && s.Left > 0 {
				w.Seconds = max(w.Seconds, seconds(s.Left, rate))
			}
		}
	}
	return w
}

// backlog returns how many fresh segments wait: every node sees all of them.
func (f Facts) backlog() (most int) {
	for _, r := range f.Reports {
		most = max(most, r.Backlog)
	}
	return most
}
