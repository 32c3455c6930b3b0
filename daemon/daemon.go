// Package daemon is a node: it opens the node's directory, starts the catalog
// and the ingest on it, and serves Arrow Flight and a small HTTP page until
// it is told to stop. It holds no logic of its own about rows, segments or
// commits; the packages below it do.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/cluster/clock"
	"github.com/tarnlake/tarn/daemon/cluster/liveness"
	"github.com/tarnlake/tarn/daemon/cluster/trust"
	"github.com/tarnlake/tarn/daemon/ingest"
	"github.com/tarnlake/tarn/daemon/members"
	"github.com/tarnlake/tarn/daemon/merge"
	"github.com/tarnlake/tarn/daemon/repair"
	"github.com/tarnlake/tarn/daemon/scan"
	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/format/kern"
	"github.com/tarnlake/tarn/tiering"
	"google.golang.org/grpc"
)

// Config says where a node lives and where it listens.
type Config struct {
	Dir             string             // the node's directory; made on the first start
	Disks           []DiskConfig       // disks that it may not have yet; none at all: one in Dir
	Name            string             // of the node, for people; default: the machine's
	Listen          string             // host:port of Flight; port 0 picks a free one
	HTTP            string             // host:port of health and metrics; empty: none
	Join            Join               // the cluster that a new node gets into; zero: one of its own, or the one it is in
	Gossip          string             // host:port of gossip, for a node of a cluster; default: DefaultGossip on the host of Listen
	Advertise       string             // host:port by which other nodes reach Listen; default: what it says, or the machine's address
	Zone            string             // failure domain above the node, such as a rack; empty: none given
	MemoryLimit     int64              // bytes the process should stay under; default DefaultMemoryLimit
	TrashFor        time.Duration      // how long deleted files can be brought back; default 24 hours
	SendTimeout     time.Duration      // how long a scan waits for its client to take rows; default 5 minutes
	RepairRate      int64              // bytes a second that repair writes and reads back; default: moves go by RepairRates, rebuilds are not held up
	CheckpointEvery time.Duration      // how often the catalog is kept on disks of the node; default 5 minutes
	NoMerge         bool               // segments stay as they were written: for tests and comparisons
	MergeTarget     int64              // stored bytes of a merged segment; default merge.DefaultTarget
	StallAfter      time.Duration      // from when on a disk is stalled that does not return from an operation; default 10 seconds
	Watermarks      tiering.Watermarks // from how many percent on disks take less; zero: up to their reserve they take everything
	LogReserve      int64              // bytes that the disk of the catalog must have free for a node of a cluster to take rows; 0: what the log itself needs
	Clock           clock.Config       // default: that of the machine
	Version         string             // of this build, for status
	Logger          *slog.Logger       // default: slog.Default()
	speaks          catalog.Speaks     // tests are builds of other times; default: what this one speaks
	Fatal           func(error)        // called when the node must not go on; default: log and exit with status 1
}

// gcPercent lets garbage grow to several times what is in use before it is
// collected: scans make much and keep little, and the memory limit holds anyway.
const gcPercent = 400

// LimitMemory has the process stay under a memory limit: a fifth of it is for
// what the collector does not see.
func LimitMemory(limit int64) {
	debug.SetMemoryLimit(limit * 4 / 5)
	debug.SetGCPercent(gcPercent)
}

// DefaultMemoryLimit is what a node stays under unless it is told otherwise.
const DefaultMemoryLimit = 512 << 20

