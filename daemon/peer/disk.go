package peer

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/members"
	"github.com/tarnlake/tarn/tiering"
	"google.golang.org/grpc"
)

// disk is a disk of another node. One that could not be reached, or was too
// slow, rests: until it has, calls fail at once.
type disk struct {
	client *Client
	id     string
	rests  atomic.Int64 // until, in Unix nanoseconds
}

var _ members.Disk = (*disk)(nil)

func (d *disk) header(file catalog.MemberFile) memberHeader {
	return memberHeader{Disk: d.id, File: file.String()}
}

// node returns the node to ask, unless the disk rests.
func (d *disk) node() (string, error) {
	if left := time.Duration(d.rests.Load() - d.client.cfg.Now().UnixNano()); left > 0 {
		return "", wire.Errorf(wire.Unavailable, "disk %s did not answer; it is asked again in %v", d.id, left.Round(time.Millisecond))
	}
	return d.client.nodeOf(d.id)
}

// judge turns the error of a call into one of members.Disk, and lets the disk
// rest if it did not answer. ctx is the caller's: when he gave up it was for a
// reason of his own, unless that was that the disk took too long.
func (d *disk) judge(ctx context.Context, err error) error {
	err = understand(err)
	if !errors.Is(err, members.ErrAway) {
		return err
	}
	code := wire.FromError(err).Code
	silent := ctx.Err() == nil && (code == wire.Unavailable || code == wire.DeadlineExceeded)
	if silent || errors.Is(context.Cause(ctx), members.ErrAway) {
		d.rests.Store(d.client.cfg.Now().Add(d.client.cfg.Rest).UnixNano())
	}
	return err
}

// ask makes a call about the disk that may take so long.
func ask[A any](ctx context.Context, d *disk, name string, header any, limit time.Duration) (a A, err error) {
	node, err := d.node()
	if err != nil {
		return a, understand(err)
	}
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	a, err = call[A](bounded, d.client, node, name, header, nil)
	return a, d.judge(ctx, err)
}

func (d *disk) Open(ctx context.Context, file catalog.MemberFile) (members.File, error) {
	a, err := ask[receiptHeader](ctx, d, statMember, d.header(file), d.client.cfg.Stall)
	if err != nil {
		return nil, err
	}
	return &remoteFile{disk: d, file: file, size: a.Size}, nil
}

// hashTime bounds a read-back: that of the largest member on a slow disk.
const hashTime = time.Hour

func (d *disk) Hash(ctx context.Context, file catalog.MemberFile) (tiering.Receipt, error) {
	a, err := ask[receiptHeader](ctx, d, hashMember, d.header(file), hashTime)
	return tiering.Receipt{Size: a.Size, Hash: a.Hash}, err
}

func (d *disk) Trash(ctx context.Context, file catalog.MemberFile, index uint64) error {
	_, err := ask[empty](ctx, d, trashMember, trashHeader{d.header(file), index}, d.client.cfg.Stall)
	return err
}

// remoteFile is a member of another node. It holds nothing there: each read is
// a call of its own.
type remoteFile struct {
	disk *disk
	file catalog.MemberFile
	size int64
}

func (f *remoteFile) Size() int64  { return f.size }
func (f *remoteFile) Close() error { return nil }

// ReadAt reads a range, in several calls if it is a large one.
func (f *remoteFile) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("read at a negative offset")
	}
	want := p[:min(int64(len(p)), max(f.size-off, 0))]
	done := 0
	for done < len(want) {
		n, err := f.read(want[done:min(done+maxRead, len(want))], off+int64(done))
		if done += n; err != nil {
			return done, err
		}
	}
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}

func (f *remoteFile) read(p []byte, off int64) (int, error) {
	node, err := f.disk.node()
	if err != nil {
		return 0, understand(err)
	}
	c := f.disk.client
	ctx, cancel := context.WithTimeout(context.Background(), c.readTime(int64(len(p))))
	defer cancel()
	n, err := c.readRange(ctx, node, rangeHeader{f.disk.header(f.file), off, int64(len(p))}, p)
	return n, f.disk.judge(context.Background(), err)
}

