package credential

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"slices"
	"time"

	"github.com/tarnlake/tarn/client/wire"
)

// Roots are the authorities of one cluster: whom this side of a connection
// believes. They do not change; reading is safe for concurrent use.
type Roots struct {
	cluster string
	certs   []*x509.Certificate
	pool    *x509.CertPool
}

// NewRoots returns the authorities with these certificates (DER), which must
// be of one cluster.
func NewRoots(certs ...[]byte) (*Roots, error) {
	if len(certs) == 0 {
		return nil, wire.Errorf(wire.InvalidArgument, "no certificate of an authority")
	}
	r := &Roots{pool: x509.NewCertPool()}
	for _, der := range certs {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, wire.Errorf(wire.Corrupt, "the authority's certificate does not parse: %w", err)
		}
		if err := r.add(cert); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *Roots) add(cert *x509.Certificate) error {
	cluster, ok := AuthorityOf(cert)
	if !ok {
		return wire.Errorf(wire.InvalidArgument, "the certificate of %s is not that of a cluster's authority", Quote(cert.Subject.CommonName))
	}
	if r.cluster != "" && r.cluster != cluster {
		return wire.Errorf(wire.Conflict, "authorities of two clusters, %s and %s", r.cluster, cluster)
	}
	r.cluster = cluster
	r.certs = append(r.certs, cert)
	r.pool.AddCert(cert)
	return nil
}

// AuthorityOf returns the cluster whose authority a certificate says it is.
func AuthorityOf(cert *x509.Certificate) (cluster string, ok bool) {
	if !cert.IsCA || len(cert.URIs) != 1 {
		return "", false
	}
	u := cert.URIs[0]
	return u.Host, IsUUID(u.Host) && u.String() == ClusterURI(u.Host).String()
}

// Cluster returns the UUID of the cluster.
func (r *Roots) Cluster() string { return r.cluster }

// Has reports whether an authority has that key.
func (r *Roots) Has(print [sha256.Size]byte) bool {
	return slices.ContainsFunc(r.certs, func(c *x509.Certificate) bool { return Fingerprint(c) == print })
}

// Certificates returns the authorities' certificates, in DER.
func (r *Roots) Certificates() [][]byte {
	ders := make([][]byte, len(r.certs))
	for i, c := range r.certs {
		ders[i] = slices.Clone(c.Raw)
	}
	return ders
}

// Peer is the other end of a connection, as its verified certificate says.
type Peer struct {
	Identity
	Serial  string    // of the certificate, in hex
	Expires time.Time // the certificate, and with it the connection
}

// Verify returns who showed chain, whose first certificate is the peer's own,
// if an authority of the cluster has signed it, it is valid now and is meant
// for use. The error, always wire.Unauthenticated, says which of them failed.
func (r *Roots) Verify(now time.Time, chain []*x509.Certificate, use x509.ExtKeyUsage) (Peer, error) {
	if len(chain) == 0 {
		return Peer{}, wire.Errorf(wire.Unauthenticated, "the peer shows no certificate")
	}
	leaf := chain[0]
	id, err := IdentityOf(leaf)
	if err != nil {
		return Peer{}, err
	}
	if id.Cluster != r.cluster {
		return Peer{}, wire.Errorf(wire.Unauthenticated, "the peer is %s; this is cluster %s", id, r.cluster)
	}
	_, err = leaf.Verify(x509.VerifyOptions{Roots: r.pool, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{use}})
	if err != nil {
		return Peer{}, explain(id, leaf, now, err)
	}
	return Peer{Identity: id, Serial: SerialOf(leaf), Expires: leaf.NotAfter}, nil
}

// SerialOf returns the serial number of a certificate as lists show it, in hex.
func SerialOf(cert *x509.Certificate) string { return cert.SerialNumber.Text(16) }

// explain says why the certificate of one who says to be id is not believed.
func explain(id Identity, leaf *x509.Certificate, now time.Time, err error) error {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &unknown):
		return wire.Errorf(wire.Unauthenticated, "the certificate of %s is not signed by the authority of that cluster", id)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return outsideLife(id, leaf, now)
	case errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
		return wire.Errorf(wire.Unauthenticated, "the certificate of %s is not for this side of a connection", id)
	}
	return wire.Errorf(wire.Unauthenticated, "the certificate of %s is not valid: %w", id, err)
}

func outsideLife(id Identity, leaf *x509.Certificate, now time.Time) error {
	if now.Before(leaf.NotBefore) {
		return wire.Errorf(wire.Unauthenticated, "the certificate of %s is not valid before %s; here it is %s", id, Stamp(leaf.NotBefore), Stamp(now)).
			WithHint("set the clocks of both machines (NTP)")
	}
	if now.After(leaf.NotAfter) {
		return wire.Errorf(wire.Unauthenticated, "the certificate of %s expired at %s; here it is %s", id, Stamp(leaf.NotAfter), Stamp(now)).
			WithHint("tarn cluster cert issue makes a client's anew, a node renews its own; or a clock is wrong")
	}
	return wire.Errorf(wire.Unauthenticated, "the authority of cluster %s is not valid at %s", id.Cluster, Stamp(now)).
		WithHint("set the clocks of both machines (NTP)")
}

// Stamp is a moment as messages show it.
func Stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
