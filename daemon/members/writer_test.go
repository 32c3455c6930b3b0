package members_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/members"
	"github.com/tarnlake/tarn/daemon/members/memberstest"
	"github.com/tarnlake/tarn/tiering"
)

// content returns n random bytes.
func content(seed uint64, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(b) // never fails
	return b
}

// write writes a segment from a node, in pieces of odd sizes.
func write(r *memberstest.Rack, node string, id catalog.SegmentID, b []byte) (catalog.NewStripe, error) {
	w, err := r.Store(node).Create(r.State(), id)
	if err != nil {
		return catalog.NewStripe{}, err
	}
	defer w.Abort()
	for piece := range slices.Chunk(b, 7919) {
		if _, err := w.Write(piece); err != nil {
			return catalog.NewStripe{}, err
		}
	}
	return w.Commit()
}

// copies is a scheme of n copies.
func copies(n int) tiering.Scheme { return tiering.Scheme{Data: 1, Parity: n - 1} }

// has reports which disks have a file with that content, and fails if one has
// it with another.
func has(t *testing.T, r *memberstest.Rack, file catalog.MemberFile, want []byte, disks ...string) string {
	t.Helper()
	var there []string
	for _, d := range disks {
		got, err := r.Content(d, file)
		switch {
		case err == nil && bytes.Equal(got, want):
			there = append(there, d)
		case err == nil:
			t.Errorf("disk %s has %d wrong bytes of %s", d, len(got), file)
		case !tiering.IsNotExist(err):
			t.Error(err)
		}
	}
	return strings.Join(there, " ")
}

var three = []string{"n1d1", "n2d1", "n3d1"}

func TestWriteToAllNodes(t *testing.T) {
	for _, size := range []int{0, 1, 1 << 20, 5<<20 + 1} {
		r := memberstest.New(t, 3, 1)
		r.Group(copies(3), three...)
		id, b := r.NewID("n1"), content(1, size)
		st, err := write(r, "n1", id, b)
		if err != nil {
			t.Fatal(err)
		}
		if want := (catalog.Member{Segment: id, Bytes: int64(size), Hash: memberstest.Hash(b)}); !slices.Equal(st.Placed, three) || st.Data[0] != want {
			t.Errorf("placed %v as %v; want %v as %v", st.Placed, st.Data[0], three, want)
		}
		for i := range 3 {
			r.Reboot(fmt.Sprint("n", i+1), nil) // what was acknowledged was synced
		}
		if got, want := has(t, r, catalog.SegmentFile(id), b, three...), strings.Join(three, " "); got != want {
			t.Errorf("%d bytes are on %q; want %q", size, got, want)
		}
		r.Apply(r.CommitOf(st))
	}
}

// TestOneCopyFails: whatever step a disk of another node fails at, the other
// two are enough, and the catalog takes the commit.
func TestOneCopyFails(t *testing.T) {
	for _, step := range memberstest.Writing {
		r := memberstest.New(t, 3, 1)
		r.Group(copies(3), three...)
		r.Fault(func(_ context.Context, disk string, at memberstest.Step) error {
			if disk == "n3d1" && at == step {
				return errors.New("broken")
			}
			return nil
		})
		id, b := r.NewID("n1"), content(1, 3<<20)
		st, err := write(r, "n1", id, b)
		if err != nil {
			t.Fatalf("%s fails: %v", step, err)
		}
		if got, want := strings.Join(st.Placed, " "), "n1d1 n2d1 "; got != want {
			t.Errorf("%s fails: placed on %q; want %q", step, got, want)
		}
		r.Apply(r.CommitOf(st))
		if at, _ := r.State().Locate(id); at.Missing != 4 {
			t.Errorf("%s fails: slots %b are missing; want the third", step, at.Missing)
		}
		r.Fault(nil)
		if got, want := has(t, r, catalog.SegmentFile(id), b, three...), "n1d1 n2d1"; got != want {
			t.Errorf("%s fails: the segment is on %q; want %q", step, got, want)
		}
	}
}

// TestTooFewCopies: one copy is not enough, nor are two on one node; then
// nothing stays where the writer is.
func TestTooFewCopies(t *testing.T) {
	for _, step := range memberstest.Writing {
		for _, disks := range [][]string{three, {"n1d1", "n1d2", "n2d1"}} {
			r := memberstest.New(t, 3, 2)
			r.Group(copies(3), disks...)
			r.Fault(func(_ context.Context, disk string, at memberstest.Step) error {
				if at == step {
					return errors.New("broken")
				}
				return nil
			})
			id := r.NewID("n1")
			_, err := write(r, "n1", id, content(1, 3<<20))
			if err == nil || !strings.Contains(err.Error(), "broken") {
				t.Errorf("%v, %s fails: got %v; want an error that says why", disks, step, err)
			}
			r.Fault(nil)
			if got := has(t, r, catalog.SegmentFile(id), nil, disks...); got != "" {
				t.Errorf("%v, %s fails: the segment is still on %q", disks, step, got)
			}
		}
	}
}