// readRange fills p with what a node sends of a range.
func (c *Client) readRange(ctx context.Context, node string, h rangeHeader, p []byte) (int, error) {
	stream, err := c.stream(ctx, node, &grpc.StreamDesc{ServerStreams: true}, readMember)
	if err != nil {
		return 0, err
	}
	in, err := newFrame(h, nil)
	if err == nil {
		err = sent(stream, stream.SendMsg(in))
	}
	if err == nil {
		err = stream.CloseSend()
	}
	n := 0
	for err == nil && n < len(p) {
		f := new(frame)
		if err = stream.RecvMsg(f); err == nil {
			if len(f.DataBody) == 0 || len(f.DataBody) > len(p)-n {
				return n, wire.Errorf(wire.Internal, "node %s sent %d bytes of a range that misses %d", node, len(f.DataBody), len(p)-n)
			}
			n += copy(p[n:], f.DataBody)
		}
	}
	if errors.Is(err, io.EOF) {
		return n, wire.Errorf(wire.Corrupt, "%s ends at byte %d", h.File, h.Offset+int64(n)) // it was longer when it was opened
	}
	if err != nil {
		return n, wire.FromError(err)
	}
	return n, nil
}

// sent returns the error of a stream that a message could not be sent on: what
// the other side has to say of it.
func sent(stream grpc.ClientStream, err error) error {
	if errors.Is(err, io.EOF) {
		if err := stream.RecvMsg(new(frame)); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		return wire.Errorf(wire.Unavailable, "the stream ended early")
	}
	return err
}

func (c *Client) stream(ctx context.Context, node string, desc *grpc.StreamDesc, name string) (grpc.ClientStream, error) {
	conn, err := c.connect(node)
	if err != nil {
		return nil, err
	}
	stream, err := conn.NewStream(c.as(ctx, node), desc, method(name))
	if err != nil {
		return nil, wire.FromError(err)
	}
	return stream, nil
}

// Create begins a member. Every step has the time of a call that is no work;
// the last one, which waits for the disk, has three times that.
func (d *disk) Create(ctx context.Context, file catalog.MemberFile) (members.NewMember, error) {
	node, err := d.node()
	if err != nil {
		return nil, understand(err)
	}
	streaming, cancel := context.WithCancelCause(ctx)
	w := &newMember{disk: d, asked: ctx, streaming: streaming, cancel: cancel}
	err = w.step(d.client.cfg.Stall, func() (err error) {
		if w.stream, err = d.client.stream(streaming, node, &grpc.StreamDesc{ClientStreams: true}, createMember); err != nil {
			return err
		}
		return w.send(d.header(file), nil)
	})
	if err != nil {
		return nil, err
	}
	return w, nil
}

// newMember is a member that is being sent. It is not safe for concurrent use.
type newMember struct {
	disk      *disk
	asked     context.Context // the caller's
	streaming context.Context // done: it has ended
	cancel    context.CancelCauseFunc
	stream    grpc.ClientStream
	size      int64
}

// step does what may take so long, and ends the stream if it fails.
func (w *newMember) step(limit time.Duration, do func() error) error {
	if w.streaming.Err() != nil { // what is sent now might wait somewhere, and seem to be sent
		return w.disk.judge(w.asked, wire.Errorf(wire.Canceled, "the member was given up"))
	}
	late := time.AfterFunc(limit, func() { w.cancel(members.ErrAway) })
	err := do()
	if !late.Stop() && err != nil {
		err = w.disk.client.slow(createMember)
	}
	if err == nil {
		return nil
	}
	w.cancel(nil)
	return w.disk.judge(w.asked, err)
}

func (w *newMember) send(header any, body []byte) error {
	f, err := newFrame(header, body)
	if err != nil {
		return err
	}
	return sent(w.stream, w.stream.SendMsg(f))
}

// Write sends bytes in chunks; none at all as an empty one, so that the other
// side knows that the writer lives.
func (w *newMember) Write(p []byte) (int, error) {
	done := 0
	err := w.step(w.disk.client.cfg.Stall, func() error {
		for {
			n := min(len(p)-done, maxChunk)
			if err := w.send(nil, p[done:done+n]); err != nil {
				return err
			}
			if done += n; done == len(p) {
				return nil
			}
		}
	})
	w.size += int64(done)
	return done, err
}

// Commit says that this was all, and returns what the other side has on its disk.
func (w *newMember) Commit() (receipt tiering.Receipt, err error) {
	err = w.step(3*w.disk.client.cfg.Stall, func() error {
		if err := w.send(endHeader{w.size}, nil); err != nil {
			return err
		}
		if err := w.stream.CloseSend(); err != nil {
			return err
		}
		out := new(frame)
		if err := w.stream.RecvMsg(out); err != nil {
			return err
		}
		a, err := decode[receiptHeader](out, 0)
		receipt = tiering.Receipt{Size: a.Size, Hash: a.Hash}
		return err
	})
	w.cancel(nil)
	return receipt, err
}

// Abort ends the stream without its end: the other side keeps nothing.
func (w *newMember) Abort() error {
	w.cancel(context.Canceled)
	return nil
}
