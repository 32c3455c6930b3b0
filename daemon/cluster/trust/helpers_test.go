package trust

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/tarnlake/tarn/client/wire"
)

// noon is when the tests' clocks stand.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func atNoon() time.Time { return noon }

// newState is the trust of a new cluster.
func newState(t testing.TB) State {
	t.Helper()
	s, err := NewState(uuid.NewString(), noon, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// impostorOf is somebody's authority that says to be that of s.
func impostorOf(t testing.TB, s State) State {
	t.Helper()
	ca, err := newCA(s.Cluster, noon)
	if err != nil {
		t.Fatal(err)
	}
	return State{Cluster: s.Cluster, CAs: []CA{ca}, GossipKeys: s.GossipKeys}
}

func rootsOf(t testing.TB, s State) *Roots {
	t.Helper()
	r, err := s.Roots()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func newRequest(t testing.TB) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	csr, err := NewCSR(key)
	if err != nil {
		t.Fatal(err)
	}
	return key, csr
}

// issue makes a certificate, valid from an hour before now on.
func issue(t testing.TB, s State, now time.Time, role Role, name string, life time.Duration) *tls.Certificate {
	t.Helper()
	key, csr := newRequest(t)
	chain, err := s.sign(now, csr, Identity{Cluster: s.Cluster, Role: role, Name: name}, life)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := NewCertificate(key, chain)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func newNode(t testing.TB, s State) *tls.Certificate {
	return issue(t, s, noon, Node, uuid.NewString(), NodeLife)
}

// sideOf believes s and shows cert, which may be nil.
func sideOf(t testing.TB, s State, cert *tls.Certificate) Side {
	roots := rootsOf(t, s)
	return Side{Roots: func() *Roots { return roots }, Certificate: func() *tls.Certificate { return cert }, Now: atNoon}
}

// wantError fails unless err has that code and says all of texts.
func wantError(t testing.TB, err error, code wire.Code, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want %s %q", code, texts)
	}
	if e := wire.FromError(err); e.Code != code {
		t.Errorf("error %s: %v; want %s", e.Code, err, code)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("error %q; want it to say %q", err, text)
		}
	}
}

// poolOf is the authorities of s as crypto/x509 takes them.
func poolOf(t testing.TB, s State) *x509.CertPool {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(rootsOf(t, s).PEM()) {
		t.Fatal("no authority")
	}
	return pool
}
