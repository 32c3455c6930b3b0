// Package tiering is where bytes are: it keeps named, immutable files on
// media and knows nothing of what is in them.
//
// Words: a medium is one formatted directory on one disk, known by a UUID; a
// member is one committed file of it. A member is written to tmp, synced,
// renamed into data and never changed again. To delete is to rename into the
// medium's trash, which is emptied later.
//
//	medium.json            who the medium is: see header
//	tmp/NAME               being written; never published from there
//	data/00…ff/NAME        members, spread by a hash of their name
//	catalog/NAME.ckpt      checkpoints of the catalog, the two newest
//	trash/INDEX/NAME       deleted; INDEX is the catalog index that allowed it
//
// Members protect each other in stripes (Stripe, Decoder): lost ones are
// decoded from those that are left. Which disks a stripe's members go to is
// placement (Topology). Both are pure: they read and write what they are given,
// and know no media.
//
// The package decides nothing about life and death of a member: its caller
// asks the catalog. It checks no content either: whoever reads a member
// checks the checksums of its format, and the hash of the whole file is given
// out when it is committed.
package tiering

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/zeebo/xxh3"
)

// Errors that a caller can act on; the errors returned wrap them.
var (
	ErrDiskFull = errors.New("disk full")         // under the reserve, or no space left
	ErrSuspect  = errors.New("medium is suspect") // a write or an fsync failed; nothing new is taken until remount
)

// IsNotExist reports whether err says that a member is not there.
func IsNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// Medium is a mounted medium. It is safe for concurrent use; that no second
// process mounts the same directory is its caller's business.
type Medium struct {
	fs      FS
	dir     string
	header  header
	reserve atomic.Int64 // bytes; negative: the default
	marks   atomic.Pointer[Watermarks]
	fill    atomic.Int32 // a Fill
	created atomic.Bool  // a Create has happened since mount
	suspect atomic.Pointer[error]
	faults  atomic.Int32
	trash   sync.Mutex // held while trash directories change
	points  sync.Mutex // held while checkpoints change
}

// ID returns the UUID of the medium.
func (m *Medium) ID() string { return m.header.Medium }

// Dir returns the directory that the medium was mounted from.
func (m *Medium) Dir() string { return m.dir }

// Check reports whether the medium is still where it was mounted: a disk that
// is not mounted any more looks like an empty one.
func (m *Medium) Check() error {
	h, err := readHeader(m.fs, m.dir)
	if err == nil && h.Medium != m.header.Medium {
		err = fmt.Errorf("medium %s: it is %s now; %s was mounted", m.dir, h.Medium, m.header.Medium)
	}
	return err
}

// Path returns where a member of that name is or would be, for people to
// look at; the medium's own files are opened with Open.
func (m *Medium) Path(name string) string {
	return filepath.Join(m.fan(name), name)
}

// fan returns the directory of data that a member's name falls into. Names
// count up, so a prefix of theirs would not spread them: a hash does.
func (m *Medium) fan(name string) string {
	return filepath.Join(m.dir, dataDir, fanName(byte(xxh3.HashString(name))))
}

func (m *Medium) tmp(name string) string { return filepath.Join(m.dir, tmpDir, name) }

const (
	headerName = "medium.json"
	dataDir    = "data"
	tmpDir     = "tmp"
	trashDir   = "trash"
	fanCount   = 256
)

func fanName(b byte) string { return fmt.Sprintf("%02x", b) }

// checkName keeps names inside the medium: letters, digits, '-', '_' and '.',
// not beginning with a dot.
func checkName(name string) error {
	ok := name != "" && len(name) <= 255 && name[0] != '.'
	for i := 0; ok && i < len(name); i++ {
		c := name[i]
		ok = 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.'
	}
	if !ok {
		return fmt.Errorf("member name %.80q: want 1 to 255 of a-z, A-Z, 0-9, '-', '_', '.', and no dot in front", name)
	}
	return nil
}

// blame turns a failed write, rename or sync into the error for the caller. A
// full disk is only that; after anything else nobody knows what the disk did,
// so the medium takes nothing new until it is mounted again.
func (m *Medium) blame(err error) error {
	if errors.Is(err, ErrStalled) { // which may pass
		return fmt.Errorf("medium %s: %w", m.dir, err)
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("medium %s: %w: %w", m.dir, ErrDiskFull, err)
	}
	return m.doubt(err)
}

// doubt makes the medium suspect because of err. A failed sync always does:
// the kernel may have dropped the pages, whatever the errno.
func (m *Medium) doubt(err error) error {
	if errors.Is(err, ErrStalled) { // its Guard tells what becomes of it
		return fmt.Errorf("medium %s: %w", m.dir, err)
	}
	m.faults.Add(1)
	m.suspect.CompareAndSwap(nil, &err)
	return fmt.Errorf("medium %s: %w: %w", m.dir, ErrSuspect, err)
}

// Doubt makes the medium suspect for what its caller has seen of it.
func (m *Medium) Doubt(err error) { _ = m.doubt(err) }

// Suspect returns why the medium takes nothing new, or nil.
func (m *Medium) Suspect() error {
	if g, guarded := m.fs.(*Guard); guarded && m.suspect.Load() == nil {
		if err := g.Failed(); err != nil {
			m.Doubt(err)
		}
	}
	if p := m.suspect.Load(); p != nil {
		return fmt.Errorf("medium %s: %w since: %w", m.dir, ErrSuspect, *p)
	}
	return nil
}

// Wary returns why the medium should not be chosen where there are others: it
// is stalled, or was until a moment ago. Only one that is guarded says so.
func (m *Medium) Wary() error {
	if g, guarded := m.fs.(*Guard); guarded {
		return g.Wary()
	}
	return nil
}

// Faults returns how many writes and syncs have failed since the mount, for
// other reasons than a full disk.
func (m *Medium) Faults() int { return int(m.faults.Load()) }

func (m *Medium) syncDir(dir string) error {
	if err := m.fs.SyncDir(dir); err != nil {
		return m.doubt(fmt.Errorf("fsync %s: %w", dir, err))
	}
	return nil
}

// Space is the room on a medium's filesystem, in bytes.
type Space struct {
	Total   int64 // what is taken and what is free
	Free    int64 // for us: what the filesystem keeps for root is not counted
	Reserve int64 // Create refuses when Free is below; 0 from an FS
}

// Space returns the room on the medium.
func (m *Medium) Space() (Space, error) {
	s, err := m.fs.Space(m.dir)
	if err != nil {
		return s, fmt.Errorf("medium %s: %w", m.dir, err)
	}
	if s.Reserve = m.reserve.Load(); s.Reserve < 0 {
		s.Reserve = min(s.Total/20, 1<<30)
	}
	m.see(s)
	return s, nil
}

// SetReserve sets how many bytes must be free for Create and Write to go on; negative
// restores the default, which is 5 % of the filesystem or 1 GiB, whichever is
// less. The reserve is what deletes, the catalog and repair go on with.
func (m *Medium) SetReserve(bytes int64) { m.reserve.Store(max(bytes, -1)) }

func (m *Medium) checkSpace() error {
	s, err := m.Space()
	if err != nil {
		return m.blame(err) // it is not there any more
	}
	if err := m.tooFull(s, FillNoWrites); err != nil {
		return err
	}
	if s.Free < s.Reserve {
		return fmt.Errorf("medium %s: %w: %s of %s bytes are free and %s are kept in reserve",
			m.dir, ErrDiskFull, digits(s.Free), digits(s.Total), digits(s.Reserve))
	}
	return nil
}

func digits(n int64) string { return strconv.FormatInt(n, 10) }
