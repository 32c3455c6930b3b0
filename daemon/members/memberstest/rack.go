// Package memberstest is a cluster for tests: nodes with disks in memory that
// forget what was not synced, a state of the catalog that knows them, and a
// network that does as it is told.
package memberstest

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/members"
	"github.com/tarnlake/tarn/schema"
	"github.com/tarnlake/tarn/tiering"
)

// Cluster is the id of the cluster.
const Cluster = "cluster-1"

// Dir is where a medium is in the filesystem of its disk.
const Dir = "/m"

// Rack is the nodes n1, n2, … each with the disks n1d1, n1d2, …; node ni has
// the epoch i open. It has a table t without segments, and no groups. Its
// methods are not safe for concurrent use, but for State and Store; its stores are.
type Rack struct {
	t      testing.TB
	nodes  []string
	disks  map[string]*tiering.CrashFS
	lastID uint32
	net    network
	bound  time.Duration // of the disks' guards; 0: they have none

	mu     sync.Mutex
	view   *catalog.State
	stores map[string]*members.Store
}

// New makes a rack of so many nodes, each with so many disks.
func New(t testing.TB, nodes, disks int) *Rack {
	t.Helper()
	r := &Rack{t: t, stores: map[string]*members.Store{}, disks: map[string]*tiering.CrashFS{}, view: catalog.NewState()}
	for n := range nodes {
		node := fmt.Sprint("n", n+1)
		r.nodes = append(r.nodes, node)
		register := &catalog.RegisterNode{Node: node, Name: node, Address: node + ":1"}
		for d := range disks {
			id := fmt.Sprintf("%sd%d", node, d+1)
			r.disks[id] = r.format(id)
			register.Disks = append(register.Disks, catalog.DiskFacts{ID: id, Tier: "hot", Bytes: 1 << 40})
		}
		r.Apply(catalog.Command{RegisterNode: register})
		r.Apply(catalog.Command{OpenEpoch: &catalog.OpenEpoch{Node: node}})
		r.mount(node)
	}
	r.Apply(catalog.Command{CreateTable: &wire.CreateTable{Name: "t", Fields: []schema.Field{{Name: "x", Type: arrow.PrimitiveTypes.Int64}}}})
	return r
}

func (r *Rack) format(disk string) *tiering.CrashFS {
	fs := tiering.NewCrashFS()
	if err := tiering.Format(fs, Dir, Cluster, disk); err != nil {
		r.t.Fatal(err)
	}
	return fs
}

// mount makes the store of a node anew, as a start does.
func (r *Rack) mount(node string) {
	var media []*tiering.Medium
	for _, d := range r.State().Disks() {
		if d.Node != node {
			continue
		}
		var disk tiering.FS = r.disks[d.ID]
		if r.bound > 0 {
			disk = tiering.NewGuard(disk, r.bound)
		}
		m, err := tiering.Mount(disk, Dir, Cluster)
		if err == nil {
			err = m.RemoveLeftovers()
		}
		if err != nil {
			r.t.Fatal(err)
		}
		media = append(media, m)
	}
	s := members.NewStore(media...)
	s.Reach(func(disk string) members.Disk { return link{r, disk} })
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stores[node] = s
}

// Guard mounts all disks again, guarded: operations end after bound.
func (r *Rack) Guard(bound time.Duration) {
	r.bound = bound
	for _, node := range r.nodes {
		r.mount(node)
	}
}

// State returns the state of the catalog.
func (r *Rack) State() *catalog.State {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.view
}

// Try applies a command and returns what the catalog says to it.
func (r *Rack) Try(cmd catalog.Command) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	next, result := r.view.Apply(cmd, r.view.Index()+1)
	r.view = next
	if result.Err != nil {
		return result.Err
	}
	return nil
}

// Apply applies a command that the catalog must take.
func (r *Rack) Apply(cmd catalog.Command) {
	r.t.Helper()
	if err := r.Try(cmd); err != nil {
		r.t.Fatal(err)
	}
}

// Group makes a placement group of these disks.
func (r *Rack) Group(scheme tiering.Scheme, disks ...string) catalog.GroupID {
	r.t.Helper()
	id := catalog.GroupID(len(r.State().Groups()) + 1)
	r.Apply(catalog.Command{SetGroup: &catalog.SetGroup{ID: id, Tier: "hot", Scheme: scheme, Disks: disks}})
	return id
}

// Store returns the store of a node.
func (r *Rack) Store(node string) *members.Store {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stores[node]
}

// Epoch returns the epoch that a node began with.
func (r *Rack) Epoch(node string) catalog.Epoch {
	return catalog.Epoch(slices.Index(r.nodes, node) + 1)
}

// NewID returns the next id of a segment of a node.
func (r *Rack) NewID(node string) catalog.SegmentID {
	r.lastID++
	return catalog.NewSegmentID(r.Epoch(node), r.lastID)
}

// FS returns the filesystem of a disk.
func (r *Rack) FS(disk string) *tiering.CrashFS { return r.disks[disk] }

// Reboot cuts the power of a node and starts it again; see CrashFS.Reboot.
func (r *Rack) Reboot(node string, rng *rand.Rand) {
	r.t.Helper()
	for _, m := range r.Store(node).Media() {
		r.disks[m.ID()] = r.disks[m.ID()].Reboot(rng)
	}
	r.mount(node)
}

