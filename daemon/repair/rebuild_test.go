package repair

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/members"
	"github.com/tarnlake/tarn/daemon/members/memberstest"
	"github.com/tarnlake/tarn/tiering"
)

func content(seed uint64, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(seed)}).Read(b) // never fails
	return b
}

// bench is a rack with a rebuilder on a node.
func bench(r *memberstest.Rack, node string) *Rebuilder {
	return &Rebuilder{Members: r.Store(node), Logger: slog.New(slog.DiscardHandler), Meter: NewMeter(time.Now), Propose: func(_ context.Context, cmd catalog.Command) error { return r.Try(cmd) }}
}

var (
	copies3 = tiering.Scheme{Data: 1, Parity: 2}
	four2   = tiering.Scheme{Data: 4, Parity: 2}
	three   = []string{"n1d1", "n2d1", "n3d1"}
	six     = []string{"n1d1", "n2d1", "n3d1", "n4d1", "n5d1", "n6d1"}
)

// miss tells the catalog that a disk has not its member of a stripe.
func miss(r *memberstest.Rack, at catalog.Location, disk string) {
	r.Apply(catalog.Command{MissMembers: &catalog.MissMembers{Members: []catalog.MemberAt{{Stripe: at.ID, Slot: slotOf(at, disk), Disk: disk}}}})
}

func slotOf(at catalog.Location, disk string) int {
	for i, s := range at.Group.Slots {
		if s.Disk == disk {
			return i
		}
	}
	panic("no slot on " + disk)
}

// whole fails unless a disk has its member of a stripe again, and the catalog
// knows.
func whole(t *testing.T, r *memberstest.Rack, id catalog.SegmentID, disk string) {
	t.Helper()
	at, _ := r.State().Locate(id)
	slot := slotOf(at, disk)
	want, _ := at.Member(at.Group.Scheme, slot)
	got, err := r.Content(disk, at.FileOf(at.Group.Scheme, slot))
	if err != nil || memberstest.Hash(got) != want.Hash {
		t.Errorf("disk %s has %d bytes of hash %s, %v; want %d of %s", disk, len(got), memberstest.Hash(got), err, want.Bytes, want.Hash)
	}
	if at.Missing.Has(slot) || len(at.Parked) > 0 {
		t.Errorf("the catalog misses slots %b, parked %v; want none", at.Missing, at.Parked)
	}
}

func contents() [][]byte {
	return [][]byte{content(1, 700_001), content(2, 1), content(3, 1<<20), content(4, 300_000)}
}

// TestRebuild: every member of every kind of stripe is rebuilt by the node that
// misses it, from the disks of others.
func TestRebuild(t *testing.T) {
	for _, disk := range six {
		r := memberstest.New(t, 6, 1)
		stripes := []catalog.Location{r.Stripe(r.Group(four2, six...), contents()...)}
		if disk <= "n3d1" {
			stripes = append(stripes, r.Stripe(r.Group(copies3, three...), content(5, 1<<20)))
		}
		r.Wipe(disk)
		for _, at := range stripes {
			miss(r, at, disk)
		}
		node := disk[:2]
		b := bench(r, node)
		if placed, err := b.Pass(t.Context(), r.State()); placed != len(stripes) || err != nil {
			t.Fatalf("placed %d, %v; want %d", placed, err, len(stripes))
		}
		bytes := int64(0)
		for _, at := range stripes {
			whole(t, r, at.ID, disk)
			m, _ := at.Member(at.Group.Scheme, slotOf(at, disk))
			bytes += m.Bytes
		}
		if b.Meter.Total() != bytes {
			t.Errorf("%d bytes counted; want %d", b.Meter.Total(), bytes)
		}
	}
}

// TestRebuildOnlyHere: a node leaves alone what others miss.
func TestRebuildOnlyHere(t *testing.T) {
	r := memberstest.New(t, 3, 1)
	at := r.Stripe(r.Group(copies3, three...), content(1, 1000))
	miss(r, at, "n2d1")
	if placed, err := bench(r, "n1").Pass(t.Context(), r.State()); placed != 0 || err != nil {
		t.Errorf("placed %d, %v; want none", placed, err)
	}
}

