package trust

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/tarnlake/tarn/client/wire"
)

// SplitConfig says how the one port is kept free. Zeros mean the defaults.
type SplitConfig struct {
	Handshake  time.Duration // for a handshake, and for the listener to take the connection; default 10 seconds
	Handshakes int           // under way at once; default 256
	Strangers  int           // connections that have shown neither certificate nor token; default 256
}

func (c SplitConfig) withDefaults() SplitConfig {
	if c.Handshake <= 0 {
		c.Handshake = 10 * time.Second
	}
	if c.Handshakes <= 0 {
		c.Handshakes = 256
	}
	if c.Strangers <= 0 {
		c.Strangers = 256
	}
	return c
}

// Splitter takes connections from one port, shakes hands, and gives each to
// the listener of its protocol. Nobody can block it: a handshake is a
// goroutine of its own with a deadline, and beyond the limits the oldest
// connection is given up for the newest.
type Splitter struct {
	side      Side
	cfg       SplitConfig
	tls       *tls.Config
	refusals  *Refusals
	raw       net.Listener
	listeners map[string]*listener
	shaking   Crowd
	strangers Crowd

	mu    sync.Mutex
	known map[*Conn]struct{} // living connections of verified peers
	doubt map[*Conn]struct{} // those of peers with a good certificate that Side.Check has refused

	ctx  context.Context // ends with Close
	stop context.CancelFunc
	work sync.WaitGroup
}

// NewSplitter splits l, which it closes in the end. Serve must be called.
func NewSplitter(l net.Listener, side Side, refusals *Refusals, cfg SplitConfig) *Splitter {
	s := &Splitter{side: side, cfg: cfg.withDefaults(), tls: side.Server(), refusals: refusals, raw: l,
		listeners: map[string]*listener{}, known: map[*Conn]struct{}{}, doubt: map[*Conn]struct{}{}}
	for _, protocol := range []string{ProtocolGRPC, ProtocolRaft, ProtocolJoin} {
		s.listeners[protocol] = &listener{addr: l.Addr(), conns: make(chan net.Conn), closed: make(chan struct{})}
	}
	s.shaking.Limit, s.strangers.Limit = s.cfg.Handshakes, s.cfg.Strangers
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s
}

// Listener returns the listener of a protocol. All its connections are *Conn.
// What nobody accepts in time is closed.
func (s *Splitter) Listener(protocol string) net.Listener {
	l, ok := s.listeners[protocol]
	if !ok {
		panic("BUG: no protocol " + protocol)
	}
	return l
}

// Serve takes connections until Close, and returns nil then.
func (s *Splitter) Serve() error {
	var pause time.Duration
	for {
		raw, err := s.raw.Accept()
		if err == nil {
			pause = 0
			s.receive(raw)
			continue
		}
		if s.ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("the port is closed: %w", err)
		}
		pause = min(max(2*pause, 5*time.Millisecond), time.Second) // out of descriptors, most likely
		s.refusals.Note("connections", s.raw.Addr().String(), err, "")
		select {
		case <-time.After(pause):
		case <-s.ctx.Done():
		}
	}
}

// Close closes the port and its listeners and ends the handshakes. Connections
// that were accepted live on.
func (s *Splitter) Close() error {
	s.stop()
	err := s.raw.Close()
	for _, l := range s.listeners {
		l.Close()
	}
	s.work.Wait()
	return err
}

var (
	errSlow   = errors.New("it took too long to shake hands")
	errPushed = errors.New("too many shake hands at once; this one was the slowest")
)

// receive lets a connection in, in the order of arrival, and has it taken to its
// listener.
func (s *Splitter) receive(raw net.Conn) {
	ctx, cancel := context.WithCancelCause(s.ctx)
	leave := s.shaking.Enter(func() { cancel(errPushed) })
	s.work.Go(func() {
		defer cancel(nil)
		defer leave()
		s.take(ctx, cancel, raw)
	})
}

// take brings a connection to the listener of its protocol, or closes it.
func (s *Splitter) take(ctx context.Context, cancel context.CancelCauseFunc, raw net.Conn) {
	defer time.AfterFunc(s.cfg.Handshake, func() { cancel(errSlow) }).Stop()
	if err := s.deliver(ctx, raw); err != nil {
		raw.Close()
		s.noteRefused(raw, err)
	}
}

