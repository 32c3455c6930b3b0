package trust

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"slices"
	"time"

	"github.com/tarnlake/tarn/client/credential"
	"github.com/tarnlake/tarn/client/wire"
)

// NodeFacts is what a joiner says about itself. Only Node is checked further
// than by its size: the others are for the catalog to judge.
type NodeFacts struct {
	Node    string `json:"node"`              // its UUID, which it has made itself
	Name    string `json:"name,omitempty"`    // a label, for people
	Addr    string `json:"addr,omitempty"`    // host:port of the one port
	Gossip  string `json:"gossip,omitempty"`  // host:port of gossip
	Zone    string `json:"zone,omitempty"`    // failure domain
	Version string `json:"version,omitempty"` // of its build
	Speaks  string `json:"speaks,omitempty"`  // protocols, as catalog.Speaks writes them
}

const maxFact = 255

func (f NodeFacts) check() error {
	if !credential.IsUUID(f.Node) {
		return wire.Errorf(wire.InvalidArgument, "%s is not a node's UUID", credential.Quote(f.Node))
	}
	for _, text := range []string{f.Name, f.Addr, f.Gossip, f.Zone, f.Version, f.Speaks} {
		if len(text) > maxFact {
			return wire.Errorf(wire.InvalidArgument, "%s is too long: %d bytes of at most %d", credential.Quote(text), len(text), maxFact)
		}
	}
	return nil
}

// JoinRequest asks to let a node in. It is sent only to a server that Joiner.TLS has verified.
type JoinRequest struct {
	Token string    `json:"token"`
	CSR   []byte    `json:"csr"`
	Facts NodeFacts `json:"facts"`
}

// JoinAnswer is what makes a node of a joiner.
type JoinAnswer struct {
	Cluster    string   `json:"cluster"`
	Chain      [][]byte `json:"chain"` // the node's certificate and that of the authority, DER
	CAs        [][]byte `json:"cas"`   // DER
	GossipKeys [][]byte `json:"gossip_keys"`
}

// Admission is a request found good: Use is to be committed with WithUse
// together with the node's entry, and only then is Answer to be sent.
type Admission struct {
	Join   string // the token's id
	Use    Use
	Facts  NodeFacts
	Answer JoinAnswer
}

// Admit judges a request against s. That no other node has that UUID is for
// the catalog to see, when it takes the node's entry.
func (s State) Admit(now time.Time, r JoinRequest) (Admission, error) {
	t, err := ParseJoinToken(r.Token)
	if err != nil {
		return Admission{}, err
	}
	if t.Cluster != s.Cluster {
		return Admission{}, otherCluster(t, s.Cluster)
	}
	if j, known := s.Joins[t.ID]; !known || !isText(r.Token, j.Hash) {
		return Admission{}, unknownJoin(t.ID)
	}
	if err := r.Facts.check(); err != nil {
		return Admission{}, err
	}
	return s.admit(now, t, r)
}

func (s State) admit(now time.Time, t JoinToken, r JoinRequest) (Admission, error) {
	pub, err := readCSR(r.CSR)
	if err != nil {
		return Admission{}, err
	}
	use := Use{Node: r.Facts.Node, Key: hashKey(pub), At: now.UTC()}
	if _, err := s.WithUse(now, t.ID, use); err != nil {
		return Admission{}, err
	}
	chain, err := s.SignNode(now, r.CSR, r.Facts.Node)
	if err != nil {
		return Admission{}, err
	}
	roots, err := s.Roots()
	if err != nil {
		return Admission{}, err
	}
	answer := JoinAnswer{Cluster: s.Cluster, Chain: chain, CAs: roots.Certificates(), GossipKeys: cloned(s.GossipKeys)}
	return Admission{Join: t.ID, Use: use, Facts: r.Facts, Answer: answer}, nil
}

func otherCluster(t JoinToken, cluster string) error {
	return wire.Errorf(wire.Unauthenticated, "the join token is of cluster %s; this is cluster %s", t.Cluster, cluster).
		WithHint("give --join an address of the token's cluster, or a token of this one")
}

func hashKey(pub *ecdsa.PublicKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		panic("BUG: a key that was read cannot be written: " + err.Error())
	}
	sum := sha256.Sum256(der)
	return sum[:]
}

