package credential

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
)

// NewKey makes a private key, which is to stay on the machine it was made on.
func NewKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

// NewCSR asks for a certificate for key. It says nothing about who asks: that
// is for the one who signs to decide.
func NewCSR(key *ecdsa.PrivateKey) ([]byte, error) {
	return x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
}

// NewRequest makes a key and asks for a certificate for it.
func NewRequest() (key *ecdsa.PrivateKey, csr []byte, err error) {
	if key, err = NewKey(); err == nil {
		csr, err = NewCSR(key)
	}
	return key, csr, err
}

// Fingerprint tells which key a certificate is for: the SHA-256 of its SPKI.
func Fingerprint(cert *x509.Certificate) [sha256.Size]byte {
	return sha256.Sum256(cert.RawSubjectPublicKeyInfo)
}
