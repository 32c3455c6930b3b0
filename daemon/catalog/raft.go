package catalog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
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

	Logger    *slog.Logger     // default: slog.Default()
	Now       func() time.Time // the clock of proposals; default: time.Now
	Transport raft.Transport   // nil: in memory, for a cluster of one voter

	// Fatal is called once when the Raft volume fails or the log cannot be
	// applied. The process must end: what was synced is not known any more.
	// If Fatal returns, the catalog answers nothing from then on. Default: panic.
	Fatal func(error)

	wrap func(backend) backend           // tests put a failing store here
	free func(dir string) (int64, error) // tests fill the disk here
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
	}
	if c.free == nil {
		c.free = freeBytes
	}
	if c.wrap == nil {
		c.wrap = func(b backend) backend { return b }
	}
	return c
}

// Catalog is a node's replica of the state, kept by Raft: a command is
// applied only when its log entry is on disk. It is safe for concurrent use.
type Catalog struct {
	cfg    Config
	raft   *raft.Raft
	store  *store
	fsm    *fsm
	poison *poison
	closed chan struct{}

	closing sync.Once

	mu     sync.Mutex
	verify *verification // the next one; nil when nobody waits for it
	active bool          // a goroutine is verifying
}

// Open opens the catalog in cfg.Dir, with everything applied that was ever
// acknowledged. A directory that holds nothing is an error without
// cfg.Bootstrap; one that another node or cluster wrote always is.
func Open(cfg Config) (*Catalog, error) {
	cfg = cfg.withDefaults()
	if cfg.Node == "" || cfg.Cluster == "" {
		return nil, wire.Errorf(wire.InvalidArgument, "the catalog in %s needs the ids of its node and of its cluster", cfg.Dir)
	}
	if err := prepareDir(cfg); err != nil {
		return nil, err
	}
	c := &Catalog{cfg: cfg, poison: newPoison(cfg.Fatal), closed: make(chan struct{})}
	c.fsm = newFSM(c.poison)
	disk, err := openDisk(cfg, storeDir(cfg.Dir))
	if err != nil {
		return nil, err
	}
	if err := disk.checkIdentity(cfg); err != nil {
		return nil, errors.Join(err, disk.Close())
	}
	c.store = &store{backend: cfg.wrap(disk.bolt), poison: c.poison, close: disk.Close}
	c.raft, err = raft.NewRaft(raftConfig(cfg), c.fsm, c.store, c.store, disk.snapshots, cfg.Transport)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("catalog in %s: %w", cfg.Dir, err), disk.Close())
	}
	if err := c.waitReady(); err != nil {
		_ = c.Close() // the first error says more
		return nil, err
	}
	return c, nil
}

// timeout is what a single voter waits before it elects itself. There is
// nobody to hear from, so it is only as long as raft's own loops need.
const timeout = 50 * time.Millisecond

func raftConfig(cfg Config) *raft.Config {
	rc := raft.DefaultConfig()
	rc.LocalID = raft.ServerID(cfg.Node)
	rc.Logger = newRaftLogger(cfg.Logger)
	rc.HeartbeatTimeout, rc.ElectionTimeout, rc.LeaderLeaseTimeout = timeout, timeout, timeout
	rc.BatchApplyCh, rc.MaxAppendEntries = true, 256 // commits that wait share one fsync
	rc.SnapshotInterval, rc.SnapshotThreshold = 15*time.Second, 4096
	rc.TrailingLogs = 128 // there is no follower to catch up
	rc.NoLegacyTelemetry = true
	return rc
}

// waitReady returns when this node, a single voter, leads and has applied
// everything in its log.
func (c *Catalog) waitReady() error {
	if err := c.checkVoter(); err != nil {
		return err
	}
	for leads := false; !leads; {
		select {
		case leads = <-c.raft.LeaderCh():
		case <-c.poison.fatal:
			return c.poison.err()
		}
	}
	applied := make(chan error, 1)
	go func() { applied <- c.raft.Barrier(0).Error() }()
	select {
	case err := <-applied:
		return err
	case <-c.poison.fatal:
		return c.poison.err()
	}
}

// checkVoter refuses a configuration that does not have this node as its one
// voter: it would wait for ever to be elected.
func (c *Catalog) checkVoter() error {
	f := c.raft.GetConfiguration()
	if err := f.Error(); err != nil {
		return err
	}
	servers := f.Configuration().Servers
	if len(servers) != 1 || servers[0].ID != raft.ServerID(c.cfg.Node) || servers[0].Suffrage != raft.Voter {
		return damagedLog(c.cfg.Dir, fmt.Errorf("its members are %v; want the voter %s", servers, c.cfg.Node))
	}
	return nil
}

// Propose puts a command through Raft and returns when it is applied here and
// durable. A rejection is in Result.Err. The error is for a command that was
// not judged: wire.InvalidArgument and wire.LimitExceeded when it cannot be
// written down and wire.DiskFull when there is no room for it, so that it has
// not been applied and never will; and wire.Unavailable when its outcome is unknown: it may have
// been applied, or may yet be. A CommitSegments is then proposed again as it
// is, under the same Txn, until there is an answer.
func (c *Catalog) Propose(ctx context.Context, cmd Command) (Result, error) {
	cmd.Time = c.cfg.Now()
	entry, err := cmd.encode()
	if err != nil {
		return Result{}, err
	}
	if err := c.ended(); err != nil {
		return Result{}, unknownOutcome(err)
	}
	if err := c.checkSpace(cmd); err != nil {
		return Result{}, err
	}
	answer := make(chan raft.ApplyFuture, 1)
	go func() { // Apply itself waits while the queue is full
		f := c.raft.Apply(entry, 0)
		_ = f.Error() // read again below
		answer <- f
	}()
	select {
	case f := <-answer:
		if err := f.Error(); err != nil {
			return Result{}, unknownOutcome(err)
		}
		return f.Response().(Result), nil
	case <-ctx.Done():
		return Result{}, unknownOutcome(ctx.Err())
	case <-c.poison.fatal:
	case <-c.closed: // raft leaves futures that it took while it stopped without an answer
	}
	return Result{}, unknownOutcome(c.ended())
}

func unknownOutcome(err error) error {
	return wire.Errorf(wire.Unavailable, "the catalog did not answer, the outcome is unknown: %w", err)
}

// ended says why there will be no more answers, or returns nil.
func (c *Catalog) ended() error {
	select {
	case <-c.poison.fatal:
		return c.poison.err()
	case <-c.closed:
		return errors.New("the catalog is closed")
	default:
		return nil
	}
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
		err = c.raft.Shutdown().Error() // closes the transport, too
		close(c.closed)
		err = errors.Join(err, c.store.close())
	})
	return err
}
