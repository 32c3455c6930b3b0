package members

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/tiering"
	"golang.org/x/sys/unix"
)

// Segment is a segment open for reading, from any disk that has it. A copy
// that cannot be read, or whose bytes are wrong, is left out from then on, as
// long as there is another one. It is safe for concurrent use; files close
// when nobody uses it any more.
type Segment struct {
	file   catalog.MemberFile
	size   int64
	report Report

	mu     sync.Mutex
	copies []*segmentCopy
}

// segmentCopy is one copy; it is opened when it is needed.
type segmentCopy struct {
	at   catalog.MemberAt
	open func() (*tiering.File, error)
	file *tiering.File
	err  error // why it is left out
}

// Report is told of members whose bytes were found to be wrong or unreadable,
// perhaps several times. It must not wait.
type Report func(at catalog.MemberAt, err error)

// Open opens a segment that a version refers to. When no disk has it the error
// says what is wrong on each; it is one for which tiering.IsNotExist holds if
// the file is not on any of them.
func (s *Store) Open(view *catalog.State, id catalog.SegmentID, report Report) (*Segment, error) {
	at, ok := view.Locate(id)
	if !ok {
		return nil, fmt.Errorf("segment %s is in no stripe: %w", id, fs.ErrNotExist)
	}
	seg := &Segment{file: catalog.SegmentFile(id), size: at.Data[at.DataIndex()].Bytes, report: report}
	for _, m := range at.DataCopies() {
		seg.copies = append(seg.copies, &segmentCopy{at: m, open: func() (*tiering.File, error) { return s.OpenOn(m.Disk, seg.file, seg.size) }})
	}
	if len(seg.copies) == 0 {
		return nil, wire.Errorf(wire.Corrupt, "segment %s is lost: no disk that is left has it", id).WithHint("tarn status")
	}
	_, err := seg.any()
	return seg, err
}

// Size returns the segment's size in bytes.
func (seg *Segment) Size() int64 { return seg.size }

// Copies returns how many copies there were when it was opened.
func (seg *Segment) Copies() int { return len(seg.copies) }

// copy returns a copy, open, or why it is left out.
func (seg *Segment) copy(n int) (*tiering.File, error) {
	seg.mu.Lock()
	defer seg.mu.Unlock()
	c := seg.copies[n]
	if c.file != nil || c.err != nil {
		return c.file, c.err
	}
	f, err := c.open()
	if err != nil {
		err = fmt.Errorf("disk %s: %w", c.at.Disk, err)
		if !NoFilesLeft(err) { // which says nothing of the disk
			c.err = err
		}
		return nil, err
	}
	c.file = f
	return f, nil
}

// leaveOut takes a copy out of use, unless it is the last one. It returns
// false if it was out already.
func (seg *Segment) leaveOut(n int, err error) bool {
	seg.mu.Lock()
	defer seg.mu.Unlock()
	c, others := seg.copies[n], 0
	for _, other := range seg.copies {
		if other != c && other.err == nil {
			others++
		}
	}
	if c.err != nil {
		return false
	}
	if others > 0 {
		c.err = fmt.Errorf("disk %s: %w", c.at.Disk, err)
		c.file = nil // closes with its last user
	}
	return true
}

// any returns the first copy that is not left out.
func (seg *Segment) any() (int, error) {
	var errs []error
	for n := range seg.copies {
		_, err := seg.copy(n)
		if err == nil {
			return n, nil
		}
		errs = append(errs, err)
	}
	return 0, errors.Join(errs...)
}

// ReadAt reads from the first copy that can be read.
func (seg *Segment) ReadAt(p []byte, off int64) (int, error) {
	for {
		n, err := seg.any()
		if err != nil {
			return 0, err
		}
		read, err := seg.ReadCopy(n, p, off)
		if err == nil || errors.Is(err, io.EOF) || seg.usable(n) {
			return read, err
		}
	}
}

// usable reports whether a copy is not left out.
func (seg *Segment) usable(n int) bool {
	_, err := seg.copy(n)
	return err == nil
}

// ReadCopy reads from one copy. One that fails is left out.
func (seg *Segment) ReadCopy(n int, p []byte, off int64) (int, error) {
	f, err := seg.copy(n)
	if err != nil {
		return 0, err
	}
	read, err := f.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		seg.Damaged(n, err)
	}
	return read, err
}

// Damaged leaves a copy out and reports it.
func (seg *Segment) Damaged(n int, err error) {
	if seg.leaveOut(n, err) {
		seg.report(seg.copies[n].at, err)
	}
}

// WillNeed tells the kernel that bytes will be read soon.
func (seg *Segment) WillNeed(off, n int64) {
	if i, err := seg.any(); err == nil {
		if f, err := seg.copy(i); err == nil {
			f.WillNeed(off, n)
		}
	}
}

// NoFilesLeft reports whether err says that the process or the machine may
// open no more files.
func NoFilesLeft(err error) bool { return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) }

// OpenOn opens a file of a disk. It is an error if it has not that size.
func (s *Store) OpenOn(disk string, file catalog.MemberFile, size int64) (*tiering.File, error) {
	m, here := s.Medium(disk)
	if !here {
		return nil, wire.Errorf(wire.Unavailable, "it is not in this node")
	}
	f, err := m.Open(file.String())
	if err != nil {
		return nil, err
	}
	if f.Size() != size {
		err := fmt.Errorf("%s has %d bytes, the catalog says %d", file, f.Size(), size)
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Path returns where a segment lies on a disk of this node, for people; it is
// empty if it lies on none.
func (s *Store) Path(view *catalog.State, id catalog.SegmentID) string {
	at, ok := view.Locate(id)
	if !ok {
		return ""
	}
	for _, c := range at.DataCopies() {
		if m, here := s.Medium(c.Disk); here {
			return m.Path(catalog.SegmentFile(id).String())
		}
	}
	return ""
}
