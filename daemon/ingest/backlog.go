package ingest

import (
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
)

// Every fresh segment that waits for its merge is one more that each scan
// opens. Past slowAt of them appends wait longer for others to join them, so
// that fewer and larger segments come; from stopAt on a table takes no rows.
const (
	slowAt  = 128
	stopAt  = 2048
	slowest = 2 * time.Second
)

func (g *Ingester) backlog(t catalog.TableID) int {
	if g.Backlog == nil {
		return 0
	}
	return g.Backlog(t)
}

// slowed returns the flush interval of a table with that many segments
// waiting.
func slowed(interval time.Duration, waiting int) time.Duration {
	over := max(0, min(waiting, stopAt)-slowAt)
	return max(interval, slowest*time.Duration(over)/(stopAt-slowAt))
}

// admit refuses rows of a table of which too many segments wait.
func (g *Ingester) admit(id catalog.TableID, name string) error {
	n := g.backlog(id)
	if n < stopAt {
		return nil
	}
	return wire.Errorf(wire.Unavailable, "table %q takes no rows for the moment: %d small segments of it wait to be merged, and %d are the most", name, n, stopAt).
		WithHint("try again in a few seconds; append larger batches, or raise the table's flush interval")
}
