package catalog

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	"github.com/tarnlake/tarn/client/wire"
)

// Config says where a node's part of the catalog lives.
type Config struct {
	Dir       string // the catalog's own directory; made where needed
	Node      string // UUID of the node
	Cluster   string // UUID of the cluster
	Bootstrap bool   // make a new cluster of this one voter if Dir holds nothing yet
	Join      bool   // make a part of the cluster if Dir holds nothing yet, which is empty until its leader calls AddNode

	Logger *slog.Logger     // default: slog.Default()
	Now    func() time.Time // the clock of proposals; default: time.Now

	// Transport and Peers are Raft's way to the other nodes and that of
	// proposals and questions. Without a Transport the node is the cluster.
	Transport Transport
	Peers     Peers

	Speaks        Speaks  // what the node speaks; default: BuildSpeaks
	Volume        *Volume // where Raft keeps what it has; default: files in Dir
	SnapshotEvery uint64  // entries of the log between snapshots; default 4096

	// Fatal is called once when the Raft volume fails or hangs, or the log cannot be
	// applied. The process must end: what was synced is not known any more.
	// If Fatal returns, the catalog answers nothing from then on. Default: panic.
	Fatal func(error)

	wrap func(backend) backend           // tests put a failing store here
	free func(dir string) (int64, error) // tests fill the disk here
	solo bool                            // there is no Transport

	deadDisk time.Duration // tests do not wait for the default
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Fatal == nil {
		c.Fatal = func(err error) { panic(err) }
	}
	if c.Transport == nil {
		_, c.Transport = raft.NewInmemTransport(raft.ServerAddress(c.Node))
		c.solo = true
	}
	if c.Peers == nil {
		c.Peers = alone{}
	}
	if c.Speaks == (Speaks{}) {
		c.Speaks = BuildSpeaks()
	}
	if c.deadDisk == 0 {
		c.deadDisk = deadDisk
	}
	if c.free == nil {
		c.free = freeBytes
	}
	c.SnapshotEvery = cmp.Or(c.SnapshotEvery, 4096)
	if c.wrap == nil {
		c.wrap = func(b backend) backend { return b }
	}
	return c
}

// Catalog is a node's replica of the state, kept by Raft: a command is
// applied only when its log entry is on the disks of a majority of the voters. It is
// safe for concurrent use.
type Catalog struct {
	cfg    Config
	raft   *raft.Raft
	link   *link
	store  *store
	fsm    *fsm
	poison *poison
	lead   *leadership

	life      string // names this life of the node in its proposals
	proposals atomic.Uint64

	fresh    rounds // questions to the leader, see Read
	verified rounds // questions to the voters, see ReadIndex

	closing sync.Once

	open context.Context // ends, with the cause, when there are no more answers
	end  context.CancelCauseFunc
}

// Open opens the catalog in cfg.Dir. A directory that holds nothing is an
// error without cfg.Bootstrap or cfg.Join; one that another node or cluster wrote always is.
//
// Without a Transport everything that was ever acknowledged is applied when it returns. With
// one it returns at once, so that its node can begin to serve others: see Ready.
func Open(cfg Config) (*Catalog, error) {
	cfg = cfg.withDefaults()
	if cfg.Node == "" || cfg.Cluster == "" {
		return nil, wire.Errorf(wire.InvalidArgument, "the catalog in %s needs the ids of its node and of its cluster", cfg.Dir)
	}
	if cfg.Join && (cfg.Bootstrap || cfg.solo) {
		return nil, wire.Errorf(wire.InvalidArgument, "the catalog in %s cannot join a cluster without a network, nor one that it makes itself", cfg.Dir)
	}
	if err := prepareDir(cfg); err != nil {
		return nil, err
	}
	c, err := open(cfg)
	if err != nil {
		return nil, err
	}
	if !cfg.solo {
		c.electSole()
		return c, nil
	}
	if err = c.checkVoter(); err == nil {
		err = c.Ready(context.Background())
	}
	if err != nil {
		_ = c.Close() // the first error says more
		return nil, err
	}
	return c, nil
}

// open opens the store and starts raft on it.
func open(cfg Config) (*Catalog, error) {
	disk, err := openDisk(cfg, storeDir(cfg.Dir))
	if err != nil {
		return nil, err
	}
	if err := disk.checkIdentity(cfg); err != nil {
		return nil, errors.Join(err, disk.Close())
	}
	c := &Catalog{cfg: cfg, lead: newLeadership(), life: rand.Text()}
	c.open, c.end = context.WithCancelCause(context.Background())
	c.fresh.ask, c.verified.ask = c.askIndex, c.verifyIndex
	c.poison = newPoison(func(err error) {
		c.end(err)
		cfg.Fatal(err)
	})
	c.fsm = newFSM(c.poison, cfg.Speaks)
	c.store = &store{sealed: sealed{cfg.wrap(disk.bolt)}, poison: c.poison, close: disk.Close}
	if err := guarded(storeDir(cfg.Dir), c.store.verify); err != nil {
		return nil, errors.Join(err, disk.Close())
	}
	c.link = &link{Transport: cfg.Transport, node: cfg.Node, stalled: func() bool { return false }}
	if !cfg.solo {
		c.store.watch = &watchdog{slow: slowDisk, dead: cfg.deadDisk, poison: c.poison}
		c.link.stalled = c.store.watch.stalled
	}
	c.raft, err = raft.NewRaft(raftConfig(cfg), c.fsm, c.store, c.store, disk.snapshots, c.link)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("catalog in %s: %w", cfg.Dir, err), disk.Close())
	}
	c.raft.RegisterObserver(c.lead.observer())
	c.lead.changed() // there may have been one before
	return c, nil
}

