package members

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"syscall"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/tiering"
	"github.com/zeebo/xxh3"
	"golang.org/x/sys/unix"
)

// Disk is a disk that members lie on: one of this node, or one of another node
// as the client of package peer reaches it. It is safe for concurrent use.
//
// A member that is not there is an error for which tiering.IsNotExist holds. An
// error that wraps ErrAway says nothing of the disk's bytes; every other one
// does.
type Disk interface {
	// Create begins a member, which is given up when ctx is done before its
	// Commit has returned.
	Create(ctx context.Context, file catalog.MemberFile) (NewMember, error)
	// Open opens a member for reading; ctx is that of opening only.
	Open(ctx context.Context, file catalog.MemberFile) (File, error)
	// Hash reads a member back from the disk, past caches as far as that is
	// possible, where the disk is.
	Hash(ctx context.Context, file catalog.MemberFile) (tiering.Receipt, error)
	// Trash moves a member to the trash; index is that of a state that says so.
	Trash(ctx context.Context, file catalog.MemberFile, index uint64) error
}

// ErrAway is in errors of disks that cannot be asked now: their node is down,
// too slow, or does not let us, or they are stalled.
var ErrAway = tiering.ErrAway

// unavailable gives an error its code if it is one of nodes that are away.
func unavailable(err error) error {
	if errors.Is(err, ErrAway) {
		return wire.Errorf(wire.Unavailable, "%w", err).WithHint("tarn status")
	}
	return err
}

// NewMember is a member that is being written: a *tiering.Writer, or one on
// another node. Write does not keep its bytes; one of no bytes tells that the
// writer lives.
type NewMember interface {
	io.Writer
	Commit() (tiering.Receipt, error)
	Abort() error
}

// File is a member that is open for reading, safe for concurrent use. It need
// not be closed: what it holds goes with the garbage collector.
type File interface {
	tiering.Source
	io.Closer
}

// local is a disk of this node.
type local struct{ medium *tiering.Medium }

func (l local) Create(_ context.Context, file catalog.MemberFile) (NewMember, error) {
	w, err := l.medium.Create(file.String())
	if err != nil {
		return nil, err
	}
	return w, nil
}

func (l local) Open(_ context.Context, file catalog.MemberFile) (File, error) {
	f, err := l.medium.Open(file.String())
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (l local) Trash(_ context.Context, file catalog.MemberFile, index uint64) error {
	return l.medium.Trash(file.String(), index)
}

func (l local) Hash(ctx context.Context, file catalog.MemberFile) (tiering.Receipt, error) {
	return hashBack(ctx, l.medium, file, nil)
}

// HashHere is Disk.Hash of a disk of this node, at somebody's pace: pace, if
// not nil, is called after each piece that was read and returns when the next
// one may be.
func (s *Store) HashHere(ctx context.Context, disk string, file catalog.MemberFile, pace func(ctx context.Context, bytes int64) error) (tiering.Receipt, error) {
	m, here := s.Medium(disk)
	if !here {
		return tiering.Receipt{}, wire.Errorf(wire.Unavailable, "%w: disk %s is not in this node", ErrAway, disk)
	}
	return hashBack(ctx, m, file, pace)
}

func hashBack(ctx context.Context, m *tiering.Medium, file catalog.MemberFile, pace func(context.Context, int64) error) (tiering.Receipt, error) {
	f, err := m.Open(file.String())
	if err != nil {
		return tiering.Receipt{}, err
	}
	defer f.Close()
	uncache(f)
	h := xxh3.New()
	buf := make([]byte, min(hashRead, f.Size()+1))
	src := io.NewSectionReader(f, 0, f.Size())
	for {
		if ctx.Err() != nil {
			return tiering.Receipt{}, context.Cause(ctx)
		}
		n, err := io.ReadFull(src, buf)
		h.Write(buf[:n])
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return tiering.Receipt{Size: f.Size(), Hash: hashText(h)}, nil
		}
		if err == nil && pace != nil {
			err = pace(ctx, int64(n))
		}
		if err != nil {
			return tiering.Receipt{}, err
		}
	}
}

// hashRead is how much is read back at once.
const hashRead = 1 << 20

func hashText(h *xxh3.Hasher) string {
	sum := h.Sum128().Bytes()
	return hex.EncodeToString(sum[:])
}

// uncache has the kernel forget what it keeps of a file, so that the next read
// comes from the disk. What was not written out yet stays.
func uncache(f *tiering.File) {
	file, ok := f.ReaderAt.(syscall.Conn)
	if !ok {
		return
	}
	if conn, err := file.SyscallConn(); err == nil {
		_ = conn.Control(func(fd uintptr) { _ = unix.Fadvise(int(fd), 0, 0, unix.FADV_DONTNEED) }) // a hint
	}
}
