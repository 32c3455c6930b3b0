package tiering

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// stallBound is how long the disks of these tests may take.
const stallBound = 10 * time.Second

// guardedDisk is a medium on a disk that hangs at an operation until it is let go.
type guardedDisk struct {
	t      *testing.T
	fs     *CrashFS
	guard  *Guard
	medium *Medium
	asked  atomic.Int32  // operations that reached the disk while it hung
	let    chan struct{} // closed: it goes on
}

func newGuardedDisk(t *testing.T) *guardedDisk {
	d := &guardedDisk{t: t, fs: NewCrashFS(), let: make(chan struct{})}
	if err := Format(d.fs, "/m", "c", "d"); err != nil {
		t.Fatal(err)
	}
	d.guard = NewGuard(d.fs, stallBound)
	var err error
	if d.medium, err = Mount(d.guard, "/m", "c"); err != nil {
		t.Fatal(err)
	}
	return d
}

// hang has the disk hang at an operation, which fails with err once it is let go.
func (d *guardedDisk) hang(at Op, err error) {
	d.fs.Before(func(op Op, _ string) error {
		if op != at {
			return nil
		}
		d.asked.Add(1)
		<-d.let
		return err
	})
}

func (d *guardedDisk) put(name string) error {
	w, err := d.medium.Create(name)
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte("content")); err != nil {
		return errors.Join(err, w.Abort())
	}
	_, err = w.Commit()
	return err
}

// TestGuardReturns: whatever operation hangs, its caller goes on after the bound,
// nobody else waits for the disk, and it is not trusted at once when it is back.
func TestGuardReturns(t *testing.T) {
	for _, op := range []Op{OpCreate, OpWrite, OpSync, OpRename, OpSyncDir} {
		synctest.Test(t, func(t *testing.T) {
			d := newGuardedDisk(t)
			d.hang(op, nil)
			began := time.Now()
			if err := d.put("a"); !errors.Is(err, ErrStalled) || !errors.Is(err, ErrAway) {
				t.Errorf("%s hangs: %v; want that the disk is stalled", op, err)
			}
			if took := time.Since(began); took != stallBound {
				t.Errorf("%s hangs: the caller was let go after %v; want %v", op, took, stallBound)
			}
			for range 10 {
				if err := d.put("b"); !errors.Is(err, ErrStalled) {
					t.Errorf("%s hangs: the next one: %v; want that the disk is stalled", op, err)
				}
			}
			if n := d.asked.Load(); n != 1 || time.Since(began) != stallBound {
				t.Errorf("%s hangs: %d were let in, and waited for %v; want one", op, n, time.Since(began)-stallBound)
			}
			if d.medium.Wary() == nil || d.medium.Suspect() != nil {
				t.Errorf("%s hangs: wary %v, suspect %v; want wary alone", op, d.medium.Wary(), d.medium.Suspect())
			}
			close(d.let)
			synctest.Wait()
			if d.guard.Stalled() != nil || d.medium.Wary() == nil {
				t.Errorf("%s is back: stalled %v, wary %v; want wary alone", op, d.guard.Stalled(), d.medium.Wary())
			}
			if err := d.put("c"); err != nil {
				t.Errorf("%s is back: %v", op, err)
			}
			time.Sleep(calmFor)
			if err := d.medium.Wary(); err != nil {
				t.Errorf("%s was back for %v: %v; want no doubt", op, calmFor, err)
			}
		})
	}
}

// TestGuardedRead: a read that hangs ends, and what it reads later is nobody's.
func TestGuardedRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newGuardedDisk(t)
		if err := d.put("a"); err != nil {
			t.Fatal(err)
		}
		f, err := d.medium.Open("a")
		if err != nil {
			t.Fatal(err)
		}
		d.hang(OpRead, nil)
		p := make([]byte, 7)
		if _, err := f.ReadAt(p, 0); !errors.Is(err, ErrStalled) {
			t.Errorf("got %v; want that the disk is stalled", err)
		}
		close(d.let)
		synctest.Wait()
		if !bytes.Equal(p, make([]byte, 7)) {
			t.Errorf("a read that was left behind wrote %q", p)
		}
		if _, err := f.ReadAt(p, 0); err != nil || string(p) != "content" {
			t.Errorf("read %q, %v", p, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestLateSyncFails: an fsync that fails after everybody has left it is still a
// failed fsync: the medium takes nothing until it is mounted again.
func TestLateSyncFails(t *testing.T) {
	for _, op := range []Op{OpSync, OpSyncDir} {
		synctest.Test(t, func(t *testing.T) {
			d := newGuardedDisk(t)
			bad := errors.New("input/output error")
			d.hang(op, bad)
			if err := d.put("a"); !errors.Is(err, ErrStalled) {
				t.Errorf("%s hangs: %v; want that the disk is stalled", op, err)
			}
			close(d.let)
			synctest.Wait()
			d.fs.Before(nil)
			if err := d.put("b"); !errors.Is(err, ErrSuspect) || !errors.Is(err, bad) {
				t.Errorf("%s has failed late: %v; want that the medium is suspect", op, err)
			}
		})
	}
}

// TestGuardOnRealFiles: through a guard files are what they are without it.
func TestGuardOnRealFiles(t *testing.T) {
	g := NewGuard(OSFS{}, time.Minute)
	path := filepath.Join(t.TempDir(), "file")
	w, err := g.Create(path, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	want := bytes.Repeat([]byte("0123456789abcdef"), 3*readMost/16)
	if _, err := w.Write(want); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Sync(), w.Close()); err != nil {
		t.Fatal(err)
	}
	f, err := g.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, r := range []struct{ off, n int }{{0, len(want)}, {1, readMost}, {5, 10}, {len(want) - 3, 3}, {readMost - 1, readMost + 2}} {
		got := make([]byte, r.n)
		if n, err := f.ReadAt(got, int64(r.off)); n != r.n || err != nil || !bytes.Equal(got, want[r.off:r.off+r.n]) {
			t.Errorf("%d bytes at %d: %d, %v; or they are wrong", r.n, r.off, n, err)
		}
	}
	if n, err := f.ReadAt(make([]byte, 10), int64(len(want)-4)); n != 4 || err != io.EOF {
		t.Errorf("past the end: %d, %v; want 4, EOF", n, err)
	}
	direct := &guardedFile{struct{ Handle }{f.(*guardedFile).file}, g, path} // without the kernel's cache
	got := make([]byte, 2*readMost+5)
	if n, err := direct.ReadAt(got, 7); n != len(got) || err != nil || !bytes.Equal(got, want[7:7+n]) {
		t.Errorf("from the disk: %d, %v; or the bytes are wrong", n, err)
	}
}