// TestNodeDownIsPassedOver: nobody waits for a node that the catalog says is down.
func TestNodeDownIsPassedOver(t *testing.T) {
	r := memberstest.New(t, 3, 1)
	r.Group(copies(3), three...)
	r.Apply(catalog.Command{SetNodeState: &catalog.SetNodeState{Node: "n2", State: catalog.NodeDown}})
	r.Fault(func(_ context.Context, disk string, _ memberstest.Step) error {
		if disk == "n2d1" {
			t.Error("a node that is down was asked")
		}
		return nil
	})
	st, err := write(r, "n1", r.NewID("n1"), content(1, 100))
	if got, want := strings.Join(st.Placed, " "), "n1d1  n3d1"; err != nil || got != want {
		t.Errorf("placed on %q, %v; want %q", got, err, want)
	}
}

// TestStall: a disk of another node that says nothing holds up the rest for a
// moment, whatever step it hangs in; without it the commit goes on.
func TestStall(t *testing.T) {
	for _, step := range memberstest.Writing {
		synctest.Test(t, func(t *testing.T) {
			r := memberstest.New(t, 3, 1)
			r.Group(copies(3), three...)
			r.Fault(hang("n2d1", step))
			st, err := write(r, "n1", r.NewID("n1"), content(1, 8<<20))
			if got, want := strings.Join(st.Placed, " "), "n1d1  n3d1"; err != nil || got != want {
				t.Errorf("%s hangs: placed on %q, %v; want %q", step, got, err, want)
			}
			synctest.Wait() // and nothing of it goes on
		})
	}
}

// hang is a disk that does not answer at a step.
func hang(hung string, at memberstest.Step) memberstest.Fault {
	return func(ctx context.Context, disk string, step memberstest.Step) error {
		if disk != hung || step != at {
			return nil
		}
		<-ctx.Done()
		return context.Cause(ctx)
	}
}

// TestStallOfOneThatIsNeeded ends, with an error that is no word about the
// disk's bytes.
func TestStallOfOneThatIsNeeded(t *testing.T) {
	for _, step := range memberstest.Writing {
		synctest.Test(t, func(t *testing.T) {
			r := memberstest.New(t, 2, 1)
			r.Group(copies(2), "n1d1", "n2d1")
			r.Fault(hang("n2d1", step))
			id := r.NewID("n1")
			if _, err := write(r, "n1", id, content(1, 8<<20)); !errors.Is(err, members.ErrAway) || !wire.IsCode(err, wire.Unavailable) {
				t.Errorf("%s hangs: got %v; want %s", step, err, wire.Unavailable)
			}
			synctest.Wait()
			if got := has(t, r, catalog.SegmentFile(id), nil, "n1d1", "n2d1"); got != "" {
				t.Errorf("%s hangs: the segment is still on %q", step, got)
			}
		})
	}
}

// TestSlowIsWaitedFor: a needed copy may be slower than any patience as a
// whole, as long as it gets on.
func TestSlowIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := memberstest.New(t, 2, 1)
		r.Group(copies(2), "n1d1", "n2d1")
		wait := make(chan struct{})
		r.Fault(func(_ context.Context, _ string, step memberstest.Step) error {
			if step == memberstest.Write {
				<-wait
			}
			return nil
		})
		go func() { // a beat for each chunk, far apart
			for range 64 {
				synctest.Wait()
				wait <- struct{}{}
			}
		}()
		b := content(1, 16<<20)
		id := r.NewID("n1")
		st, err := write(r, "n1", id, b)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(st.Placed, " "); got != "n1d1 n2d1" {
			t.Errorf("placed on %q; want both", got)
		}
	})
}

// TestLateCopyIsLeftForRepair: one that becomes durable after the commit went
// on is a file that the catalog calls a member, and repair finds.
func TestLateCopyIsLeftForRepair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := memberstest.New(t, 3, 1)
		r.Group(copies(3), three...)
		let := make(chan struct{})
		r.Fault(func(_ context.Context, disk string, step memberstest.Step) error {
			if disk == "n3d1" && step == memberstest.Commit {
				<-let // deaf to the writer that gives it up
			}
			return nil
		})
		id, b := r.NewID("n1"), content(1, 1<<20)
		st, err := write(r, "n1", id, b)
		if err != nil {
			t.Fatal(err)
		}
		r.Apply(r.CommitOf(st))
		close(let)
		synctest.Wait()
		if got := r.State().Verdict("n3d1", catalog.SegmentFile(id)); got != catalog.Keep {
			t.Errorf("verdict on the late copy %v; want to keep it", got)
		}
		if at, _ := r.State().Locate(id); !at.Missing.Has(2) {
			t.Error("the late copy is counted on")
		}
	})
}

