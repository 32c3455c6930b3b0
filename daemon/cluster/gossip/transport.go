package gossip

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/tarnlake/tarn/daemon/cluster/trust"
)

// What strangers may make a node hold.
const (
	maxFrame      = 4 << 20         // a message on a stream: all that a node knows of 5,000 others
	streamsAtOnce = 32              // that have not shown that they are of the cluster
	firstFrame    = 5 * time.Second // for a stream to show it
)

// sealedTransport is a transport of memberlist over another one, on which
// everything is sealed. memberlist, which has labels and encryption of its
// own, sees only bytes of those who have a key: it cannot be made to hold,
// decode or log what strangers send.
type sealedTransport struct {
	memberlist.Transport
	box      *box
	refusals *trust.Refusals

	packets chan *memberlist.Packet
	streams chan net.Conn
	waiting trust.Crowd

	garbage, foreign, wrongKey atomic.Uint64

	ctx  context.Context // ends when nothing is delivered any more
	stop context.CancelFunc
	done chan struct{} // closed when the transport below is shut down
	work sync.WaitGroup
}

func newSealedTransport(below memberlist.Transport, b *box, refusals *trust.Refusals) *sealedTransport {
	t := &sealedTransport{Transport: below, box: b, refusals: refusals,
		packets: make(chan *memberlist.Packet), streams: make(chan net.Conn), done: make(chan struct{})}
	t.waiting.Limit = streamsAtOnce
	t.ctx, t.stop = context.WithCancel(context.Background())
	t.work.Go(t.takePackets)
	t.work.Go(t.takeStreams)
	return t
}

// PacketCh is that of memberlist.Transport.
func (t *sealedTransport) PacketCh() <-chan *memberlist.Packet { return t.packets }

// StreamCh is that of memberlist.Transport.
func (t *sealedTransport) StreamCh() <-chan net.Conn { return t.streams }

// WriteTo is that of memberlist.Transport.
func (t *sealedTransport) WriteTo(message []byte, addr string) (time.Time, error) {
	packet, err := t.box.seal(t.box.head(kindPacket), message)
	if err != nil {
		return time.Time{}, err
	}
	return t.Transport.WriteTo(packet, addr)
}

// DialTimeout is that of memberlist.Transport.
func (t *sealedTransport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	conn, err := t.Transport.DialTimeout(addr, timeout)
	if err != nil {
		return nil, err
	}
	return &sealedConn{Conn: conn, box: t.box}, nil
}

// Shutdown is that of memberlist.Transport. The transport below may wait for
// its last packets to be taken, so they are, and thrown away.
func (t *sealedTransport) Shutdown() error {
	t.stop()
	err := t.Transport.Shutdown()
	close(t.done)
	t.work.Wait()
	return err
}

func (t *sealedTransport) takePackets() {
	for {
		select {
		case p := <-t.Transport.PacketCh():
			t.takePacket(p)
		case <-t.done:
			return
		}
	}
}

func (t *sealedTransport) takePacket(p *memberlist.Packet) {
	message, err := t.openPacket(p.Buf)
	if err != nil {
		t.refuse(p.From, err)
		return
	}
	select {
	case t.packets <- &memberlist.Packet{Buf: message, From: p.From, Timestamp: p.Timestamp}:
	case <-t.ctx.Done():
	}
}

func (t *sealedTransport) openPacket(b []byte) ([]byte, error) {
	if err := t.box.checkHead(kindPacket, b); err != nil {
		return nil, err
	}
	return t.box.open(b[:packetHead], b[packetHead:])
}

func (t *sealedTransport) takeStreams() {
	for {
		select {
		case conn := <-t.Transport.StreamCh():
			leave := t.waiting.Enter(func() { conn.Close() })
			t.work.Go(func() { t.takeStream(conn, leave) })
		case <-t.done:
			return
		}
	}
}

// takeStream hands a stream on once its first message shows that its sender
// is of the cluster.
func (t *sealedTransport) takeStream(raw net.Conn, leave func()) {
	defer context.AfterFunc(t.ctx, func() { raw.Close() })()
	conn := &sealedConn{Conn: raw, box: t.box}
	_ = raw.SetReadDeadline(time.Now().Add(firstFrame)) // memberlist sets its own afterwards
	err := conn.fill()
	leave()
	if err != nil {
		raw.Close()
		t.refuse(raw.RemoteAddr(), err)
		return
	}
	select {
	case t.streams <- conn:
	case <-t.ctx.Done():
		raw.Close()
	}
}

func (t *sealedTransport) refuse(from net.Addr, err error) {
	if t.ctx.Err() != nil || errors.Is(err, io.EOF) {
		return // we stop; or a probe that wanted to know whether the port is open
	}
	switch {
	case errors.Is(err, errForeign):
		t.foreign.Add(1)
	case errors.Is(err, errKey):
		t.wrongKey.Add(1)
	default:
		t.garbage.Add(1)
	}
	t.refusals.Note("gossip", from.String(), err, "")
}

// sealedConn is a stream on which each message that is written travels sealed.
type sealedConn struct {
	net.Conn
	box  *box
	left []byte // of the message that is being read
}

const streamHead = packetHead + 4

// Write sends one message.
func (c *sealedConn) Write(message []byte) (int, error) {
	size := len(message) + sealOverhead
	if size > maxFrame {
		return 0, errTooLong
	}
	frame, err := c.box.seal(binary.BigEndian.AppendUint32(c.box.head(kindStream), uint32(size)), message)
	if err != nil {
		return 0, err
	}
	if _, err := c.Conn.Write(frame); err != nil {
		return 0, err
	}
	return len(message), nil
}

var errTooLong = errors.New("a message of more than 4 MiB")

// Read reads from one message after another.
func (c *sealedConn) Read(p []byte) (int, error) {
	for len(c.left) == 0 {
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.left)
	c.left = c.left[n:]
	return n, nil
}

// fill reads the next message. It takes memory as bytes come, not as they are
// announced.
func (c *sealedConn) fill() error {
	var head [streamHead]byte
	if _, err := io.ReadFull(c.Conn, head[:]); err != nil {
		return err
	}
	if err := c.box.checkHead(kindStream, head[:]); err != nil {
		return err
	}
	size := binary.BigEndian.Uint32(head[packetHead:])
	if size > maxFrame {
		return errTooLong
	}
	sealed, err := io.ReadAll(io.LimitReader(c.Conn, int64(size)))
	if err != nil {
		return err
	}
	if len(sealed) < int(size) {
		return io.ErrUnexpectedEOF
	}
	c.left, err = c.box.open(head[:], sealed)
	return err
}