// Wipe replaces a disk by an empty one of the same id.
func (r *Rack) Wipe(disk string) {
	r.t.Helper()
	r.disks[disk] = r.format(disk)
	d, _ := r.State().Disk(disk)
	r.mount(d.Node)
}

// owner returns the store of the node that has a disk.
func (r *Rack) owner(disk string) *members.Store {
	d, ok := r.State().Disk(disk)
	if !ok {
		panic("no disk " + disk)
	}
	return r.Store(d.Node)
}

// Content returns what a disk has of a file.
func (r *Rack) Content(disk string, file catalog.MemberFile) ([]byte, error) {
	m, _ := r.owner(disk).Medium(disk)
	f, err := m.Open(file.String())
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
}

// Put makes a file on a disk, whatever anybody says of it.
func (r *Rack) Put(disk string, file catalog.MemberFile, content []byte) tiering.Receipt {
	r.t.Helper()
	m, _ := r.owner(disk).Medium(disk)
	w, err := m.Create(file.String())
	if err == nil {
		_, err = w.Write(content)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	receipt, err := w.Commit()
	if err != nil {
		r.t.Fatal(err)
	}
	return receipt
}

// Remove takes a file from a disk.
func (r *Rack) Remove(disk string, file catalog.MemberFile) {
	r.t.Helper()
	m, _ := r.owner(disk).Medium(disk)
	if err := m.Trash(file.String(), 1); err != nil {
		r.t.Fatal(err)
	}
}

// Flip turns a bit of a file over.
func (r *Rack) Flip(disk string, file catalog.MemberFile, bit int64) {
	r.t.Helper()
	m, _ := r.owner(disk).Medium(disk)
	if err := r.disks[disk].Flip(m.Path(file.String()), bit); err != nil {
		r.t.Fatal(err)
	}
}

// CommitOf is the command that commits stripes to the table.
func (r *Rack) CommitOf(stripes ...catalog.NewStripe) catalog.Command {
	c := &catalog.CommitSegments{Txn: fmt.Sprint(stripes[0].ID), Epoch: stripes[0].ID.Epoch(), Table: 1, SchemaID: 1, Stripes: stripes}
	for _, st := range stripes {
		for _, m := range st.Data {
			c.Segments = append(c.Segments, catalog.Segment{ID: m.Segment, SchemaID: 1, Rows: 1, Bytes: m.Bytes, Hash: m.Hash})
		}
	}
	return catalog.Command{CommitSegments: c}
}

// Stripe makes a stripe of these segments' contents in a group, with its
// parity or copies, and commits it.
func (r *Rack) Stripe(group catalog.GroupID, contents ...[]byte) catalog.Location {
	r.t.Helper()
	g := r.State().Groups()[group-1]
	st := catalog.NewStripe{Stripe: catalog.Stripe{Group: group}}
	for range contents {
		st.Data = append(st.Data, catalog.Member{Segment: r.NewID(r.nodes[0])})
	}
	st.ID = st.Data[0].Segment
	files := make([][]byte, len(g.Slots))
	copy(files, contents)
	for i, parity := range r.encode(g.Scheme, st.Stripe, contents) {
		files[g.Scheme.Data+i] = parity
	}
	if !g.Scheme.Copies() {
		st.Parity = make([]catalog.Member, g.Scheme.Parity)
	}
	for slot, s := range g.Slots {
		st.Placed = append(st.Placed, "")
		if _, used := st.Member(g.Scheme, slot); !used {
			continue
		}
		receipt := r.Put(s.Disk, st.FileOf(g.Scheme, slot), files[slot])
		st.Placed[slot] = s.Disk
		switch {
		case slot < len(st.Data):
			st.Data[slot].Bytes, st.Data[slot].Hash = receipt.Size, receipt.Hash
		case !g.Scheme.Copies():
			st.Parity[slot-g.Scheme.Data] = catalog.Member{Bytes: receipt.Size, Hash: receipt.Hash}
		}
	}
	r.Apply(r.CommitOf(st))
	at, _ := r.State().Locate(st.ID)
	return at
}

// encode returns the parity members of a stripe.
func (r *Rack) encode(scheme tiering.Scheme, st catalog.Stripe, contents [][]byte) [][]byte {
	r.t.Helper()
	var data []tiering.Member
	var sources []tiering.Source
	for i, b := range contents {
		data = append(data, tiering.Member{Name: catalog.SegmentFile(st.Data[i].Segment).String(), Size: int64(len(b)), Hash: Hash(b)})
		sources = append(sources, bytes.NewReader(b))
	}
	own := tiering.Scheme{Data: len(contents), Parity: scheme.Parity}
	s, err := tiering.NewStripe(st.ID.String(), own, data)
	if err != nil {
		r.t.Fatal(err)
	}
	out := make([]bytes.Buffer, own.Parity)
	to := make([]io.Writer, own.Parity)
	for i := range out {
		to[i] = &out[i]
	}
	if _, _, err := s.Encode(r.t.Context(), sources, to); err != nil {
		r.t.Fatal(err)
	}
	files := make([][]byte, own.Parity)
	for i := range out {
		files[i] = out[i].Bytes()
	}
	return files
}
