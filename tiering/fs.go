package tiering

import (
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// FS is what a medium needs of a filesystem. Paths are those of the operating
// system. Errors are *fs.PathError or wrap one of syscall's; errors.Is with
// fs.ErrNotExist and fs.ErrExist must work. Safe for concurrent use.
//
// OSFS is the real one. CrashFS is the one that forgets what was not synced.
type FS interface {
	Create(path string, mode fs.FileMode) (Handle, error) // a new file to write; fs.ErrExist if the name is taken
	Open(path string) (Handle, error)                     // an existing file to read
	Rename(from, to string) error                         // atomic; replaces to
	Remove(path string) error                             // a file or an empty directory
	Mkdir(path string, mode fs.FileMode) error            // fs.ErrExist if the name is taken
	ReadDir(path string) ([]fs.DirEntry, error)
	SyncDir(path string) error // makes the names in a directory durable
	Space(path string) (Space, error)
}

// Modes of files and directories. A member is never opened for writing again.
const (
	modeMember  fs.FileMode = 0o444
	modeDir     fs.FileMode = 0o755
	modeSecret  fs.FileMode = 0o600 // of what nobody but the node may read
	modeSecrets fs.FileMode = 0o700 // of the directory of those
)

// Handle is an open file. Write appends; Sync makes what was written durable,
// and after it failed the file must be given up. *os.File has these methods.
type Handle interface {
	io.Writer
	io.ReaderAt
	io.Closer
	Sync() error
	Stat() (fs.FileInfo, error)
}

// OSFS is the filesystem of the operating system.
type OSFS struct{}

// osFile syncs a file's data and size, and leaves out its times.
type osFile struct{ *os.File }

func (f osFile) Sync() error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err == unix.EINTR { // nothing was tried yet: not a failed sync
			continue
		}
		if err != nil {
			return &fs.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
		}
		return nil
	}
}

// Create makes a file.
func (OSFS) Create(path string, mode fs.FileMode) (Handle, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// Open opens a file for reading.
func (OSFS) Open(path string) (Handle, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Rename renames a file.
func (OSFS) Rename(from, to string) error { return os.Rename(from, to) }

// Remove removes a file or an empty directory.
func (OSFS) Remove(path string) error { return os.Remove(path) }

// Mkdir makes a directory.
func (OSFS) Mkdir(path string, mode fs.FileMode) error { return os.Mkdir(path, mode) }

// ReadDir lists a directory, by name.
func (OSFS) ReadDir(path string) ([]fs.DirEntry, error) { return os.ReadDir(path) }

// SyncDir syncs a directory.
func (OSFS) SyncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close() // read-only: nothing left to lose
	return d.Sync()
}

// Space asks the filesystem that holds path.
func (OSFS) Space(path string) (Space, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return Space{}, &fs.PathError{Op: "statfs", Path: path, Err: err}
	}
	unit := int64(s.Bsize)
	return Space{Total: int64(s.Blocks-s.Bfree+s.Bavail) * unit, Free: int64(s.Bavail) * unit}, nil
}