// ReadMemory divides what a node with that memory limit has for reading: queries
// may hold a third of the limit, parts of segments an eighth and what queries do
// not hold. Puts have a quarter and the writing of segments an eighth; hardly
// ever all of that at once.
func ReadMemory(limit int64, workers int) (*scan.Pool, *format.Cache) {
	queries, parts := scan.NewPool(limit/3, workers), format.NewCache(limit/3+limit/8)
	queries.BorrowFrom(parts)
	return queries, parts
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.MemoryLimit <= 0 {
		c.MemoryLimit = DefaultMemoryLimit
	}
	if c.Name == "" {
		c.Name, _ = os.Hostname() // without one Start says that it takes a name
	}
	if c.TrashFor <= 0 {
		c.TrashFor = 24 * time.Hour
	}
	if c.CheckpointEvery <= 0 {
		c.CheckpointEvery = defaultCheckpointEvery
	}
	if c.speaks == (catalog.Speaks{}) {
		c.speaks = catalog.BuildSpeaks()
	}
	if c.SendTimeout <= 0 {
		c.SendTimeout = 5 * time.Minute
	}
	if c.Clock.Wall == nil {
		c.Clock = clock.System()
	}
	if c.StallAfter <= 0 {
		c.StallAfter = 10 * time.Second
	}
	if c.Gossip == "" {
		host, _, _ := net.SplitHostPort(c.Listen)
		c.Gossip = net.JoinHostPort(host, DefaultGossip)
	}
	if c.Fatal == nil {
		log := c.Logger
		c.Fatal = func(err error) {
			log.Error("FATAL: the node stops so that nothing is lost", "error", err)
			os.Exit(1)
		}
	}
	return c
}

// DefaultGossip is the port of gossip.
const DefaultGossip = "7462"

// Node is a running node.
type Node struct {
	cfg     Config
	id      identity
	locks   []*os.File                      // of the directory, and of each disk
	added   []string                        // disks that this start has brought
	network *network                        // nil: the node is alone
	epoch   atomic.Uint32                   // of this life; 0 before it has begun
	serving atomic.Bool                     // the start is through
	held    atomic.Pointer[[]liveness.Held] // judgements of the node that leads; nil on others
	members *members.Store
	catalog *catalog.Catalog
	ingest  *ingest.Ingester
	merger  *merge.Merger // nil: nobody merges
	readers *readers
	sweeper *repair.Sweeper
	metrics *metrics
	clock   *clock.Guard
	started time.Time

	repairNow chan struct{}                           // of capacity 1: see wakeRepair
	damaged   chan catalog.MemberAt                   // what scans have found: see reportDamage
	fills     atomic.Pointer[map[string]tiering.Fill] // of disks of other nodes
	rebuilt   *repair.Meter                           // bytes of members
	judged    judged                                  // what may be lost
	repairing atomic.Bool                             // members are being rebuilt right now
	scrubs    sync.Map                                // *repair.Scrub by disk
	plugging  sync.Mutex                              // see plug

	scanMemory *scan.Pool    // what all queries together may hold
	parts      *format.Cache // of segments
	puts       *putMemory

	grpc     *grpc.Server
	listener net.Listener
	http     *http.Server
	httpAddr string

	work sync.RWMutex // held for reading by each piece of work; see drain
	stop context.CancelFunc
	halt context.CancelCauseFunc // of the start: see meetForeign

	background context.Context // ends with stop

	wg   sync.WaitGroup
	end  chan struct{}
	err  error
	once sync.Once
}

