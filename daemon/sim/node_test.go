package sim

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/cluster/liveness"
	"github.com/tarnlake/tarn/daemon/ingest"
	"github.com/tarnlake/tarn/daemon/members"
	"github.com/tarnlake/tarn/daemon/merge"
	"github.com/tarnlake/tarn/daemon/plant"
	"github.com/tarnlake/tarn/daemon/repair"
	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/tiering"
)

// node is a machine: its disks and its Raft volume outlive its lives.
type node struct {
	c      *cluster
	id     string
	drives []*drive
	volume *volume

	turn chan struct{} // of capacity 1: held by who ends or begins a life

	mu       sync.Mutex
	life     *life                        // nil: it is off
	scrubbed map[string]repair.ScrubState // by disk

	unanswered atomic.Int32 // tries to begin an epoch whose outcome nobody knows
}

// running returns the life that there is now, or nil.
func (n *node) running() *life {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.life == nil || !n.life.power.on() {
		return nil
	}
	return n.life
}

// life is a node between its start and its end: what package daemon wires, on
// the disks and the network of the simulation.
type life struct {
	c     *cluster
	node  *node
	power *power
	wire  *wired

	ctx    context.Context // ends with the power
	cancel context.CancelFunc
	wg     sync.WaitGroup

	members *members.Store
	sweeper *repair.Sweeper
	rebuild *repair.Rebuilder
	scrubs  []*repair.Scrub // once it serves
	merger  *merge.Merger   // likewise
	damaged chan catalog.MemberAt
	cat     atomic.Pointer[catalog.Catalog]
	ing     atomic.Pointer[ingest.Ingester]
	epoch   atomic.Uint32

	last, stale *catalog.State // for a planted fault: that of the last read, and the one before
}

func (l *life) catalog() *catalog.Catalog { return l.cat.Load() }
func (l *life) ownEpoch() catalog.Epoch   { return catalog.Epoch(l.epoch.Load()) }

// serves reports whether its start is through.
func (l *life) serves() bool { return l != nil && l.power.on() && l.ing.Load() != nil }

// exclusively lets nobody else end or begin a life of the node meanwhile.
func (n *node) exclusively(do func()) {
	n.turn <- struct{}{}
	do()
	<-n.turn
}

func (n *node) start() { n.exclusively(n.startNow) }
func (n *node) crash() { n.exclusively(n.crashNow) }
func (n *node) stop()  { n.exclusively(n.stopNow) }

// startNow begins a life, if there is none. Its start goes on in the background.
func (n *node) startNow() {
	if n.there() != nil {
		return
	}
	l := &life{c: n.c, node: n, power: newPower(), damaged: make(chan catalog.MemberAt, 64)}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	_, inner := raft.NewInmemTransport(raft.ServerAddress(n.id))
	l.wire = &wired{inner, l}
	n.set(l)
	join := n.id != n.c.nodes[0].id
	l.wg.Go(func() {
		err := l.open(join)
		if err == nil {
			err = l.begin()
		}
		if err == nil {
			l.run()
		} else if l.power.on() && l.ctx.Err() == nil {
			n.c.check.fail("I13", "node %s does not start: %v", n.id, err)
		}
	})
}

// crashNow cuts the power and waits for the goroutines of the life; the next
// start finds on the disks what a crash leaves there.
func (n *node) crashNow() {
	l := n.there()
	if l == nil {
		return
	}
	l.power.cutAfter(0)
	l.end()
	n.set(nil)
	n.reboot()
}

// stopNow ends a life in peace.
func (n *node) stopNow() {
	l := n.there()
	if l == nil {
		return
	}
	l.end()
	l.power.cutAfter(0)
	n.set(nil)
	n.reboot()
}

func (n *node) reboot() {
	for _, d := range n.drives {
		d.fs.Store(d.fs.Load().Reboot(rand.New(rand.NewPCG(n.c.seed, uint64(n.c.dice.below(1<<30))))))
	}
	if v := n.volume.last; v != nil && plant.On(plant.SkipLogSync) {
		n.volume = v
	}
}

// mostEnd is how long the end of a node may take.
const mostEnd = 10 * time.Minute

// there returns the life that there is, with or without power.
func (n *node) there() *life {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.life
}

func (n *node) set(l *life) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.life = l
}

// end waits until all that the life has begun is over, which must not take
// for ever, whatever the others do.
func (l *life) end() {
	hangs := time.AfterFunc(mostEnd, func() { panic(fmt.Sprintf("seed %d: node %s does not end", l.c.seed, l.node.id)) })
	defer hangs.Stop()
	l.cancel()
	l.close()
	l.wg.Wait()
	l.close() // the start may have come further since
	l.c.check.worked(l)
}

