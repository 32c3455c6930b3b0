package tiering

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// ErrAway is in errors that say nothing of a disk's bytes: it cannot be asked now.
var ErrAway = errors.New("out of reach")

// ErrStalled is in errors of a disk that has not returned from an operation.
var ErrStalled = fmt.Errorf("%w: the disk does not return", ErrAway)

// Guard is a filesystem that always returns: an operation of the one below that
// takes too long is left behind, and the disk is stalled until all of those have
// returned. Meanwhile everything fails at once with ErrStalled, so that no more
// goroutines hang than there were operations under way when it began. It is
// safe for concurrent use.
//
// What was left behind has an unknown outcome, as after a crash: the file is
// given up. A sync that fails after it was left behind is remembered: see Failed.
type Guard struct {
	fs    FS
	bound time.Duration

	mu     sync.Mutex
	stuck  int       // operations left behind that have not returned
	what   string    // the first of them
	since  time.Time // it was left behind
	back   time.Time // when the last one has returned
	failed error
}

// calmFor is how long a disk must do well after a stall before it is chosen
// again where there are others.
const calmFor = time.Minute

// NewGuard guards one disk; bound is how long an operation may take.
func NewGuard(fs FS, bound time.Duration) *Guard { return &Guard{fs: fs, bound: bound} }

// Stalled returns what the disk has not returned from, or nil.
func (g *Guard) Stalled() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stuck == 0 {
		return nil
	}
	return fmt.Errorf("%w from %s for %v", ErrStalled, g.what, (time.Since(g.since) + g.bound).Round(time.Second))
}

// Wary returns why the disk should not be chosen where there are others: it is
// stalled, or was until a moment ago.
func (g *Guard) Wary() error {
	if err := g.Stalled(); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.back.IsZero() || time.Since(g.back) >= calmFor {
		return nil
	}
	return fmt.Errorf("%w: it was stalled in %s until %v ago", ErrAway, g.what, time.Since(g.back).Round(time.Second))
}

// Failed returns the error of a sync that failed after it was left behind.
func (g *Guard) Failed() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.failed
}

// guarded does an operation that may never return. late is called with what it
// comes to if that is after it was left behind.
func guarded[R any](g *Guard, what, path string, do func() (R, error), late func(R, error)) (R, error) {
	if err := g.Stalled(); err != nil {
		var none R
		return none, &fs.PathError{Op: what, Path: path, Err: err}
	}
	return bounded(g, what, path, do, late)
}

// bounded is guarded, but goes to the disk even if that is stalled.
func bounded[R any](g *Guard, what, path string, do func() (R, error), late func(R, error)) (R, error) {
	type outcome struct {
		r   R
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		r, err := do()
		done <- outcome{r, err}
	}()
	t := time.NewTimer(g.bound)
	defer t.Stop()
	select {
	case o := <-done:
		return o.r, o.err
	case <-t.C:
	}
	g.leave(what + " of " + path)
	go func() {
		o := <-done
		g.returned()
		late(o.r, o.err)
	}()
	var none R
	return none, &fs.PathError{Op: what, Path: path, Err: fmt.Errorf("%w for %v", ErrStalled, g.bound)}
}

func (g *Guard) leave(what string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stuck++; g.stuck == 1 {
		g.what, g.since = what, time.Now()
	}
}

func (g *Guard) returned() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stuck--
	g.back = time.Now()
}

// simply does an operation that has no result.
func (g *Guard) simply(what, path string, do func() error) error {
	_, err := guarded(g, what, path, func() (struct{}, error) { return struct{}{}, do() }, func(struct{}, error) {})
	return err
}

// sync does a sync, whose failure is never lost.
func (g *Guard) sync(what, path string, do func() error) error {
	_, err := guarded(g, what, path, func() (struct{}, error) { return struct{}{}, do() }, func(_ struct{}, err error) { g.fail(err) })
	return err
}

func (g *Guard) fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failed == nil {
		g.failed = err
	}
}

// Create makes a file. One that is there too late is closed, and stays as a leftover.
func (g *Guard) Create(path string, mode fs.FileMode) (Handle, error) {
	return g.handle("create", path, func(path string) (Handle, error) { return g.fs.Create(path, mode) })
}

