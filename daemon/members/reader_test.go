package members_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/members"
	"github.com/tarnlake/tarn/daemon/members/memberstest"
	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/schema"
	"github.com/tarnlake/tarn/tiering"
)

// reports remembers what a Report was told.
type reports struct {
	mu  sync.Mutex
	all []catalog.MemberAt
}

func (r *reports) add(at catalog.MemberAt, _ error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, at)
}

// disks lists the disks of the members reported.
func (r *reports) disks() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ids []string
	for _, at := range r.all {
		ids = append(ids, at.Disk)
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

func readAll(t *testing.T, seg *members.Segment) []byte {
	t.Helper()
	b, err := io.ReadAll(io.NewSectionReader(seg, 0, seg.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestReadsHereFirst: with a copy of its own a node asks nobody.
func TestReadsHereFirst(t *testing.T) {
	r := memberstest.New(t, 3, 1)
	b := content(1, 100_000)
	at := r.Stripe(r.Group(copies(3), "n2d1", "n3d1", "n1d1"), b)
	r.Fault(func(_ context.Context, disk string, step memberstest.Step) error {
		t.Errorf("disk %s was asked to %s", disk, step)
		return nil
	})
	seg, err := r.Store("n1").Open(r.State(), at.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(readAll(t, seg), b) {
		t.Error("wrong bytes")
	}
}

// TestReadsOnElsewhere: as long as one copy can be reached it is read, and a
// node that is away is not called damaged.
func TestReadsOnElsewhere(t *testing.T) {
	r := memberstest.New(t, 4, 1)
	b := content(1, 100_000)
	at := r.Stripe(r.Group(copies(3), three...), b)
	var bad reports
	seg, err := r.Store("n4").Open(r.State(), at.ID, bad.add)
	if err != nil {
		t.Fatal(err)
	}
	for _, down := range [][]string{nil, {"n1d1"}, {"n1d1", "n2d1"}, {"n2d1", "n3d1"}, {"n1d1", "n3d1"}} {
		r.Down(down...)
		if !bytes.Equal(readAll(t, seg), b) {
			t.Errorf("%v are down: wrong bytes", down)
		}
	}
	r.Down(three...)
	if _, err := seg.ReadAt(make([]byte, 10), 0); !errors.Is(err, members.ErrAway) || !wire.IsCode(err, wire.Unavailable) {
		t.Errorf("all are down: got %v; want %s", err, wire.Unavailable)
	}
	if _, err := r.Store("n4").Open(r.State(), at.ID, bad.add); !errors.Is(err, members.ErrAway) {
		t.Errorf("all are down: got %v; want %v", err, members.ErrAway)
	}
	r.Down()
	if !bytes.Equal(readAll(t, seg), b) {
		t.Error("all are back: wrong bytes")
	}
	if got := bad.disks(); got != "" {
		t.Errorf("%s are reported; want none", got)
	}
}

// TestMissingFileIsReported: the catalog counts on it.
func TestMissingFileIsReported(t *testing.T) {
	r := memberstest.New(t, 3, 1)
	b := content(1, 100_000)
	at := r.Stripe(r.Group(copies(3), three...), b)
	r.Remove("n1d1", catalog.SegmentFile(at.ID))
	r.Remove("n2d1", catalog.SegmentFile(at.ID))
	var bad reports
	seg, err := r.Store("n1").Open(r.State(), at.ID, bad.add)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(readAll(t, seg), b) {
		t.Error("wrong bytes")
	}
	if got, want := bad.disks(), "n1d1 n2d1"; got != want {
		t.Errorf("%q are reported; want %q", got, want)
	}
	r.Remove("n3d1", catalog.SegmentFile(at.ID))
	if _, err := r.Store("n1").Open(r.State(), at.ID, nil); !tiering.IsNotExist(err) || errors.Is(err, members.ErrAway) {
		t.Errorf("got %v; want that it is nowhere", err)
	}
}

// TestFormatReadsOnElsewhere: a page that is wrong on this node's disk, or on
// its way from another, is read from the next copy.
func TestFormatReadsOnElsewhere(t *testing.T) {
	b, want := segment(t)
	r := memberstest.New(t, 3, 1)
	at := r.Stripe(r.Group(copies(3), three...), b)
	for i := range 20 {
		r.Flip("n1d1", catalog.SegmentFile(at.ID), int64(len(b)/20*i)*8)
	}
	r.Garble(func(disk string, _ memberstest.Step, p []byte) {
		if disk == "n2d1" && len(p) > 0 {
			p[0] ^= 1
		}
	})
	var bad reports
	seg, err := r.Store("n1").Open(r.State(), at.ID, bad.add)
	if err != nil {
		t.Fatal(err)
	}
	if got := rows(t, seg); !slices.Equal(got, want) {
		t.Errorf("%d rows, not those that were written", len(got))
	}
	if got, want := bad.disks(), "n1d1 n2d1"; got != want {
		t.Errorf("%q are reported; want %q", got, want)
	}
}

// segment is a segment file, and the values in it.
func segment(t *testing.T) ([]byte, []int64) {
	t.Helper()
	s := &schema.Schema{ID: 1, Fields: []schema.Field{{ID: 1, Name: "x", Type: arrow.PrimitiveTypes.Int64}}}
	var out bytes.Buffer
	w, err := format.NewWriter(&out, s, format.Info{Segment: "s", Table: "1"}, format.Options{})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(3, 3))
	values := make([]int64, 200_000)
	for i := range values {
		values[i] = int64(rng.Uint64())
	}
	column := array.NewInt64Builder(memory.DefaultAllocator)
	column.AppendValues(values, nil)
	if err := w.Write(array.NewRecordBatch(s.Arrow(), []arrow.Array{column.NewArray()}, int64(len(values)))); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), values
}

func rows(t *testing.T, seg *members.Segment) []int64 {
	t.Helper()
	r, err := format.Open(seg, seg.Size())
	if err != nil {
		t.Fatal(err)
	}
	var all []int64
	for block := range r.Blocks() {
		cols, err := r.ReadBlock(t.Context(), memory.DefaultAllocator, block, []int32{1})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, cols[0].(*array.Int64).Int64Values()...)
	}
	return all
}

// parityRack is a stripe of 4+2 over six nodes, one of which has nothing, in a
// group with room for one data member more.
func parityRack(t *testing.T, contents ...[]byte) (*memberstest.Rack, catalog.Location) {
	t.Helper()
	r := memberstest.New(t, 8, 1)
	return r, r.Stripe(r.Group(tiering.Scheme{Data: 5, Parity: 2}, "n1d1", "n2d1", "n3d1", "n4d1", "n5d1", "n6d1", "n7d1"), contents...)
}

func fourContents() [][]byte {
	return [][]byte{content(1, 700_001), content(2, 1), content(3, 1<<20), content(4, 300_000)}
}

// TestDegradedRead: with any two disks of a stripe gone, every data member is
// read by every node, in any ranges.
func TestDegradedRead(t *testing.T) {
	contents := fourContents()
	r, at := parityRack(t, contents...)
	disks := []string{"n1d1", "n2d1", "n3d1", "n4d1", "n6d1", "n7d1"}
	rng := rand.New(rand.NewPCG(1, 1))
	for i, a := range disks {
		for _, b := range disks[:i] {
			r.Down(a, b)
			for slot, want := range contents {
				seg, err := r.Store("n8").Open(r.State(), at.Data[slot].Segment, nil)
				if err != nil {
					t.Fatalf("%s and %s are down: %v", a, b, err)
				}
				off := rng.IntN(len(want))
				got := make([]byte, rng.IntN(len(want)-off)+1)
				if _, err := seg.ReadAt(got, int64(off)); err != nil || !bytes.Equal(got, want[off:off+len(got)]) {
					t.Fatalf("%s and %s are down: %d bytes at %d of member %d are wrong: %v", a, b, len(got), off, slot, err)
				}
			}
		}
	}
	r.Down(disks[:3]...)
	seg, err := r.Store("n8").Open(r.State(), at.Data[0].Segment, nil)
	if err == nil { // there is a trailer that describes it
		_, err = seg.ReadAt(make([]byte, 1), 0)
	}
	if !errors.Is(err, members.ErrAway) {
		t.Errorf("three are down: got %v; want %v", err, members.ErrAway)
	}
}

// TestDegradedReadIsOfRanges: what is fetched is the blocks that the range
// touches, of as many members as have any there, and the trailer.
func TestDegradedReadIsOfRanges(t *testing.T) {
	r, at := parityRack(t, content(1, 8<<20), content(2, 8<<20), content(3, 8<<20), content(4, 8<<20))
	r.Down("n1d1")
	seg, err := r.Store("n8").Open(r.State(), at.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := seg.ReadAt(make([]byte, 1), 0); err != nil { // opens
		t.Fatal(err)
	}
	var fetched atomic.Int64
	r.Garble(func(_ string, _ memberstest.Step, p []byte) { fetched.Add(int64(len(p))) })
	if _, err := seg.ReadAt(make([]byte, 1000), 3<<20); err != nil {
		t.Fatal(err)
	}
	if got, want := fetched.Load(), int64(4*256<<10); got != want {
		t.Errorf("%d bytes were fetched for 1000 in one block; want %d", got, want)
	}
}

// TestDegradedReadOfRows: a decoded copy is one more copy for a reader of rows,
// also where the real one is damaged and not gone; a source with wrong bytes is
// reported, and another one taken.
func TestDegradedReadOfRows(t *testing.T) {
	b, want := segment(t)
	for name, harm := range map[string]func(r *memberstest.Rack, at catalog.Location){
		"lost": func(r *memberstest.Rack, _ catalog.Location) { r.Down("n1d1") },
		"damaged": func(r *memberstest.Rack, at catalog.Location) {
			for i := range 20 {
				r.Flip("n1d1", catalog.SegmentFile(at.ID), int64(len(b)/20*i)*8)
			}
		},
	} {
		r, at := parityRack(t, b, content(2, 700_000), content(3, 1<<20), content(4, 300_000))
		harm(r, at)
		r.Flip("n3d1", catalog.SegmentFile(at.Data[2].Segment), 8)
		var bad reports
		seg, err := r.Store("n8").Open(r.State(), at.ID, bad.add)
		if err != nil {
			t.Fatal(err)
		}
		if got := rows(t, seg); !slices.Equal(got, want) {
			t.Errorf("%s: %d rows, not those that were written", name, len(got))
		}
		if got := bad.disks(); !strings.Contains(got, "n3d1") || strings.Contains(got, "n1d1") != (name == "damaged") {
			t.Errorf("%s: %q are reported", name, got)
		}
	}
}

// TestDegradedReadComesBack: what could not be decoded as nodes were away can
// be when they are back, with the same open segment.
func TestDegradedReadComesBack(t *testing.T) {
	contents := fourContents()
	r, at := parityRack(t, contents...)
	r.Down("n1d1")
	seg, err := r.Store("n8").Open(r.State(), at.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Down("n1d1", "n2d1", "n3d1", "n4d1")
	if _, err := seg.ReadAt(make([]byte, 1), 0); !errors.Is(err, members.ErrAway) {
		t.Errorf("got %v; want %v", err, members.ErrAway)
	}
	r.Down("n1d1", "n7d1")
	if !bytes.Equal(readAll(t, seg), contents[0]) {
		t.Error("wrong bytes")
	}
}

// TestManyReaders reads one segment from many goroutines while disks come and
// go, always with enough of them there.
func TestManyReaders(t *testing.T) {
	contents := fourContents()
	r, at := parityRack(t, contents...)
	seg, err := r.Store("n8").Open(r.State(), at.ID, func(at catalog.MemberAt, err error) { t.Errorf("%v is reported: %v", at, err) })
	if err != nil {
		t.Fatal(err)
	}
	var readers, breaker sync.WaitGroup
	stop := make(chan struct{})
	breaker.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				r.Down(fmt.Sprintf("n%dd1", 1+i%4)) // one at a time; a reader may see two of them
			}
		}
	})
	for g := range 8 {
		readers.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(g), 1))
			for range 50 {
				off := rng.IntN(len(contents[0]))
				got := make([]byte, rng.IntN(len(contents[0])-off))
				if _, err := seg.ReadAt(got, int64(off)); err != nil && !errors.Is(err, members.ErrAway) || err == nil && !bytes.Equal(got, contents[0][off:off+len(got)]) {
					t.Errorf("%d bytes at %d are wrong: %v", len(got), off, err)
				}
			}
		})
	}
	readers.Wait()
	close(stop)
	breaker.Wait()
}
