package catalog

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// FencedStreams lets Raft speak only to nodes of the same lineage: a stream
// begins with one byte and as many of the text of its opener's, and ends there
// if that is not SameLineage as own. A voter that was left behind by a recovery
// so gets no vote, and gives none. own returns an error as long as it is not known.
func FencedStreams(streams raft.StreamLayer, own func() (string, error)) raft.StreamLayer {
	return &fencedStreams{streams, own}
}

type fencedStreams struct {
	raft.StreamLayer
	own func() (string, error)
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
	_, err = conn.Write(append([]byte{byte(len(own))}, own...))
	if err = errors.Join(err, conn.SetWriteDeadline(time.Time{})); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// Accept returns a stream that asks for its opener's lineage when it is read.
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
	var text [1 + maxLineage]byte
	if _, err := io.ReadFull(conn, text[:1]); err != nil {
		return err
	}
	n := int(text[0])
	if n > maxLineage {
		return fmt.Errorf("a stream of Raft begins with %d bytes of lineage; at most %d", n, maxLineage)
	}
	if _, err := io.ReadFull(conn, text[1:1+n]); err != nil {
		return err
	}
	own, err := f.own()
	if their := string(text[1 : 1+n]); err == nil && !SameLineage(own, their) {
		err = fmt.Errorf("a stream of Raft is of a catalog with recovery %q; this one is of %q", their, own)
	}
	return err
}

type fencedConn struct {
	net.Conn
	admit func() error
}

// Read reads what follows the lineage.
func (c *fencedConn) Read(b []byte) (int, error) {
	if err := c.admit(); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}
