package trust

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/tarnlake/tarn/client/credential"
	"github.com/tarnlake/tarn/client/wire"
)

// renewal is a renewer whose clock and issuer a test moves.
type renewal struct {
	*Renewer
	state State
	node  string
	now   time.Time
	kept  []*tls.Certificate
	issue func(csr []byte) ([][]byte, error)
	keep  func(*tls.Certificate) error
}

func newRenewal(t testing.TB) *renewal {
	t.Helper()
	s, node := newState(t), uuid.NewString()
	r := &renewal{state: s, node: node, now: noon}
	r.issue = func(csr []byte) ([][]byte, error) { return s.SignNode(r.now, csr, node) }
	r.keep = func(c *tls.Certificate) error { r.kept = append(r.kept, c); return nil }
	roots := rootsOf(t, s)
	r.Renewer = NewRenewer(issue(t, s, noon, Node, node, NodeLife), RenewerConfig{
		Now: func() time.Time { return r.now }, Logger: slog.New(slog.DiscardHandler), Roots: func() *Roots { return roots },
		Issue: func(_ context.Context, csr []byte) ([][]byte, error) { return r.issue(csr) },
		Keep:  func(c *tls.Certificate) error { return r.keep(c) },
	})
	return r
}

func TestRenewalAtTwoThirds(t *testing.T) {
	r := newRenewal(t)
	first := r.Certificate()
	r.now = r.Due().Add(-time.Minute)
	if wait, err := r.Step(t.Context()); wait != time.Minute || err != nil || r.Certificate() != first {
		t.Errorf("a minute early: wait %v, %v", wait, err)
	}
	r.now = r.Due()
	wait, err := r.Step(t.Context())
	second := r.Certificate()
	if wait != maxNap || err != nil || second == first || len(r.kept) != 1 || r.kept[0] != second {
		t.Fatalf("when due: wait %v, %v, kept %d", wait, err, len(r.kept))
	}
	if got, want := second.Leaf.NotAfter, r.now.Add(NodeLife); !got.Equal(want.Truncate(time.Second)) {
		t.Errorf("the new certificate ends at %v; want %v", got, want)
	}
	if credential.Fingerprint(first.Leaf) == credential.Fingerprint(second.Leaf) {
		t.Error("the new certificate is for the old key")
	}
	fromServer, _ := r.GetCertificate(nil)
	fromClient, _ := r.GetClientCertificate(nil)
	if fromServer != second || fromClient != second {
		t.Error("handshakes do not take the new certificate")
	}
}

func TestARenewalThatFailsIsTriedAgain(t *testing.T) {
	r := newRenewal(t)
	first := r.Certificate()
	trouble := errors.New("trouble")
	good, keep := r.issue, r.keep
	other := newState(t)
	for name, c := range map[string]struct {
		issue func(csr []byte) ([][]byte, error)
		keep  func(*tls.Certificate) error
	}{
		"not issued":    {func([]byte) ([][]byte, error) { return nil, trouble }, keep},
		"not kept":      {good, func(*tls.Certificate) error { return trouble }},
		"empty":         {func([]byte) ([][]byte, error) { return nil, nil }, keep},
		"another's key": {func([]byte) ([][]byte, error) { return first.Certificate, nil }, keep},
		"another node":  {func(csr []byte) ([][]byte, error) { return r.state.SignNode(r.now, csr, uuid.NewString()) }, keep},
		"other cluster": {func(csr []byte) ([][]byte, error) { return other.SignNode(r.now, csr, r.node) }, keep},
		"no later":      {func(csr []byte) ([][]byte, error) { return r.state.SignNode(noon, csr, r.node) }, keep},
	} {
		r.now, r.issue, r.keep = r.Due(), c.issue, c.keep
		wait, err := r.Step(t.Context())
		if err == nil || r.Certificate() != first {
			t.Errorf("%s: renewed, %v", name, err)
		}
		if wait != maxNap { // a third of 90 days is left
			t.Errorf("%s: wait %v; want %v", name, wait, maxNap)
		}
	}
	r.now = first.Leaf.NotAfter.Add(time.Hour) // a cluster that was switched off for long
	if wait, err := r.Step(t.Context()); wait != minRetry || err == nil {
		t.Errorf("expired: wait %v, %v; want %v", wait, err, minRetry)
	}
	r.issue, r.keep = good, keep
	if _, err := r.Step(t.Context()); err != nil || r.Certificate() == first {
		t.Errorf("expired, and the authority back: %v", err)
	}
}

func TestRunRenewsAllALong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRenewal(t)
		begin := time.Now()
		r.cfg.Now = func() time.Time { return noon.Add(time.Since(begin)) }
		r.issue = func(csr []byte) ([][]byte, error) { return r.state.SignNode(r.cfg.Now(), csr, r.node) }
		ctx, cancel := context.WithTimeout(t.Context(), 365*24*time.Hour)
		defer cancel()
		r.Run(ctx)
		if got := len(r.kept); got != 6 { // every 60 days
			t.Errorf("%d renewals in a year; want 6", got)
		}
		for i := 1; i < len(r.kept); i++ {
			if r.kept[i].Leaf.NotBefore.After(r.kept[i-1].Leaf.NotAfter) {
				t.Errorf("a gap before renewal %d", i)
			}
		}
	})
}

// TestRenewedWhileConnectionsLive: a connection of before goes on, the next
// handshake shows the new certificate, on both ends.
func TestRenewedWhileConnectionsLive(t *testing.T) {
	r := newRenewal(t)
	roots := rootsOf(t, r.state)
	server := Side{Roots: func() *Roots { return roots }, Certificate: r.Certificate, Now: func() time.Time { return noon.Add(70 * 24 * time.Hour) }}
	p := newPort(t, server, SplitConfig{})
	p.echo(ProtocolRaft)
	dial := func() *tls.Conn {
		c, err := tls.Dial("tcp", p.addr, server.Client(ProtocolRaft, r.node))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	shown := func(c *tls.Conn) *x509.Certificate { return c.ConnectionState().PeerCertificates[0] }
	before, first := dial(), r.Certificate()
	r.now = r.Due()
	if _, err := r.Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := dial()
	for _, c := range []*tls.Conn{before, after} {
		if got, err := p.echoed(c); got != "tarn" {
			t.Errorf("said %q, %v", got, err)
		}
	}
	if !shown(before).Equal(first.Leaf) || !shown(after).Equal(r.Certificate().Leaf) {
		t.Error("the connections do not show the certificate of their time")
	}
}

func TestSideWithoutCertificate(t *testing.T) {
	s := newState(t)
	_, err := sideOf(t, s, nil).Server().GetCertificate(nil)
	wantError(t, err, wire.Unavailable, "no certificate yet")
}
