package trust

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"google.golang.org/grpc/codes"
)

// The tarn-join protocol: the joiner sends one frame with a JoinRequest, the
// node one with a joinReply. A frame is four bytes of length, big-endian, and JSON.

// maxFrame bounds what a stranger may say, and what a joiner reads.
const maxFrame = 64 << 10

// joinReply holds one of the two.
type joinReply struct {
	Answer *JoinAnswer `json:"answer,omitempty"`
	Error  *wire.Error `json:"error,omitempty"`
}

func writeFrame(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(b) > maxFrame {
		return wire.Errorf(wire.LimitExceeded, "a message of %d bytes; at most %d are sent", len(b), maxFrame)
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...))
	return err
}

func readFrame(r io.Reader, v any) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > maxFrame {
		return wire.Errorf(wire.InvalidArgument, "a message of %d bytes; at most %d are read", n, maxFrame)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return wire.Errorf(wire.InvalidArgument, "the message does not parse: %w", err)
	}
	return nil
}

// Ask joins over raw, a connection to a node's port that it closes. The token
// leaves this machine only after the server has shown the authority that the
// token names. The same joiner may ask again: it is the same use of the token.
func (j *Joiner) Ask(ctx context.Context, raw net.Conn, now func() time.Time) (Joined, error) {
	defer raw.Close()
	defer context.AfterFunc(ctx, func() { raw.Close() })()
	conn := tls.Client(raw, j.TLS(now))
	if err := conn.HandshakeContext(ctx); err != nil {
		return Joined{}, askError(ctx, err)
	}
	request, err := j.Request()
	if err != nil {
		return Joined{}, err
	}
	var reply joinReply
	if err := errors.Join(writeFrame(conn, request), readFrame(conn, &reply)); err != nil {
		return Joined{}, askError(ctx, err)
	}
	switch {
	case reply.Error != nil:
		return Joined{}, known(reply.Error)
	case reply.Answer == nil:
		return Joined{}, wire.Errorf(wire.Corrupt, "the node's answer is empty")
	}
	return j.Accept(now(), *reply.Answer)
}

// known returns a node's error. A code that only a newer node knows becomes one that this build does.
func known(e *wire.Error) error {
	if e.GRPCStatus().Code() == codes.OK {
		return wire.Errorf(wire.Unavailable, "%s: %s", e.Code, e.Message).WithHint("%s", e.Hint)
	}
	return e
}

// askError leaves errors alone that say what happened.
func askError(ctx context.Context, err error) error {
	var e *wire.Error
	switch {
	case ctx.Err() != nil:
		return wire.Errorf(wire.DeadlineExceeded, "joining: %w", context.Cause(ctx))
	case errors.As(err, &e):
		return err
	}
	return wire.Errorf(wire.Unavailable, "joining: %w", err).WithHint("is --join the host:port of a node of the cluster? It can be asked again with the same token")
}

const (
	joinTime    = 30 * time.Second // for a request and its commit
	joinsAtOnce = 64
)

// ServeJoins answers joiners on l, the tarn-join listener of a Splitter, until
// l is closed or ctx ends. admit has a request judged and committed; it runs
// in many goroutines. Nobody who says nothing keeps others from joining.
func ServeJoins(ctx context.Context, l net.Listener, refusals *Refusals, admit func(context.Context, JoinRequest) (JoinAnswer, error)) {
	ctx, stop := context.WithCancel(ctx)
	waiting := Crowd{Limit: joinsAtOnce}
	var work sync.WaitGroup
	defer work.Wait()
	defer stop()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(ctx, joinTime)
		leave := waiting.Enter(cancel)
		work.Go(func() {
			defer cancel()
			defer leave()
			answerJoin(ctx, conn, refusals, admit)
		})
	}
}

func answerJoin(ctx context.Context, conn net.Conn, refusals *Refusals, admit func(context.Context, JoinRequest) (JoinAnswer, error)) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	var request JoinRequest
	answer := &JoinAnswer{}
	err := readFrame(conn, &request)
	if err == nil {
		*answer, err = admit(ctx, request)
	}
	if err == nil {
		_ = writeFrame(conn, joinReply{Answer: answer}) // a joiner that does not hear asks again
		return
	}
	refusals.Note("a join", conn.RemoteAddr().String(), err, request.Facts.Node)
	if ctx.Err() != nil {
		err = wire.Errorf(wire.Unavailable, "the join took too long, or others pushed in").WithHint("ask again with the same token")
	}
	_ = writeFrame(conn, joinReply{Error: wire.FromError(err)})
}