// Open opens a file for reading.
func (g *Guard) Open(path string) (Handle, error) { return g.handle("open", path, g.fs.Open) }

func (g *Guard) handle(what, path string, open func(string) (Handle, error)) (Handle, error) {
	h, err := guarded(g, what, path, func() (Handle, error) { return open(path) }, func(h Handle, err error) {
		if err == nil {
			h.Close()
		}
	})
	if err != nil {
		return nil, err
	}
	return &guardedFile{h, g, path}, nil
}

// Rename renames a file.
func (g *Guard) Rename(from, to string) error {
	return g.simply("rename", from, func() error { return g.fs.Rename(from, to) })
}

// Remove removes a file or an empty directory.
func (g *Guard) Remove(path string) error {
	return g.simply("remove", path, func() error { return g.fs.Remove(path) })
}

// Mkdir makes a directory.
func (g *Guard) Mkdir(path string, mode fs.FileMode) error {
	return g.simply("mkdir", path, func() error { return g.fs.Mkdir(path, mode) })
}

// ReadDir lists a directory.
func (g *Guard) ReadDir(path string) ([]fs.DirEntry, error) {
	return guarded(g, "readdir", path, func() ([]fs.DirEntry, error) { return g.fs.ReadDir(path) }, func([]fs.DirEntry, error) {})
}

// SyncDir makes the names in a directory durable.
func (g *Guard) SyncDir(path string) error {
	return g.sync("fsync", path, func() error { return g.fs.SyncDir(path) })
}

// Space tells how full the disk is.
func (g *Guard) Space(path string) (Space, error) {
	return guarded(g, "statfs", path, func() (Space, error) { return g.fs.Space(path) }, func(Space, error) {})
}

// guardedFile is an open file of a Guard.
type guardedFile struct {
	file  Handle
	guard *Guard
	path  string
}

// Write appends. The bytes of a write that was left behind may still be read
// when they are another's; the file is lost then, and nobody reads it.
func (f *guardedFile) Write(p []byte) (int, error) {
	return guarded(f.guard, "write", f.path, func() (int, error) { return f.file.Write(p) }, func(int, error) {})
}

func (f *guardedFile) Sync() error { return f.guard.sync("fsync", f.path, f.file.Sync) }

func (f *guardedFile) Stat() (fs.FileInfo, error) {
	return guarded(f.guard, "stat", f.path, f.file.Stat, func(fs.FileInfo, error) {})
}

// Close closes the file, of a stalled disk in the background.
func (f *guardedFile) Close() error {
	if f.guard.Stalled() != nil {
		go f.file.Close()
		return nil
	}
	_, err := bounded(f.guard, "close", f.path, func() (struct{}, error) { return struct{}{}, f.file.Close() }, func(struct{}, error) {})
	return err
}

// readMost is how much is read from the disk at once.
const readMost = 1 << 20

// buffers are for reads that may be left behind: what they read into must be
// nobody else's.
var buffers = sync.Pool{New: func() any { return new([readMost]byte) }}

// ReadAt reads what the kernel has in memory at once, and the rest from the disk.
func (f *guardedFile) ReadAt(p []byte, off int64) (int, error) {
	n := f.readCached(p, off)
	for n < len(p) {
		m, err := f.readDisk(p[n:min(n+readMost, len(p))], off+int64(n))
		if n += m; err != nil {
			return n, err
		}
	}
	return n, nil
}

// readCached reads as much as there is without waiting for the disk.
func (f *guardedFile) readCached(p []byte, off int64) (n int) {
	if len(p) > 0 {
		onFile(f.file, func(fd int) { n, _ = unix.Preadv2(fd, [][]byte{p}, off, unix.RWF_NOWAIT) })
	}
	return max(n, 0)
}

func (f *guardedFile) readDisk(p []byte, off int64) (int, error) {
	buf := buffers.Get().(*[readMost]byte)
	n, err := guarded(f.guard, "read", f.path,
		func() (int, error) { return f.file.ReadAt(buf[:len(p)], off) },
		func(int, error) { buffers.Put(buf) })
	if errors.Is(err, ErrStalled) {
		return 0, err // and buf is not ours any more
	}
	copy(p, buf[:n])
	buffers.Put(buf)
	return n, err
}
