package trust

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tarnlake/tarn/client/wire"
)

// joinPort lets nodes join over loopback.
type joinPort struct {
	*port
	mu    sync.Mutex
	state State
}

func newJoinPort(t testing.TB, s State) *joinPort {
	t.Helper()
	j := &joinPort{port: newPort(t, sideOf(t, s, newNode(t, s)), SplitConfig{}), state: s}
	done := make(chan struct{})
	go func() {
		defer close(done)
		ServeJoins(context.Background(), j.split.Listener(ProtocolJoin), j.split.refusals, j.admit)
	}()
	t.Cleanup(func() { j.split.Close(); <-done })
	return j
}

func (j *joinPort) admit(_ context.Context, r JoinRequest) (JoinAnswer, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	a, err := j.state.Admit(noon, r)
	if err == nil {
		j.state, err = j.state.WithUse(noon, a.Join, a.Use)
	}
	return a.Answer, err
}

func (j *joinPort) ask(by *Joiner) (Joined, error) {
	raw, err := net.Dial("tcp", j.addr)
	if err != nil {
		return Joined{}, err
	}
	return by.Ask(context.Background(), raw, atNoon)
}

func TestJoinOverTheNetwork(t *testing.T) {
	s, token := withJoinToken(t, newState(t), 1)
	p := newJoinPort(t, s)
	joiner := newJoiner(t, token)
	for range 2 { // the second time the answer to the first was lost
		got, err := p.ask(joiner)
		if err != nil {
			t.Fatal(err)
		}
		// What it was given is good for speaking Raft.
		if err := sideOf(t, s, nil).onlyNodes([]*x509.Certificate{got.Certificate.Leaf}); err != nil {
			t.Error(err)
		}
	}
	_, err := p.ask(newJoiner(t, token))
	wantError(t, err, wire.Unauthenticated, "used up", "tarn cluster token makes another")
	p.waitLog("used up")
	if said, _ := p.log.read(); strings.Contains(said, token[20:]) {
		t.Error("the log holds the token")
	}
}

// TestTheTokenStaysAtHome: a server that is not the token's hears a hello and
// nothing else.
func TestTheTokenStaysAtHome(t *testing.T) {
	_, token := withJoinToken(t, newState(t), 1)
	other := newState(t)
	here, there := net.Pipe()
	server := tls.Server(there, sideOf(t, other, newNode(t, other)).Server())
	heard := make(chan []byte, 1)
	go func() {
		b, _ := io.ReadAll(server)
		heard <- b
	}()
	_, err := newJoiner(t, token).Ask(context.Background(), here, atNoon)
	wantError(t, err, wire.Unauthenticated, "the join token is of cluster")
	if b := <-heard; len(b) != 0 {
		t.Errorf("the wrong server was told %q", b)
	}
}

func TestMessagesOfJoinersAreBounded(t *testing.T) {
	s, token := withJoinToken(t, newState(t), 1)
	p := newJoinPort(t, s)
	stranger := func(said []byte) error {
		c, err := tls.Dial("tcp", p.addr, sideOf(t, s, nil).Client(ProtocolJoin, ""))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write(said); err != nil {
			return err
		}
		var reply joinReply
		if err := readFrame(c, &reply); err != nil {
			return err
		}
		return reply.Error
	}
	wantError(t, stranger(binary.BigEndian.AppendUint32(nil, maxFrame+1)), wire.InvalidArgument, "at most 65536 are read")
	wantError(t, stranger([]byte{0, 0, 0, 2, '{', '['}), wire.InvalidArgument, "does not parse")
	wantError(t, stranger([]byte{0, 0, 0, 2, '{', '}'}), wire.InvalidArgument, "not a join token")
	if err := writeFrame(io.Discard, strings.Repeat("x", maxFrame)); !wire.IsCode(err, wire.LimitExceeded) {
		t.Errorf("a large message was sent: %v", err)
	}
	if _, err := p.ask(newJoiner(t, token)); err != nil {
		t.Errorf("after all that: %v", err)
	}
}