// Start opens the node of cfg.Dir and returns when it serves. A new directory
// becomes a new one-node cluster, or with cfg.Join a node of another one. ctx
// bounds the start only: a node of a cluster waits for the others for as long.
func Start(ctx context.Context, cfg Config) (_ *Node, err error) {
	cfg = cfg.withDefaults()
	if err := kern.TierError(); err != nil {
		return nil, wire.Errorf(wire.InvalidArgument, "%w", err).WithHint("leave TARN_KERN out to take the best tier of this CPU")
	}
	if err := catalog.CheckNodeNames(cfg.Name, cfg.Zone); err != nil {
		return nil, err
	}
	n := &Node{cfg: cfg, started: time.Now(), clock: clock.New(cfg.Clock), end: make(chan struct{}), repairNow: make(chan struct{}, 1), damaged: make(chan catalog.MemberAt, 64), rebuilt: repair.NewMeter(time.Now), metrics: newMetrics(), puts: newPutMemory(cfg.MemoryLimit / 4)}
	n.scanMemory, n.parts = ReadMemory(cfg.MemoryLimit, runtime.GOMAXPROCS(0))
	background, cancel := context.WithCancel(context.Background())
	n.background, n.stop = background, cancel
	ctx, n.halt = context.WithCancelCause(ctx)
	defer func() {
		if cause := context.Cause(ctx); err != nil && (wire.IsCode(cause, wire.Conflict) || wire.IsCode(cause, wire.Unsupported)) {
			err = cause // says more than that the start was ended
		}
		n.halt(nil)
		if err != nil {
			n.abandon()
		}
	}()
	LimitMemory(cfg.MemoryLimit)
	lock, err := lockDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	n.locks = append(n.locks, lock)
	if err = n.identify(ctx); err != nil {
		return nil, err
	}
	n.cfg.Logger = n.cfg.Logger.With("self", n.id.Node)
	if err = n.openStorage(background); err != nil {
		return nil, err
	}
	if err = n.begin(ctx); err != nil {
		return nil, err
	}
	n.wg.Go(func() { n.maintain(background) })
	n.wg.Go(func() { n.keepCheckpoints(background) })
	n.wg.Go(func() { n.keepRepaired(background) })
	n.startScrubs(background)
	n.wg.Go(func() { n.watchDisks(background) })
	n.wg.Go(func() { n.watchClock(background) })
	n.serving.Store(true)
	if n.network == nil {
		n.serve(n.listener)
	}
	return n, nil
}

// identify finds out who this node is, and makes it somebody if it is new: of
// a cluster of its own, or of one that lets it in.
func (n *Node) identify(ctx context.Context) error {
	cluster, err := n.cfg.Join.clusterOf()
	if err != nil {
		return err
	}
	if n.id, err = loadIdentity(n.cfg.Dir, cluster); err != nil {
		return err
	}
	if cluster != "" && cluster != n.id.Cluster {
		return wire.Errorf(wire.Conflict, "the node in %s is of cluster %s; the join token is for %s", n.cfg.Dir, n.id.Cluster, cluster).
			WithHint("a node stays in its cluster: join with an empty directory")
	}
	if n.listener, err = net.Listen("tcp", n.cfg.Listen); err != nil {
		return wire.Errorf(wire.Unavailable, "listening on %s: %w", n.cfg.Listen, err).
			WithHint("another node may run there; choose another port with --listen")
	}
	if n.id.Joining {
		return n.join(ctx, advertised(n.cfg, n.listener))
	}
	return n.checkExposed()
}

// checkExposed refuses to show a node without TLS to a network.
func (n *Node) checkExposed() error {
	addr, ok := n.listener.Addr().(*net.TCPAddr)
	if n.id.Secured || !ok || addr.IP.IsLoopback() {
		return nil
	}
	return wire.Errorf(wire.InvalidArgument, "a node without TLS listens on loopback only, not on %s", n.listener.Addr()).
		WithHint("tarn cluster init --dir %s gives it certificates; then start it again", n.cfg.Dir)
}

// openStorage opens disks and catalog. In a cluster other nodes are answered
// from then on, for they may need this one before its own start is through.
func (n *Node) openStorage(background context.Context) error {
	media, err := n.openDisks()
	if err != nil {
		return err
	}
	n.members = members.NewStore(media...)
	for _, m := range media {
		m.SetWatermarks(n.cfg.Watermarks)
	}
	cfg := catalog.Config{
		Dir: raftDir(n.cfg.Dir), Node: n.id.Node, Cluster: n.id.Cluster,
		Logger: n.cfg.Logger, Now: n.clock.Now, Fatal: n.cfg.Fatal, Speaks: n.cfg.speaks,
	}
	n.members.KnowFills(n.fillElsewhere)
	if n.id.Secured {
		if n.network, err = openNetwork(n.cfg, n.id, n.listener, n.ownEpoch, n.serving.Load); err != nil {
			return err
		}
		n.members.Reach(n.network.peers.Disk)
		cfg.Transport, cfg.Peers, cfg.Join = n.network.transport, n.network.peers, n.id.fresh
	} else {
		cfg.Bootstrap = n.id.fresh
	}
	if n.catalog, err = catalog.Open(cfg); err != nil {
		return fmt.Errorf("opening the catalog: %w", err)
	}
	if n.id.fresh {
		if err = n.id.settle(n.cfg.Dir); err != nil {
			return err
		}
	}
	if err = n.catalog.KeepBallast(); err != nil {
		return err
	}
	n.readers = newReaders(n.members, n.catalog.View, n.reportDamage, n.parts)
	n.sweeper = &repair.Sweeper{Members: n.members, Logger: n.cfg.Logger, Read: n.catalog.Read, View: n.catalog.View, Propose: n.must, Forget: n.readers.forget}
	if err = n.openScrubs(); err != nil {
		return err
	}
	if n.network != nil {
		n.startNetwork(background)
	}
	return n.serveHTTP()
}

