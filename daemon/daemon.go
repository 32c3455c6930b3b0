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
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/ingest"
	"github.com/tarnlake/tarn/daemon/members"
	"github.com/tarnlake/tarn/daemon/scan"
	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/format/kern"
	"google.golang.org/grpc"
)

// Config says where a node lives and where it listens.
type Config struct {
	Dir         string        // the node's directory; made on the first start
	Disks       []DiskConfig  // disks that it may not have yet; none at all: one in Dir
	Name        string        // of the node, for people; default: the machine's
	Listen      string        // host:port of Flight; port 0 picks a free one
	HTTP        string        // host:port of health and metrics; empty: none
	MemoryLimit int64         // bytes the process should stay under; default DefaultMemoryLimit
	TrashFor    time.Duration // how long deleted files can be brought back; default 24 hours
	SendTimeout time.Duration // how long a scan waits for its client to take rows; default 5 minutes
	Version     string        // of this build, for status
	Logger      *slog.Logger  // default: slog.Default()
	Fatal       func(error)   // called when the node must not go on; default: log and exit with status 1
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
		c.Name, _ = os.Hostname() // without one it has its UUID
	}
	if c.TrashFor <= 0 {
		c.TrashFor = 24 * time.Hour
	}
	if c.SendTimeout <= 0 {
		c.SendTimeout = 5 * time.Minute
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

// Node is a running node.
type Node struct {
	cfg     Config
	id      identity
	lock    *os.File
	members *members.Store
	catalog *catalog.Catalog
	ingest  *ingest.Ingester
	readers *readers
	metrics *metrics
	started time.Time

	repairNow chan struct{}         // of capacity 1: see wakeRepair
	damaged   chan catalog.MemberAt // what scans have found: see reportDamage

	scanMemory *scan.Pool    // what all queries together may hold
	parts      *format.Cache // of segments
	puts       *putMemory

	grpc     *grpc.Server
	listener net.Listener
	http     *http.Server
	httpAddr string

	work sync.RWMutex // held for reading by each piece of work; see drain
	stop context.CancelFunc
	wg   sync.WaitGroup
	end  chan struct{}
	err  error
	once sync.Once
}

// Start opens the node of cfg.Dir, making a new one-node cluster if the
// directory is new, and returns when it serves. ctx bounds the start only.
func Start(ctx context.Context, cfg Config) (_ *Node, err error) {
	cfg = cfg.withDefaults()
	if err := kern.TierError(); err != nil {
		return nil, wire.Errorf(wire.InvalidArgument, "%w", err).WithHint("leave TARN_KERN out to take the best tier of this CPU")
	}
	n := &Node{cfg: cfg, started: time.Now(), end: make(chan struct{}), repairNow: make(chan struct{}, 1), damaged: make(chan catalog.MemberAt, 64), metrics: newMetrics(), puts: newPutMemory(cfg.MemoryLimit / 4)}
	n.scanMemory, n.parts = ReadMemory(cfg.MemoryLimit, runtime.GOMAXPROCS(0))
	defer func() {
		if err != nil {
			n.release()
		}
	}()
	LimitMemory(cfg.MemoryLimit)
	if n.lock, err = lockDir(cfg.Dir); err != nil {
		return nil, err
	}
	if err = n.openStorage(ctx); err != nil {
		return nil, err
	}
	background, cancel := context.WithCancel(context.Background())
	n.stop = cancel
	n.wg.Go(func() { n.maintain(background) })
	n.wg.Go(func() { n.keepRepaired(background) })
	if err = n.serve(); err != nil {
		return nil, err
	}
	return n, nil
}

// openStorage opens medium and catalog, begins a new epoch and settles what
// the last life of the node left behind.
func (n *Node) openStorage(ctx context.Context) (err error) {
	fresh := false
	if n.id, fresh, err = loadIdentity(n.cfg.Dir); err != nil {
		return err
	}
	media, err := openDisks(n.cfg, &n.id)
	if err != nil {
		return err
	}
	n.members = members.NewStore(media...)
	n.catalog, err = catalog.Open(catalog.Config{
		Dir: raftDir(n.cfg.Dir), Node: n.id.Node, Cluster: n.id.Cluster, Bootstrap: fresh,
		Logger: n.cfg.Logger, Now: time.Now, Fatal: n.cfg.Fatal,
	})
	if err != nil {
		return fmt.Errorf("opening the catalog: %w", err)
	}
	if fresh {
		if err = n.id.settle(n.cfg.Dir); err != nil {
			return err
		}
	}
	if err = n.catalog.KeepBallast(); err != nil {
		return err
	}
	r, err := n.begin(ctx)
	if err != nil {
		return err
	}
	n.readers = newReaders(n.members, n.catalog.View, n.reportDamage, n.parts)
	n.ingest = ingest.New(ingest.Config{
		Catalog: n.catalog, Members: n.members, Epoch: r.Epoch, Cluster: n.id.Cluster,
		Logger: n.cfg.Logger, Memory: n.cfg.MemoryLimit / 4,
	})
	n.reconcile(ctx)
	return nil
}

// begin registers the node and its disks, opens an epoch, and sees to it that
// there is a place for fresh segments.
func (n *Node) begin(ctx context.Context) (catalog.Result, error) {
	reg, err := n.registration()
	if err != nil {
		return catalog.Result{}, err
	}
	if _, err := n.propose(ctx, catalog.Command{RegisterNode: reg}); err != nil {
		return catalog.Result{}, fmt.Errorf("registering the node: %w", err)
	}
	r, err := n.propose(ctx, catalog.Command{OpenEpoch: &catalog.OpenEpoch{Node: n.id.Node}})
	if err != nil {
		return r, fmt.Errorf("opening an epoch: %w", err)
	}
	return r, n.place(ctx)
}

// propose puts a command through the catalog; a rejection is an error.
func (n *Node) propose(ctx context.Context, cmd catalog.Command) (catalog.Result, error) {
	r, err := n.catalog.Propose(ctx, cmd)
	if err == nil && r.Err != nil {
		err = r.Err
	}
	return r, err
}

// serve opens both ports and answers on them in the background.
func (n *Node) serve() (err error) {
	if n.listener, err = net.Listen("tcp", n.cfg.Listen); err != nil {
		return wire.Errorf(wire.Unavailable, "listening on %s: %w", n.cfg.Listen, err).
			WithHint("another node may run there; choose another port with --listen")
	}
	n.grpc = n.newGRPC()
	n.wg.Go(func() {
		if err := n.grpc.Serve(n.listener); err != nil {
			n.fail(fmt.Errorf("serving Flight: %w", err))
		}
	})
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
		n.ingest.Close()
		n.drain()
		if n.http != nil {
			n.http.Close()
		}
		n.stop()
		n.wg.Wait()
		n.err = errors.Join(reason, n.release())
		close(n.end)
	})
}

// drain takes no more calls, waits for the work under way, at most stopGrace,
// and ends what is left: idle streams, of which appenders keep many, and
// scans that take longer.
func (n *Node) drain() {
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

// release gives back what openStorage and lockDir took.
func (n *Node) release() error {
	var errs []error
	if n.stop != nil {
		n.stop()
	}
	if n.ingest != nil {
		n.ingest.Close()
	}
	if n.listener != nil {
		n.listener.Close()
	}
	if n.catalog != nil {
		errs = append(errs, n.catalog.Close())
	}
	if n.lock != nil {
		errs = append(errs, n.lock.Close())
	}
	return errors.Join(errs...)
}
