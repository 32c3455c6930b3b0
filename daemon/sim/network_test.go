package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/members"
	"github.com/tarnlake/tarn/tiering"
)

// network is what lies between the nodes. Each call is a request and an
// answer; both take time, and may get lost.
type network struct {
	dice *dice

	mu    sync.Mutex
	cut   map[[2]string]bool // from, to
	rough bool               // messages are lost, doubled, garbled and held up
}

func newNetwork(d *dice) *network { return &network{dice: d, cut: map[[2]string]bool{}} }

// sever cuts the ways from some nodes to others.
func (n *network) sever(from, to []*node) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, a := range from {
		for _, b := range to {
			n.cut[[2]string{a.id, b.id}] = true
		}
	}
}

func (n *network) mend() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.cut)
}

func (n *network) setRough(rough bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.rough = rough
}

func (n *network) isRough() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.rough
}

var errCut = errors.New("the network is cut")

// pass takes a message from one life to another node, whose life it returns.
func (n *network) pass(from *life, to *node) (*life, error) {
	n.mu.Lock()
	cut, rough := n.cut[[2]string{from.node.id, to.id}], n.rough
	n.mu.Unlock()
	there := to.running()
	if cut || there == nil || !from.power.on() || rough && n.dice.oneIn(60) {
		return nil, errCut
	}
	return there, nil
}

// back takes an answer.
func (n *network) back(from, to *life) error {
	if !from.power.on() {
		return errCut
	}
	there, err := n.pass(from, to.node)
	if err == nil && there != to {
		err = errCut
	}
	return err
}

// forgets reports whether the answer to a client gets lost.
func (n *network) forgets() bool { return n.isRough() && n.dice.oneIn(8) }

// delay is how long a message is under way.
func (n *network) delay() {
	most := 1500 * time.Microsecond
	if n.isRough() && n.dice.oneIn(25) {
		most = maxDelay
	}
	time.Sleep(time.Duration(n.dice.below(int(most/time.Microsecond))) * time.Microsecond)
}

const maxDelay = 3 * time.Second

// call is a request and its answer.
func (n *network) call(from *life, to *node, do func(*life) error) error {
	n.delay()
	there, err := n.pass(from, to)
	if err != nil {
		return err
	}
	if err := do(there); err != nil {
		return err
	}
	n.delay()
	return n.back(there, from)
}

// wired is Raft's transport of one life.
type wired struct {
	*raft.InmemTransport
	life *life
}

// call makes one of Raft's calls of whoever is at an address now.
func (w *wired) call(id raft.ServerID, do func() error) error {
	to := w.life.c.node(string(id))
	return w.life.c.net.call(w.life, to, func(there *life) error {
		w.InmemTransport.Connect(raft.ServerAddress(to.id), there.wire.InmemTransport)
		return do()
	})
}

func (w *wired) AppendEntries(id raft.ServerID, at raft.ServerAddress, req *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	return w.call(id, func() error { return w.InmemTransport.AppendEntries(id, at, req, resp) })
}

func (w *wired) RequestVote(id raft.ServerID, at raft.ServerAddress, req *raft.RequestVoteRequest, resp *raft.RequestVoteResponse) error {
	return w.call(id, func() error { return w.InmemTransport.RequestVote(id, at, req, resp) })
}

func (w *wired) RequestPreVote(id raft.ServerID, at raft.ServerAddress, req *raft.RequestPreVoteRequest, resp *raft.RequestPreVoteResponse) error {
	return w.call(id, func() error { return w.InmemTransport.RequestPreVote(id, at, req, resp) })
}

func (w *wired) InstallSnapshot(id raft.ServerID, at raft.ServerAddress, req *raft.InstallSnapshotRequest, resp *raft.InstallSnapshotResponse, data io.Reader) error {
	return w.call(id, func() error { return w.InmemTransport.InstallSnapshot(id, at, req, resp, data) })
}

func (w *wired) TimeoutNow(id raft.ServerID, at raft.ServerAddress, req *raft.TimeoutNowRequest, resp *raft.TimeoutNowResponse) error {
	return w.call(id, func() error { return w.InmemTransport.TimeoutNow(id, at, req, resp) })
}

// AppendEntriesPipeline refuses: messages of a pipeline could not get lost.
func (w *wired) AppendEntriesPipeline(raft.ServerID, raft.ServerAddress) (raft.AppendPipeline, error) {
	return nil, raft.ErrPipelineReplicationNotSupported
}

// peers are the catalog's calls of other nodes.
type peers struct{ life *life }

func (p peers) Propose(ctx context.Context, node string, entry []byte) (uint64, error) {
	return p.call(node, func(l *life) (uint64, error) { return l.catalog().ApplyEntry(ctx, entry) })
}

func (p peers) ReadIndex(ctx context.Context, node string) (uint64, error) {
	return p.call(node, func(l *life) (uint64, error) { return l.catalog().ReadIndex(ctx) })
}

// call makes a call, in rough weather perhaps twice. A refusal travels as well
// as an answer.
func (p peers) call(node string, do func(*life) (uint64, error)) (index uint64, refusal error) {
	n := p.life.c.net
	err := n.call(p.life, p.life.c.node(node), func(there *life) error {
		if there.catalog() == nil {
			return errCut
		}
		if n.isRough() && n.dice.oneIn(5) {
			go n.again(there, do)
		}
		index, refusal = do(there)
		return nil
	})
	if err != nil {
		return 0, wire.Errorf(wire.Unavailable, "calling %s: %w", node, err)
	}
	return index, refusal
}