// How long a node waits without hearing of a leader.
const (
	// A single voter elects itself. There is nobody to hear from, so it is only as long as raft's own
	// loops need.
	soloTimeout = 50 * time.Millisecond

	// With others it is raft's own: above the pauses of a network, a disk or a
	// collector, and a new leader is there in three seconds.
	heartbeatTimeout = time.Second
	leaseTimeout     = heartbeatTimeout / 2

	// commitTimeout is how soon followers hear of a commit when no other
	// follows. A proposal on a follower waits for it.
	commitTimeout = 5 * time.Millisecond
)

func raftConfig(cfg Config) *raft.Config {
	rc := raft.DefaultConfig()
	rc.LocalID = raft.ServerID(cfg.Node)
	rc.Logger = newRaftLogger(cfg.Logger)
	rc.SnapshotInterval, rc.SnapshotThreshold = 15*time.Second, cfg.SnapshotEvery
	rc.BatchApplyCh = true // commits that wait share one fsync
	rc.NoLegacyTelemetry = true
	rc.ShutdownOnRemove = false // raft would also stop for good when it only loses its vote
	if cfg.solo {
		rc.HeartbeatTimeout, rc.ElectionTimeout, rc.LeaderLeaseTimeout = soloTimeout, soloTimeout, soloTimeout
		rc.MaxAppendEntries, rc.TrailingLogs = 256, 128 // there is no follower to catch up
		return rc
	}
	rc.HeartbeatTimeout, rc.ElectionTimeout, rc.LeaderLeaseTimeout = heartbeatTimeout, heartbeatTimeout, leaseTimeout
	rc.CommitTimeout = commitTimeout
	rc.MaxAppendEntries, rc.TrailingLogs = 64, 5*cfg.SnapshotEvery/2
	return rc
}

// electSole lets a cluster's only voter lead at once: nobody else will.
func (c *Catalog) electSole() {
	if !c.soleVoter() {
		return
	}
	rc := c.raft.ReloadableConfig()
	rc.HeartbeatTimeout = leaseTimeout // a shorter one makes raft look at the clock now
	_ = c.raft.ReloadConfig(rc)        // valid
	rc.HeartbeatTimeout = heartbeatTimeout
	_ = c.raft.ReloadConfig(rc)
}

// Ready returns once everything is applied here that was acknowledged before
// the call: on a single voter when it leads, on a member of a larger cluster
// when a leader is known and this node has caught up with it, on a joiner when
// it was added and has caught up. Or it returns why ctx has ended before that.
func (c *Catalog) Ready(ctx context.Context) error {
	for {
		_, err := c.Read(ctx)
		if err == nil || ctx.Err() != nil || c.ended() != nil {
			return err
		}
		waitFor(ctx, c.open, maxPause)
	}
}

func (c *Catalog) soleVoter() bool {
	s := c.Servers()
	return len(s) == 1 && s[0].Node == c.cfg.Node && s[0].Voter
}

// checkVoter refuses a configuration that does not have this node as its one
// voter: it would wait for ever to be elected.
func (c *Catalog) checkVoter() error {
	if c.soleVoter() {
		return nil
	}
	return damagedLog(c.cfg.Dir, fmt.Errorf("its members are %v; want the voter %s alone", c.Servers(), c.cfg.Node))
}

// View returns the newest state that was applied here. It takes no lock.
func (c *Catalog) View() *State { return c.fsm.now.Load().state }

// Changed returns a channel that is closed at the next change of the state.
// To miss none, take the channel before the View.
func (c *Catalog) Changed() <-chan struct{} { return c.fsm.now.Load().changed }

// Close stops the node's part in the cluster and closes its files. Commands
// that wait get wire.Unavailable. To close again does nothing.
func (c *Catalog) Close() error {
	if err := c.poison.err(); err != nil {
		return err // raft is stopped inside the store, for good
	}
	var err error
	c.closing.Do(func() {
		c.end(errClosed)
		err = c.raft.Shutdown().Error() // closes the transport, too
		err = errors.Join(err, c.store.close())
	})
	return err
}

var errClosed = errors.New("the catalog is closed")
