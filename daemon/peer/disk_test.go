package peer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
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

// TestDisk holds every kind of disk to its contract.
func TestDisk(t *testing.T) {
	c := newCluster(t, 2)
	here, _ := c.Store("n2").Local("n2d1")
	for name, disk := range map[string]members.Disk{"local": here, "remote": c.remote()} {
		t.Run(name, func(t *testing.T) {
			testWriteAndRead(t, c, disk)
			testNotThere(t, c, disk)
			testGivenUp(t, c, disk)
			testTrash(t, c, disk)
		})
	}
}

func testWriteAndRead(t *testing.T, c *cluster, disk members.Disk) {
	for _, size := range []int{0, 1, maxChunk, 3*maxChunk + 5} {
		file, b := catalog.SegmentFile(c.NewID("n1")), content(1, size)
		w, err := disk.Create(t.Context(), file)
		if err != nil {
			t.Fatal(err)
		}
		for _, piece := range [][]byte{b[:size/3], nil, b[size/3:]} {
			if n, err := w.Write(piece); n != len(piece) || err != nil {
				t.Fatalf("wrote %d of %d bytes: %v", n, len(piece), err)
			}
		}
		receipt, err := w.Commit()
		want := tiering.Receipt{Size: int64(size), Hash: memberstest.Hash(b)}
		if receipt != want || err != nil {
			t.Errorf("receipt %v, %v; want %v", receipt, err, want)
		}
		if err := w.Abort(); err != nil {
			t.Errorf("Abort after Commit: %v", err)
		}
		if got, err := disk.Hash(t.Context(), file); got != want || err != nil {
			t.Errorf("read back %v, %v; want %v", got, err, want)
		}
		testRanges(t, disk, file, b)
		again, err := disk.Create(t.Context(), file)
		if err == nil {
			_, err = again.Commit()
		}
		if err == nil {
			t.Error("a member was written a second time")
		}
	}
}

func testRanges(t *testing.T, disk members.Disk, file catalog.MemberFile, b []byte) {
	f, err := disk.Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Size() != int64(len(b)) {
		t.Errorf("size %d; want %d", f.Size(), len(b))
	}
	var all sync.WaitGroup
	for _, r := range [][2]int{{0, len(b)}, {0, len(b) + 1}, {len(b) / 2, len(b) / 4}, {len(b), 1}, {len(b) + 7, 3}} {
		if r[1] == 0 {
			continue // may give io.EOF, or not
		}
		all.Go(func() {
			got := make([]byte, r[1])
			n, err := f.ReadAt(got, int64(r[0]))
			want := b[min(r[0], len(b)):min(r[0]+r[1], len(b))]
			if !bytes.Equal(got[:n], want) || (err == io.EOF) != (n < r[1]) || err != nil && err != io.EOF {
				t.Errorf("%d bytes at %d of %d: %d, %v", r[1], r[0], len(b), n, err)
			}
		})
	}
	all.Wait()
}

func testNotThere(t *testing.T, c *cluster, disk members.Disk) {
	file := catalog.SegmentFile(c.NewID("n1"))
	_, err1 := disk.Open(t.Context(), file)
	_, err2 := disk.Hash(t.Context(), file)
	for _, err := range []error{err1, err2} {
		if !tiering.IsNotExist(err) || errors.Is(err, members.ErrAway) {
			t.Errorf("got %v; want that it is not there", err)
		}
	}
}

// testGivenUp: what was aborted, or whose context ended, can be written anew.
func testGivenUp(t *testing.T, c *cluster, disk members.Disk) {
	file := catalog.SegmentFile(c.NewID("n1"))
	w, err := disk.Create(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content(1, 100)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Abort(), w.Abort()); err != nil {
		t.Error(err)
	}
	if _, err := w.Write(content(1, 100)); err == nil {
		t.Error("wrote after Abort")
	}
	if _, err := disk.Open(t.Context(), file); !tiering.IsNotExist(err) {
		t.Errorf("got %v; want that it is not there", err)
	}
}