// TestFoundAgain: a member that is there is not written again, and what it
// takes to know that is not asked of others.
func TestFoundAgain(t *testing.T) {
	r := memberstest.New(t, 6, 1)
	at := r.Stripe(r.Group(four2, six...), contents()...)
	miss(r, at, "n3d1")
	r.Down(six...)
	b := bench(r, "n3")
	if placed, err := b.Pass(t.Context(), r.State()); placed != 1 || err != nil || b.Meter.Total() != 0 {
		t.Errorf("placed %d, %v, with %d bytes written; want 1 as it was", placed, err, b.Meter.Total())
	}
	whole(t, r, at.ID, "n3d1")
}

// TestDamagedIsReplaced, and what was there goes to the trash; but not when it
// cannot be rebuilt: it may be all there is.
func TestDamagedIsReplaced(t *testing.T) {
	r := memberstest.New(t, 6, 1)
	at := r.Stripe(r.Group(four2, six...), contents()...)
	file := catalog.SegmentFile(at.Data[2].Segment)
	r.Flip("n3d1", file, 77)
	miss(r, at, "n3d1")
	r.Down("n1d1", "n2d1", "n5d1")
	damaged, _ := r.Content("n3d1", file)
	if placed, err := bench(r, "n3").Pass(t.Context(), r.State()); placed != 0 || err != nil {
		t.Errorf("placed %d, %v; want none", placed, err)
	}
	if left, err := r.Content("n3d1", file); err != nil || !bytes.Equal(left, damaged) {
		t.Errorf("%d bytes are left, %v; want all as they were", len(left), err)
	}
	r.Down()
	if placed, err := bench(r, "n3").Pass(t.Context(), r.State()); placed != 1 || err != nil {
		t.Errorf("placed %d, %v; want 1", placed, err)
	}
	whole(t, r, at.ID, "n3d1")
}

// TestAwayIsNotParked: what nodes that are down may still have is tried again
// and again; what is nowhere is parked, with the reason.
func TestAwayIsNotParked(t *testing.T) {
	r := memberstest.New(t, 6, 1)
	at := r.Stripe(r.Group(four2, six...), contents()...)
	file := func(slot int) catalog.MemberFile { return at.FileOf(four2, slot) }
	r.Remove("n1d1", file(0))
	miss(r, at, "n1d1")
	for _, down := range [][]string{{"n2d1", "n3d1"}, {"n5d1", "n6d1"}, six} {
		r.Down(down...)
		if placed, err := bench(r, "n1").Pass(t.Context(), r.State()); placed != 0 || err != nil {
			t.Errorf("%v are down: placed %d, %v; want none", down, placed, err)
		}
		if at, _ := r.State().Locate(at.ID); len(at.Parked) > 0 {
			t.Fatalf("%v are down: parked %v", down, at.Parked)
		}
	}
	r.Down()
	r.Remove("n2d1", file(1))
	r.Remove("n3d1", file(2))
	if placed, err := bench(r, "n1").Pass(t.Context(), r.State()); placed != 0 || err != nil {
		t.Errorf("placed %d, %v; want none", placed, err)
	}
	if at, _ := r.State().Locate(at.ID); len(at.Parked) != 1 || !strings.Contains(at.Parked[0].Reason, "too few") {
		t.Errorf("parked %v; want slot 0, as too few are left", at.Parked)
	}
}

// TestWriterAtWorkIsNotParked: a copy that is late may be on its way still.
func TestWriterAtWorkIsNotParked(t *testing.T) {
	r := memberstest.New(t, 3, 1)
	at := r.Stripe(r.Group(copies3, three...), content(1, 1000))
	r.Remove("n1d1", catalog.SegmentFile(at.ID))
	miss(r, at, "n1d1")
	m, _ := r.Store("n1").Medium("n1d1")
	w, err := m.Create(catalog.SegmentFile(at.ID).String())
	if err != nil {
		t.Fatal(err)
	}
	pass := func(want int) {
		t.Helper()
		placed, err := bench(r, "n1").Pass(t.Context(), r.State())
		if at, _ := r.State().Locate(at.ID); placed != want || err != nil || len(at.Parked) > 0 {
			t.Errorf("placed %d, %v, parked %v; want %d and none", placed, err, at.Parked, want)
		}
	}
	pass(0)
	if err := w.Abort(); err != nil {
		t.Fatal(err)
	}
	pass(1)
	whole(t, r, at.ID, "n1d1")
}