func (n *Node) ownEpoch() catalog.Epoch { return catalog.Epoch(n.epoch.Load()) }

// startNetwork begins to answer the other nodes, and to keep in touch.
func (n *Node) startNetwork(background context.Context) {
	w := n.network
	w.catalog.Store(n.catalog)
	n.wg.Go(func() {
		if err := w.splitter.Serve(); err != nil {
			n.fail(fmt.Errorf("serving %s: %w", n.listener.Addr(), err))
		}
	})
	n.wg.Go(func() {
		trust.ServeJoins(background, w.splitter.Listener(trust.ProtocolJoin), w.refusals, n.admit)
	})
	n.wg.Go(func() { w.renewer.Run(background) })
	n.wg.Go(func() { w.keepInTouch(background) })
	n.wg.Go(func() { n.lead(background) })
	n.serve(w.listener())
}

// register makes this life of the node known, with an epoch of its own. The old
// life may be given up between the two: then the node is a new one again.
func (n *Node) register(ctx context.Context) (catalog.Epoch, error) {
	for tries := 3; ; tries-- {
		reg, err := n.registration()
		if err != nil {
			return 0, err
		}
		if _, err := n.propose(ctx, catalog.Command{RegisterNode: reg}); err != nil {
			n.refusedDisks(err)
			return 0, fmt.Errorf("registering the node: %w", err)
		}
		r, err := n.propose(ctx, catalog.Command{OpenEpoch: &catalog.OpenEpoch{Node: n.id.Node}})
		if err == nil {
			return r.Epoch, nil
		}
		if tries == 0 || !wire.IsCode(err, wire.Conflict) {
			return 0, fmt.Errorf("opening an epoch: %w", err)
		}
	}
}

// begin catches up with the cluster, registers the node and its disks, opens an epoch, and sees to it that
// there is a place for fresh segments. Then it settles what the last life of
// the node left behind.
func (n *Node) begin(ctx context.Context) error {
	if err := n.catalog.Ready(ctx); err != nil {
		return err
	}
	epoch, err := n.register(ctx)
	if err != nil {
		return err
	}
	n.epoch.Store(uint32(epoch))
	if err := n.raise(ctx); err != nil {
		return err
	}
	if n.network != nil {
		n.network.tell(epoch)
	}
	if err := n.place(ctx); err != nil {
		return err
	}
	n.ingest = ingest.New(ingest.Config{
		Catalog: n.catalog, Members: n.members, Epoch: epoch, Cluster: n.id.Cluster,
		Logger: n.cfg.Logger, Memory: n.cfg.MemoryLimit / 4, Backlog: n.backlog,
	})
	if _, err := n.sweeper.Reconcile(ctx, n.members.Media()...); err != nil {
		n.cfg.Logger.Error("comparing disks with the catalog", "error", err) // each scrub tries again
	}
	n.startMerging()
	return nil
}

// propose puts a command through the catalog; a rejection is an error.
func (n *Node) propose(ctx context.Context, cmd catalog.Command) (catalog.Result, error) {
	return propose(ctx, n.catalog, cmd)
}

