package trust

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/tarnlake/tarn/client/credential"
	"github.com/tarnlake/tarn/client/wire"
)

func TestVerifySaysWhatIsWrong(t *testing.T) {
	s, other := newState(t), newState(t)
	impostor := impostorOf(t, s)
	node := uuid.NewString()
	server, client := x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth
	for name, c := range map[string]struct {
		from State
		role Role
		who  string
		at   time.Time
		use  x509.ExtKeyUsage
		want string // empty: believed
	}{
		"node serves":      {s, Node, node, noon, server, ""},
		"node calls":       {s, Node, node, noon, client, ""},
		"client calls":     {s, Writer, "etl", noon, client, ""},
		"client serves":    {s, Admin, "etl", noon, server, "not for this side"},
		"other cluster":    {other, Node, node, noon, server, "of cluster " + other.Cluster + "; this is cluster " + s.Cluster},
		"impostor":         {impostor, Node, node, noon, server, "not signed by the authority of that cluster"},
		"expired":          {s, Node, node, noon.Add(NodeLife + time.Second), server, "expired at 2026-05-30"},
		"not yet":          {s, Node, node, noon.Add(-2 * time.Hour), server, "not valid before 2026-03-01 11:00:00 UTC; here it is 2026-03-01 10:00:00 UTC"},
		"last second":      {s, Node, node, noon.Add(NodeLife), server, ""},
		"an hour too slow": {s, Node, node, noon.Add(-time.Hour), server, ""},
	} {
		leaf := issue(t, c.from, noon, c.role, c.who, NodeLife).Leaf
		p, err := rootsOf(t, s).Verify(c.at, []*x509.Certificate{leaf}, c.use)
		if c.want != "" {
			t.Log(name)
			wantError(t, err, wire.Unauthenticated, c.want)
			continue
		}
		if err != nil || p.Role != c.role || p.Name != c.who || p.Cluster != s.Cluster {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

func TestVerifyWithoutCertificateOrIdentity(t *testing.T) {
	s := newState(t)
	r := rootsOf(t, s)
	_, err := r.Verify(noon, nil, x509.ExtKeyUsageClientAuth)
	wantError(t, err, wire.Unauthenticated, "shows no certificate")
	authority, _, err := s.CAs[0].parse()
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Verify(noon, []*x509.Certificate{authority}, x509.ExtKeyUsageClientAuth)
	wantError(t, err, wire.Unauthenticated, "not one of a Tarn node or client")
	_, err = r.Verify(noon, []*x509.Certificate{{}}, x509.ExtKeyUsageClientAuth)
	wantError(t, err, wire.Unauthenticated, "not one of a Tarn cluster")
}

func TestRequestsThatAreNotSigned(t *testing.T) {
	s := newState(t)
	_, good := newRequest(t)
	torn := bytes.Clone(good)
	torn[len(torn)-1] ^= 1
	for name, c := range map[string]struct {
		csr  []byte
		want string
	}{
		"empty":     {nil, "does not parse"},
		"noise":     {[]byte("-----BEGIN"), "does not parse"},
		"large":     {make([]byte, maxCSR+1), "at most 8192"},
		"signature": {torn, "certificate request"},
		"p384":      {requestOf(t, elliptic.P384()), "not for an ECDSA P-256 key"},
		"ed25519":   {requestOf(t, nil), "not for an ECDSA P-256 key"},
	} {
		_, err := s.SignNode(noon, c.csr, uuid.NewString())
		t.Log(name)
		wantError(t, err, wire.InvalidArgument, c.want)
	}
}

func requestOf(t *testing.T, curve elliptic.Curve) []byte {
	t.Helper()
	var key any
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if curve != nil {
		key, err = ecdsa.GenerateKey(curve, rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	return csr
}

// TestNamesInARequestAreNotBelieved: a request for everything gets what the
// signer gives.
func TestNamesInARequestAreNotBelieved(t *testing.T) {
	s := newState(t)
	key, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	greedy := &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "root"}, DNSNames: []string{credential.NodeName, "example.com"},
		URIs: []*url.URL{Identity{Cluster: s.Cluster, Role: Node, Name: uuid.NewString()}.URI()},
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, greedy, key)
	if err != nil {
		t.Fatal(err)
	}
	chain, _, err := s.SignClient(noon, csr, "etl", Reader, 0)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		t.Fatal(err)
	}
	if len(leaf.DNSNames) != 0 || len(leaf.URIs) != 1 || leaf.URIs[0].Path != "/reader/etl" || leaf.Subject.CommonName != "Tarn reader etl" {
		t.Errorf("certificate for %q %q %q", leaf.Subject.CommonName, leaf.DNSNames, leaf.URIs)
	}
}

func TestTheAuthoritySignsNoOtherDomain(t *testing.T) {
	s := newState(t)
	parent, key, err := s.CAs[0].parse()
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{NotBefore: noon, NotAfter: noon.Add(time.Hour), DNSNames: []string{"example.com"}}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	_, err = leaf.Verify(x509.VerifyOptions{Roots: poolOf(t, s), CurrentTime: noon, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if err == nil {
		t.Error("a certificate for example.com was believed")
	}
}

func TestClientCertificatesAreListedAndRevoked(t *testing.T) {
	s := newState(t)
	_, csr := newRequest(t)
	chain, record, err := s.SignClient(noon, csr, "etl", Writer, 0)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		t.Fatal(err)
	}
	peer, err := rootsOf(t, s).Verify(noon, []*x509.Certificate{leaf}, x509.ExtKeyUsageClientAuth)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Recognize(peer)
	wantError(t, err, wire.Unauthenticated, "revoked, or is not known")

	listed, err := s.WithCertificate(noon, record)
	if err != nil {
		t.Fatal(err)
	}
	who, err := listed.Recognize(peer)
	if want := (Principal{Name: "etl", Role: Writer, Via: ViaCertificate, ID: record.Serial}); err != nil || who != want {
		t.Errorf("%+v, %v; want %+v", who, err, want)
	}
	_, err = listed.WithCertificate(noon, record)
	wantError(t, err, wire.Conflict, "already")

	revoked, err := listed.WithoutCertificate("etl")
	if err != nil {
		t.Fatal(err)
	}
	_, err = revoked.Recognize(peer)
	wantError(t, err, wire.Unauthenticated, "revoked")
	if _, err = listed.Recognize(peer); err != nil {
		t.Errorf("the older state has changed: %v", err)
	}
	_, err = listed.WithoutCertificate("nobody")
	wantError(t, err, wire.InvalidArgument, "no certificate")
	if got := len(revoked.Pruned(noon.Add(ClientLife + keepExpired + 2*time.Hour)).Certificates); got != 0 {
		t.Errorf("%d certificates are kept long after their end; want 0", got)
	}
}

func TestNoClientIsIssuedANodesRole(t *testing.T) {
	_, csr := newRequest(t)
	_, _, err := newState(t).SignClient(noon, csr, uuid.NewString(), Node, 0)
	wantError(t, err, wire.InvalidArgument, "role of a node")
	_, _, err = newState(t).SignClient(noon, csr, "etl", Reader, MaxClientLife+1)
	wantError(t, err, wire.InvalidArgument, "cannot live")
	_, _, err = newState(t).SignClient(noon, csr, "../etl", Reader, 0)
	wantError(t, err, wire.InvalidArgument, "cannot be the name")
}

// TestAnAdminIsNoNode: even if the authority had signed that it may.
func TestAnAdminIsNoNode(t *testing.T) {
	s := newState(t)
	parent, key, err := s.CAs[0].parse()
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		NotBefore: noon, NotAfter: noon.Add(time.Hour), ExtKeyUsage: usesOf(Node),
		URIs: []*url.URL{Identity{Cluster: s.Cluster, Role: Admin, Name: "mallory"}.URI()},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, rootsOf(t, s).VerifyServer(noon, []*x509.Certificate{leaf}, ""), wire.Unauthenticated, "only nodes serve")
	wantError(t, sideOf(t, s, nil).onlyNodes([]*x509.Certificate{leaf}), wire.Unauthenticated, "only nodes may")
}

func TestTheLongestNameFits(t *testing.T) {
	s, name := newState(t), strings.Repeat("n", 64)
	leaf := issue(t, s, noon, Writer, name, time.Hour).Leaf
	id, err := credential.IdentityOf(leaf)
	if err != nil || id.Name != name || len(leaf.Subject.CommonName) > 64 {
		t.Errorf("%v, %v, common name of %d bytes", id, err, len(leaf.Subject.CommonName))
	}
}

func TestTheAuthorityOutlivesItsCertificates(t *testing.T) {
	s := newState(t)
	late := noon.Add(authorityLife - time.Hour)
	leaf := issue(t, s, late, Node, uuid.NewString(), NodeLife).Leaf
	if want := noon.Add(authorityLife); !leaf.NotAfter.Equal(want) {
		t.Errorf("the certificate ends at %v; want %v, with its authority", leaf.NotAfter, want)
	}
	_, csr := newRequest(t)
	_, err := s.SignNode(noon.Add(authorityLife), csr, uuid.NewString())
	wantError(t, err, wire.Unavailable, "expired")
}

func TestTwoAuthoritiesAreBelieved(t *testing.T) {
	s := newState(t)
	old := issue(t, s, noon, Node, uuid.NewString(), NodeLife).Leaf
	ca, err := newCA(s.Cluster, noon)
	if err != nil {
		t.Fatal(err)
	}
	s.CAs = append([]CA{ca}, s.CAs...)
	next := issue(t, s, noon, Node, uuid.NewString(), NodeLife).Leaf
	for _, leaf := range []*x509.Certificate{old, next} {
		if _, err := rootsOf(t, s).Verify(noon, []*x509.Certificate{leaf}, x509.ExtKeyUsageServerAuth); err != nil {
			t.Error(err)
		}
	}
	if bytes.Equal(old.AuthorityKeyId, next.AuthorityKeyId) {
		t.Error("the newer certificate is signed by the older authority")
	}
}

func TestRootsAreOfOneCluster(t *testing.T) {
	a, b := newState(t), newState(t)
	_, err := NewRoots(a.CAs[0].Certificate, b.CAs[0].Certificate)
	wantError(t, err, wire.Conflict, "two clusters")
	_, err = NewRoots(issue(t, a, noon, Node, uuid.NewString(), NodeLife).Certificate[0])
	wantError(t, err, wire.InvalidArgument, "not that of a cluster's authority")
	a.CAs = b.CAs
	_, err = a.Roots()
	wantError(t, err, wire.Corrupt, "holds the authority of cluster")
}

func TestPEMAndBack(t *testing.T) {
	s := newState(t)
	cert := newNode(t, s)
	text, err := MarshalPEM(cert)
	if err != nil {
		t.Fatal(err)
	}
	got, roots, err := ParsePEM(text)
	if err != nil || !got.Leaf.Equal(cert.Leaf) || roots == nil || roots.Cluster() != s.Cluster {
		t.Fatalf("%v, %v, %v", got, roots, err)
	}
	cas, err := ParseCAs(rootsOf(t, s).PEM())
	if err != nil || cas.Cluster() != s.Cluster {
		t.Errorf("%v, %v", cas, err)
	}
	other, _ := newRequest(t)
	_, err = NewCertificate(other, cert.Certificate)
	wantError(t, err, wire.InvalidArgument, "another key")
	_, _, err = ParsePEM(rootsOf(t, s).PEM())
	wantError(t, err, wire.InvalidArgument, "both a private key")
}

func FuzzPEM(f *testing.F) {
	text, err := MarshalPEM(newNode(f, newState(f)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(text[:len(text)/2])
	f.Fuzz(func(t *testing.T, in []byte) {
		if cert, _, err := ParsePEM(in); err == nil {
			if _, err := MarshalPEM(cert); err != nil {
				t.Errorf("what was read is not written: %v", err)
			}
		}
		_, _ = ParseCAs(in)
	})
}

func FuzzCSR(f *testing.F) {
	s := newState(f)
	_, csr := newRequest(f)
	f.Add(csr)
	f.Add(csr[:40])
	f.Fuzz(func(t *testing.T, in []byte) {
		node := uuid.NewString()
		chain, err := s.SignNode(noon, in, node)
		if err != nil {
			if !wire.IsCode(err, wire.InvalidArgument) {
				t.Errorf("%v", err)
			}
			return
		}
		leaf, err := x509.ParseCertificate(chain[0])
		if err != nil || len(leaf.URIs) != 1 || leaf.URIs[0].Path != "/node/"+node {
			t.Errorf("issued %v, %v", leaf, err)
		}
	})
}

// FuzzPeer shows any bytes as the peer's certificate: only what the authority
// has signed is believed.
func FuzzPeer(f *testing.F) {
	s := newState(f)
	r := rootsOf(f, s)
	good := newNode(f, s).Certificate[0]
	f.Add(good)
	f.Add(s.CAs[0].Certificate)
	f.Fuzz(func(t *testing.T, in []byte) {
		cert, err := x509.ParseCertificate(in)
		if err != nil {
			return
		}
		_, err = r.Verify(noon, []*x509.Certificate{cert}, x509.ExtKeyUsageServerAuth)
		if err == nil && !bytes.Equal(in, good) {
			t.Errorf("%x is believed", in)
		}
	})
}