// close is Node.release of package daemon.
func (l *life) close() {
	if g := l.ing.Load(); g != nil {
		l.merger.Close()
		g.Close()
	}
	if c := l.catalog(); c != nil {
		_ = c.Close()
	}
}

// open mounts the disks and opens the catalog.
func (l *life) open(join bool) error {
	var media []*tiering.Medium
	for _, d := range l.node.drives {
		m, err := tiering.Mount(d.mount(l), mountAt, l.c.id)
		if err == nil {
			err = m.RemoveLeftovers()
		}
		if err != nil {
			return err
		}
		d.medium.Store(m)
		media = append(media, m)
	}
	l.members = members.NewStore(media...)
	l.members.Reach(func(disk string) members.Disk { return remote{l, disk} })
	c, err := catalog.Open(catalog.Config{
		Node: l.node.id, Cluster: l.c.id, Bootstrap: !join, Join: join,
		Volume: l.node.volume.mount(l), SnapshotEvery: 64, Transport: l.wire, Peers: peers{l}, Logger: l.c.logger,
		Fatal: func(err error) { l.c.check.fail("I13", "node %s: %v", l.node.id, err) },
	})
	if err != nil {
		return err
	}
	l.sweeper = &repair.Sweeper{Members: l.members, Logger: l.c.logger, Read: l.read, View: l.view, Propose: l.must, Forget: func(catalog.SegmentID) {}}
	l.rebuild = &repair.Rebuilder{Members: l.members, Logger: l.c.logger, Report: l.report, Propose: l.must}
	l.cat.Store(c)
	return nil
}

// read is that of the catalog.
func (l *life) read(ctx context.Context) (*catalog.State, error) {
	if plant.On(plant.StaleReconcile) {
		if l.stale, l.last = l.last, l.catalog().View(); l.stale != nil {
			return l.stale, nil
		}
	}
	return l.catalog().Read(ctx)
}

// view is that of the catalog.
func (l *life) view() *catalog.State {
	if plant.On(plant.StaleReconcile) && l.stale != nil {
		return l.stale
	}
	return l.catalog().View()
}

func (l *life) propose(ctx context.Context, cmd catalog.Command) (catalog.Result, error) {
	r, err := l.catalog().Propose(ctx, cmd)
	if err == nil && r.Err != nil {
		err = r.Err
	}
	return r, err
}

func (l *life) must(ctx context.Context, cmd catalog.Command) error {
	_, err := l.propose(ctx, cmd)
	return err
}

func (l *life) report(at catalog.MemberAt, _ error) {
	l.c.check.reported(at)
	select {
	case l.damaged <- at:
	default:
	}
}

// begin is Node.begin of package daemon.
func (l *life) begin() error {
	if err := l.catalog().Ready(l.ctx); err != nil {
		return err
	}
	if err := l.register(); err != nil {
		return fmt.Errorf("register: %w", err)
	}
	_, _ = l.sweeper.Reconcile(l.ctx, l.members.Media()...)
	l.openScrubs()
	g := ingest.New(ingest.Config{Catalog: l.catalog(), Members: l.members, Epoch: l.ownEpoch(), Cluster: l.c.id, Logger: l.c.logger, Memory: 64 << 20})
	l.merger = l.newMerger(g)
	l.ing.Store(g)
	return nil
}

// register is that of package daemon.
func (l *life) register() error {
	reg := &catalog.RegisterNode{Node: l.node.id, Name: l.node.id, Address: l.node.id + ":1"}
	for _, m := range l.members.Media() {
		reg.Disks = append(reg.Disks, catalog.DiskFacts{ID: m.ID(), Tier: "hot", Bytes: fullSize})
	}
	for {
		if err := l.retry(func() error { return l.must(l.ctx, catalog.Command{RegisterNode: reg}) }); err != nil {
			return err
		}
		if err := l.retry(l.openEpoch); !wire.IsCode(err, wire.Conflict) {
			return err
		}
	}
}

// openEpoch begins an epoch. A proposal without an answer may begin one at any
// time after.
func (l *life) openEpoch() error {
	l.node.unanswered.Add(1)
	r, err := l.propose(l.ctx, catalog.Command{OpenEpoch: &catalog.OpenEpoch{Node: l.node.id}})
	if err == nil || wire.IsCode(err, wire.Conflict) {
		l.node.unanswered.Add(-1)
	}
	l.epoch.Store(uint32(r.Epoch))
	return err
}

