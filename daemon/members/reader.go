package members

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"golang.org/x/sys/unix"
)

// Segment is a segment open for reading, from any disk that has it: those of
// this node first, then those of others, then, of a stripe with parity, what is
// decoded from its other members. A copy that has failed is read again only when
// no better one is left. It is safe for concurrent use; files close when nobody
// uses it any more.
type Segment struct {
	file   catalog.MemberFile
	size   int64
	report Report
	copies []*segmentCopy // the best one first
}

// segmentCopy is one copy; it is opened when it is needed.
type segmentCopy struct {
	name string // for errors
	at   catalog.MemberAt
	made bool // decoded: it is on no disk
	rank int  // how good it is as long as nothing is known against it
	open func() (File, error)

	doubt   atomic.Int32 // fine, away or damaged
	opening sync.Mutex
	file    atomic.Pointer[File]
}

// What is known against a copy.
const (
	fine int32 = iota
	away
	damaged
)

// Report is told of members whose bytes were found to be wrong or unreadable,
// perhaps several times. It must not wait.
type Report func(at catalog.MemberAt, err error)

// Open opens a segment that a version refers to. When it can be had nowhere the
// error says what is wrong on each disk; it is one for which tiering.IsNotExist
// holds if the file is not on one of them, and wraps ErrAway if one of them was
// not to be asked. report may be nil.
func (s *Store) Open(view *catalog.State, id catalog.SegmentID, report Report) (*Segment, error) {
	at, ok := view.Locate(id)
	if !ok {
		return nil, fmt.Errorf("segment %s is in no stripe: %w", id, fs.ErrNotExist)
	}
	seg := &Segment{file: catalog.SegmentFile(id), size: at.Data[at.DataIndex()].Bytes, report: report}
	for _, m := range at.DataCopies() {
		seg.copies = append(seg.copies, s.copyOn(view, m, seg))
	}
	if !at.Group.Scheme.Copies() {
		seg.copies = append(seg.copies, s.decodedCopy(at, report))
	}
	slices.SortStableFunc(seg.copies, func(a, b *segmentCopy) int { return cmp.Compare(a.rank, b.rank) })
	if len(seg.copies) == 0 {
		return nil, wire.Errorf(wire.Corrupt, "segment %s is lost: no disk that is left has it", id).WithHint("tarn status")
	}
	return seg, seg.some()
}

// Ranks of copies.
const (
	rankHere = iota
	rankRemote
	rankDecoded
	rankDown // on a node that is not up
)

func (s *Store) copyOn(view *catalog.State, m catalog.MemberAt, seg *Segment) *segmentCopy {
	c := &segmentCopy{name: "disk " + m.Disk, at: m, rank: rankDown, open: func() (File, error) {
		return s.OpenOn(context.Background(), m.Disk, seg.file, seg.size)
	}}
	if _, here := s.Medium(m.Disk); here {
		c.rank = rankHere
	} else if s.reaches(view, m.Disk) {
		c.rank = rankRemote
	}
	return c
}

// some opens the first copy that can be opened.
func (seg *Segment) some() error {
	var errs []error
	for n := range seg.inOrder() {
		_, err := seg.copy(n)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Size returns the segment's size in bytes.
func (seg *Segment) Size() int64 { return seg.size }

// Copies returns how many copies there were when it was opened.
func (seg *Segment) Copies() int { return len(seg.copies) }

// inOrder gives the copies, the best one first as far as is known by now.
func (seg *Segment) inOrder() iter.Seq[int] {
	return func(yield func(int) bool) {
		for doubt := fine; doubt <= damaged; doubt++ {
			for n, c := range seg.copies {
				if c.doubt.Load() == doubt && !yield(n) {
					return
				}
			}
		}
	}
}

// copy returns a copy, open.
func (seg *Segment) copy(n int) (File, error) {
	c := seg.copies[n]
	if f := c.file.Load(); f != nil {
		return *f, nil
	}
	c.opening.Lock()
	defer c.opening.Unlock()
	if f := c.file.Load(); f != nil {
		return *f, nil
	}
	f, err := c.open()
	if err != nil {
		seg.failed(n, err)
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	c.file.Store(&f)
	return f, nil
}

// failed takes note that a copy could not be read.
func (seg *Segment) failed(n int, err error) {
	switch {
	case NoFilesLeft(err): // which says nothing of the disk
	case errors.Is(err, ErrAway):
		c := seg.copies[n]
		c.doubt.CompareAndSwap(fine, away)
		if c.made {
			c.file.Store(nil) // members that were away may be back when it is opened again
		}
	default:
		seg.Damaged(n, err)
	}
}

// ReadAt reads from the first copy that can be read.
func (seg *Segment) ReadAt(p []byte, off int64) (int, error) {
	var errs []error
	for n := range seg.inOrder() {
		read, err := seg.ReadCopy(n, p, off)
		if err == nil || errors.Is(err, io.EOF) {
			return read, err
		}
		errs = append(errs, err)
	}
	return 0, unavailable(fmt.Errorf("segment %s: %w", seg.file.ID, errors.Join(errs...)))
}

// ReadCopy reads from one copy. One that fails is read last from then on.
func (seg *Segment) ReadCopy(n int, p []byte, off int64) (int, error) {
	f, err := seg.copy(n)
	if err != nil {
		return 0, err
	}
	read, err := f.ReadAt(p, off)
	c := seg.copies[n]
	if err != nil && !errors.Is(err, io.EOF) {
		seg.failed(n, err)
		return read, fmt.Errorf("%s: %w", c.name, err)
	}
	if c.doubt.Load() == away {
		c.doubt.CompareAndSwap(away, fine) // it is back
	}
	return read, err
}

// Damaged has a copy read last from now on, and reports it.
func (seg *Segment) Damaged(n int, err error) {
	c := seg.copies[n]
	if c.doubt.Swap(damaged) != damaged && !c.made && seg.report != nil {
		seg.report(c.at, err)
	}
}

// WillNeed tells the kernel that bytes will be read soon.
func (seg *Segment) WillNeed(off, n int64) {
	for i := range seg.inOrder() {
		if f, err := seg.copy(i); err == nil {
			if f, ok := f.(interface{ WillNeed(off, n int64) }); ok {
				f.WillNeed(off, n)
			}
			return
		}
	}
}

// NoFilesLeft reports whether err says that the process or the machine may
// open no more files.
func NoFilesLeft(err error) bool { return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) }

// OpenOn opens a file of a disk. It is an error if it has not that size.
func (s *Store) OpenOn(ctx context.Context, disk string, file catalog.MemberFile, size int64) (File, error) {
	d, err := s.Disk(disk)
	if err != nil {
		return nil, err
	}
	f, err := d.Open(ctx, file)
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
