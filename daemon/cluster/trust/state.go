package trust

import (
	"io"
	"maps"
	"slices"
	"time"

	"github.com/tarnlake/tarn/client/credential"
	"github.com/tarnlake/tarn/client/wire"
)

// State is what the cluster has agreed on about trust. It is plain data and
// immutable: transitions return another State that shares what did not
// change. They are pure: now is the time of the command, the same on every
// node. It holds secrets: whoever can read it can be every node.
type State struct {
	Cluster      string                 `json:"cluster"`
	CAs          []CA                   `json:"cas"`         // the first signs, all are believed
	GossipKeys   [][]byte               `json:"gossip_keys"` // AES-256; the first encrypts, all decrypt
	Joins        map[string]JoinSecret  `json:"joins,omitempty"`
	Tokens       map[string]AccessToken `json:"tokens,omitempty"`
	Certificates map[string]Certificate `json:"certificates,omitempty"` // of clients, by serial
}

// What a state holds at most, so that it stays small whatever is asked for.
const (
	MaxJoins        = 256
	MaxTokens       = 10_000
	MaxCertificates = 10_000
)

const gossipKeySize = 32

// NewState makes the trust of a new cluster: an authority and a gossip key.
// Made once, by init; it reaches the others as part of a command.
func NewState(cluster string, now time.Time, random io.Reader) (State, error) {
	if !credential.IsUUID(cluster) {
		return State{}, wire.Errorf(wire.InvalidArgument, "%s is not a cluster's UUID", credential.Quote(cluster))
	}
	ca, err := newCA(cluster, now)
	if err != nil {
		return State{}, err
	}
	key, err := randomBytes(random, gossipKeySize)
	if err != nil {
		return State{}, err
	}
	return State{Cluster: cluster, CAs: []CA{ca}, GossipKeys: [][]byte{key}}, nil
}

// Roots returns whom the cluster believes.
func (s State) Roots() (*Roots, error) {
	certs := make([][]byte, len(s.CAs))
	for i, ca := range s.CAs {
		certs[i] = ca.Certificate
	}
	r, err := NewRoots(certs...)
	if err == nil && r.Cluster() != s.Cluster {
		return nil, wire.Errorf(wire.Corrupt, "cluster %s holds the authority of cluster %s", s.Cluster, r.Cluster())
	}
	return r, err
}

// authority returns the one that signs.
func (s State) authority() (CA, error) {
	if len(s.CAs) == 0 {
		return CA{}, wire.Errorf(wire.Unavailable, "the cluster has no authority yet").WithHint("tarn cluster init")
	}
	return s.CAs[0], nil
}

// SignNode issues a certificate to a node of the cluster for the key of its
// request: the chain, in DER. The caller has made sure that it is that node
// which asks: by Admit, or because it shows the certificate that is to be renewed.
func (s State) SignNode(now time.Time, csr []byte, node string) ([][]byte, error) {
	return s.sign(now, csr, Identity{Cluster: s.Cluster, Role: Node, Name: node}, NodeLife)
}

func (s State) sign(now time.Time, csr []byte, id Identity, life time.Duration) ([][]byte, error) {
	ca, err := s.authority()
	if err != nil {
		return nil, err
	}
	pub, err := readCSR(csr)
	if err != nil {
		return nil, err
	}
	return ca.sign(now, pub, id, life)
}

// Pruned returns s without what expired more than a month before now: until
// then lists and messages can say that it did.
func (s State) Pruned(now time.Time) State {
	old := func(expires time.Time) bool {
		return !expires.IsZero() && now.Sub(expires) > keepExpired
	}
	s.Joins = without(s.Joins, func(j JoinSecret) bool { return old(j.Expires) })
	s.Tokens = without(s.Tokens, func(t AccessToken) bool { return old(t.Expires) })
	s.Certificates = without(s.Certificates, func(c Certificate) bool { return old(c.Expires) })
	return s
}

const keepExpired = 30 * 24 * time.Hour

// with returns a copy of m in which key is v.
func with[V any](m map[string]V, key string, v V) map[string]V {
	m = maps.Clone(m)
	if m == nil {
		m = map[string]V{}
	}
	m[key] = v
	return m
}

// without returns m without what drop picks: m itself if that is nothing.
func without[V any](m map[string]V, drop func(V) bool) map[string]V {
	for _, v := range m {
		if drop(v) {
			m = maps.Clone(m)
			maps.DeleteFunc(m, func(_ string, v V) bool { return drop(v) })
			return m
		}
	}
	return m
}

// sorted returns the values of m in order of less.
func sorted[V any](m map[string]V, compare func(a, b V) int) []V {
	return slices.SortedFunc(maps.Values(m), compare)
}

// expired reports whether a moment, zero meaning never, has come.
func expired(expires, now time.Time) bool { return !expires.IsZero() && !now.Before(expires) }