func (s *Splitter) noteRefused(raw net.Conn, err error) {
	if s.ctx.Err() != nil || errors.Is(err, io.EOF) {
		return // we stop; or a probe that wanted to know whether the port is open
	}
	s.refusals.Note("a connection", raw.RemoteAddr().String(), err, "")
}

func (s *Splitter) deliver(ctx context.Context, raw net.Conn) error {
	inner := tls.Server(raw, s.tls)
	if err := inner.HandshakeContext(ctx); err != nil {
		return shakeError(ctx, err)
	}
	state := inner.ConnectionState()
	l, ok := s.listeners[state.NegotiatedProtocol]
	if !ok {
		return wire.Errorf(wire.InvalidArgument, "it does not say what it is for (ALPN)")
	}
	conn := &Conn{Conn: inner, raw: raw, leave: func() {}}
	s.recognize(conn, state)
	select {
	case l.conns <- conn:
		return nil
	case <-l.closed:
		err := wire.Errorf(wire.Unavailable, "%s is not served any more", state.NegotiatedProtocol)
		conn.Close()
		return err
	case <-ctx.Done():
		conn.Close()
		return context.Cause(ctx)
	}
}

// shakeError is why a handshake failed: what ended it, if that was us.
func shakeError(ctx context.Context, err error) error {
	var plain tls.RecordHeaderError
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &plain):
		return wire.Errorf(wire.InvalidArgument, "it does not speak TLS")
	}
	return err
}

// recognize finds out who has connected. Who has no good certificate is a
// stranger until a call with a token vouches for the connection.
func (s *Splitter) recognize(c *Conn, state tls.ConnectionState) {
	if len(state.PeerCertificates) > 0 {
		c.peer, c.refused = s.side.caller(state.PeerCertificates)
		c.known = c.refused == nil
	}
	if c.known {
		c.leave = s.remember(c)
		return
	}
	c.leave = s.strangers.Enter(c.cut)
	if c.peer.Name != "" {
		c.leave = s.suspect(c, c.leave)
	}
}

// suspect keeps the connection of a peer in sight that only Side.Check refuses:
// a node whose catalog is still behind takes one for removed that is not.
func (s *Splitter) suspect(c *Conn, leave func()) (forget func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doubt[c] = struct{}{}
	return func() {
		leave()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.doubt, c)
	}
}

// remember keeps a verified peer's connection in sight until it is closed, or
// ends with its certificate.
func (s *Splitter) remember(c *Conn) (forget func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known[c] = struct{}{}
	end := time.AfterFunc(c.peer.Expires.Sub(s.side.Now()), c.cut)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.known, c)
		end.Stop()
	}
}

// Recheck cuts the connections of peers that Side.Check refuses by now, and of
// those that it refused and does no more: what it says of a connection holds
// while that lives, and gRPC keeps one for ever. To be called when nodes may
// have been added or removed.
func (s *Splitter) Recheck() {
	if s.side.Check == nil {
		return
	}
	for _, c := range s.living(s.known) {
		if err := s.side.Check(c.peer); err != nil {
			s.noteRefused(c, err)
			c.cut()
		}
	}
	for _, c := range s.living(s.doubt) {
		if s.side.Check(c.peer) == nil {
			c.cut() // it connects again, and is known then
		}
	}
}

func (s *Splitter) living(conns map[*Conn]struct{}) []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(conns))
}

// Conn is a connection whose handshake is done. It is closed when the
// certificate it was made with expires.
type Conn struct {
	*tls.Conn
	raw     net.Conn
	peer    Peer
	known   bool   // peer is verified
	refused error  // why its certificate is not believed, if it showed one
	leave   func() // those that are looked after
}

// Peer returns who is at the other end; false if it showed no certificate, or
// none that is believed.
func (c *Conn) Peer() (Peer, bool) { return c.peer, c.known }

// vouch is called when a call has shown by a token who is at the other end.
func (c *Conn) vouch() {
	if !c.known {
		c.leave()
	}
}

// cut ends the connection without a word, whatever is under way on it. The one
// who uses it closes it then.
func (c *Conn) cut() { c.raw.Close() }

// Close closes the connection.
func (c *Conn) Close() error {
	c.leave()
	return c.Conn.Close()
}

// listener is the half of one protocol.
type listener struct {
	addr   net.Addr
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return l.addr }