// TestDamagedSource is reported, and others are used.
func TestDamagedSource(t *testing.T) {
	for _, disk := range []string{"n3d1", "n5d1"} { // data, parity
		r := memberstest.New(t, 6, 1)
		at := r.Stripe(r.Group(four2, six...), contents()...)
		r.Remove("n1d1", catalog.SegmentFile(at.ID))
		miss(r, at, "n1d1")
		r.Flip(disk, at.FileOf(four2, slotOf(at, disk)), 4096*8)
		var told []catalog.MemberAt
		var mu sync.Mutex
		b := bench(r, "n1")
		b.Report = func(at catalog.MemberAt, err error) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, at)
		}
		if placed, err := b.Pass(t.Context(), r.State()); placed != 1 || err != nil {
			t.Errorf("placed %d, %v; want 1", placed, err)
		}
		whole(t, r, at.ID, "n1d1")
		if len(told) != 1 || told[0].Disk != disk {
			t.Errorf("told of %v; want disk %s", told, disk)
		}
	}
}

// TestGarbledSource: bytes that change on their way are never written as good.
func TestGarbledSource(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var mu sync.Mutex
		r := memberstest.New(t, 6, 1)
		stripes := []catalog.Location{r.Stripe(r.Group(four2, six...), contents()...), r.Stripe(r.Group(copies3, three...), content(5, 1<<20))}
		r.Wipe("n1d1")
		for _, at := range stripes {
			miss(r, at, "n1d1")
		}
		r.Garble(func(_ string, _ memberstest.Step, p []byte) {
			mu.Lock()
			defer mu.Unlock()
			if len(p) > 0 && rng.IntN(8) == 0 {
				p[rng.IntN(len(p))] ^= 1
			}
		})
		if _, err := bench(r, "n1").Pass(t.Context(), r.State()); err != nil {
			t.Fatal(err)
		}
		for _, at := range stripes {
			now, _ := r.State().Locate(at.ID)
			if !now.Missing.Has(0) {
				whole(t, r, at.ID, "n1d1")
			}
		}
	}
}

// TestCrashInRebuild cuts the power before each operation of the disk: after
// the restart a pass brings the member back, and the catalog has never counted
// on one that is not there.
func TestCrashInRebuild(t *testing.T) {
	for cut := 0; ; cut++ {
		r := memberstest.New(t, 6, 1)
		at := r.Stripe(r.Group(four2, six...), content(1, 2000), content(2, 3000), content(3, 1), content(4, 700))
		file := catalog.SegmentFile(at.ID)
		r.Flip("n1d1", file, 5) // so that there is something to move away as well
		miss(r, at, "n1d1")
		r.FS("n1d1").CutAt(cut)
		_, err := bench(r, "n1").Pass(t.Context(), r.State())
		now, _ := r.State().Locate(at.ID)
		done := !now.Missing.Has(0)
		r.Reboot("n1", rand.New(rand.NewPCG(uint64(cut), 1)))
		if done {
			whole(t, r, at.ID, "n1d1")
			if err != nil || cut == 0 {
				t.Errorf("cut at %d: %v", cut, err)
			}
			return // the power went later than all there was to do
		}
		r.Apply(catalog.Command{UnparkMembers: &catalog.UnparkMembers{}})
		if placed, err := bench(r, "n1").Pass(t.Context(), r.State()); placed != 1 || err != nil {
			t.Fatalf("cut at %d, after the restart: placed %d, %v; want 1", cut, placed, err)
		}
		whole(t, r, at.ID, "n1d1")
	}
}