// TestGarbledOnTheWay: what the other side has is compared with what was sent.
func TestGarbledOnTheWay(t *testing.T) {
	r := memberstest.New(t, 3, 1)
	r.Group(copies(3), three...)
	r.Garble(func(disk string, _ memberstest.Step, p []byte) {
		if disk == "n2d1" && len(p) > 0 {
			p[len(p)/2] ^= 4
		}
	})
	st, err := write(r, "n1", r.NewID("n1"), content(1, 1<<20))
	if got, want := strings.Join(st.Placed, " "), "n1d1  n3d1"; err != nil || got != want {
		t.Errorf("placed on %q, %v; want %q", got, err, want)
	}
}

// TestAbort leaves nothing anywhere, at whatever point.
func TestAbort(t *testing.T) {
	for _, size := range []int{0, 100, 2 << 20} {
		synctest.Test(t, func(t *testing.T) {
			r := memberstest.New(t, 3, 1)
			r.Group(copies(3), three...)
			w, err := r.Store("n1").Create(r.State(), r.NewID("n1"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(content(1, size)); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(w.Abort(), w.Abort()); err != nil {
				t.Error(err)
			}
			synctest.Wait()
			for _, d := range three {
				m, _ := r.Store(d[:2]).Medium(d)
				left, err := m.Leftovers()
				if all, err2 := m.Inventory(); len(left)+len(all) > 0 || err != nil || err2 != nil {
					t.Errorf("disk %s has %v and %v, %v, %v; want nothing", d, left, all, err, err2)
				}
			}
		})
	}
}

// TestIdleWriterBeats: a segment that is open for long tells the other side
// that it still is.
func TestIdleWriterBeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := memberstest.New(t, 2, 1)
		r.Group(copies(2), "n1d1", "n2d1")
		beat := make(chan struct{})
		var once sync.Once
		r.Fault(func(_ context.Context, _ string, step memberstest.Step) error {
			if step == memberstest.Write {
				once.Do(func() { close(beat) })
			}
			return nil
		})
		w, err := r.Store("n1").Create(r.State(), r.NewID("n1"))
		if err != nil {
			t.Fatal(err)
		}
		<-beat // with nothing written; the clock goes on as all wait
		if _, err := w.Commit(); err != nil {
			t.Error(err)
		}
	})
}

// TestGroupFor: a group whose disks all take a member is better than one whose
// do not, and among equals one with a disk of this node is.
func TestGroupFor(t *testing.T) {
	r := memberstest.New(t, 4, 1)
	r.Group(copies(2), "n2d1", "n3d1")
	r.Group(copies(2), "n1d1", "n4d1")
	for node, want := range map[string]catalog.GroupID{"n1": 2, "n2": 1, "n3": 1, "n4": 2} {
		for range 20 {
			if st, err := write(r, node, r.NewID(node), nil); err != nil || st.Group != want {
				t.Fatalf("node %s wrote to group %d, %v; want %d", node, st.Group, err, want)
			}
		}
	}
	r.Apply(catalog.Command{SetDiskState: &catalog.SetDiskState{Disk: "n4d1", State: catalog.DiskSuspect}})
	if st, err := write(r, "n1", r.NewID("n1"), nil); err != nil || st.Group != 1 {
		t.Errorf("wrote to group %d, %v; want 1, whose disks are all up", st.Group, err)
	}
}

// TestDiscard takes a segment back from all disks whose node agrees that it is
// trash.
func TestDiscard(t *testing.T) {
	r := memberstest.New(t, 3, 1)
	r.Group(copies(3), three...)
	id, b := r.NewID("n1"), content(1, 1000)
	st, err := write(r, "n1", id, b)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Store("n1").Discard(st, r.State().Index()); err != nil {
		t.Error(err)
	}
	if got, want := has(t, r, catalog.SegmentFile(id), b, three...), "n2d1 n3d1"; got != want {
		t.Errorf("with its epoch open the segment is on %q; want %q", got, want)
	}
	r.Apply(catalog.Command{OpenEpoch: &catalog.OpenEpoch{Node: "n1"}})
	_ = r.Store("n1").Discard(st, r.State().Index()) // n1 has it no more
	if got := has(t, r, catalog.SegmentFile(id), b, three...); got != "" {
		t.Errorf("with its epoch closed the segment is on %q; want nowhere", got)
	}
}

