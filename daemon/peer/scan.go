package peer

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync"
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"google.golang.org/grpc"
)

// Limits of a scan's messages: those of what package scan makes of them.
const (
	maxShare = 32 << 20
	maxFrame = 256 << 20
)

// beatEvery is how often a node that scans says that it lives.
const beatEvery = 2 * time.Second

// Scan has a node do a share of a scan, which is bytes to this package, and
// yields what it sends; that belongs to the caller. The last thing yielded may
// be an error: of the node, or of the way to it. A node that says nothing for
// ClientConfig.Stall has failed.
func (c *Client) Scan(ctx context.Context, node string, share []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		asked, cancel := context.WithTimeout(ctx, maxCall/2)
		defer cancel()
		silent := time.AfterFunc(c.cfg.Stall, cancel)
		defer silent.Stop()
		stream, err := c.askShare(asked, node, share)
		for err == nil {
			f := new(frame)
			if err = stream.RecvMsg(f); err != nil {
				break
			}
			silent.Stop() // who takes the frame may take its time
			if len(f.DataBody) > 0 && !yield(f.DataBody, nil) {
				return
			}
			silent.Reset(c.cfg.Stall)
		}
		switch {
		case errors.Is(err, io.EOF):
		case ctx.Err() == nil && asked.Err() != nil:
			yield(nil, c.slow(scanShare))
		default:
			yield(nil, wire.FromError(err))
		}
	}
}

func (c *Client) askShare(ctx context.Context, node string, share []byte) (grpc.ClientStream, error) {
	conn, err := c.connect(node)
	if err != nil {
		return nil, err
	}
	stream, err := conn.NewStream(c.as(ctx, node), &grpc.StreamDesc{ServerStreams: true}, method(scanShare), grpc.MaxCallRecvMsgSize(maxFrame+maxHeader))
	if err != nil {
		return nil, err
	}
	in, err := newFrame(empty{}, share)
	if err != nil {
		return nil, err
	}
	if err := sent(stream, stream.SendMsg(in)); err != nil {
		return nil, err
	}
	return stream, stream.CloseSend()
}

// scan does a share for another node.
func (s *Server) scan(stream grpc.ServerStream) error {
	if err := bounded(stream.Context()); err != nil {
		return err
	}
	in := new(frame)
	if err := stream.RecvMsg(in); err != nil {
		return err
	}
	if _, err := decode[empty](in, maxShare); err != nil {
		return err
	}
	if s.cfg.Scan == nil {
		return wire.Errorf(wire.Unavailable, "node %s scans for nobody", s.cfg.Node)
	}
	out := &beating{stream: stream}
	defer out.beat(stream.Context())()
	return s.cfg.Scan(stream.Context(), in.DataBody, out.send)
}

// beating is a stream that is never silent for long.
type beating struct {
	mu     sync.Mutex
	stream grpc.ServerStream
}

func (b *beating) send(body []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stream.SendMsg(&frame{DataBody: body})
}

// beat sends empty messages until the function that it returns is called.
func (b *beating) beat(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(beatEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if b.send(nil) != nil {
					return // whoever sends rows hears of it
				}
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}