// TestPace: all that is written and read back is asked for first; a refusal
// ends the member, which is not parked.
func TestPace(t *testing.T) {
	r := memberstest.New(t, 3, 1)
	at := r.Stripe(r.Group(copies3, three...), content(1, 1<<20))
	r.Wipe("n1d1")
	miss(r, at, "n1d1")
	asked := int64(0)
	b := bench(r, "n1")
	b.Pace = func(_ context.Context, _ bool, bytes int64) error { asked += bytes; return nil }
	if placed, err := b.Pass(t.Context(), r.State()); placed != 1 || err != nil {
		t.Fatalf("placed %d, %v; want 1", placed, err)
	}
	if want := int64(2 << 20); asked != want {
		t.Errorf("%d bytes asked for; want %d: written, read back", asked, want)
	}
	r.Wipe("n1d1")
	miss(r, at, "n1d1")
	ctx, cancel := context.WithCancel(t.Context())
	b = bench(r, "n1")
	b.Pace = func(context.Context, bool, int64) error { cancel(); return ctx.Err() }
	if placed, err := b.Pass(ctx, r.State()); placed != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("placed %d, %v; want none", placed, err)
	}
	if now, _ := r.State().Locate(at.ID); len(now.Parked) > 0 {
		t.Errorf("parked %v", now.Parked)
	}
}

// TestDrainedOnTheWay: a disk that members move to is drained before they have
// arrived. They arrive, so that the slot can move on.
func TestDrainedOnTheWay(t *testing.T) {
	r := memberstest.New(t, 4, 1)
	group := r.Group(copies3, three...)
	at := r.Stripe(group, content(1, 1000))
	r.Apply(catalog.Command{SetGroup: &catalog.SetGroup{ID: group, IfIndex: r.State().Groups()[0].Index, Tier: "hot", Scheme: copies3, Disks: []string{"n4d1", "n2d1", "n3d1"}}})
	r.Apply(catalog.Command{SetDiskState: &catalog.SetDiskState{Disk: "n4d1", State: catalog.DiskDraining}})
	if placed, err := bench(r, "n4").Pass(t.Context(), r.State()); placed != 1 || err != nil {
		t.Fatalf("placed %d, %v; want 1", placed, err)
	}
	whole(t, r, at.ID, "n4d1")
	if slot := r.State().Groups()[0].Slots[0]; slot.From != "" {
		t.Errorf("still moving from %s", slot.From)
	}
	plan, err := Placement(r.State(), 16, nil)
	if err != nil || len(plan) == 0 {
		t.Errorf("got %v, %v; want the slot to move on", plan, err)
	}
}

// TestMostUrgentFirst: what can lose least is rebuilt first.
func TestMostUrgentFirst(t *testing.T) {
	r := memberstest.New(t, 3, 1)
	group := r.Group(copies3, three...)
	safe, urgent := r.Stripe(group, content(1, 10)), r.Stripe(group, content(2, 10))
	for _, at := range []catalog.Location{safe, urgent} {
		miss(r, at, "n1d1")
	}
	miss(r, urgent, "n2d1")
	var order []catalog.SegmentID
	for _, i := range bench(r, "n1").queue(r.State()) {
		order = append(order, i.at.ID)
	}
	if len(order) != 2 || order[0] != urgent.ID {
		t.Errorf("order %v; want %v first", order, urgent.ID)
	}
}

// TestRebuildsAtOnce: a member that takes its time does not hold up others.
func TestRebuildsAtOnce(t *testing.T) {
	r := memberstest.New(t, 3, 1)
	group := r.Group(copies3, three...)
	for seed := range uint64(2 * rebuildsAtOnce) {
		miss(r, r.Stripe(group, content(seed, 10)), "n1d1")
	}
	r.Wipe("n1d1")
	b, begun := bench(r, "n1"), sync.WaitGroup{}
	begun.Add(rebuildsAtOnce)
	var first atomic.Int64
	b.Pace = func(context.Context, bool, int64) error {
		if first.Add(1) <= rebuildsAtOnce {
			begun.Done()
			begun.Wait() // for ever, were they one after the other
		}
		return nil
	}
	if placed, err := b.Pass(t.Context(), r.State()); placed != 2*rebuildsAtOnce || err != nil {
		t.Errorf("placed %d, %v; want %d", placed, err, 2*rebuildsAtOnce)
	}
}

