// Package ingest turns batches into durable, visible rows: a batch is checked
// against the table's schema once, split by partition, written as segments,
// and made part of the table by one catalog commit. Nothing is acknowledged
// before that commit.
//
// There are two ways in. Append joins what many callers send within a table's
// flush interval into one commit (group commit). Load makes one commit of a
// stream of any length, in bounded memory. Neither keeps a log: the segments
// are the log.
package ingest

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/members"
)

// Config is what an Ingester works with. All fields are needed but Memory and
// Backlog.
type Config struct {
	Catalog *catalog.Catalog
	Members *members.Store
	Epoch   catalog.Epoch // this life of the node: ids are given out under it
	Cluster string
	Logger  *slog.Logger
	Memory  int64 // bytes that all loads together may hold, of rows and of unfinished segments; default 128 MiB

	// Backlog returns how many fresh segments of a table wait for a merge; nil
	// where nobody merges.
	Backlog func(catalog.TableID) int
}

const defaultMemory = 128 << 20

// Ingester takes rows in. It is safe for concurrent use.
type Ingester struct {
	Config
	lastID  atomic.Uint32
	lastTxn atomic.Uint64
	loads   atomic.Int64 // under way

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	groups map[catalog.TableID]*group
}

// New returns an Ingester that runs until Close.
func New(cfg Config) *Ingester {
	if cfg.Memory <= 0 {
		cfg.Memory = defaultMemory
	}
	g := &Ingester{Config: cfg, groups: map[catalog.TableID]*group{}}
	g.ctx, g.cancel = context.WithCancel(context.Background())
	return g
}

// Close refuses new rows, fails what waits with wire.Unavailable and returns
// when the commits under way have ended.
func (g *Ingester) Close() {
	g.mu.Lock()
	g.cancel() // from here on no group begins
	g.mu.Unlock()
	g.wg.Wait()
}

// NewSegmentID gives out the next segment id of this epoch.
func (g *Ingester) NewSegmentID() (catalog.SegmentID, error) {
	n := g.lastID.Add(1)
	if n == 0 {
		return 0, errors.New("this epoch has no segment ids left: restart the node")
	}
	return catalog.NewSegmentID(g.Epoch, n), nil
}

var errStopping = wire.Errorf(wire.Unavailable, "the node is stopping")

// retryCommit is how long a commit of unknown outcome waits before it is
// proposed again.
const retryCommit = 50 * time.Millisecond
