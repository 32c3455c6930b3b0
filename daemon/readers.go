package daemon

import (
	"container/list"
	"context"
	"errors"
	"runtime"
	"sync"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/members"
	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/tiering"
	"golang.org/x/sys/unix"
)

// maxReaders bounds how many segments are kept open: a quarter of the files
// that the process may have, for the rest are connections and writes.
var maxReaders = func() int {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 256
	}
	return int(min(max(l.Cur/4, 8), 1024))
}()

// readers keeps the readers of the segments used last, so that a second scan
// need not read footers again. It is safe for concurrent use.
//
// A reader that falls out is not closed but let go: scans may still read from
// it, and the file closes when the last of them has.
type readers struct {
	members *members.Store
	view    func() *catalog.State
	report  members.Report
	cache   *format.Cache // of all readers
	mu      sync.Mutex
	open    map[catalog.SegmentID]*list.Element
	recent  *list.List // of *openReader, newest first
}

type openReader struct {
	id     catalog.SegmentID
	reader *format.Reader
}

func newReaders(m *members.Store, view func() *catalog.State, report members.Report, cache *format.Cache) *readers {
	return &readers{members: m, view: view, report: report, cache: cache, open: map[catalog.SegmentID]*list.Element{}, recent: list.New()}
}

// OpenSegment returns the reader of a segment (see scan.Opener).
func (rs *readers) OpenSegment(_ context.Context, s *catalog.Segment) (*format.Reader, error) {
	if r := rs.lookup(s.ID); r != nil {
		return r, nil
	}
	r, err := rs.openFile(s)
	for try := 0; members.NoFilesLeft(err) && try < 5; try++ {
		rs.letGo()
		r, err = rs.openFile(s)
	}
	if members.NoFilesLeft(err) {
		return nil, wire.Errorf(wire.Unavailable, "segment %s: %w", s.ID, err).WithHint("raise the limit of open files (ulimit -n) of the node")
	}
	if tiering.IsNotExist(err) && !rs.view().Lives(s.ID) {
		return nil, wire.Errorf(wire.VersionNotFound, "segment %s is gone: its table was dropped, or its version was let go, while the scan ran", s.ID).
			WithHint("scan again; a table keeps its versions for its retain-for time")
	}
	if err != nil {
		return nil, err
	}
	rs.keep(s.ID, r)
	return r, nil
}

// letGo closes the files of all readers that no scan holds.
func (rs *readers) letGo() {
	rs.mu.Lock()
	clear(rs.open)
	rs.recent.Init()
	rs.mu.Unlock()
	runtime.GC() // files close with their last user, soon after
}

func (rs *readers) openFile(s *catalog.Segment) (*format.Reader, error) {
	f, err := rs.members.Open(rs.view(), s.ID, rs.report)
	if errors.Is(err, members.ErrAway) {
		return nil, wire.Errorf(wire.Unavailable, "segment %s: %w", s.ID, err).WithHint("tarn status")
	}
	if err != nil {
		return nil, wire.Errorf(wire.Corrupt, "segment %s: %w", s.ID, err).WithHint("tarn segment verify TABLE")
	}
	r, err := rs.cache.Open(uint64(s.ID), f, f.Size())
	if err != nil {
		return nil, segmentError(s, err)
	}
	return r, nil
}

func segmentError(s *catalog.Segment, err error) error {
	if errors.Is(err, format.ErrCorrupt) {
		return wire.Errorf(wire.Corrupt, "segment %s: %w", s.ID, err)
	}
	return err
}

func (rs *readers) lookup(id catalog.SegmentID) *format.Reader {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	e, ok := rs.open[id]
	if !ok {
		return nil
	}
	rs.recent.MoveToFront(e)
	return e.Value.(*openReader).reader
}

func (rs *readers) keep(id catalog.SegmentID, r *format.Reader) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if _, ok := rs.open[id]; ok {
		return
	}
	rs.open[id] = rs.recent.PushFront(&openReader{id, r})
	if rs.recent.Len() > maxReaders {
		rs.remove(rs.recent.Back())
	}
}

// forget drops what is kept of a segment whose file goes away.
func (rs *readers) forget(id catalog.SegmentID) {
	rs.cache.Drop(uint64(id))
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if e, ok := rs.open[id]; ok {
		rs.remove(e)
	}
}

func (rs *readers) remove(e *list.Element) {
	delete(rs.open, e.Value.(*openReader).id)
	rs.recent.Remove(e)
}
