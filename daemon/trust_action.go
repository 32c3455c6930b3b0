package daemon

import (
	"cmp"
	"context"
	"crypto/rand"
	"time"

	"github.com/tarnlake/tarn/client/credential"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/cluster/trust"
)

// What a join token and a client's certificate are good for unless it is said.
const (
	joinTokenLife   = 24 * time.Hour
	certificateLife = 365 * 24 * time.Hour
)

// trusted returns what the cluster believes now. A node alone believes nobody.
func (s *service) trusted(ctx context.Context) (trust.State, error) {
	view, err := s.n.catalog.Read(ctx)
	if err != nil {
		return trust.State{}, err
	}
	if view.Trust().Cluster == "" {
		return trust.State{}, wire.Errorf(wire.Unsupported, "this node is alone: it has no certificates or tokens, and nobody can join it").
			WithHint("stop it, and make it the first of a cluster: tarn cluster init --dir DIR")
	}
	return view.Trust(), nil
}

// joinToken makes a token for nodes to join with.
func (s *service) joinToken(ctx context.Context, req wire.CreateJoinToken) (wire.Secret, error) {
	t, err := s.trusted(ctx)
	if err != nil {
		return wire.Secret{}, err
	}
	text, secret, err := t.NewJoinToken(time.Now(), rand.Reader, cmp.Or(req.Uses, 1), cmp.Or(req.For, joinTokenLife))
	if err != nil {
		return wire.Secret{}, err
	}
	if _, err := s.n.propose(ctx, catalog.Command{CreateJoin: &secret}); err != nil {
		return wire.Secret{}, err
	}
	return wire.Secret{Text: text, ID: secret.ID, Expires: secret.Expires}, nil
}

// createToken makes an access token.
func (s *service) createToken(ctx context.Context, req wire.CreateToken) (wire.Secret, error) {
	if _, err := s.trusted(ctx); err != nil {
		return wire.Secret{}, err
	}
	role, err := credential.ParseClientRole(req.Role)
	if err != nil {
		return wire.Secret{}, err
	}
	text, token, err := trust.NewAccessToken(time.Now(), rand.Reader, req.Name, role, req.For)
	if err != nil {
		return wire.Secret{}, err
	}
	if _, err := s.n.propose(ctx, catalog.Command{CreateToken: &token}); err != nil {
		return wire.Secret{}, err
	}
	return wire.Secret{Text: text, ID: token.ID, Expires: token.Expires}, nil
}

func (s *service) tokens(ctx context.Context, _ struct{}) (list wire.TokenList, err error) {
	t, err := s.trusted(ctx)
	if err != nil {
		return list, err
	}
	for _, token := range t.AccessTokens() {
		list.Tokens = append(list.Tokens, wire.Token{ID: token.ID, Name: token.Name, Role: string(token.Role), Created: token.Created, Expires: token.Expires})
	}
	return list, nil
}

func (s *service) revokeToken(ctx context.Context, req wire.Revoke) (struct{}, error) {
	_, err := s.n.propose(ctx, catalog.Command{RevokeToken: &catalog.RevokeToken{Token: req.Name, Force: req.Force}})
	return struct{}{}, err
}

// issueCertificate signs a client's request. It is handed out once the catalog
// knows it, so that it can be taken back.
func (s *service) issueCertificate(ctx context.Context, req wire.IssueCertificate) (wire.IssuedCertificate, error) {
	t, err := s.trusted(ctx)
	if err != nil {
		return wire.IssuedCertificate{}, err
	}
	role, err := credential.ParseClientRole(req.Role)
	if err != nil {
		return wire.IssuedCertificate{}, err
	}
	chain, issued, err := t.SignClient(time.Now(), req.CSR, req.Name, role, cmp.Or(req.For, certificateLife))
	if err != nil {
		return wire.IssuedCertificate{}, err
	}
	if _, err := s.n.propose(ctx, catalog.Command{IssueCertificate: &issued}); err != nil {
		return wire.IssuedCertificate{}, err
	}
	return wire.IssuedCertificate{Chain: chain}, nil
}

func (s *service) certificates(ctx context.Context, _ struct{}) (list wire.CertificateList, err error) {
	t, err := s.trusted(ctx)
	if err != nil {
		return list, err
	}
	for _, c := range t.ClientCertificates() {
		list.Certificates = append(list.Certificates, wire.Certificate{Serial: c.Serial, Name: c.Name, Role: string(c.Role), Created: c.Created, Expires: c.Expires, Revoked: c.Revoked})
	}
	return list, nil
}

func (s *service) revokeCertificate(ctx context.Context, req wire.Revoke) (struct{}, error) {
	_, err := s.n.propose(ctx, catalog.Command{RevokeCertificate: &catalog.RevokeCertificate{Certificate: req.Name, Force: req.Force}})
	return struct{}{}, err
}
