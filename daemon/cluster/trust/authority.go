package trust

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/url"
	"time"

	"github.com/tarnlake/tarn/client/credential"
	"github.com/tarnlake/tarn/client/wire"
)

// How long certificates are valid. They begin an hour before they are made,
// for clocks that are behind.
const (
	NodeLife      = 90 * 24 * time.Hour
	ClientLife    = 365 * 24 * time.Hour // the default
	MaxClientLife = 10 * ClientLife

	authorityLife = 30 * ClientLife
	backdate      = time.Hour
)

// CA is a certificate authority of the cluster: a certificate and its key.
// Whoever has the key can be every node.
type CA struct {
	Certificate []byte `json:"certificate"` // DER
	Key         []byte `json:"key"`         // PKCS #8, DER
}

// newCA makes the authority of a new cluster.
func newCA(cluster string, now time.Time) (CA, error) {
	key, err := NewKey()
	if err != nil {
		return CA{}, err
	}
	template := &x509.Certificate{
		Subject:                     pkix.Name{CommonName: "Tarn cluster " + cluster},
		NotBefore:                   now.Add(-backdate),
		NotAfter:                    now.Add(authorityLife),
		URIs:                        []*url.URL{credential.ClusterURI(cluster)},
		KeyUsage:                    x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid:       true,
		IsCA:                        true,
		MaxPathLenZero:              true,
		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         []string{credential.Domain},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return CA{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return CA{Certificate: cert, Key: der}, err
}

// parse returns the certificate and the key, which belong together.
func (ca CA) parse() (*x509.Certificate, crypto.Signer, error) {
	cert, err := x509.ParseCertificate(ca.Certificate)
	if err != nil {
		return nil, nil, wire.Errorf(wire.Corrupt, "the authority's certificate: %w", err)
	}
	key, err := x509.ParsePKCS8PrivateKey(ca.Key)
	if err != nil {
		return nil, nil, wire.Errorf(wire.Corrupt, "the authority's key: %w", err)
	}
	signer, ok := key.(*ecdsa.PrivateKey)
	if !ok || !signer.PublicKey.Equal(cert.PublicKey) {
		return nil, nil, wire.Errorf(wire.Corrupt, "the authority's key does not belong to its certificate")
	}
	return cert, signer, nil
}

// sign issues a certificate to id for the key of a request that readCSR took.
// The chain that it returns, in DER, ends with the authority's own certificate,
// so that a joiner can see whose it is.
func (ca CA) sign(now time.Time, pub *ecdsa.PublicKey, id Identity, life time.Duration) ([][]byte, error) {
	if err := id.Check(); err != nil {
		return nil, err
	}
	parent, key, err := ca.parse()
	if err != nil {
		return nil, err
	}
	if !now.Before(parent.NotAfter) {
		return nil, wire.Errorf(wire.Unavailable, "the cluster's authority expired at %s: it signs nothing any more", credential.Stamp(parent.NotAfter))
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: commonName(id)},
		NotBefore:             now.Add(-backdate),
		NotAfter:              earlier(now.Add(life), parent.NotAfter),
		URIs:                  []*url.URL{id.URI()},
		DNSNames:              id.DNSNames(),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           usesOf(id.Role),
		BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, parent, pub, key)
	if err != nil {
		return nil, err
	}
	return [][]byte{cert, ca.Certificate}, nil
}

// commonName is for people who look at certificates; X.509 bounds it to 64 bytes.
func commonName(id Identity) string {
	name := "Tarn " + string(id.Role) + " " + id.Name
	return name[:min(len(name), 64)]
}

// usesOf lets only nodes serve.
func usesOf(r Role) []x509.ExtKeyUsage {
	if r == Node {
		return []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	}
	return []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// maxCSR bounds a request; those of P-256 keys have a few hundred bytes.
const maxCSR = 8 << 10

// readCSR returns the key of a request whose sender has proved to hold it.
// Names and extensions in the request are not looked at.
func readCSR(der []byte) (*ecdsa.PublicKey, error) {
	if len(der) > maxCSR {
		return nil, wire.Errorf(wire.InvalidArgument, "the certificate request has %d bytes; at most %d are read", len(der), maxCSR)
	}
	req, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, wire.Errorf(wire.InvalidArgument, "the certificate request does not parse: %w", err)
	}
	pub, ok := req.PublicKey.(*ecdsa.PublicKey)
	if !ok || pub.Curve != elliptic.P256() {
		return nil, wire.Errorf(wire.InvalidArgument, "the certificate request is not for an ECDSA P-256 key").
			WithHint("openssl ecparam -name prime256v1 -genkey")
	}
	if err := req.CheckSignature(); err != nil {
		return nil, wire.Errorf(wire.InvalidArgument, "the certificate request is not signed by its own key: %w", err)
	}
	return pub, nil
}
