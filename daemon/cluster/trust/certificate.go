package trust

import (
	"cmp"
	"crypto/x509"
	"time"

	"github.com/tarnlake/tarn/client/credential"
	"github.com/tarnlake/tarn/client/wire"
)

// Certificate is what the state keeps of one that was issued to a client, so
// that it can be listed and revoked. Nodes' are not listed: a node is in the
// cluster or it is not.
type Certificate struct {
	Serial  string    `json:"serial"`
	Name    string    `json:"name"`
	Role    Role      `json:"role"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	Revoked bool      `json:"revoked,omitempty"`
}

// SignClient issues a certificate to a client for the key of its request: the
// chain, in DER, to be handed out once WithCertificate has taken the record.
// Zero life means ClientLife.
func (s State) SignClient(now time.Time, csr []byte, name string, role Role, life time.Duration) (chain [][]byte, c Certificate, err error) {
	if role == Node {
		return nil, c, wire.Errorf(wire.InvalidArgument, "a client cannot have the role of a node")
	}
	if life = cmp.Or(life, ClientLife); life < 0 || life > MaxClientLife {
		return nil, c, wire.Errorf(wire.InvalidArgument, "a client's certificate cannot live for %v", life).WithHint("up to %v", MaxClientLife)
	}
	chain, err = s.sign(now, csr, Identity{Cluster: s.Cluster, Role: role, Name: name}, life)
	if err != nil {
		return nil, c, err
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return nil, c, err
	}
	return chain, Certificate{Serial: credential.SerialOf(leaf), Name: name, Role: role, Created: now.UTC(), Expires: leaf.NotAfter}, nil
}

// WithCertificate returns s with a client's new certificate.
func (s State) WithCertificate(now time.Time, c Certificate) (State, error) {
	id := Identity{Cluster: s.Cluster, Role: c.Role, Name: c.Name}
	if err := id.Check(); err != nil {
		return s, err
	}
	s = s.Pruned(now)
	if _, taken := s.Certificates[c.Serial]; taken || c.Serial == "" {
		return s, wire.Errorf(wire.Conflict, "there is a certificate %s already", credential.Quote(c.Serial))
	}
	if len(s.Certificates) >= MaxCertificates {
		return s, wire.Errorf(wire.LimitExceeded, "the cluster has issued %d certificates that are still valid, and issues no more", len(s.Certificates)).
			WithHint("give programs access tokens instead")
	}
	s.Certificates = with(s.Certificates, c.Serial, c)
	return s, nil
}

// WithoutCertificate returns s with the certificates of that serial or name
// revoked: calls with them are refused from now on, on living connections, too.
func (s State) WithoutCertificate(serialOrName string) (State, error) {
	found := false
	for serial, c := range s.Certificates {
		if c.Serial == serialOrName || c.Name == serialOrName {
			found, c.Revoked = true, true
			s.Certificates = with(s.Certificates, serial, c)
		}
	}
	if !found {
		return s, wire.Errorf(wire.InvalidArgument, "there is no certificate %s of a client", credential.Quote(serialOrName)).WithHint("tarn cluster cert list")
	}
	return s, nil
}

// ClientCertificates lists the certificates of clients by name and age.
func (s State) ClientCertificates() []Certificate {
	return sorted(s.Certificates, func(a, b Certificate) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), a.Created.Compare(b.Created), cmp.Compare(a.Serial, b.Serial))
	})
}

// Recognize returns who a verified peer is to calls. A client's certificate
// must be in the list: signed by the authority but not listed is refused.
func (s State) Recognize(p Peer) (Principal, error) {
	who := Principal{Name: p.Name, Role: p.Role, Via: ViaCertificate, ID: p.Serial}
	if p.Role == Node {
		return who, nil
	}
	c, listed := s.Certificates[p.Serial]
	if !listed || c.Revoked || c.Name != p.Name || c.Role != p.Role {
		return Principal{}, wire.Errorf(wire.Unauthenticated, "certificate %s of client %s was revoked, or is not known here yet", p.Serial, p.Name).
			WithHint("tarn cluster cert issue %s makes another", p.Name)
	}
	return who, nil
}