// TestSilentJoinersKeepNobodyOut: more of them than are served at once.
func TestSilentJoinersKeepNobodyOut(t *testing.T) {
	s, token := withJoinToken(t, newState(t), 1)
	p := newJoinPort(t, s)
	var all []net.Conn
	for range joinsAtOnce + 2 {
		c, err := tls.Dial("tcp", p.addr, sideOf(t, s, nil).Client(ProtocolJoin, ""))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		all = append(all, c)
	}
	closed := make(chan error, len(all))
	for _, c := range all {
		go func() {
			_, err := c.Read(make([]byte, 1))
			closed <- err
		}()
	}
	select {
	case <-closed:
	case <-time.After(joinTime / 2):
		t.Error("all of them are waited for")
	}
	if _, err := p.ask(newJoiner(t, token)); err != nil {
		t.Error(err)
	}
}

func TestAskingIsCutOff(t *testing.T) {
	_, token := withJoinToken(t, newState(t), 1)
	here, there := net.Pipe()
	defer there.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := newJoiner(t, token).Ask(ctx, here, atNoon)
	wantError(t, err, wire.DeadlineExceeded, "joining")
	here, there = net.Pipe()
	there.Close()
	_, err = newJoiner(t, token).Ask(context.Background(), here, atNoon)
	wantError(t, err, wire.Unavailable, "joining", "same token")
}

func TestErrorsOfNewerNodes(t *testing.T) {
	if err := known(&wire.Error{Code: "NEWER", Message: "no"}); wire.ExitCode(err) == 0 {
		t.Errorf("%v is success", err)
	}
	e := wire.Errorf(wire.Conflict, "no")
	if got := known(e); !errors.Is(got, e) {
		t.Errorf("%v; want %v", got, e)
	}
}

func FuzzJoinRequest(f *testing.F) {
	s, token := withJoinToken(f, newState(f), 1)
	r := requestBy(f, newJoiner(f, token))
	var frame bytes.Buffer
	if err := writeFrame(&frame, r); err != nil {
		f.Fatal(err)
	}
	f.Add(frame.Bytes())
	f.Add(frame.Bytes()[:100])
	f.Add([]byte{0, 0, 0, 2, '{', '}'})
	f.Fuzz(func(t *testing.T, in []byte) {
		var got JoinRequest
		if err := readFrame(bytes.NewReader(in), &got); err != nil {
			return
		}
		a, err := s.Admit(noon, got)
		if err != nil {
			if code := wire.FromError(err).Code; code == wire.Internal || code == wire.Corrupt {
				t.Errorf("%s: %v", code, err)
			}
			return
		}
		if got.Token != token {
			t.Errorf("let in with %q", got.Token)
		}
		if _, err := json.Marshal(a.Answer); err != nil {
			t.Error(err)
		}
	})
}

func FuzzJoinAnswer(f *testing.F) {
	s, token := withJoinToken(f, newState(f), 1)
	j := newJoiner(f, token)
	_, answer := mustAdmit(f, s, j)
	var frame bytes.Buffer
	if err := writeFrame(&frame, joinReply{Answer: &answer}); err != nil {
		f.Fatal(err)
	}
	f.Add(frame.Bytes())
	f.Add([]byte{0, 0, 0, 2, '{', '}'})
	f.Fuzz(func(t *testing.T, in []byte) {
		var got joinReply
		if readFrame(bytes.NewReader(in), &got) != nil || got.Answer == nil {
			return
		}
		joined, err := j.Accept(noon, *got.Answer)
		if err != nil {
			return
		}
		if joined.Cluster != s.Cluster || !bytes.Equal(joined.Certificate.Certificate[0], answer.Chain[0]) {
			t.Errorf("joined %s with another certificate", joined.Cluster)
		}
	})
}
