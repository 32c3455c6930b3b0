package memberstest

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/members"
	"github.com/tarnlake/tarn/tiering"
	"github.com/zeebo/xxh3"
)

// Step is what a node asks of another's disk.
type Step string

// Steps.
const (
	Create Step = "create"
	Write  Step = "write"
	Commit Step = "commit"
	Open   Step = "open"
	Read   Step = "read"
	Hashed Step = "hash"
	Trash  Step = "trash"
)

// Steps of writing a member.
var Writing = []Step{Create, Write, Commit}

// Fault is asked before each step that one node asks of a disk of another. Its
// error is that of the step; it may wait until ctx is done.
type Fault func(ctx context.Context, disk string, step Step) error

// network is how the nodes of a Rack reach each other's disks.
type network struct {
	mu     sync.Mutex
	fault  Fault
	garble func(disk string, step Step, p []byte)
}

// Fault sets what goes wrong from now on; nil: nothing.
func (r *Rack) Fault(f Fault) {
	r.net.mu.Lock()
	defer r.net.mu.Unlock()
	r.net.fault = f
}

// Garble has f change the bytes of every Write and Read on their way.
func (r *Rack) Garble(f func(disk string, step Step, p []byte)) {
	r.net.mu.Lock()
	defer r.net.mu.Unlock()
	r.net.garble = f
}

// Down makes disks of other nodes unreachable; none: all are there.
func (r *Rack) Down(disks ...string) {
	gone := map[string]bool{}
	for _, d := range disks {
		gone[d] = true
	}
	r.Fault(func(_ context.Context, disk string, _ Step) error {
		if gone[disk] {
			return fmt.Errorf("%w: node down", members.ErrAway)
		}
		return nil
	})
}

func (n *network) before(ctx context.Context, disk string, step Step) error {
	n.mu.Lock()
	fault := n.fault
	n.mu.Unlock()
	if fault == nil {
		return nil
	}
	return fault(ctx, disk, step)
}

func (n *network) pass(disk string, step Step, p []byte) {
	n.mu.Lock()
	garble := n.garble
	n.mu.Unlock()
	if garble != nil {
		garble(disk, step, p)
	}
}

// link is a disk as the nodes see it that do not have it.
type link struct {
	rack *Rack
	id   string
}

func (l link) disk() members.Disk {
	d, here := l.rack.owner(l.id).Local(l.id)
	if !here {
		panic("disk " + l.id + " is not where the catalog says")
	}
	return d
}

func (l link) Create(ctx context.Context, file catalog.MemberFile) (members.NewMember, error) {
	if err := l.rack.net.before(ctx, l.id, Create); err != nil {
		return nil, err
	}
	to, err := l.disk().Create(ctx, file)
	if err != nil {
		return nil, err
	}
	m := &linkMember{link: l, ctx: ctx, to: to}
	context.AfterFunc(ctx, func() { _ = m.Abort() }) // as a stream that breaks off
	return m, nil
}

func (l link) Open(ctx context.Context, file catalog.MemberFile) (members.File, error) {
	if err := l.rack.net.before(ctx, l.id, Open); err != nil {
		return nil, err
	}
	f, err := l.disk().Open(ctx, file)
	if err != nil {
		return nil, err
	}
	return linkFile{f, l}, nil
}

func (l link) Hash(ctx context.Context, file catalog.MemberFile) (tiering.Receipt, error) {
	if err := l.rack.net.before(ctx, l.id, Hashed); err != nil {
		return tiering.Receipt{}, err
	}
	return l.disk().Hash(ctx, file)
}

func (l link) Trash(ctx context.Context, file catalog.MemberFile, index uint64) error {
	if err := l.rack.net.before(ctx, l.id, Trash); err != nil {
		return err
	}
	if l.rack.State().Verdict(l.id, file) != catalog.Trash {
		return fmt.Errorf("%w: %s is not trash there", members.ErrAway, file)
	}
	return l.disk().Trash(ctx, file, index)
}

// linkMember is a member that comes from another node.
type linkMember struct {
	link
	ctx context.Context
	mu  sync.Mutex // of to
	to  members.NewMember
}

func (m *linkMember) Write(p []byte) (int, error) {
	if err := m.rack.net.before(m.ctx, m.id, Write); err != nil {
		return 0, err
	}
	p = bytes.Clone(p)
	m.rack.net.pass(m.id, Write, p)
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.to.Write(p)
}

func (m *linkMember) Commit() (tiering.Receipt, error) {
	if err := m.rack.net.before(m.ctx, m.id, Commit); err != nil {
		return tiering.Receipt{}, errors.Join(err, m.Abort())
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.to.Commit()
}

func (m *linkMember) Abort() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.to.Abort()
}

type linkFile struct {
	members.File
	link
}

func (f linkFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.rack.net.before(context.Background(), f.id, Read); err != nil {
		return 0, err
	}
	n, err := f.File.ReadAt(p, off)
	f.rack.net.pass(f.id, Read, p[:n])
	return n, err
}

// Hash returns the hash of a file with that content.
func Hash(content []byte) string {
	sum := xxh3.Hash128(content).Bytes()
	return hex.EncodeToString(sum[:])
}