// again brings a call a second time, at once or much later. Nobody waits for
// its answer.
func (n *network) again(there *life, do func(*life) (uint64, error)) {
	if n.dice.oneIn(2) {
		time.Sleep(time.Duration(n.dice.below(int(maxLate/time.Millisecond))) * time.Millisecond)
	}
	if there.power.on() {
		_, _ = do(there)
	}
}

// maxLate is how late a message is at most that comes a second time.
const maxLate = 15 * time.Second

// remote is a disk as the nodes see it that do not have it. It answers as
// package peer does.
type remote struct {
	from *life
	disk string
}

// away says that a disk cannot be asked.
func away(err error) error { return fmt.Errorf("%w: %w", members.ErrAway, err) }

// find takes a request to the node that has the disk.
func (r remote) find() (*life, members.Disk, error) {
	d, ok := r.from.catalog().View().Disk(r.disk)
	if !ok {
		return nil, nil, away(errCut)
	}
	there, err := r.from.c.net.pass(r.from, r.from.c.node(d.Node))
	if err != nil {
		return nil, nil, away(err)
	}
	if there.catalog() == nil {
		return nil, nil, away(errCut)
	}
	if own := r.from.ownEpoch(); own == 0 || over(there.catalog().View(), own) {
		return nil, nil, away(errors.New("the epoch of the caller is over"))
	}
	disk, here := there.members.Local(r.disk)
	if !here {
		return nil, nil, away(errors.New("the disk is not there"))
	}
	return there, disk, nil
}

// over is that of package peer.
func over(view *catalog.State, e catalog.Epoch) bool {
	return view.Verdict("", catalog.SegmentFile(catalog.NewSegmentID(e, 0))) == catalog.Trash
}

// answered judges the error of a call: that of a node without power is none of
// its disk.
func (r remote) answered(there *life, err error) error {
	if lost := r.from.c.net.back(there, r.from); lost != nil {
		return away(lost)
	}
	return err
}

func (r remote) Create(ctx context.Context, file catalog.MemberFile) (members.NewMember, error) {
	r.from.c.net.delay()
	there, disk, err := r.find()
	if err != nil {
		return nil, err
	}
	to, err := disk.Create(ctx, file)
	if err = r.answered(there, err); err != nil {
		if to != nil {
			_ = to.Abort()
		}
		return nil, err
	}
	m := &remoteMember{remote: r, there: there, to: to}
	stop := context.AfterFunc(ctx, func() { _ = m.Abort() }) // as a stream that breaks off
	context.AfterFunc(r.from.ctx, func() { stop(); _ = m.Abort() })
	return m, nil
}

func (r remote) Open(ctx context.Context, file catalog.MemberFile) (members.File, error) {
	there, disk, err := r.find()
	if err != nil {
		return nil, err
	}
	f, err := disk.Open(ctx, file)
	if err = r.answered(there, err); err != nil {
		return nil, err
	}
	return remoteFile{f, r}, nil
}

func (r remote) Hash(ctx context.Context, file catalog.MemberFile) (tiering.Receipt, error) {
	there, disk, err := r.find()
	if err != nil {
		return tiering.Receipt{}, err
	}
	got, err := disk.Hash(ctx, file)
	return got, r.answered(there, err)
}

func (r remote) Trash(ctx context.Context, file catalog.MemberFile, index uint64) error {
	there, disk, err := r.find()
	if err != nil {
		return err
	}
	view := there.catalog().View()
	if view.Index() < index || view.Verdict(r.disk, file) != catalog.Trash {
		return away(fmt.Errorf("%s is not trash there", file))
	}
	return r.answered(there, disk.Trash(ctx, file, view.Index()))
}

// remoteMember is a member that comes from another node.
type remoteMember struct {
	remote
	there *life
	mu    sync.Mutex // of to
	to    members.NewMember
	done  bool
}

// reach takes a message of the stream to the life that it began with.
func (m *remoteMember) reach() error {
	m.from.c.net.delay()
	there, err := m.from.c.net.pass(m.from, m.there.node)
	if err == nil && there != m.there {
		err = errCut
	}
	if err != nil {
		return away(err)
	}
	return nil
}

func (m *remoteMember) Write(p []byte) (int, error) {
	if err := m.reach(); err != nil {
		return 0, err
	}
	if n := m.from.c.net; len(p) > 0 && n.isRough() && n.dice.oneIn(30) {
		p = bytes.Clone(p)
		p[n.dice.below(len(p))] ^= 4
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.to.Write(p)
	return n, m.answered(m.there, err)
}

// Commit syncs at the other node, whatever becomes of the caller meanwhile.
func (m *remoteMember) Commit() (tiering.Receipt, error) {
	if err := m.reach(); err != nil {
		return tiering.Receipt{}, errors.Join(err, m.Abort())
	}
	m.mu.Lock()
	m.done = true
	m.mu.Unlock()
	receipt, err := m.to.Commit()
	m.from.c.net.delay()
	return receipt, m.answered(m.there, err)
}

// Abort gives the member up, unless its Commit has begun.
func (m *remoteMember) Abort() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.done {
		return nil
	}
	return m.to.Abort()
}

type remoteFile struct {
	members.File
	remote
}

func (f remoteFile) ReadAt(p []byte, off int64) (int, error) {
	there, _, err := f.find()
	if err != nil {
		return 0, err
	}
	n, err := f.File.ReadAt(p, off)
	return n, f.answered(there, err)
}
