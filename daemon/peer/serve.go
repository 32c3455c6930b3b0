package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/members"
	"google.golang.org/grpc"
)

// createMember receives a member: a header, chunks, and an end that says how
// many bytes there were. Without that end nothing of it stays.
func (s *Server) createMember(stream grpc.ServerStream) error {
	words := make(chan struct{}, 1)
	done := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- wire.Errorf(wire.Internal, "the node met a bug of its own: %v\n%s", p, debug.Stack())
			}
		}()
		done <- s.receive(stream, func() {
			select {
			case words <- struct{}{}:
			default:
			}
		})
	}()
	idle := time.NewTimer(s.cfg.Idle)
	defer idle.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-words:
			idle.Reset(s.cfg.Idle)
		case <-idle.C: // to return ends the stream, and with it receive
			return wire.Errorf(wire.DeadlineExceeded, "no word of the writer, or of the disk, for %v", s.cfg.Idle)
		}
	}
}

// receive writes what comes to the disk; it calls alive with each message.
func (s *Server) receive(stream grpc.ServerStream, alive func()) (err error) {
	first := new(frame)
	if err := stream.RecvMsg(first); err != nil {
		return err
	}
	h, err := decode[memberHeader](first, 0)
	if err != nil {
		return err
	}
	disk, file, err := s.find(h)
	if err != nil {
		return err
	}
	to, err := disk.Create(stream.Context(), file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Abort()) }() // after Commit it does nothing
	size, err := copyChunks(stream, to, alive)
	if err != nil {
		return err
	}
	if err := s.admit(stream.Context(), false); err != nil {
		return err // it took long: the epoch may be over
	}
	receipt, err := to.Commit()
	if err != nil {
		return err
	}
	if receipt.Size != size {
		panic(fmt.Sprintf("BUG: peer: %d bytes were written, %d were received", receipt.Size, size))
	}
	a, err := newFrame(receiptHeader{receipt.Size, receipt.Hash}, nil)
	if err != nil {
		return err
	}
	return stream.SendMsg(a)
}

// copyChunks writes chunks until the end, and returns how many bytes there were.
func copyChunks(stream grpc.ServerStream, to members.NewMember, alive func()) (int64, error) {
	size := int64(0)
	for {
		f := new(frame)
		if err := stream.RecvMsg(f); err != nil {
			if errors.Is(err, io.EOF) {
				err = wire.Errorf(wire.Canceled, "the writer went away after %d bytes", size)
			}
			return size, err
		}
		alive()
		if len(f.DataHeader) > 0 {
			return size, checkEnd(f, size)
		}
		if len(f.DataBody) > maxChunk {
			return size, wire.Errorf(wire.LimitExceeded, "a chunk of %d bytes; at most %d", len(f.DataBody), maxChunk)
		}
		if _, err := to.Write(f.DataBody); err != nil {
			return size, err
		}
		size += int64(len(f.DataBody))
	}
}

func checkEnd(f *frame, size int64) error {
	end, err := decode[endHeader](f, 0)
	if err != nil {
		return err
	}
	if end.Size != size {
		return wire.Errorf(wire.InvalidArgument, "the writer sent %d bytes, %d came", end.Size, size)
	}
	return nil
}

// readMember sends a range of a member, or as much as there is of it.
func (s *Server) readMember(stream grpc.ServerStream) error {
	ctx := stream.Context()
	if err := bounded(ctx); err != nil {
		return err
	}
	in := new(frame)
	if err := stream.RecvMsg(in); err != nil {
		return err
	}
	h, err := decode[rangeHeader](in, 0)
	if err == nil {
		err = h.check()
	}
	if err != nil {
		return err
	}
	disk, file, err := s.find(h.memberHeader)
	if err != nil {
		return err
	}
	f, err := disk.Open(ctx, file)
	if err != nil {
		return err
	}
	return errors.Join(sendRange(ctx, stream, f, h.Offset, h.Length), f.Close())
}

func sendRange(ctx context.Context, stream grpc.ServerStream, f members.File, off, length int64) error {
	buf := make([]byte, min(length, maxChunk, max(f.Size()-off, 0)))
	for length > 0 && off < f.Size() {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := f.ReadAt(buf[:min(length, int64(len(buf)))], off)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if n == 0 {
			return nil
		}
		if err := stream.SendMsg(&frame{DataBody: buf[:n]}); err != nil { // encoded when it returns: buf is free again
			return err
		}
		off, length = off+int64(n), length-int64(n)
	}
	return nil
}