func propose(ctx context.Context, c *catalog.Catalog, cmd catalog.Command) (catalog.Result, error) {
	r, err := c.Propose(ctx, cmd)
	if err == nil && r.Err != nil {
		err = r.Err
	}
	return r, err
}

// must is propose without the result.
func (n *Node) must(ctx context.Context, cmd catalog.Command) error {
	_, err := n.propose(ctx, cmd)
	return err
}

// serve answers calls in the background.
func (n *Node) serve(l net.Listener) {
	n.grpc = n.newGRPC()
	n.wg.Go(func() {
		if err := n.grpc.Serve(l); err != nil {
			n.fail(fmt.Errorf("serving Flight: %w", err))
		}
	})
}

// serveHTTP opens the port of health and metrics, if there is to be one.
func (n *Node) serveHTTP() error {
	if n.cfg.HTTP == "" {
		return nil
	}
	l, err := net.Listen("tcp", n.cfg.HTTP)
	if err != nil {
		return wire.Errorf(wire.Unavailable, "listening on %s: %w", n.cfg.HTTP, err).
			WithHint("choose another port with --http")
	}
	n.httpAddr = l.Addr().String()
	n.http = &http.Server{Handler: n.httpHandler(), ReadHeaderTimeout: 10 * time.Second}
	n.wg.Go(func() {
		if err := n.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			n.fail(fmt.Errorf("serving HTTP: %w", err))
		}
	})
	return nil
}

// Addr returns the host:port that Flight is served on.
func (n *Node) Addr() string { return n.listener.Addr().String() }

// HTTPAddr returns the host:port of health and metrics, or "".
func (n *Node) HTTPAddr() string { return n.httpAddr }

// Fresh reports whether this start made a new cluster.
func (n *Node) Fresh() bool { return n.id.fresh }

// Wait returns when the node has stopped, with the reason if it was not Close.
func (n *Node) Wait() error {
	<-n.end
	return n.err
}

func (n *Node) fail(err error) {
	n.cfg.Logger.Error("the node stops", "error", err)
	go n.shut(err)
}

// Close stops the node: calls under way get a few seconds to end, appends
// that wait are refused, and everything acknowledged is on disk already.
func (n *Node) Close() error {
	n.shut(nil)
	return n.Wait()
}

// stopGrace is how long calls under way may go on after Close.
const stopGrace = 5 * time.Second

func (n *Node) shut(reason error) {
	n.once.Do(func() {
		n.stopMerging()
		n.serving.Store(false)
		if n.ingest != nil {
			n.ingest.Close()
		}
		n.drain()
		n.err = errors.Join(reason, n.release())
		close(n.end)
	})
}

// abandon ends a start that has failed.
func (n *Node) abandon() {
	n.once.Do(func() {
		if n.grpc != nil {
			n.grpc.Stop()
		}
		_ = n.release() // why it failed says more
	})
}

// drain takes no more calls, waits for the work under way, at most stopGrace,
// and ends what is left: idle streams, of which appenders keep many, and
// scans that take longer.
func (n *Node) drain() {
	if n.grpc == nil {
		return // it has not begun
	}
	go n.grpc.GracefulStop()
	idle, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		n.work.Lock()
		close(idle)
		<-stopped // let nothing new begin before the end
		n.work.Unlock()
	}()
	select {
	case <-idle:
	case <-time.After(stopGrace):
	}
	n.grpc.Stop()
	close(stopped)
}

// release ends what runs in the background and gives back what the start took.
func (n *Node) release() error {
	var errs []error
	n.stop()
	if n.http != nil {
		n.http.Close()
	}
	if n.network != nil {
		errs = append(errs, n.network.leave())
	} else if n.listener != nil {
		n.listener.Close()
	}
	n.wg.Wait()
	n.stopMerging()
	if n.ingest != nil {
		n.ingest.Close()
	}
	if n.catalog != nil {
		errs = append(errs, n.catalog.Close())
	}
	if n.network != nil {
		errs = append(errs, n.network.close())
	}
	for _, l := range n.locks {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}
