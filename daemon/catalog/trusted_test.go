package catalog

import (
	"bytes"
	"crypto/rand"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/cluster/trust"
)

// trustOf is what a test cluster believes, made once: its keys are random.
type trustOf struct {
	state       trust.State
	join        trust.JoinSecret
	joinText    string
	token       trust.AccessToken
	tokenText   string
	certificate trust.Certificate
}

var testTrust = sync.OnceValue(func() (t *trustOf) {
	t = &trustOf{}
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	var err error
	t.state, err = trust.NewState(uuid.NewString(), testStart, rand.Reader)
	must(err)
	t.joinText, t.join, err = t.state.NewJoinToken(testStart, rand.Reader, 2, time.Hour)
	must(err)
	t.tokenText, t.token, err = trust.NewAccessToken(testStart, rand.Reader, "loader", trust.Writer, time.Hour)
	must(err)
	key, err := trust.NewKey()
	must(err)
	csr, err := trust.NewCSR(key)
	must(err)
	_, t.certificate, err = t.state.SignClient(testStart, csr, "ana", trust.Reader, 0)
	must(err)
	return t
})

// admit lets a node in by the test's join token.
func admit(node, key string) Command {
	use := trust.Use{Node: node, Key: []byte(key), At: testStart}
	return Command{AdmitNode: &AdmitNode{Join: testTrust().join.ID, Use: use, Node: RegisterNode{Node: node, Name: "name-of-" + node}}}
}

func trustedWorld(t *testing.T) *world {
	w := newWorld(t)
	w.must(Command{InitTrust: &testTrust().state})
	w.must(Command{CreateJoin: &testTrust().join})
	return w
}

func TestTrustIsMadeOnce(t *testing.T) {
	w := newWorld(t)
	w.refuse(Command{CreateToken: &testTrust().token}, wire.Unavailable)
	other := testTrust().state
	other.Tokens = map[string]trust.AccessToken{"a": {}}
	w.refuse(Command{InitTrust: &other}, wire.InvalidArgument)
	other = testTrust().state
	other.Cluster = uuid.NewString()
	w.refuse(Command{InitTrust: &other}, wire.Corrupt)
	w.must(Command{InitTrust: &testTrust().state})
	w.refuse(Command{InitTrust: &testTrust().state}, wire.Conflict)
	if got := w.s.Trust(); got.Cluster != testTrust().state.Cluster || len(got.CAs) != 1 {
		t.Errorf("got %d authorities of %s", len(got.CAs), got.Cluster)
	}
}

// TestANodeIsLetInOnce: token and entry change together or not at all.
func TestANodeIsLetInOnce(t *testing.T) {
	w := trustedWorld(t)
	w.must(admit("a", "ka"))
	w.must(Command{RegisterNode: &RegisterNode{Node: "a", Name: "renamed", Disks: []DiskFacts{{"da", "hot", 1}}}})
	w.must(admit("a", "ka")) // its answer got lost
	if n, ok := w.s.Node("a"); !ok || n.Name != "renamed" {
		t.Errorf("asked again: node is %+v; want what it was", n)
	}
	if d, ok := w.s.Disk("da"); !ok || d.State != DiskUp {
		t.Errorf("asked again: its disk is %+v; want it up", d)
	}
	w.refuse(admit("a", "other key"), wire.Conflict)
	w.refuse(admit("storage", "k"), wire.Conflict) // known, and never let in by a token
	sameName := admit("b", "kb")
	sameName.AdmitNode.Node.Name = "renamed"
	w.refuse(sameName, wire.Conflict)
	odd := admit("b", "kb")
	odd.AdmitNode.Use.Node = "c"
	w.refuse(odd, wire.InvalidArgument)
	w.must(admit("b", "kb"))
	w.refuse(admit("c", "kc"), wire.Unauthenticated) // two uses
	w.must(Command{RevokeJoin: &RevokeJoin{testTrust().join.ID}})
	w.refuse(admit("b", "kb"), wire.Unauthenticated)
}