// retry is the supervisor of a process that ends with UNAVAILABLE.
func (l *life) retry(f func() error) error {
	for {
		err := f()
		if err == nil || l.ctx.Err() != nil || !wire.FromError(err).Retryable() {
			return err
		}
		l.sleep(time.Second)
	}
}

func (l *life) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-l.ctx.Done():
		return false
	case <-l.power.off:
		return false
	case <-t.C:
		return true
	}
}

// run does what a node does in the background.
func (l *life) run() {
	l.wg.Go(func() { l.every(2*time.Second, l.repair) })
	l.wg.Go(func() { l.every(15*time.Second, l.maintain) })
	for _, s := range l.scrubs {
		l.wg.Go(func() { s.Run(l.ctx) })
	}
	l.wg.Go(l.lead)
	l.wg.Go(l.glance)
	l.merger.Start()
}

func (l *life) every(pause time.Duration, do func()) {
	for l.sleep(pause + time.Duration(l.c.dice.below(1000))*time.Millisecond) {
		do()
	}
}

// repair is a round of Node.keepRepaired.
func (l *life) repair() {
	for {
		select {
		case at := <-l.damaged:
			l.rebuild.Miss(l.ctx, l.catalog().View(), at)
			continue
		default:
		}
		break
	}
	view, err := l.catalog().Read(l.ctx)
	if err == nil {
		_, _ = l.rebuild.Pass(l.ctx, view) // what failed is tried again
	}
}

// maintain is a round of Node.maintain. A real node reconciles only when it
// starts; to do so at any time must do no harm.
func (l *life) maintain() {
	if l.catalog().Leads() && l.catalog().View().Expirable(time.Now()) {
		_ = l.must(l.ctx, catalog.Command{ExpireVersions: &catalog.ExpireVersions{}})
	}
	l.sweeper.Sweep(l.ctx, l.catalog().View())
	if l.c.cfg.reconcile {
		_, _ = l.sweeper.Reconcile(l.ctx, l.members.Media()...)
	}
}

// glance reads the catalog whenever somebody else leads, and now and then.
func (l *life) glance() {
	for l.ctx.Err() == nil {
		changed := l.catalog().LeaderChanged()
		l.c.check.glance(l)
		select {
		case <-changed:
		case <-time.After(time.Second):
		case <-l.ctx.Done():
		}
	}
}

// lead does what the node does that leads.
func (l *life) lead() {
	var judge *liveness.Judge
	start := time.Now()
	for l.sleep(time.Second) {
		if !l.catalog().Leads() {
			judge = nil
			continue
		}
		if judge == nil {
			judge = liveness.New(liveness.Config{Silence: l.c.cfg.silence, LostAfter: l.c.cfg.lostAfter, Share: 34})
		}
		l.judge(judge, time.Since(start))
		l.place()
	}
}

func (l *life) judge(judge *liveness.Judge, now time.Duration) {
	view := l.catalog().View()
	round := liveness.Round{Now: now, Self: l.node.id}
	for _, n := range view.Nodes() {
		heard := n.ID == l.node.id || l.c.net.call(l, l.c.node(n.ID), func(there *life) error {
			if there.ownEpoch() == 0 {
				return errCut
			}
			return nil
		}) == nil
		round.Nodes = append(round.Nodes, liveness.Sign{Node: n.ID, State: n.State, Epoch: view.EpochOf(n.ID), Gossip: heard, Ping: heard})
	}
	for _, cmd := range judge.Round(round).Commands {
		_ = l.must(l.ctx, catalog.Command{SetNodeState: &cmd})
	}
}

func (l *life) place() {
	plan, err := repair.Placement(l.catalog().View(), 16, nil)
	if err != nil {
		l.c.check.fail("I12", "placement: %v", err)
		return
	}
	for _, cmd := range plan {
		err := l.must(l.ctx, cmd)
		l.c.logger.Debug("placing", "set", cmd.SetGroup, "remove", cmd.RemoveGroup, "error", err)
		if err != nil {
			return
		}
	}
}

// OpenSegment opens a segment as the readers of package daemon do.
func (l *life) OpenSegment(_ context.Context, s *catalog.Segment) (*format.Reader, error) {
	f, err := l.members.Open(l.catalog().View(), s.ID, l.report)
	if err != nil {
		return nil, err
	}
	return format.Open(f, f.Size())
}

// logger keeps what the nodes say, for a seed that is looked at.
func newLogger(to slog.Handler) *slog.Logger {
	if to == nil {
		to = slog.DiscardHandler
	}
	return slog.New(to)
}