// TestCommitMeansDurable writes with random faults and cuts the power of every
// node: each disk that Commit has named must have the bytes, and the catalog
// must take what Commit says.
func TestCommitMeansDurable(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 7))
		r := memberstest.New(t, 3, 2)
		disks := []string{"n1d1", "n2d1", "n3d1", "n1d2", "n2d2", "n3d2"}
		rng.Shuffle(len(disks), func(i, j int) { disks[i], disks[j] = disks[j], disks[i] })
		disks = disks[:1+rng.IntN(4)]
		r.Group(copies(len(disks)), disks...)
		var mu sync.Mutex
		r.Fault(func(_ context.Context, disk string, step memberstest.Step) error {
			mu.Lock()
			defer mu.Unlock()
			if rng.IntN(10) == 0 {
				return fmt.Errorf("%w: %s of %s", members.ErrAway, step, disk)
			}
			return nil
		})
		if rng.IntN(4) == 0 {
			r.FS(disks[0]).FailSync(func(string) error { return errors.New("bad sector") })
		}
		node := fmt.Sprint("n", 1+rng.IntN(3))
		size := 20_000
		if rng.IntN(8) == 0 {
			size = 1 << 20
		}
		id, b := r.NewID(node), content(seed, rng.IntN(size))
		st, err := write(r, node, id, b)
		mu.Lock()
		for n := range 3 {
			r.Reboot(fmt.Sprint("n", n+1), rng)
		}
		mu.Unlock()
		if err != nil {
			continue
		}
		if err := r.Try(r.CommitOf(st)); err != nil {
			t.Fatalf("seed %d: placed on %q: %v", seed, st.Placed, err)
		}
		for _, d := range st.Placed {
			if d == "" {
				continue
			}
			if got, err := r.Content(d, catalog.SegmentFile(id)); err != nil || !bytes.Equal(got, b) {
				t.Fatalf("seed %d: disk %s has %d bytes, %v; want %d", seed, d, len(got), err, len(b))
			}
		}
	}
}

// TestSilentNodesAreAvoided: when two of five nodes say nothing, a writer whose
// group needs them gives up soon, and the next one goes elsewhere at once.
func TestSilentNodesAreAvoided(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := memberstest.New(t, 5, 2)
		bad := r.Group(copies(3), "n1d1", "n4d1", "n5d1")
		r.Group(copies(3), "n1d2", "n2d1", "n5d2")
		r.Fault(func(ctx context.Context, disk string, _ memberstest.Step) error {
			if disk[:2] == "n4" || disk[:2] == "n5" {
				<-ctx.Done()
				return context.Cause(ctx)
			}
			return nil
		})
		began := time.Now()
		for failed := false; !failed; {
			st, err := write(r, "n1", r.NewID("n1"), content(1, 1000))
			if err == nil && st.Group == bad {
				t.Fatalf("placed on %v, with two of them silent", st.Placed)
			}
			failed = err != nil
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("the group with silent nodes held writers up for %v", took)
		}
		began = time.Now()
		for range 20 {
			if st, err := write(r, "n1", r.NewID("n1"), content(1, 1000)); err != nil || strings.Join(st.Placed, " ") != "n1d2 n2d1 " {
				t.Fatalf("placed on %v, %v; want the two that answer", st.Placed, err)
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("writers waited for %v; want no wait for what is known to be silent", took)
		}
	})
}

// TestTwoNodesTwoCopies: as soon as two nodes have disks, one copy is not
// enough: a group that is on one node yet takes nothing.
func TestTwoNodesTwoCopies(t *testing.T) {
	r := memberstest.New(t, 2, 2)
	r.Group(copies(1), "n1d1")
	r.Group(copies(2), "n1d1", "n1d2")
	if st, err := write(r, "n1", r.NewID("n1"), nil); !wire.IsCode(err, wire.Unavailable) {
		t.Errorf("placed on %v, %v; want UNAVAILABLE", st.Placed, err)
	}
	r.Apply(catalog.Command{SetNodeState: &catalog.SetNodeState{Node: "n2", State: catalog.NodeDown}})
	if st, err := write(r, "n1", r.NewID("n1"), nil); err != nil || st.Group != 2 {
		t.Errorf("alone: placed on %v, %v; want both disks of n1", st.Placed, err)
	}
	r.Apply(catalog.Command{RegisterNode: &catalog.RegisterNode{Node: "n2", Name: "n2", Disks: []catalog.DiskFacts{{ID: "n2d1", Tier: "hot", Bytes: 1 << 40}}}})
	both := r.Group(copies(2), "n1d1", "n2d1")
	for range 20 {
		if st, err := write(r, "n1", r.NewID("n1"), nil); err != nil || st.Group != both {
			t.Fatalf("placed on %v, %v; want group %d, which is on two nodes", st.Placed, err, both)
		}
	}
}

