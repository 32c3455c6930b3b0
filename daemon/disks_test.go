package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/client"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/cluster/clock"
	"github.com/tarnlake/tarn/schema"
)

// rackNode is a node with disks of its own, for tests that break them.
type rackNode struct {
	t     *testing.T
	dir   string
	disks []DiskConfig
	merge int64 // the target of merges; 0: there are none
	clock clock.Config
	node  *Node
	c     *client.Client
}

func newRackNode(t *testing.T, disks int) *rackNode {
	r := &rackNode{t: t, dir: t.TempDir()}
	r.addDisks(disks)
	r.start()
	return r
}

func (r *rackNode) addDisks(n int) {
	for i := range n {
		r.disks = append(r.disks, DiskConfig{Path: filepath.Join(r.t.TempDir(), fmt.Sprint("disk", i)), Tier: "hot"})
	}
}

func (r *rackNode) start() {
	r.t.Helper()
	node, err := Start(r.t.Context(), Config{
		Dir: r.dir, Disks: r.disks, Listen: "127.0.0.1:0", NoMerge: r.merge == 0, MergeTarget: r.merge, Clock: r.clock,
		Logger: slog.New(slog.DiscardHandler), Fatal: func(err error) { r.t.Errorf("fatal: %v", err) },
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.node = node
	r.t.Cleanup(func() { node.Close() })
	if r.c, err = client.Dial(r.t.Context(), node.Addr()); err != nil {
		r.t.Fatal(err)
	}
	c := r.c
	r.t.Cleanup(func() { c.Close() })
}

func (r *rackNode) stop() {
	r.t.Helper()
	if err := r.node.Close(); err != nil {
		r.t.Fatal(err)
	}
}

// TestDiskIsLocked: by one node, which may take it again.
func TestDiskIsLocked(t *testing.T) {
	dir, one, other := t.TempDir(), &Node{}, &Node{}
	for range 2 {
		if err := one.lockDisk(dir); err != nil {
			t.Fatal(err)
		}
	}
	if err := other.lockDisk(dir); !wire.IsCode(err, wire.Conflict) {
		t.Errorf("the disk of another: %v; want CONFLICT", err)
	}
	for _, l := range one.locks {
		l.Close()
	}
	if err := other.lockDisk(dir); err != nil {
		t.Errorf("once it is free: %v", err)
	}
	for _, l := range other.locks {
		l.Close()
	}
}

// makeTable makes the table t of one column, whose appends are commits at once.
func makeTable(t *testing.T, c *client.Client) {
	t.Helper()
	_, err := c.CreateTable(t.Context(), wire.CreateTable{
		Name: "t", Fields: []schema.Field{{Name: "x", Type: arrow.PrimitiveTypes.Int64}},
		Options: wire.TableOptions{FlushInterval: 5 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// tenFrom returns ten rows: from, from+1, ….
func tenFrom(from int) arrow.RecordBatch {
	b := array.NewInt64Builder(memory.DefaultAllocator)
	for i := range 10 {
		b.Append(int64(from + i))
	}
	s := arrow.NewSchema([]arrow.Field{{Name: "x", Type: arrow.PrimitiveTypes.Int64}}, nil)
	return array.NewRecordBatch(s, []arrow.Array{b.NewArray()}, 10)
}

// append adds rows in commits of ten.
func (r *rackNode) append(from, to int) {
	r.t.Helper()
	for ; from < to; from += 10 {
		if _, err := r.c.Append(r.t.Context(), "t", tenFrom(from)); err != nil {
			r.t.Fatal(err)
		}
	}
}

// checkRows asks for the rows that were appended.
func (r *rackNode) checkRows(rows int) {
	r.t.Helper()
	got := r.count("SELECT count(*), sum(x) FROM t")
	if want := fmt.Sprintf("[%d %d]", rows, rows*(rows-1)/2); got != want {
		r.t.Errorf("got %s; want %s", got, want)
	}
	report, err := r.c.VerifySegments(r.t.Context(), wire.VerifySegments{Table: "t"})
	if err != nil || len(report.Problems) > 0 {
		r.t.Errorf("got %v, %v; want every copy whole", report.Problems, err)
	}
}

func (r *rackNode) count(text string) string {
	r.t.Helper()
	res, err := r.c.SQL(r.t.Context(), text)
	if err != nil {
		r.t.Fatal(err)
	}
	out := ""
	for b, err := range res.Batches() {
		if err != nil {
			r.t.Fatal(err)
		}
		var row []string
		for i := range int(b.NumCols()) {
			row = append(row, b.Column(i).ValueStr(0))
		}
		out = fmt.Sprint(row)
	}
	return out
}

// until waits for the catalog to come to what is asked for.
func (r *rackNode) until(what string, done func(*catalog.State) bool) {
	r.t.Helper()
	for {
		changed := r.node.catalog.Changed()
		if done(r.node.catalog.View()) {
			return
		}
		select {
		case <-changed:
		case <-r.t.Context().Done():
			r.t.Fatalf("waited for: %s; health: %s", what, r.redundancy())
		}
	}
}

func (r *rackNode) redundancy() string {
	r.t.Helper()
	s, err := r.c.Status(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return s.Redundancy
}

func (r *rackNode) disk(path string) wire.Disk {
	r.t.Helper()
	all, err := r.c.Disks(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, d := range all {
		if d.Path == path {
			return d
		}
	}
	r.t.Fatalf("no disk in %s: %+v", path, all)
	return wire.Disk{}
}

func complete(view *catalog.State) bool {
	missing := 0
	view.Incomplete(func(catalog.Location) bool { missing++; return false })
	return missing == 0
}

// membersIn counts the member files on a disk.
func membersIn(t *testing.T, disk string) (n int) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(disk, "data"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".seg") {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestDiskLost: a node with three disks keeps three copies. One of the disks
// is wiped; no row is lost, rows are still taken, and when another disk is put
// in, the copies are made again.
func TestDiskLost(t *testing.T) {
	r := newRackNode(t, 3)
	makeTable(t, r.c)
	r.append(0, 200)
	for _, d := range r.disks {
		if n := membersIn(t, d.Path); n != 20 {
			t.Errorf("%d members in %s; want 20", n, d.Path)
		}
	}
	if got := r.redundancy(); got != "any 2 disks may be lost, but not a node" {
		t.Errorf("redundancy: %s", got)
	}
	gone := r.disk(r.disks[1].Path)
	r.stop()
	if err := os.RemoveAll(r.disks[1].Path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(r.disks[1].Path, 0o755); err != nil { // an empty disk is mounted there
		t.Fatal(err)
	}
	r.start()
	if got, want := r.count("SELECT count(*) FROM t"), "[200]"; got != want {
		t.Errorf("with a disk gone: got %s; want %s", got, want)
	}
	r.append(200, 300)
	if err := r.c.SetDisk(t.Context(), gone.ID[:8], wire.DiskLose); err != nil {
		t.Fatal(err)
	}
	r.until("one spare", func(*catalog.State) bool { return strings.HasPrefix(r.redundancy(), "any 1 disk may be lost") })
	r.stop()

	r.disks[1].Path = filepath.Join(t.TempDir(), "another")
	r.start()
	r.until("three copies again", complete)
	r.checkRows(300)
	if n := membersIn(t, r.disks[1].Path); n != 30 {
		t.Errorf("%d members on the new disk; want 30", n)
	}
	if got := r.redundancy(); got != "any 2 disks may be lost, but not a node" {
		t.Errorf("redundancy at the end: %s", got)
	}
	if err := r.c.SetDisk(t.Context(), gone.ID, wire.DiskRemove); err != nil {
		t.Error(err)
	}
}

// TestDiskDrained: what a disk holds moves to another one while rows come in,
// and the disk can be taken out.
func TestDiskDrained(t *testing.T) {
	r := newRackNode(t, 4)
	makeTable(t, r.c)
	r.append(0, 100)
	leaving := r.disk(r.disks[0].Path)
	if err := r.c.SetDisk(t.Context(), leaving.ID, wire.DiskRemove); !wire.IsCode(err, wire.Conflict) {
		t.Errorf("removing a disk in use: %v; want CONFLICT", err)
	}
	if err := r.c.SetDisk(t.Context(), leaving.ID, wire.DiskDrain); err != nil {
		t.Fatal(err)
	}
	r.append(100, 200)
	r.until("nothing left on the disk", func(view *catalog.State) bool {
		for _, g := range view.Groups() {
			for _, s := range g.Slots {
				if s.Disk == leaving.ID || s.From == leaving.ID {
					return false
				}
			}
		}
		return complete(view)
	})
	r.checkRows(200)
	if err := r.c.SetDisk(t.Context(), leaving.ID, wire.DiskRemove); err != nil {
		t.Error(err)
	}
}

// TestDamagedCopy: a copy that is damaged is found at the start if it is gone,
// and read around; the table stays whole.
func TestDamagedCopy(t *testing.T) {
	r := newRackNode(t, 2)
	makeTable(t, r.c)
	r.append(0, 50)
	r.stop()
	err := filepath.WalkDir(filepath.Join(r.disks[0].Path, "data"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			err = os.Remove(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	r.start()
	r.until("copies made again", complete)
	r.checkRows(50)
	if n := membersIn(t, r.disks[0].Path); n != 5 {
		t.Errorf("%d members; want 5", n)
	}
}

// TestBitRot flips a byte in every copy on one disk. Rows are right, and the
// copies that were read are made again.
func TestBitRot(t *testing.T) {
	r := newRackNode(t, 2)
	makeTable(t, r.c)
	r.append(0, 50)
	r.stop()
	for _, disk := range r.disks {
		rot(t, disk.Path)
		r.start()
		if got, want := r.count("SELECT count(*), sum(x) FROM t WHERE x >= 0"), "[50 1225]"; got != want {
			t.Errorf("got %s; want %s", got, want)
		}
		r.until("copies made again", func(*catalog.State) bool {
			return len(r.problems()) == 0 && complete(r.node.catalog.View()) // in this order: what is missing is not looked at
		})
		r.stop()
	}
}

func (r *rackNode) problems() []wire.SegmentProblem {
	r.t.Helper()
	report, err := r.c.VerifySegments(r.t.Context(), wire.VerifySegments{Table: "t"})
	if err != nil {
		r.t.Fatal(err)
	}
	return report.Problems
}

// rot flips a byte in the first page of every member of a disk.
func rot(t *testing.T, disk string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(disk, "data"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		b[70] ^= 1
		return errors.Join(os.Chmod(path, 0o644), os.WriteFile(path, b, 0o444))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestScrubRepairs: bits are flipped in all that is on one disk and a file is
// gone from another; one pass over each finds and repairs all of it.
func TestScrubRepairs(t *testing.T) {
	r := newRackNode(t, 3)
	makeTable(t, r.c)
	r.append(0, 50)
	rot(t, r.disks[0].Path)
	loseOne(t, r.disks[1].Path)
	for i, bad := range []int64{5, 1, 0} {
		d := r.disk(r.disks[i].Path)
		if err := r.c.ScrubDisk(t.Context(), d.ID[:8]); err != nil {
			t.Fatal(err)
		}
		for d.Scrub.Last.IsZero() {
			time.Sleep(time.Millisecond)
			d = r.disk(d.Path)
		}
		if d.Scrub.LastBad != bad || d.Scrub.LastStuck != 0 || d.Scrub.Running {
			t.Errorf("disk %d: %+v; want %d bad", i, d.Scrub, bad)
		}
	}
	r.until("copies made again", complete)
	r.checkRows(50)
	for _, d := range r.disks {
		if n := membersIn(t, d.Path); n != 5 {
			t.Errorf("%d members in %s; want 5", n, d.Path)
		}
	}
	r.stop()
	r.start()
	if d := r.disk(r.disks[0].Path); d.Scrub.Last.IsZero() || d.Scrub.LastBad != 5 {
		t.Errorf("after a restart: %+v; want what the pass has found", d.Scrub)
	}
	if err := r.c.ScrubDisk(t.Context(), "nosuch"); !wire.IsCode(err, wire.InvalidArgument) {
		t.Errorf("of no disk: %v", err)
	}
}

// loseOne removes a member of a disk.
func loseOne(t *testing.T, disk string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(disk, "data"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return errors.Join(os.Remove(path), fs.SkipAll)
	})
	if err != nil && !errors.Is(err, fs.SkipAll) {
		t.Fatal(err)
	}
}

// TestMovedIsCleared: what a move has left on the old disk goes to the trash
// while the node runs.
func TestMovedIsCleared(t *testing.T) {
	r := newRackNode(t, 4)
	makeTable(t, r.c)
	r.append(0, 100)
	leaving := r.disk(r.disks[0].Path)
	n, moves := r.node, movesFrom{}
	n.clearMoved(t.Context(), moves)
	moves[leaving.ID] = 1 << 20 // as if it had looked in the middle of it
	if err := r.c.SetDisk(t.Context(), leaving.ID, wire.DiskDrain); err != nil {
		t.Fatal(err)
	}
	r.until("nothing left on the disk", func(view *catalog.State) bool {
		for _, g := range view.Groups() {
			for _, s := range g.Slots {
				if s.Disk == leaving.ID || s.From == leaving.ID {
					return false
				}
			}
		}
		return complete(view)
	})
	n.clearMoved(t.Context(), moves)
	if got := membersIn(t, r.disks[0].Path); got != 0 {
		t.Errorf("%d members are left on the disk that was drained; want none", got)
	}
	r.checkRows(100)
}