// cloned returns a copy of b: a state shares nothing that callers can change.
func cloned(b [][]byte) [][]byte {
	out := make([][]byte, len(b))
	for i := range b {
		out[i] = slices.Clone(b[i])
	}
	return out
}

// Joiner is the other side: a machine with a token that wants to be a node.
type Joiner struct {
	token JoinToken
	facts NodeFacts
	key   *ecdsa.PrivateKey
}

// NewJoiner reads a token, which must not have expired. The key is to be kept
// before it is used, so that a joiner that crashes asks again as the same one.
func NewJoiner(now time.Time, token string, facts NodeFacts, key *ecdsa.PrivateKey) (*Joiner, error) {
	t, err := ParseJoinToken(token)
	if err != nil {
		return nil, err
	}
	if expired(t.Expires, now) {
		return nil, wire.Errorf(wire.Unauthenticated, "the join token expired at %s; here it is %s", credential.Stamp(t.Expires), credential.Stamp(now)).
			WithHint("tarn cluster token makes another; or the clock of this machine is wrong")
	}
	if err := facts.check(); err != nil {
		return nil, err
	}
	return &Joiner{token: t, facts: facts, key: key}, nil
}

// TLS returns the configuration to connect with: it believes only a node whose
// certificate ends at the authority that the token names.
func (j *Joiner) TLS(now func() time.Time) *tls.Config {
	return credential.Dialing(ProtocolJoin, now, func(chain []*x509.Certificate) error { return j.verify(now(), chain) })
}

func (j *Joiner) verify(now time.Time, chain []*x509.Certificate) error {
	roots, err := j.pinned(chain)
	if err != nil {
		return err
	}
	return roots.VerifyServer(now, chain, "")
}

// pinned finds the token's authority in a chain.
func (j *Joiner) pinned(chain []*x509.Certificate) (*Roots, error) {
	for _, cert := range chain {
		cluster, ok := credential.AuthorityOf(cert)
		if ok && credential.Fingerprint(cert) == j.token.CA && cluster == j.token.Cluster {
			return NewRoots(cert.Raw)
		}
	}
	if len(chain) > 0 {
		if id, err := credential.IdentityOf(chain[0]); err == nil && id.Cluster != j.token.Cluster {
			return nil, otherCluster(j.token, id.Cluster)
		}
	}
	return nil, wire.Errorf(wire.Unauthenticated, "the server does not show the authority that the join token names; nothing was sent to it").
		WithHint("is --join a node's address, and the token from that cluster?")
}

// Request returns what to send once connected.
func (j *Joiner) Request() (JoinRequest, error) {
	csr, err := NewCSR(j.key)
	return JoinRequest{Token: j.token.text, CSR: csr, Facts: j.facts}, err
}

// Joined is what a node keeps of its joining.
type Joined struct {
	Cluster     string
	Certificate *tls.Certificate
	Roots       *Roots
	GossipKeys  [][]byte
}

// Accept checks an answer as far as its reader can: the certificate is for
// this node and its key, and signed by the authority that the token names.
func (j *Joiner) Accept(now time.Time, a JoinAnswer) (Joined, error) {
	cert, err := NewCertificate(j.key, a.Chain)
	if err != nil {
		return Joined{}, err
	}
	roots, err := NewRoots(a.CAs...)
	if err != nil {
		return Joined{}, err
	}
	if a.Cluster != j.token.Cluster || roots.Cluster() != j.token.Cluster || !roots.Has(j.token.CA) {
		return Joined{}, wire.Errorf(wire.Unauthenticated, "the answer is of cluster %s, and not of the join token's, %s", credential.Quote(a.Cluster), j.token.Cluster)
	}
	peer, err := roots.Verify(now, []*x509.Certificate{cert.Leaf}, x509.ExtKeyUsageServerAuth)
	if err != nil {
		return Joined{}, err
	}
	if peer.Role != Node || peer.Name != j.facts.Node {
		return Joined{}, wire.Errorf(wire.Unauthenticated, "the answer holds the certificate of %s; this is node %s", peer.Identity, j.facts.Node)
	}
	if slices.ContainsFunc(a.GossipKeys, func(k []byte) bool { return len(k) != gossipKeySize }) || len(a.GossipKeys) == 0 {
		return Joined{}, wire.Errorf(wire.Corrupt, "the answer holds no usable gossip key")
	}
	return Joined{Cluster: a.Cluster, Certificate: cert, Roots: roots, GossipKeys: a.GossipKeys}, nil
}
