package trust

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/tarnlake/tarn/client/credential"
	"github.com/tarnlake/tarn/client/wire"
)

// withJoinToken returns s with a token for uses nodes, and the token's text.
func withJoinToken(t testing.TB, s State, uses int) (State, string) {
	t.Helper()
	text, record, err := s.NewJoinToken(noon, rand.Reader, uses, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if s, err = s.WithJoin(noon, record); err != nil {
		t.Fatal(err)
	}
	return s, text
}

func newJoiner(t testing.TB, token string) *Joiner {
	t.Helper()
	key, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	j, err := NewJoiner(noon, token, NodeFacts{Node: uuid.NewString(), Addr: "192.0.2.7:7460"}, key)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func requestBy(t testing.TB, j *Joiner) JoinRequest {
	t.Helper()
	r, err := j.Request()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// mustAdmit lets j in, and returns the state after it and the answer.
func mustAdmit(t testing.TB, s State, j *Joiner) (State, JoinAnswer) {
	t.Helper()
	a, err := s.Admit(noon, requestBy(t, j))
	if err != nil {
		t.Fatal(err)
	}
	if s, err = s.WithUse(noon, a.Join, a.Use); err != nil {
		t.Fatal(err)
	}
	return s, a.Answer
}

func TestJoin(t *testing.T) {
	s, token := withJoinToken(t, newState(t), 1)
	j := newJoiner(t, token)
	after, answer := mustAdmit(t, s, j)
	got, err := j.Accept(noon, answer)
	if err != nil {
		t.Fatal(err)
	}
	id, err := credential.IdentityOf(got.Certificate.Leaf)
	if want := (Identity{Cluster: s.Cluster, Role: Node, Name: j.facts.Node}); err != nil || id != want {
		t.Errorf("joined as %v, %v; want %v", id, err, want)
	}
	if got.Cluster != s.Cluster || got.Roots.Cluster() != s.Cluster || !bytes.Equal(got.GossipKeys[0], s.GossipKeys[0]) {
		t.Errorf("joined cluster %s, roots of %s", got.Cluster, got.Roots.Cluster())
	}
	for _, joins := range after.Joins {
		if len(joins.Used) != 1 || joins.Used[0].Node != j.facts.Node {
			t.Errorf("the token's uses are %+v", joins.Used)
		}
	}
	if len(s.Joins[j.token.ID].Used) != 0 {
		t.Error("the state before has changed")
	}
}

func TestJoiningTwiceIsOneUse(t *testing.T) {
	s, token := withJoinToken(t, newState(t), 1)
	j := newJoiner(t, token)
	s, _ = mustAdmit(t, s, j)
	s, _ = mustAdmit(t, s, j) // the answer was lost
	if got := len(s.Joins[j.token.ID].Used); got != 1 {
		t.Errorf("%d uses; want 1", got)
	}
	_, err := s.Admit(noon, requestBy(t, newJoiner(t, token)))
	wantError(t, err, wire.Unauthenticated, "used up: it has let in 1 of 1")
}

func TestNobodyTakesANodesPlace(t *testing.T) {
	s, token := withJoinToken(t, newState(t), 2)
	j := newJoiner(t, token)
	s, _ = mustAdmit(t, s, j)
	s, other := withJoinToken(t, s, 2)
	for _, text := range []string{token, other} {
		thief := newJoiner(t, text)
		thief.facts.Node = j.facts.Node
		_, err := s.Admit(noon, requestBy(t, thief))
		wantError(t, err, wire.Conflict, "joined before, with another key")
	}
}

func TestJoinIsRefused(t *testing.T) {
	s, token := withJoinToken(t, newState(t), 1)
	j := newJoiner(t, token)
	good := requestBy(t, j)
	without, err := s.WithoutJoin(j.token.ID)
	if err != nil {
		t.Fatal(err)
	}
	forged := good // of this cluster and with the right id, but another secret
	fields, err := joinKind.read(token)
	if err != nil {
		t.Fatal(err)
	}
	fields[uuidSize+32+idSize] ^= 1
	forged.Token = joinKind.write(fields)
	_, elsewhere := withJoinToken(t, newState(t), 1)
	for name, c := range map[string]struct {
		state  State
		now    time.Time
		change func(r *JoinRequest)
		code   wire.Code
		want   string
	}{
		"expired":       {s, noon.Add(time.Hour), nil, wire.Unauthenticated, "expired at 2026-03-01 13:00:00 UTC"},
		"taken back":    {without, noon, nil, wire.Unauthenticated, "taken back"},
		"other cluster": {s, noon, func(r *JoinRequest) { r.Token = elsewhere }, wire.Unauthenticated, "this is cluster " + s.Cluster},
		"forged":        {s, noon, func(r *JoinRequest) { r.Token = forged.Token }, wire.Unauthenticated, "taken back"},
		"cut":           {s, noon, func(r *JoinRequest) { r.Token = r.Token[:30] }, wire.InvalidArgument, "cut short"},
		"no node":       {s, noon, func(r *JoinRequest) { r.Facts.Node = "n1" }, wire.InvalidArgument, "not a node's UUID"},
		"long name":     {s, noon, func(r *JoinRequest) { r.Facts.Name = string(make([]byte, 300)) }, wire.InvalidArgument, "too long"},
		"no csr":        {s, noon, func(r *JoinRequest) { r.CSR = nil }, wire.InvalidArgument, "does not parse"},
	} {
		r := good
		if c.change != nil {
			c.change(&r)
		}
		_, err := c.state.Admit(c.now, r)
		t.Log(name)
		wantError(t, err, c.code, c.want)
	}
}

// TestUseIsJudgedWhenItIsCommitted: two admissions of the same state, of which
// the log takes one first.
func TestUseIsJudgedWhenItIsCommitted(t *testing.T) {
	s, token := withJoinToken(t, newState(t), 1)
	a, err := s.Admit(noon, requestBy(t, newJoiner(t, token)))
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Admit(noon, requestBy(t, newJoiner(t, token)))
	if err != nil {
		t.Fatal(err)
	}
	if s, err = s.WithUse(noon, a.Join, a.Use); err != nil {
		t.Fatal(err)
	}
	_, err = s.WithUse(noon, b.Join, b.Use)
	wantError(t, err, wire.Unauthenticated, "used up")
}

func TestJoinerLooksAtItsToken(t *testing.T) {
	_, token := withJoinToken(t, newState(t), 1)
	key, _ := newRequest(t)
	_, err := NewJoiner(noon.Add(time.Hour), token, NodeFacts{Node: uuid.NewString()}, key)
	wantError(t, err, wire.Unauthenticated, "expired at 2026-03-01 13:00:00 UTC; here it is", "clock of this machine")
	_, err = NewJoiner(noon, token, NodeFacts{Node: "n1"}, key)
	wantError(t, err, wire.InvalidArgument, "not a node's UUID")
}

func TestAnswersThatAreNotBelieved(t *testing.T) {
	s, token := withJoinToken(t, newState(t), 2)
	other, impostor := newState(t), impostorOf(t, s)
	j := newJoiner(t, token)
	s, good := mustAdmit(t, s, j)
	_, another := mustAdmit(t, s, newJoiner(t, token))
	for name, c := range map[string]struct {
		change func(a *JoinAnswer)
		want   string
	}{
		"nothing":       {func(a *JoinAnswer) { *a = JoinAnswer{} }, "chain of 0"},
		"another's":     {func(a *JoinAnswer) { a.Chain = another.Chain }, "for another key"},
		"other cluster": {func(a *JoinAnswer) { a.Cluster = other.Cluster }, "not of the join token's"},
		"other roots":   {func(a *JoinAnswer) { a.CAs = [][]byte{other.CAs[0].Certificate} }, "not of the join token's"},
		"impostor": {func(a *JoinAnswer) {
			csr, _ := NewCSR(j.key)
			a.Chain, _ = impostor.SignNode(noon, csr, j.facts.Node)
			a.CAs = [][]byte{impostor.CAs[0].Certificate}
		}, "not of the join token's"},
		"no roots":      {func(a *JoinAnswer) { a.CAs = nil }, "no certificate of an authority"},
		"no gossip key": {func(a *JoinAnswer) { a.GossipKeys = nil }, "no usable gossip key"},
		"short key":     {func(a *JoinAnswer) { a.GossipKeys = [][]byte{{1}} }, "no usable gossip key"},
		"as a client":   {func(a *JoinAnswer) { a.Chain = clientChain(t, s, j) }, "not for this side"},
		"as another": {func(a *JoinAnswer) {
			csr, _ := NewCSR(j.key)
			a.Chain, _ = s.SignNode(noon, csr, uuid.NewString())
		}, "this is node " + j.facts.Node},
	} {
		a := good
		c.change(&a)
		_, err := j.Accept(noon, a)
		if err == nil || !bytes.Contains([]byte(err.Error()), []byte(c.want)) {
			t.Errorf("%s: %v; want %q", name, err, c.want)
		}
	}
}

func clientChain(t *testing.T, s State, j *Joiner) [][]byte {
	t.Helper()
	csr, err := NewCSR(j.key)
	if err != nil {
		t.Fatal(err)
	}
	chain, _, err := s.SignClient(noon, csr, "etl", Admin, 0)
	if err != nil {
		t.Fatal(err)
	}
	return chain
}

// TestJoinerBelievesOnlyItsAuthority connects a joiner over real TLS to
// servers of all kinds. To a wrong one it sends nothing after its hello.
func TestJoinerBelievesOnlyItsAuthority(t *testing.T) {
	s, token := withJoinToken(t, newState(t), 1)
	other := newState(t)
	bare := newNode(t, s)
	bare.Certificate = bare.Certificate[:1]
	mixed := newNode(t, other) // its own certificate, followed by the right authority
	mixed.Certificate = slices.Concat(mixed.Certificate[:1], [][]byte{s.CAs[0].Certificate})
	impostor := impostorOf(t, s)
	for name, c := range map[string]struct {
		cert *tls.Certificate
		want string
	}{
		"impostor":      {newNode(t, impostor), "does not show the authority"},
		"right":         {newNode(t, s), ""},
		"other cluster": {newNode(t, other), "the join token is of cluster " + s.Cluster},
		"bare":          {bare, "does not show the authority"},
		"mixed":         {mixed, "this is cluster " + s.Cluster},
		"a client":      {issue(t, s, noon, Admin, "etl", time.Hour), "not for this side"},
		"expired":       {issue(t, s, noon.Add(-NodeLife-time.Hour), Node, uuid.NewString(), NodeLife), "expired"},
	} {
		here, there := net.Pipe()
		server := tls.Server(there, sideOf(t, s, c.cert).Server())
		done := make(chan error, 1)
		go func() { done <- server.Handshake(); there.Close() }()
		err := tls.Client(here, newJoiner(t, token).TLS(atNoon)).Handshake()
		here.Close()
		<-done
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		t.Log(name)
		wantError(t, err, wire.Unauthenticated, c.want)
	}
}

func TestStateInJSONAndBack(t *testing.T) {
	s, token := withJoinToken(t, newState(t), 3)
	s, _ = mustAdmit(t, s, newJoiner(t, token))
	text, record, err := NewAccessToken(noon, rand.Reader, "etl", Writer, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if s, err = s.WithToken(noon, record); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{text, token} {
		if bytes.Contains(b, []byte(secret)) || bytes.Contains(b, []byte(secret[20:])) {
			t.Error("the state holds the text of a token")
		}
	}
	var got State
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(got)
	if err != nil || !bytes.Equal(b, again) {
		t.Errorf("%s\n%s, %v", b, again, err)
	}
	if _, err := got.Authenticate(noon, text); err != nil {
		t.Error(err)
	}
	if _, err := got.Admit(noon, requestBy(t, newJoiner(t, token))); err != nil {
		t.Error(err)
	}
}

func TestNewStateWantsAUUID(t *testing.T) {
	_, err := NewState("lake", noon, rand.Reader)
	wantError(t, err, wire.InvalidArgument, "not a cluster's UUID")
	_, err = NewState(uuid.NewString(), noon, bytes.NewReader(nil))
	wantError(t, err, wire.Unavailable, "no randomness")
}
