package catalog

import (
	"fmt"
	"sync/atomic"
	"time"
)

// How long a write of the log may take. A disk that hangs holds up all of
// raft on its node: it cannot even hand leadership over. So after slowDisk the
// node's heartbeats stop (see link), and the others choose another leader;
// after deadDisk the process ends without touching the disk again.
const (
	slowDisk = 3 * time.Second
	deadDisk = 10 * time.Second
)

// watchdog times what the log does.
type watchdog struct {
	slow, dead time.Duration
	hanging    atomic.Int32 // writes that have taken longer than slow
	poison     *poison
}

// stalled reports whether the disk hangs.
func (w *watchdog) stalled() bool { return w.hanging.Load() > 0 }

// during times a write. It does not return from one that took longer than
// dead: nobody may be told of it any more.
func (w *watchdog) during(op string, write func() error) error {
	if w == nil {
		return write()
	}
	slow := time.AfterFunc(w.slow, func() { w.hanging.Add(1) })
	dead := time.AfterFunc(w.dead, func() { w.poison.kill(fmt.Errorf("raft log: %s has not ended for %v: the disk hangs", op, w.dead)) })
	err := write()
	if !dead.Stop() {
		select {}
	}
	if !slow.Stop() {
		w.hanging.Add(-1)
	}
	return err
}
