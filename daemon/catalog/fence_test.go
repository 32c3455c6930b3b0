package catalog

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/tarnlake/tarn/client/wire"
)

func TestHellos(t *testing.T) {
	lone := Hello{Lineage: "0", Speaks: Speaks{1, 1}, Protocol: 1}
	both := Hello{Lineage: "0", Speaks: Speaks{1, 2}, Protocol: 1}
	raised := Hello{Lineage: "0", Speaks: Speaks{1, 2}, Protocol: 2}
	behind := Hello{Lineage: "0", Speaks: Speaks{2, 3}, Protocol: 1} // a replica that has not heard of the raise
	recovered := Hello{Lineage: "1-x", Speaks: Speaks{1, 1}, Protocol: 1}
	empty := Hello{Speaks: Speaks{1, 1}, Protocol: 1}
	for _, test := range []struct {
		a, b Hello
		want wire.Code // "": they meet
	}{
		{lone, lone, ""},
		{lone, both, ""},
		{both, raised, ""},
		{raised, behind, ""},
		{lone, raised, wire.Unsupported},
		{lone, recovered, wire.Conflict},
		{recovered, recovered, ""},
		{recovered, empty, ""},
		{raised, empty, wire.Unsupported},
	} {
		for _, err := range []error{test.a.Meet(test.b), test.b.Meet(test.a)} {
			if test.want == "" && err != nil || test.want != "" && !wire.IsCode(err, test.want) {
				t.Errorf("%q and %q: %v; want %q", test.a, test.b, err, test.want)
			}
		}
		if got, err := ParseHello(test.a.String()); err != nil || got != test.a {
			t.Errorf("%q is read as %q, %v", test.a, got, err)
		}
	}
}

func FuzzParseHello(f *testing.F) {
	f.Add("1-x 1-2 1")
	f.Add(" 1-1 0")
	f.Fuzz(func(t *testing.T, text string) {
		if h, err := ParseHello(text); err == nil && h.String() != text {
			t.Errorf("%q is read as %q", text, h)
		}
	})
}

// pipes is a stream layer whose one stream is a pipe.
type pipes struct {
	raft.StreamLayer
	end net.Conn
}

func (p pipes) Dial(raft.ServerAddress, time.Duration) (net.Conn, error) { return p.end, nil }
func (p pipes) Accept() (net.Conn, error)                                { return p.end, nil }

func TestFencedStreams(t *testing.T) {
	here := Hello{Lineage: "1-x", Speaks: Speaks{1, 1}, Protocol: 1}
	left := Hello{Lineage: "0", Speaks: Speaks{1, 1}, Protocol: 1}
	for _, test := range []struct {
		opener Hello
		want   string // what comes through
	}{{here, "hello"}, {left, ""}} {
		a, b := net.Pipe()
		go func() {
			conn, err := FencedStreams(pipes{end: a}, func() (Hello, error) { return test.opener, nil }).Dial("b", time.Minute)
			if err == nil {
				_, err = io.WriteString(conn, "hello")
			}
			if err == nil {
				conn.Close()
			}
		}()
		conn, err := FencedStreams(pipes{end: b}, func() (Hello, error) { return here, nil }).Accept()
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(conn)
		conn.Close()
		if string(got) != test.want || (err == nil) != (test.want != "") {
			t.Errorf("from %q comes %q, %v; want %q", test.opener, got, err, test.want)
		}
	}
}

func TestFencedStreamsOfWhoKnowsNothing(t *testing.T) {
	a, _ := net.Pipe()
	unknown := errors.New("not yet")
	if _, err := FencedStreams(pipes{end: a}, func() (Hello, error) { return Hello{}, unknown }).Dial("b", time.Minute); !errors.Is(err, unknown) {
		t.Errorf("a stream before the lineage is known: %v; want %v", err, unknown)
	}
}
