package daemon

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/client"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/merge"
	"github.com/tarnlake/tarn/schema"
)

// newMergingNode runs a node whose merged segments are to have so many bytes;
// a fresh one of ten rows has about 1.5 KB.
func newMergingNode(t *testing.T, disks int, target int64) *rackNode {
	t.Helper()
	r := &rackNode{t: t, dir: t.TempDir(), merge: target}
	r.addDisks(disks)
	r.start()
	return r
}

// untilSettled waits until nothing is left to be merged.
func (r *rackNode) untilSettled(width int) {
	r.t.Helper()
	r.until("merges to end", func(view *catalog.State) bool {
		p := merge.Policy{Target: r.merge, Width: width, Striped: striped(view)}
		return !slices.ContainsFunc(view.Tables(), func(t *catalog.Snapshot) bool { return p.Next(t, 0, merge.Final+1) != nil })
	})
}

func striped(view *catalog.State) func(catalog.SegmentID) bool {
	return func(id catalog.SegmentID) bool {
		at, ok := view.Locate(id)
		return ok && !at.Group.Scheme.Copies()
	}
}

// stripesOf returns the stripes with parity of the newest version of t.
func (r *rackNode) stripesOf() (stripes []catalog.Location) {
	r.t.Helper()
	view := r.node.catalog.View()
	t, err := view.Table("t")
	if err != nil {
		r.t.Fatal(err)
	}
	for _, s := range t.Segments {
		if at, _ := view.Locate(s.ID); !at.Group.Scheme.Copies() && at.ID == s.ID {
			stripes = append(stripes, at)
		}
	}
	return stripes
}

// versions asks for count and sum at every version that is kept.
func (r *rackNode) versions() (answers []string) {
	r.t.Helper()
	h, err := r.c.History(r.t.Context(), "t")
	if err != nil {
		r.t.Fatal(err)
	}
	for _, c := range h[1:] {
		answers = append(answers, r.count(fmt.Sprintf("SELECT count(*), sum(x) FROM t AS OF VERSION %d", c.Version)))
	}
	return answers
}

