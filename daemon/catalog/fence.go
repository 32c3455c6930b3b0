package catalog

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	"github.com/tarnlake/tarn/client/wire"
)

// Hello is what nodes tell each other before they speak of the catalog.
type Hello struct {
	Lineage  string
	Speaks   Speaks
	Protocol Protocol // of the cluster, as the node knows it
}

// String returns the text form, which has no blanks inside its three parts.
func (h Hello) String() string { return fmt.Sprintf("%s %s %d", h.Lineage, h.Speaks, h.Protocol) }

// ParseHello reads what String wrote.
func ParseHello(text string) (h Hello, err error) {
	parts := strings.Split(text, " ")
	if len(parts) != 3 || len(text) > maxHello {
		return Hello{}, fmt.Errorf("%.100q does not say lineage and protocols of a node", text)
	}
	h.Lineage = parts[0]
	if h.Speaks, err = ParseSpeaks(parts[1]); err != nil {
		return Hello{}, err
	}
	n, err := strconv.ParseUint(parts[2], 10, 32)
	h.Protocol = Protocol(n)
	if err != nil || h.String() != text {
		return Hello{}, fmt.Errorf("%.100q does not say lineage and protocols of a node", text)
	}
	return h, nil
}

// Meet refuses another node whose catalog went another way (wire.Conflict), or
// one of the two that does not speak what the other one's cluster does
// (wire.Unsupported).
func (h Hello) Meet(other Hello) error {
	if !SameLineage(h.Lineage, other.Lineage) {
		return wire.Errorf(wire.Conflict, "the other node has the catalog of recovery %.100q, this one that of %q", other.Lineage, h.Lineage).
			WithHint("tarn recover --rejoin --dir DIR, on the node with the older one")
	}
	if own := h.Speaks.Known().Newest; max(other.Protocol, other.Speaks.Known().Oldest) > own {
		return wire.Errorf(wire.Unsupported, "the other node speaks protocols %s in a cluster of %d; this one %d at most", other.Speaks, other.Protocol, own).
			WithHint("use a newer tarn for this one")
	}
	if h.Protocol > other.Speaks.Known().Newest {
		return wire.Errorf(wire.Unsupported, "the other node speaks protocol %d at most; the cluster speaks %d", other.Speaks.Known().Newest, h.Protocol).
			WithHint("use a newer tarn for it: a cluster does not go back")
	}
	return nil
}

// maxHello bounds the text.
const maxHello = 200

// FencedStreams lets Raft speak only to nodes that can be of one cluster: a
// stream begins with one byte and as many of the text of its opener's Hello, and
// ends there if own does not Meet it. A voter that was left behind by a recovery
// so gets no vote, and gives none. own returns an error as long as it is not known.
func FencedStreams(streams raft.StreamLayer, own func() (Hello, error)) raft.StreamLayer {
	return &fencedStreams{streams, own}
}

type fencedStreams struct {
	raft.StreamLayer
	own func() (Hello, error)
}

// Dial opens a stream and says who opens it.
func (f *fencedStreams) Dial(to raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	own, err := f.own()
	if err != nil {
		return nil, err
	}
	conn, err := f.StreamLayer.Dial(to, timeout)
	if err != nil {
		return nil, err
	}
	_ = conn.SetWriteDeadline(time.Now().Add(timeout)) // one that cannot have it fails to write soon enough
	text := own.String()
	_, err = conn.Write(append([]byte{byte(len(text))}, text...))
	if err = errors.Join(err, conn.SetWriteDeadline(time.Time{})); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// Accept returns a stream that asks for its opener's Hello when it is read.
func (f *fencedStreams) Accept() (net.Conn, error) {
	conn, err := f.StreamLayer.Accept()
	if err != nil {
		return nil, err
	}
	c := &fencedConn{Conn: conn}
	c.admit = sync.OnceValue(func() error { return f.admit(conn) })
	return c, nil
}

func (f *fencedStreams) admit(conn net.Conn) error {
	var text [1 + maxHello]byte
	if _, err := io.ReadFull(conn, text[:1]); err != nil {
		return err
	}
	n := int(text[0])
	if n > maxHello {
		return fmt.Errorf("a stream of Raft begins with %d bytes on its node; at most %d", n, maxHello)
	}
	if _, err := io.ReadFull(conn, text[1:1+n]); err != nil {
		return err
	}
	their, err := ParseHello(string(text[1 : 1+n]))
	if err != nil {
		return err
	}
	own, err := f.own()
	if err != nil {
		return err
	}
	return own.Meet(their)
}

type fencedConn struct {
	net.Conn
	admit func() error
}

// Read reads what follows the Hello.
func (c *fencedConn) Read(b []byte) (int, error) {
	if err := c.admit(); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}
