package tiering

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"syscall"

	"github.com/zeebo/xxh3"
	"golang.org/x/sys/unix"
)

// Receipt is what a medium says of a member it has made durable.
type Receipt struct {
	Size int64
	Hash string // xxh3-128 of the bytes as they were received, hexadecimal
}

// Writer writes one new member. It is not safe for concurrent use. It ends
// with Commit or Abort; until Commit returns without an error the member is
// not there.
type Writer struct {
	m    *Medium
	name string
	file Handle // nil once the writer has ended
	hash *xxh3.Hasher
	size int64
	sent int64 // bytes that the kernel was told to write
	room int64 // bytes up to which the room was looked at
	err  error // the first failure
}

// Create begins a member. It fails with ErrDiskFull under the reserve, with
// ErrSuspect on a suspect medium, which one becomes that is read-only or not
// where it was, and with fs.ErrExist when a member of that
// name is there or being written.
func (m *Medium) Create(name string) (*Writer, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if err := m.Suspect(); err != nil {
		return nil, err
	}
	if err := m.checkSpace(); err != nil {
		return nil, err
	}
	m.created.Store(true)
	f, err := m.fs.Create(m.tmp(name), modeMember)
	if err != nil {
		return nil, fmt.Errorf("create member: %w", m.blameCreate(err))
	}
	w := &Writer{m: m, name: name, file: f, hash: xxh3.New()}
	// Only now, with the name in tmp taken: no other writer can commit it.
	if there, err := m.has(name); err != nil || there {
		if there {
			err = &fs.PathError{Op: "create member", Path: m.Path(name), Err: fs.ErrExist}
		}
		return nil, errors.Join(err, w.Abort())
	}
	return w, nil
}

// blameCreate is blame for a file that could not be made: a medium that is
// read-only or gone takes nothing, one that has the name or finds the process
// out of files is well.
func (m *Medium) blameCreate(err error) error {
	for _, fine := range []error{fs.ErrExist, syscall.EMFILE, syscall.ENFILE} {
		if errors.Is(err, fine) {
			return err
		}
	}
	return m.blame(err)
}

