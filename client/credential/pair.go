package credential

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"

	"github.com/tarnlake/tarn/client/wire"
)

const (
	keyBlock  = "PRIVATE KEY" // PKCS #8
	certBlock = "CERTIFICATE"

	// maxPEM bounds a file of a key and certificates, maxChain the latter.
	maxPEM   = 64 << 10
	maxChain = 8
)

// NewCertificate puts a key and its chain (DER, own certificate first) together.
func NewCertificate(key *ecdsa.PrivateKey, chain [][]byte) (*tls.Certificate, error) {
	if len(chain) == 0 || len(chain) > maxChain {
		return nil, wire.Errorf(wire.InvalidArgument, "a chain of %d certificates; want 1 to %d", len(chain), maxChain)
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return nil, wire.Errorf(wire.Corrupt, "the certificate does not parse: %w", err)
	}
	if !key.PublicKey.Equal(leaf.PublicKey) {
		return nil, wire.Errorf(wire.InvalidArgument, "the certificate is for another key")
	}
	return &tls.Certificate{Certificate: chain, PrivateKey: key, Leaf: leaf}, nil
}

// MarshalPEM returns key and chain as one file, to be readable by its owner
// only: PKCS #8, then the certificates. Programs of other makers can be given
// the same file as key, as chain and as authority.
func MarshalPEM(cert *tls.Certificate) ([]byte, error) {
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	_ = pem.Encode(&out, &pem.Block{Type: keyBlock, Bytes: key}) // to memory
	for _, der := range cert.Certificate {
		_ = pem.Encode(&out, &pem.Block{Type: certBlock, Bytes: der})
	}
	return out.Bytes(), nil
}

// ParsePEM reads what MarshalPEM has written, or a key and a chain in one file
// from elsewhere, in any order. Roots are the authorities in the chain, nil if
// there are none.
func ParsePEM(data []byte) (cert *tls.Certificate, roots *Roots, err error) {
	if len(data) > maxPEM {
		return nil, nil, wire.Errorf(wire.InvalidArgument, "the file of a certificate has %d bytes; at most %d are read", len(data), maxPEM)
	}
	var key *ecdsa.PrivateKey
	var chain [][]byte
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case certBlock:
			chain = append(chain, block.Bytes)
		case keyBlock:
			if key, err = parseKey(block.Bytes); err != nil {
				return nil, nil, err
			}
		}
	}
	if key == nil || len(chain) == 0 {
		return nil, nil, wire.Errorf(wire.InvalidArgument, "the file does not hold both a private key (PKCS #8) and a certificate, in PEM")
	}
	if cert, err = NewCertificate(key, chain); err != nil {
		return nil, nil, err
	}
	roots, err = rootsIn(chain[1:])
	return cert, roots, err
}

func parseKey(der []byte) (*ecdsa.PrivateKey, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, wire.Errorf(wire.InvalidArgument, "the private key does not parse: %w", err)
	}
	k, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, wire.Errorf(wire.InvalidArgument, "the private key is not an ECDSA key")
	}
	return k, nil
}

func rootsIn(chain [][]byte) (*Roots, error) {
	if len(chain) == 0 {
		return nil, nil
	}
	return NewRoots(chain...)
}

// ParseCAs reads the certificates of a cluster's authorities from PEM.
func ParseCAs(data []byte) (*Roots, error) {
	if len(data) > maxPEM {
		return nil, wire.Errorf(wire.InvalidArgument, "the file of the authorities has %d bytes; at most %d are read", len(data), maxPEM)
	}
	var ders [][]byte
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == certBlock {
			ders = append(ders, block.Bytes)
		}
	}
	return NewRoots(ders...)
}

// PEM returns the authorities' certificates as a file for programs of other makers.
func (r *Roots) PEM() []byte {
	var out bytes.Buffer
	for _, c := range r.certs {
		_ = pem.Encode(&out, &pem.Block{Type: certBlock, Bytes: c.Raw}) // to memory
	}
	return out.Bytes()
}
