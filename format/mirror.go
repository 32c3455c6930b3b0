package format

import (
	"errors"
	"io"

	"github.com/zeebo/xxh3"
)

// Mirrored is a file that is there more than once. A Reader of one goes on
// with another copy where a checksum does not match, and says which copy is
// damaged. Its methods are safe for concurrent use.
type Mirrored interface {
	io.ReaderAt // from any copy

	// Copies returns how many copies there may be; they are numbered from 0.
	Copies() int
	// ReadCopy is ReadAt from one copy. It fails if that is not there.
	ReadCopy(n int, p []byte, off int64) (int, error)
	// Damaged tells that a copy gave wrong bytes, and how that was noticed.
	Damaged(n int, err error)
}

// oneCopy reads one copy of a file.
type oneCopy struct {
	Mirrored
	n int
}

func (c oneCopy) ReadAt(p []byte, off int64) (int, error) { return c.ReadCopy(c.n, p, off) }

// openCopies opens a segment by the first copy whose tail is right.
func openCopies(cache cachedSegment, m Mirrored, size int64) (*Reader, error) {
	var errs []error
	for n := range m.Copies() {
		r, err := openFrom(cache, oneCopy{m, n}, size)
		if err == nil {
			r.file = m
			return r, nil
		}
		if errors.Is(err, ErrCorrupt) {
			m.Damaged(n, err)
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// reread reads bytes that were wrong from the other copies, until one has them
// right. It reports whether b holds them now, and tells the file which copies
// do not.
func reread(file io.ReaderAt, b []byte, off int64, wrong error, right func([]byte) bool) bool {
	m, ok := file.(Mirrored)
	if !ok {
		return false
	}
	for n := range m.Copies() {
		if err := readFull(oneCopy{m, n}, b, off); err != nil {
			continue
		}
		if right(b) {
			return true
		}
		m.Damaged(n, wrong)
	}
	return false
}

func (s span) right(b []byte) bool { return xxh3.Hash(b) == s.sum }

// check checks bytes that were read from the span. Where the file has other
// copies it puts the right bytes in b.
func (s span) check(file io.ReaderAt, part string, b []byte) error {
	if s.right(b) {
		return nil
	}
	err := corrupt(part, int64(s.off), "checksum does not match")
	if reread(file, b, int64(s.off), err, s.right) {
		return nil
	}
	return err
}