func (m *Medium) has(name string) (bool, error) {
	f, err := m.fs.Open(m.Path(name))
	if IsNotExist(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, f.Close()
}

// roomEvery is after how many bytes of a member the room is looked at again:
// how large a member will be is not known when it begins.
const roomEvery = 1 << 20

// Write appends to the member. After an error the writer is good for Abort only.
// It fails with ErrDiskFull as soon as Create would, but for members that are
// smaller than a MiB.
func (w *Writer) Write(p []byte) (int, error) {
	if w.file == nil {
		return 0, fmt.Errorf("write member %s: %w", w.name, fs.ErrClosed)
	}
	if w.err != nil {
		return 0, w.err
	}
	if w.size+int64(len(p)) >= w.room+roomEvery {
		w.room = w.size + int64(len(p))
		if w.err = w.m.checkSpace(); w.err != nil {
			return 0, w.err
		}
	}
	n, err := w.file.Write(p)
	w.hash.Write(p[:n])
	w.size += int64(n)
	if err != nil {
		w.err = w.m.blame(err)
	}
	if w.size-w.sent >= writeBehind {
		w.writeOut()
	}
	return n, w.err
}

// writeBehind is how much is written before the disk begins to: a large
// member is mostly there when it is synced.
const writeBehind = 8 << 20

// writeOut tells the kernel to begin writing what it was given. It does not
// wait, and it takes no error away from the sync that is to come.
func (w *Writer) writeOut() {
	from := w.sent
	w.sent = w.size
	onFile(w.file, func(fd int) { _ = unix.SyncFileRange(fd, from, w.size-from, unix.SYNC_FILE_RANGE_WRITE) }) // a hint
}

// onFile calls f with the descriptor of a file of the operating system; of
// another it does not.
func onFile(file any, f func(fd int)) {
	if g, ok := file.(*guardedFile); ok {
		_ = g.guard.simply("advise", g.path, func() error { onFile(g.file, f); return nil })
		return
	}
	of, ok := file.(syscall.Conn)
	if !ok {
		return
	}
	conn, err := of.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Control(func(fd uintptr) { f(int(fd)) })
}

// Commit makes the member durable and visible. When it fails nothing may
// refer to the member: the file was discarded, or, if the fsync of the
// directory failed, lies there as garbage. Nothing is synced a second time.
func (w *Writer) Commit() (Receipt, error) {
	if w.file == nil {
		return Receipt{}, fmt.Errorf("commit member %s: %w", w.name, fs.ErrClosed)
	}
	if err := w.settle(); err != nil {
		return Receipt{}, errors.Join(err, w.Abort())
	}
	if err := w.m.fs.Rename(w.m.tmp(w.name), w.m.Path(w.name)); err != nil {
		return Receipt{}, errors.Join(w.m.blame(err), w.m.fs.Remove(w.m.tmp(w.name)))
	}
	// The old name in tmp needs no sync: after a crash it is a leftover that
	// is removed, and removing it leaves the member alone.
	if err := w.m.syncDir(w.m.fan(w.name)); err != nil {
		return Receipt{}, err
	}
	return Receipt{Size: w.size, Hash: hashText(w.hash.Sum128())}, nil
}

// settle brings the bytes to the disk and closes the file.
func (w *Writer) settle() error {
	if w.err != nil {
		return w.err
	}
	if err := w.m.Suspect(); err != nil {
		return err
	}
	if err := w.file.Sync(); err != nil {
		return w.m.doubt(err)
	}
	f := w.file
	w.file = nil
	if err := f.Close(); err != nil {
		return errors.Join(w.m.doubt(err), w.m.fs.Remove(w.m.tmp(w.name)))
	}
	return nil
}

// Abort gives the member up. It may be called again, and after Commit, when
// it does nothing.
func (w *Writer) Abort() error {
	if w.file == nil {
		return nil
	}
	f := w.file
	w.file = nil
	return errors.Join(f.Close(), w.m.fs.Remove(w.m.tmp(w.name)))
}

// File is a member open for reading: an io.ReaderAt, safe for concurrent use.
// It stays readable when the member is trashed, and until Close or the
// garbage collector lets it go.
type File struct {
	io.ReaderAt
	io.Closer
	size int64
}

// Size returns the member's size in bytes.
func (f *File) Size() int64 { return f.size }

// WillNeed tells the kernel that n bytes at off will be read soon, so that it
// can begin to. It does not wait for them, and is free to do nothing.
func (f *File) WillNeed(off, n int64) {
	onFile(f.ReaderAt, func(fd int) { // a hint: whoever reads the bytes sees what is wrong
		for ; n > 0; off, n = off+readAhead, n-readAhead {
			_ = unix.Fadvise(fd, off, min(n, readAhead), unix.FADV_WILLNEED)
		}
	})
}

// readAhead is how much the kernel begins to read for one hint at most, on
// disks that say no more of themselves.
const readAhead = 128 << 10

// Open opens a member for reading. A member that is not there is an error for
// which IsNotExist holds.
func (m *Medium) Open(name string) (*File, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	f, err := m.fs.Open(m.Path(name))
	if err != nil {
		return nil, fmt.Errorf("open member: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &File{f, f, info.Size()}, nil
}

// Entry is a file of a medium.
type Entry struct {
	Name string
	Size int64
}

// Inventory lists the members, in no particular order.
func (m *Medium) Inventory() ([]Entry, error) {
	var all []Entry
	for i := range fanCount {
		some, err := m.list(filepath.Join(m.dir, dataDir, fanName(byte(i))))
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// Leftovers lists what was being written when the medium was last in use.
func (m *Medium) Leftovers() ([]Entry, error) { return m.list(filepath.Join(m.dir, tmpDir)) }

// RemoveLeftovers removes them. It is for the time right after Mount: once a
// Create has happened it refuses.
func (m *Medium) RemoveLeftovers() error {
	if m.created.Load() {
		return fmt.Errorf("medium %s: leftovers are removed before the first Create, not after", m.dir)
	}
	left, err := m.Leftovers()
	if err != nil {
		return err
	}
	for _, e := range left {
		if err := m.fs.Remove(m.tmp(e.Name)); err != nil && !IsNotExist(err) {
			return err
		}
	}
	return nil
}

// list returns the files of a directory; what goes away meanwhile is left out.
func (m *Medium) list(dir string) ([]Entry, error) {
	entries, err := m.fs.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	files := make([]Entry, 0, len(entries))
	for _, e := range entries {
		info, err := e.Info()
		if IsNotExist(err) || e.IsDir() {
			continue
		}
		if err != nil {
			return nil, err
		}
		files = append(files, Entry{e.Name(), info.Size()})
	}
	return files, nil
}