func testTrash(t *testing.T, c *cluster, disk members.Disk) {
	file := catalog.SegmentFile(c.NewID("n2"))
	c.Put("n2d1", file, content(1, 10))
	if strings.HasSuffix(t.Name(), "remote") {
		if err := disk.Trash(t.Context(), file, c.State().Index()); !errors.Is(err, members.ErrAway) {
			t.Errorf("got %v; want that it is refused while its epoch is open", err)
		}
		c.apply(catalog.Command{OpenEpoch: &catalog.OpenEpoch{Node: "n2"}})
	}
	if err := disk.Trash(t.Context(), file, c.State().Index()); err != nil {
		t.Error(err)
	}
	if _, err := disk.Open(t.Context(), file); !tiering.IsNotExist(err) {
		t.Errorf("got %v; want that it is not there", err)
	}
}

// TestTrashWaitsForTheState: the receiver judges by a state as new as the
// caller's, and by no older one.
func TestTrashWaitsForTheState(t *testing.T) {
	c := newCluster(t, 2)
	file := catalog.SegmentFile(c.NewID("n2"))
	c.Put("n2d1", file, content(1, 10))
	done := make(chan error)
	go func() { done <- c.remote().Trash(t.Context(), file, c.State().Index()+1) }()
	<-c.nodes["n2"].asked                                               // for a newer state
	c.apply(catalog.Command{OpenEpoch: &catalog.OpenEpoch{Node: "n2"}}) // closes the file's epoch
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestKeptMemberIsNotTrashed whatever a caller says.
func TestKeptMemberIsNotTrashed(t *testing.T) {
	c := newCluster(t, 2)
	at := c.Stripe(c.Group(tiering.Scheme{Data: 1, Parity: 1}, "n1d1", "n2d1"), content(1, 100))
	if err := c.remote().Trash(t.Context(), catalog.SegmentFile(at.ID), 1); !errors.Is(err, members.ErrAway) {
		t.Errorf("got %v; want a refusal", err)
	}
	if _, err := c.Content("n2d1", catalog.SegmentFile(at.ID)); err != nil {
		t.Errorf("the member is gone: %v", err)
	}
}

// TestFullDisk tells so across the network.
func TestFullDisk(t *testing.T) {
	c := newCluster(t, 2)
	c.FS("n2d1").SetCapacity(1)
	w, err := c.remote().Create(t.Context(), catalog.SegmentFile(c.NewID("n1")))
	if err == nil {
		_, err = w.Commit()
	}
	if !errors.Is(err, tiering.ErrDiskFull) || errors.Is(err, members.ErrAway) {
		t.Errorf("got %v; want %v", err, tiering.ErrDiskFull)
	}
}

// TestFailedSyncIsNoReceipt: the receiver answers when the bytes are durable.
func TestFailedSyncIsNoReceipt(t *testing.T) {
	c := newCluster(t, 2)
	c.FS("n2d1").FailSync(func(string) error { return errors.New("bad sector") })
	w, err := c.remote().Create(t.Context(), catalog.SegmentFile(c.NewID("n1")))
	if err == nil {
		_, err = w.Commit()
	}
	if err == nil {
		t.Error("a receipt for what was not synced")
	}
	c.nodes["n2"].empty()
}

// TestCutShort: a member that is shorter than when it was opened is damaged.
func TestCutShort(t *testing.T) {
	c := newCluster(t, 2)
	file := catalog.SegmentFile(c.NewID("n1"))
	c.Put("n2d1", file, content(1, 1000))
	f, err := c.remote().Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	c.Remove("n2d1", file)
	if _, err := f.ReadAt(make([]byte, 10), 0); !tiering.IsNotExist(err) {
		t.Errorf("got %v; want that it is not there", err)
	}
	c.Put("n2d1", catalog.SegmentFile(c.NewID("n1")), nil)
	c.Put("n2d1", file, content(1, 500))
	if _, err := f.ReadAt(make([]byte, 1000), 0); !errors.Is(err, tiering.ErrCorrupt) || errors.Is(err, members.ErrAway) {
		t.Errorf("got %v; want %v", err, tiering.ErrCorrupt)
	}
}

// TestNodeGoesDown at each step of writing, and of reading.
func TestNodeGoesDown(t *testing.T) {
	steps := map[string]func(w members.NewMember) error{
		"write": func(w members.NewMember) error {
			for range 100 { // what is on its way does not know yet
				if _, err := w.Write(content(1, maxChunk)); err != nil {
					return err
				}
			}
			return nil
		},
		"commit": func(w members.NewMember) error { _, err := w.Commit(); return err },
	}
	for name, step := range steps {
		c := newCluster(t, 2)
		w, err := c.remote().Create(t.Context(), catalog.SegmentFile(c.NewID("n1")))
		if err == nil {
			_, err = w.Write(content(1, 2*maxChunk))
		}
		if err != nil {
			t.Fatal(err)
		}
		c.nodes["n2"].server.Stop()
		if err := step(w); !errors.Is(err, members.ErrAway) {
			t.Errorf("%s: got %v; want %v", name, err, members.ErrAway)
		}
		c.nodes["n2"].empty()
		if _, err := c.remote().Open(t.Context(), catalog.SegmentFile(c.NewID("n1"))); !errors.Is(err, members.ErrAway) {
			t.Errorf("open: got %v; want %v", err, members.ErrAway)
		}
	}
}

// TestWriterGoesAway: a stream that breaks off, in whatever way, leaves nothing.
func TestWriterGoesAway(t *testing.T) {
	for name, leave := range map[string]func(c *cluster, w members.NewMember, cancel func()){
		"connection": func(c *cluster, _ members.NewMember, _ func()) { c.nodes["n1"].client.Close() },
		"context":    func(_ *cluster, _ members.NewMember, cancel func()) { cancel() },
		"abort":      func(_ *cluster, w members.NewMember, _ func()) { _ = w.Abort() },
	} {
		c := newCluster(t, 2)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		w, err := c.remote().Create(ctx, catalog.SegmentFile(c.NewID("n1")))
		if err == nil {
			_, err = w.Write(content(1, 2*maxChunk))
		}
		if err != nil {
			t.Fatal(err)
		}
		leave(c, w, cancel)
		if _, err := w.Commit(); err == nil {
			t.Errorf("%s: a receipt after it broke off", name)
		}
		c.nodes["n2"].empty()
	}
}

// TestDiskRests: one that could not be reached is not asked again before it has
// rested.
func TestDiskRests(t *testing.T) {
	c := newCluster(t, 2)
	file := catalog.SegmentFile(c.NewID("n1"))
	c.Put("n2d1", file, content(1, 1000))
	n2, disk := c.nodes["n2"], c.remote()
	n2.set(refuse)
	if _, err := disk.Open(t.Context(), file); !errors.Is(err, members.ErrAway) {
		t.Errorf("got %v; want %v", err, members.ErrAway)
	}
	n2.set(answerAll)
	wantAtRest(t, n2, disk)
	c.pass(time.Minute)
	if _, err := disk.Open(t.Context(), file); err != nil {
		t.Errorf("after its rest: %v", err)
	}
}

// wantAtRest fails unless calls to a disk of a node fail without asking it.
func wantAtRest(t *testing.T, n *testNode, disk members.Disk) {
	t.Helper()
	file := catalog.SegmentFile(n.NewID("n1"))
	before := n.countCalls()
	if _, err := disk.Open(t.Context(), file); !errors.Is(err, members.ErrAway) {
		t.Errorf("open at rest: got %v; want %v", err, members.ErrAway)
	}
	if _, err := disk.Create(t.Context(), file); !errors.Is(err, members.ErrAway) {
		t.Errorf("create at rest: got %v; want %v", err, members.ErrAway)
	}
	if after := n.countCalls(); after != before {
		t.Errorf("%d calls to a disk at rest", after-before)
	}
}

// TestHungNode: at each step it costs one call its patience, and rests then.
func TestHungNode(t *testing.T) {
	for name, step := range map[string]func(disk members.Disk, file catalog.MemberFile) error{
		"open": func(disk members.Disk, file catalog.MemberFile) error {
			_, err := disk.Open(t.Context(), file)
			return err
		},
		"write": func(disk members.Disk, file catalog.MemberFile) error {
			w, err := disk.Create(t.Context(), file)
			for i := 0; err == nil && i < 100; i++ { // until the windows are full
				_, err = w.Write(content(1, maxChunk))
			}
			return err
		},
		"commit": func(disk members.Disk, file catalog.MemberFile) error {
			w, err := disk.Create(t.Context(), file)
			if err == nil {
				_, err = w.Commit()
			}
			return err
		},
	} {
		c := newCluster(t, 2)
		cfg := c.nodes["n1"].clientConfig()
		cfg.Stall = 50 * time.Millisecond
		client := NewClient(cfg)
		defer client.Close()
		n2, disk := c.nodes["n2"], client.Disk("n2d1")
		n2.set(hang)
		if err := step(disk, catalog.SegmentFile(c.NewID("n1"))); !errors.Is(err, members.ErrAway) {
			t.Errorf("%s: got %v; want %v", name, err, members.ErrAway)
		}
		wantAtRest(t, n2, disk)
		n2.empty()
	}
}

// TestImpatientCallerIsNoReasonToRest: the disk may be fine.
func TestImpatientCallerIsNoReasonToRest(t *testing.T) {
	c := newCluster(t, 2)
	file := catalog.SegmentFile(c.NewID("n1"))
	c.Put("n2d1", file, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.remote().Open(ctx, file); !errors.Is(err, members.ErrAway) {
		t.Errorf("got %v; want %v", err, members.ErrAway)
	}
	if _, err := c.remote().Open(t.Context(), file); err != nil {
		t.Error(err)
	}
}

// TestNodeMoves: the address is the catalog's of the moment.
func TestNodeMoves(t *testing.T) {
	c := newCluster(t, 2)
	file := catalog.SegmentFile(c.NewID("n1"))
	c.Put("n2d1", file, nil)
	if _, err := c.remote().Open(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	c.nodes["n2"].restart(ServerConfig{})
	c.apply(catalog.Command{RegisterNode: &catalog.RegisterNode{Node: "n2", Name: "n2", Address: "n2:2", Disks: []catalog.DiskFacts{{ID: "n2d1", Tier: "hot", Bytes: 1}}}})
	if _, err := c.remote().Open(t.Context(), file); err != nil {
		t.Errorf("at its new address: %v", err)
	}
	c.apply(catalog.Command{RegisterNode: &catalog.RegisterNode{Node: "n2", Name: "n2", Disks: []catalog.DiskFacts{{ID: "n2d1", Tier: "hot", Bytes: 1}}}})
	if _, err := c.remote().Open(t.Context(), file); !errors.Is(err, members.ErrAway) {
		t.Errorf("without an address: got %v; want %v", err, members.ErrAway)
	}
}

// TestStoresOverGRPC writes copies and reads a degraded stripe, for once with
// the network that nodes have.
func TestStoresOverGRPC(t *testing.T) {
	c := newCluster(t, 7)
	c.Group(tiering.Scheme{Data: 1, Parity: 2}, "n1d1", "n2d1", "n3d1")
	b := content(1, 5<<20)
	w, err := c.Store("n1").Create(c.State(), c.NewID("n1"))
	if err == nil {
		_, err = w.Write(b)
	}
	if err != nil {
		t.Fatal(err)
	}
	st, err := w.Commit()
	if err != nil || strings.Join(st.Placed, " ") != "n1d1 n2d1 n3d1" {
		t.Fatalf("placed on %v, %v; want all", st.Placed, err)
	}
	c.apply(c.CommitOf(st))
	read(t, c, "n7", st.ID, b)

	contents := [][]byte{content(2, 1<<20), content(3, 2<<20), content(4, 700_000), content(5, 100)}
	at := c.Stripe(c.Group(tiering.Scheme{Data: 4, Parity: 2}, "n1d1", "n2d1", "n3d1", "n4d1", "n5d1", "n6d1"), contents...)
	c.nodes["n2"].server.Stop()
	c.nodes["n6"].server.Stop()
	for slot, want := range contents {
		read(t, c, "n7", at.Data[slot].Segment, want)
	}
}

func read(t *testing.T, c *cluster, node string, id catalog.SegmentID, want []byte) {
	t.Helper()
	seg, err := c.Store(node).Open(c.State(), id, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(io.NewSectionReader(seg, 0, seg.Size()))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("segment %s: %d bytes, %v; not what was written", id, len(got), err)
	}
}