// TestMergeUnderIngest: several writers append, readers ask, and merges go on.
// Every version answers what its commits have put in, before and after its
// segments were merged, and in the end few segments are left.
func TestMergeUnderIngest(t *testing.T) {
	r := newMergingNode(t, 1, 16<<10)
	makeTable(t, r.c)
	var wg sync.WaitGroup
	const writers, commits = 4, 60
	var next atomic.Int64
	for range writers {
		wg.Go(func() {
			c, err := client.Dial(t.Context(), r.node.Addr())
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			for range commits {
				if _, err := c.Append(t.Context(), "t", tenFrom(int(next.Add(10)-10))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	var reader sync.WaitGroup
	reader.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				r.checkSnapshots()
			}
		}
	})
	wg.Wait()
	close(done)
	reader.Wait()
	r.untilSettled(1)
	r.checkRows(writers * commits * 10)
	r.checkSnapshots()
	table, err := r.node.catalog.View().Table("t")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(table.Segments); n > 40 {
		t.Errorf("%d segments are left of %d commits", n, writers*commits)
	}
}

// checkSnapshots asks every version for its rows: those of the appends up to
// it, whatever was merged since.
func (r *rackNode) checkSnapshots() {
	r.t.Helper()
	h, err := r.c.History(r.t.Context(), "t")
	if err != nil {
		r.t.Fatal(err)
	}
	rows := int64(0)
	for _, c := range h {
		if c.Operation == "append" {
			rows += c.Rows
		} else if c.Operation == "merge" && c.Version%3 != 0 {
			continue // a sample of them will do
		}
		if c.TotalRows != rows {
			r.t.Errorf("version %d (%s) has %d rows; want %d", c.Version, c.Operation, c.TotalRows, rows)
		}
	}
	at := h[rand.IntN(len(h))]
	if at.TotalRows == 0 {
		return
	}
	got := r.count(fmt.Sprintf("SELECT count(*), count(DISTINCT x) FROM t AS OF VERSION %d", at.Version))
	if want := fmt.Sprintf("[%d %d]", at.TotalRows, at.TotalRows); got != want {
		r.t.Errorf("version %d: got %s; want %s", at.Version, got, want)
	}
}

// TestMergeFormsStripes: on a node with six disks merged segments are stripes
// of 4+2. Two disks are wiped; all versions answer as before, and what was on
// the disks is rebuilt on others.
func TestMergeFormsStripes(t *testing.T) {
	r := newMergingNode(t, 6, 4<<10)
	makeTable(t, r.c)
	r.append(0, 800)
	r.untilSettled(4)
	r.until("every member to be where it belongs", complete)
	stripes := r.stripesOf()
	if len(stripes) == 0 {
		t.Fatal("no stripe with parity")
	}
	for _, at := range stripes {
		if n := len(at.Data); n < 2 || n > 4 || len(at.Parity) != 2 || at.Missing != 0 {
			t.Errorf("stripe %s: %d data and %d parity members, missing %b", at.ID, n, len(at.Parity), at.Missing)
		}
	}
	r.checkRows(800)
	before := r.versions()
	lost := []catalog.MemberAt{{Disk: stripes[0].Group.Slots[0].Disk}, {Disk: stripes[0].Group.Slots[1].Disk}} // of two data members
	var paths []int
	for i, d := range r.disks {
		if id := r.disk(d.Path).ID; id == lost[0].Disk || id == lost[1].Disk {
			paths = append(paths, i)
		}
	}
	r.stop()
	for _, i := range paths {
		if err := os.RemoveAll(r.disks[i].Path); err != nil {
			t.Fatal(err)
		}
		r.disks[i].Path = filepath.Join(t.TempDir(), "another")
	}
	r.start()
	for _, m := range lost {
		if err := r.c.SetDisk(t.Context(), m.Disk, wire.DiskLose); err != nil {
			t.Fatal(err)
		}
	}
	r.until("everything rebuilt", complete)
	r.checkRows(800)
	if after := r.versions(); !slices.Equal(after, before) {
		t.Errorf("versions answer\n%v\nbefore the loss\n%v", after, before)
	}
}

// TestMergeSorts: merged segments of a table with a sort key have ranges of
// the key to themselves, in every partition.
func TestMergeSorts(t *testing.T) {
	r := newMergingNode(t, 1, 16<<10)
	_, err := r.c.CreateTable(t.Context(), wire.CreateTable{
		Name: "t", Fields: []schema.Field{{Name: "x", Type: arrow.PrimitiveTypes.Int64}},
		SortBy: []string{"x desc"}, PartitionBy: []string{"bucket(2, x)"}, Options: wire.TableOptions{FlushInterval: 5 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.append(0, 800)
	r.untilSettled(1)
	r.checkRows(800)
	table, err := r.node.catalog.View().Table("t")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range table.Segments {
		reader, err := r.node.readers.OpenSegment(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		cols, err := reader.ReadBlock(t.Context(), memory.DefaultAllocator, 0, []int32{1})
		if err != nil {
			t.Fatal(err)
		}
		if x := int64s(cols[0]); !slices.IsSortedFunc(x, func(a, b int64) int { return int(b - a) }) {
			t.Errorf("segment %s of level %d is not sorted: %v", s.ID, s.Level, x)
		}
	}
	h, err := r.c.History(t.Context(), "t")
	if err != nil {
		t.Fatal(err)
	}
	if last := h[len(h)-1]; last.Operation != "merge" || !strings.HasSuffix(last.Detail, " segments to 1") {
		t.Errorf("the last commit is %+v; want a merge", last)
	}
}

func int64s(a arrow.Array) []int64 { return a.(*array.Int64).Int64Values() }

// merger returns a merger that does nothing by itself.
func (r *rackNode) merger() *merge.Merger {
	cfg := r.node.mergeConfig()
	cfg.Target = 4 << 10
	return merge.New(cfg)
}

// TestMergeConflict: a merge of segments that somebody else has replaced is in
// vain and leaves nothing behind.
func TestMergeConflict(t *testing.T) {
	r := newRackNode(t, 6)
	makeTable(t, r.c)
	r.append(0, 200)
	m := r.merger()
	table, err := r.node.catalog.View().Table("t")
	if err != nil {
		t.Fatal(err)
	}
	job := &merge.Job{Table: table, Parts: []merge.Part{{Inputs: table.Segments[:8]}, {Inputs: table.Segments[8:]}}}
	if done, err := m.Run(t.Context(), job); err != nil || done.Stripes != 1 || done.Version != table.Version+1 {
		t.Fatalf("got %+v, %v; want one stripe in the next version", done, err)
	}
	if done, err := m.Run(t.Context(), job); err != nil || done.Version != 0 {
		t.Fatalf("got %+v, %v; want that it was in vain", done, err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if _, err := m.Run(stopped, job); err == nil {
		t.Error("a merge that was stopped has no error")
	}
	r.checkRows(200)
	view := r.node.catalog.View()
	for _, m := range r.node.members.Media() {
		entries, err := m.Inventory()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			f, err := catalog.ParseMemberFile(e.Name)
			if _, known := view.Locate(f.ID); err != nil || !known {
				t.Errorf("%s is on a disk and in no stripe", e.Name)
			}
		}
	}
}
