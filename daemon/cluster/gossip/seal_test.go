package gossip

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"testing"

	"github.com/google/uuid"
)

func newBox(keys ...[]byte) *box {
	return &box{cluster: uuid.New(), keys: func() [][]byte { return keys }}
}

func TestSeal(t *testing.T) {
	key, other := newKey(), newKey()
	ours := newBox(key)
	message := []byte("hello")
	packet, err := ours.seal(ours.head(kindPacket), message)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(packet), len(message)+packetHead+sealOverhead; got != want {
		t.Errorf("%d bytes; want %d", got, want)
	}
	later := &box{cluster: ours.cluster, keys: func() [][]byte { return [][]byte{other, key} }}
	if got, err := later.open(packet[:packetHead], packet[packetHead:]); err != nil || !bytes.Equal(got, message) {
		t.Errorf("%q, %v; want %q", got, err, message)
	}
	for i := range packet {
		bad := slices.Clone(packet)
		bad[i] ^= 1
		if got, err := ours.open(bad[:packetHead], bad[packetHead:]); !errors.Is(err, errKey) {
			t.Errorf("byte %d flipped: %q, %v; want it refused", i, got, err)
		}
	}
	if _, err := newBox().seal(ours.head(kindPacket), message); err == nil {
		t.Error("sealed without a key")
	}
	if _, err := newBox(key[:16]).seal(ours.head(kindPacket), message); err == nil {
		t.Error("sealed with a short key")
	}
}

// Whatever comes on a stream: an error, or the message of who has the key.
func FuzzStream(f *testing.F) {
	b := newBox(newKey())
	f.Add(b.head(kindStream))
	f.Add(append(b.head(kindStream), 0, 0, 0, 5, 'h', 'e', 'l', 'l', 'o'))
	f.Add(append(b.head(kindPacket), 0xff, 0xff, 0xff, 0xff))
	f.Fuzz(func(t *testing.T, sent []byte) {
		conn := &sealedConn{Conn: stream{Reader: bytes.NewReader(sent)}, box: b}
		if n, err := conn.Read(make([]byte, 10)); err == nil {
			t.Errorf("%d bytes of a stranger", n)
		}
		if _, err := (&sealedTransport{box: b}).openPacket(sent); err == nil {
			t.Error("a packet of a stranger")
		}
	})
}

// stream is a connection that only reads, or only writes.
type stream struct {
	net.Conn
	io.Reader
	io.Writer
}

func (s stream) Read(p []byte) (int, error)  { return s.Reader.Read(p) }
func (s stream) Write(p []byte) (int, error) { return s.Writer.Write(p) }

func TestStream(t *testing.T) {
	b := newBox(newKey())
	var between bytes.Buffer
	w := &sealedConn{Conn: stream{Writer: &between}, box: b}
	want := bytes.Repeat([]byte("0123456789"), 1000)
	for _, part := range [][]byte{want[:1], want[1:1], want[1:5000], want[5000:]} {
		if n, err := w.Write(part); n != len(part) || err != nil {
			t.Fatalf("%d, %v; want %d", n, err, len(part))
		}
	}
	got, err := io.ReadAll(&sealedConn{Conn: stream{Reader: &between}, box: b})
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v; want the %d that were written", len(got), err, len(want))
	}
	if _, err := w.Write(make([]byte, maxFrame)); !errors.Is(err, errTooLong) {
		t.Errorf("%v; want %v", err, errTooLong)
	}
}
