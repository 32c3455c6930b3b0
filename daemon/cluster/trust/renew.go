package trust

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/tarnlake/tarn/client/credential"
	"github.com/tarnlake/tarn/client/wire"
)

// Renewer holds a machine's certificate and has it renewed, with a new key
// each time, when two thirds of its life are over. Handshakes take the newest
// one; connections that live keep theirs. Safe for concurrent use.
type Renewer struct {
	cfg     RenewerConfig
	current atomic.Pointer[tls.Certificate]
}

// RenewerConfig is what a Renewer works with.
type RenewerConfig struct {
	Now    func() time.Time
	Logger *slog.Logger
	Roots  func() *Roots

	// Issue has a request signed: by the node's own copy of the state, or by
	// another node. It returns the chain in DER.
	Issue func(ctx context.Context, csr []byte) ([][]byte, error)

	// Keep makes a new certificate durable. It is used only after that.
	Keep func(*tls.Certificate) error
}

// NewRenewer starts with cert, which may have expired.
func NewRenewer(cert *tls.Certificate, cfg RenewerConfig) *Renewer {
	r := &Renewer{cfg: cfg}
	r.current.Store(cert)
	return r
}

// Certificate returns the newest certificate, as Side wants it. It must not
// be changed.
func (r *Renewer) Certificate() *tls.Certificate { return r.current.Load() }

// GetCertificate is that of tls.Config, for servers.
func (r *Renewer) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return r.current.Load(), nil
}

// GetClientCertificate is that of tls.Config, for clients.
func (r *Renewer) GetClientCertificate(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return r.current.Load(), nil
}

const (
	// maxNap lets a renewer notice a clock that was set, or a machine that slept.
	maxNap = time.Hour

	minRetry = time.Minute
)

// Due returns when the certificate is to be renewed.
func (r *Renewer) Due() time.Time {
	leaf := r.current.Load().Leaf
	return leaf.NotBefore.Add(leaf.NotAfter.Sub(leaf.NotBefore) / 3 * 2)
}

// Step renews the certificate if that is due. It returns how long to wait
// before the next step, also with an error: the older certificate stays then.
func (r *Renewer) Step(ctx context.Context) (wait time.Duration, err error) {
	now := r.cfg.Now()
	if due := r.Due(); now.Before(due) {
		return min(due.Sub(now), maxNap), nil
	}
	if err := r.renew(ctx, now); err != nil {
		left := r.current.Load().Leaf.NotAfter.Sub(now)
		return min(max(left/20, minRetry), maxNap), err
	}
	return min(max(r.Due().Sub(now), minRetry), maxNap), nil
}

func (r *Renewer) renew(ctx context.Context, now time.Time) error {
	key, csr, err := credential.NewRequest()
	if err != nil {
		return err
	}
	chain, err := r.cfg.Issue(ctx, csr)
	if err != nil {
		return err
	}
	next, err := NewCertificate(key, chain)
	if err != nil {
		return err
	}
	if err := r.check(now, next); err != nil {
		return err
	}
	if err := r.cfg.Keep(next); err != nil {
		return err
	}
	r.current.Store(next)
	return nil
}

// check makes sure that next is good for what the present certificate was.
func (r *Renewer) check(now time.Time, next *tls.Certificate) error {
	old := r.current.Load().Leaf
	want, err := credential.IdentityOf(old)
	if err != nil {
		return err
	}
	p, err := r.cfg.Roots().Verify(now, []*x509.Certificate{next.Leaf}, x509.ExtKeyUsageClientAuth)
	if err != nil {
		return err
	}
	if p.Identity != want {
		return wire.Errorf(wire.Unauthenticated, "the new certificate is for %s; this is %s", p.Identity, want)
	}
	if !p.Expires.After(old.NotAfter) {
		return wire.Errorf(wire.Unavailable, "the new certificate ends at %s, no later than the old one", credential.Stamp(p.Expires))
	}
	return nil
}

// Run renews until ctx ends, and says in the log what it did.
func (r *Renewer) Run(ctx context.Context) {
	for ctx.Err() == nil {
		before := r.current.Load()
		wait, err := r.Step(ctx)
		r.tell(before, err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

func (r *Renewer) tell(before *tls.Certificate, err error) {
	now := r.current.Load()
	switch {
	case err != nil:
		r.cfg.Logger.Error("the certificate was not renewed", "expires", now.Leaf.NotAfter, "error", err)
	case now != before:
		r.cfg.Logger.Info("the certificate was renewed", "expires", now.Leaf.NotAfter, "serial", credential.SerialOf(now.Leaf))
	}
}