func TestTokensAndCertificates(t *testing.T) {
	w, now := trustedWorld(t), testStart.Add(time.Minute)
	w.must(Command{CreateToken: &testTrust().token})
	w.refuse(Command{CreateToken: &testTrust().token}, wire.Conflict)
	if p, err := w.s.Trust().Authenticate(now, testTrust().tokenText); err != nil || p.Name != "loader" {
		t.Errorf("the token: got %+v, %v", p, err)
	}
	w.must(Command{RevokeToken: &RevokeToken{Token: "loader"}})
	if _, err := w.s.Trust().Authenticate(now, testTrust().tokenText); !wire.IsCode(err, wire.Unauthenticated) {
		t.Errorf("revoked: got %v", err)
	}
	w.refuse(Command{RevokeToken: &RevokeToken{Token: "loader"}}, wire.InvalidArgument)
	w.must(Command{IssueCertificate: &testTrust().certificate})
	w.must(Command{RevokeCertificate: &RevokeCertificate{Certificate: "ana"}})
	if got := w.s.Trust().ClientCertificates(); len(got) != 1 || !got[0].Revoked {
		t.Errorf("certificates: got %+v; want one that is revoked", got)
	}
	w.refuse(Command{RevokeCertificate: &RevokeCertificate{Certificate: "bob"}}, wire.InvalidArgument)
}

// TestLastAdmin: the last way in of an admin is not taken back by mistake.
func TestLastAdmin(t *testing.T) {
	w := trustedWorld(t)
	issue := func(serial, name string, role trust.Role, expires time.Time) {
		c := testTrust().certificate
		c.Serial, c.Name, c.Role, c.Expires = serial, name, role, expires
		w.must(Command{IssueCertificate: &c})
	}
	good := testStart.Add(24 * time.Hour)
	issue("1", "root", trust.Admin, good)
	issue("2", "etl", trust.Writer, good)
	issue("3", "old", trust.Admin, testStart.Add(time.Hour))
	token := testTrust().token
	token.Name, token.Role, token.Expires = "robot", trust.Admin, good
	w.must(Command{CreateToken: &token})
	w.must(Command{RevokeCertificate: &RevokeCertificate{Certificate: "root"}}) // the token is left
	w.must(Command{RevokeCertificate: &RevokeCertificate{Certificate: "etl"}, Time: testStart.Add(2 * time.Hour)})
	w.refuse(Command{RevokeToken: &RevokeToken{Token: "robot"}}, wire.Conflict) // "old" has expired
	issue("4", "next", trust.Admin, good)
	w.must(Command{RevokeToken: &RevokeToken{Token: "robot"}})
	w.refuse(Command{RevokeCertificate: &RevokeCertificate{Certificate: "4"}}, wire.Conflict)
	w.must(Command{RevokeCertificate: &RevokeCertificate{Certificate: "4", Force: true}})
	w.must(Command{RevokeCertificate: &RevokeCertificate{Certificate: "old"}}) // nobody to be locked out
}

// TestExpiredTrustIsForgotten: a month after, by the time of any command of trust.
func TestExpiredTrustIsForgotten(t *testing.T) {
	w := trustedWorld(t)
	w.must(Command{CreateToken: &testTrust().token})
	later := testTrust().certificate
	later.Serial = "later"
	w.must(Command{IssueCertificate: &later, Time: testStart.Add(32 * 24 * time.Hour)})
	if s := w.s.Trust(); len(s.Tokens)+len(s.Joins) != 0 || len(s.Certificates) != 1 {
		t.Errorf("after a month: %d tokens, %d joins, %d certificates; want only the last", len(s.Tokens), len(s.Joins), len(s.Certificates))
	}
}

// TestFullJoinTokensFitASnapshot: a record holds one token, so none grows with
// what there is of others.
func TestFullJoinTokensFitASnapshot(t *testing.T) {
	s := withDisk()
	s.trust = testTrust().state
	s.trust.Joins = map[string]trust.JoinSecret{}
	use := trust.Use{Node: uuid.NewString(), Key: make([]byte, 32), At: testStart}
	for range 3 {
		id := uuid.NewString()
		s.trust.Joins[id] = trust.JoinSecret{ID: id, Uses: trust.MaxJoinUses, Used: slices.Repeat([]trust.Use{use}, trust.MaxJoinUses)}
	}
	if err := checkDecoded(t)(DecodeState(bytes.NewReader(encoded(t, s)))); err != nil {
		t.Error(err)
	}
}