// TestReadOnlyDiskIsPassedOver: a disk of this node that has become read-only,
// or is gone, fails no write as long as two others take it, and is suspect.
func TestReadOnlyDiskIsPassedOver(t *testing.T) {
	r := memberstest.New(t, 3, 1)
	r.Group(copies(3), three...)
	r.FS("n1d1").Before(func(op tiering.Op, _ string) error {
		if op == tiering.OpCreate {
			return syscall.EROFS
		}
		return nil
	})
	for range 3 {
		if st, err := write(r, "n1", r.NewID("n1"), content(1, 1000)); err != nil || strings.Join(st.Placed, " ") != " n2d1 n3d1" {
			t.Fatalf("placed on %v, %v; want the two others", st.Placed, err)
		}
	}
	if m, _ := r.Store("n1").Medium("n1d1"); !errors.Is(m.Suspect(), tiering.ErrSuspect) || !errors.Is(m.Suspect(), syscall.EROFS) {
		t.Errorf("the disk is suspect because of %v; want that it is read-only", m.Suspect())
	}
}

// TestFullDisks: disks that are full take nothing, others of the group do; what
// merges make goes only where all disks have room for it.
func TestFullDisks(t *testing.T) {
	r := memberstest.New(t, 3, 1)
	r.Group(copies(3), three...)
	fills := map[string]tiering.Fill{"n3d1": tiering.FillNoWrites}
	s := r.Store("n1")
	s.KnowFills(func(disk string) tiering.Fill { return fills[disk] })
	if st, err := write(r, "n1", r.NewID("n1"), nil); err != nil || strings.Join(st.Placed, " ") != "n1d1 n2d1 " {
		t.Errorf("placed on %v, %v; want the two with room", st.Placed, err)
	}
	fills["n3d1"] = tiering.FillNoMerges
	if _, err := s.CreateMerged(r.State(), r.NewID("n1")); !errors.Is(err, tiering.ErrDiskFull) {
		t.Errorf("a merged segment: %v; want that the disk is full", err)
	}
	fills["n2d1"], fills["n3d1"] = tiering.FillNoWrites, tiering.FillNoWrites
	if _, err := s.Create(r.State(), r.NewID("n1")); !errors.Is(err, tiering.ErrDiskFull) {
		t.Errorf("with one disk left: %v; want that the others are full", err)
	}
}

// TestStalledDiskOfThisNode: a disk of the writer's own node that does not return
// from an fsync holds the first segment up for a moment, and later ones not at
// all; what is on it is read elsewhere. When it is back and has done well for a
// while it is written again.
func TestStalledDiskOfThisNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := memberstest.New(t, 3, 1)
		r.Group(copies(3), three...)
		r.Guard(10 * time.Second)
		b := content(1, 1000)
		old := r.NewID("n1")
		st, err := write(r, "n1", old, b)
		if err != nil {
			t.Fatal(err)
		}
		r.Apply(r.CommitOf(st))
		let := make(chan struct{})
		r.FS("n1d1").Before(func(tiering.Op, string) error {
			<-let
			return nil
		})
		for i := range 10 {
			began := time.Now()
			if st, err := write(r, "n1", r.NewID("n1"), b); err != nil || strings.Join(st.Placed, " ") != " n2d1 n3d1" {
				t.Fatalf("placed on %v, %v; want the two others", st.Placed, err)
			}
			if took := time.Since(began); i > 0 && took > 0 {
				t.Errorf("segment %d was held up for %v", i, took)
			}
		}
		seg, err := r.Store("n1").Open(r.State(), old, func(at catalog.MemberAt, err error) { t.Errorf("%v is said to be damaged: %v", at, err) })
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(b))
		if _, err := seg.ReadAt(got, 0); err != nil || !bytes.Equal(got, b) {
			t.Errorf("reading what is on the stalled disk, too: %v", err)
		}
		close(let)
		time.Sleep(5 * time.Minute)
		if st, err := write(r, "n1", r.NewID("n1"), b); err != nil || !slices.Equal(st.Placed, three) {
			t.Errorf("after a while placed on %v, %v; want all", st.Placed, err)
		}
	})
}