// TestWhole tells damage from silence, wherever the member is.
func TestWhole(t *testing.T) {
	r := memberstest.New(t, 3, 1)
	at := r.Stripe(r.Group(copies3, three...), content(1, 10_000))
	r.Flip("n1d1", catalog.SegmentFile(at.ID), 9)
	r.Flip("n2d1", catalog.SegmentFile(at.ID), 9)
	b := bench(r, "n1")
	for slot, want := range []bool{false, false, true} {
		if got, err := b.Whole(t.Context(), at, slot, three[slot]); got != want || err != nil {
			t.Errorf("disk %s: %v, %v; want %v", three[slot], got, err, want)
		}
	}
	r.Remove("n2d1", catalog.SegmentFile(at.ID))
	if got, err := b.Whole(t.Context(), at, 1, "n2d1"); got || err != nil {
		t.Errorf("not there: %v, %v; want false", got, err)
	}
	r.Down("n2d1")
	if _, err := b.Whole(t.Context(), at, 1, "n2d1"); !errors.Is(err, members.ErrAway) {
		t.Errorf("down: %v; want %v", err, members.ErrAway)
	}
}

// TestAllNodesRepair: with any two disks of a stripe wiped, their nodes rebuild
// them at the same time, as long as the network is there now and then.
func TestAllNodesRepair(t *testing.T) {
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 2))
		r := memberstest.New(t, 6, 1)
		at := r.Stripe(r.Group(four2, six...), contents()...)
		lost := rng.Perm(6)[:2]
		for _, i := range lost {
			r.Wipe(six[i])
			miss(r, at, six[i])
		}
		var mu sync.Mutex
		r.Fault(func(_ context.Context, disk string, step memberstest.Step) error {
			mu.Lock()
			defer mu.Unlock()
			if rng.IntN(20) == 0 {
				return fmt.Errorf("%w: %s of %s", members.ErrAway, step, disk)
			}
			return nil
		})
		for try := 0; ; try++ {
			var nodes sync.WaitGroup
			for _, i := range lost {
				b := bench(r, six[i][:2])
				nodes.Go(func() {
					if _, err := b.Pass(t.Context(), r.State()); err != nil {
						t.Error(err)
					}
				})
			}
			nodes.Wait()
			now, _ := r.State().Locate(at.ID)
			if len(now.Parked) > 0 {
				t.Fatalf("seed %d: parked %v", seed, now.Parked)
			}
			if now.Missing == 0 {
				break
			}
			if try == 200 {
				t.Fatalf("seed %d: %b are missing still", seed, now.Missing)
			}
		}
		for _, i := range lost {
			whole(t, r, at.ID, six[i])
		}
	}
}

// TestWaitingIsToldOnce: members that have to wait are one line for all passes
// of an outage, and one when it is over.
func TestWaitingIsToldOnce(t *testing.T) {
	r := memberstest.New(t, 3, 1)
	g := r.Group(copies3, three...)
	lose := func(seed uint64) {
		at := r.Stripe(g, content(seed, 100))
		r.Remove("n1d1", catalog.SegmentFile(at.ID))
		miss(r, at, "n1d1")
	}
	lose(1)
	r.Down("n2d1", "n3d1")
	var log bytes.Buffer
	b := bench(r, "n1")
	b.Logger = slog.New(slog.NewTextHandler(&log, nil))
	pass := func(want ...string) {
		t.Helper()
		log.Reset()
		if _, err := b.Pass(t.Context(), r.State()); err != nil {
			t.Fatal(err)
		}
		lines := slices.Collect(strings.Lines(log.String()))
		if len(lines) != len(want) {
			t.Fatalf("got %q; want %d lines", lines, len(want))
		}
		for i := range want {
			if !strings.Contains(lines[i], want[i]) {
				t.Errorf("got %q; want %q in it", lines[i], want[i])
			}
		}
	}
	pass("level=WARN msg=\"members wait to be rebuilt until what they need is back\" members=1")
	pass()
	lose(2)
	pass("members=2")
	pass()
	r.Down()
	pass("level=INFO msg=\"no member waits any more")
	pass()
}
