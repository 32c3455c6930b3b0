package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"time"

	"github.com/tarnlake/tarn/client/credential"
	"github.com/tarnlake/tarn/client/wire"
)

// CreateJoinToken makes a token that lets machines join as nodes. Its text is
// shown this once.
func (c *Client) CreateJoinToken(ctx context.Context, req wire.CreateJoinToken) (wire.Secret, error) {
	return call[wire.Secret](ctx, c, wire.ActionJoinToken, req)
}

// CreateToken makes an access token. Its text is shown this once.
func (c *Client) CreateToken(ctx context.Context, req wire.CreateToken) (wire.Secret, error) {
	return call[wire.Secret](ctx, c, wire.ActionCreateToken, req)
}

// Tokens lists the access tokens, by name.
func (c *Client) Tokens(ctx context.Context) ([]wire.Token, error) {
	list, err := ask[wire.TokenList](ctx, c, wire.ActionListTokens, struct{}{})
	return list.Tokens, err
}

// RevokeToken ends an access token, by its id or name. That of the last admin
// is a wire.Conflict.
func (c *Client) RevokeToken(ctx context.Context, name string) error {
	_, err := call[struct{}](ctx, c, wire.ActionRevokeToken, wire.Revoke{Name: name})
	return err
}

// RevokeTokenAnyway is RevokeToken, also for the last admin's.
func (c *Client) RevokeTokenAnyway(ctx context.Context, name string) error {
	_, err := call[struct{}](ctx, c, wire.ActionRevokeToken, wire.Revoke{Name: name, Force: true})
	return err
}

// IssueCertificate has the cluster issue a certificate to a client, for a new
// key that never leaves this machine. Zero life means a year. The result is
// for credential.MarshalPEM.
func (c *Client) IssueCertificate(ctx context.Context, name, role string, life time.Duration) (*tls.Certificate, error) {
	key, csr, err := credential.NewRequest()
	if err != nil {
		return nil, err
	}
	issued, err := call[wire.IssuedCertificate](ctx, c, wire.ActionIssueCert, wire.IssueCertificate{Name: name, Role: role, CSR: csr, For: life})
	if err != nil {
		return nil, err
	}
	cert, err := credential.NewCertificate(key, issued.Chain)
	if err != nil {
		return nil, err
	}
	return cert, c.checkIssued(cert)
}

// checkIssued makes sure that a new certificate is of the cluster that was
// asked, and that its file will hold the authority.
func (c *Client) checkIssued(cert *tls.Certificate) error {
	roots := c.door.secrets.roots
	if roots == nil { // without TLS: what the chain itself says
		var err error
		if roots, err = credential.NewRoots(cert.Certificate[1:]...); err != nil {
			return err
		}
	}
	_, err := roots.Verify(time.Now(), []*x509.Certificate{cert.Leaf}, x509.ExtKeyUsageClientAuth)
	return err
}

// Certificates lists the certificates of clients, by name and age.
func (c *Client) Certificates(ctx context.Context) ([]wire.Certificate, error) {
	list, err := ask[wire.CertificateList](ctx, c, wire.ActionListCerts, struct{}{})
	return list.Certificates, err
}

// RevokeCertificate ends the certificates with this serial or name. Those of the
// last admin are a wire.Conflict.
func (c *Client) RevokeCertificate(ctx context.Context, name string) error {
	_, err := call[struct{}](ctx, c, wire.ActionRevokeCert, wire.Revoke{Name: name})
	return err
}

// RevokeCertificateAnyway is RevokeCertificate, also for the last admin's.
func (c *Client) RevokeCertificateAnyway(ctx context.Context, name string) error {
	_, err := call[struct{}](ctx, c, wire.ActionRevokeCert, wire.Revoke{Name: name, Force: true})
	return err
}

// Authorities returns the certificates of the authorities by which the client
// knows its cluster, in PEM: what WithToken is given.
func (c *Client) Authorities() ([]byte, error) {
	roots := c.door.secrets.roots
	if roots == nil {
		return nil, wire.Errorf(wire.InvalidArgument, "without TLS the client knows no authority").WithHint("give --cert FILE")
	}
	return roots.PEM(), nil
}

// Nodes lists the nodes of the cluster.
func (c *Client) Nodes(ctx context.Context) ([]wire.Node, error) {
	list, err := ask[wire.NodeList](ctx, c, wire.ActionNodes, struct{}{})
	return list.Nodes, err
}

// DrainNode moves what the disks of a node hold to others.
func (c *Client) DrainNode(ctx context.Context, node string) error {
	_, err := call[struct{}](ctx, c, wire.ActionDrainNode, wire.NodeName{Node: node})
	return err
}

// LoseNode gives a node up that will not come back: what its disks hold is
// rebuilt elsewhere.
func (c *Client) LoseNode(ctx context.Context, node string) error {
	_, err := call[struct{}](ctx, c, wire.ActionLoseNode, wire.NodeName{Node: node})
	return err
}

// LoseNodeAnyway is LoseNode for a node whose rows are on too few others to be
// rebuilt: they are lost with it.
func (c *Client) LoseNodeAnyway(ctx context.Context, node string) error {
	_, err := call[struct{}](ctx, c, wire.ActionLoseNode, wire.NodeName{Node: node, Force: true})
	return err
}

// RemoveNode forgets a node that holds nothing.
func (c *Client) RemoveNode(ctx context.Context, node string) error {
	_, err := call[struct{}](ctx, c, wire.ActionRemoveNode, wire.NodeName{Node: node})
	return err
}

// AddDisk makes a directory a disk of a node, without a restart, and returns
// the id of the disk. One that is there already stays as it is.
func (c *Client) AddDisk(ctx context.Context, req wire.AddDisk) (string, error) {
	added, err := call[wire.AddedDisk](ctx, c, wire.ActionAddDisk, req)
	return added.ID, err
}

// ReplaceDisk has a disk take the places of another one, which may be there,
// away or lost. Where req.By is a path it becomes a disk first.
func (c *Client) ReplaceDisk(ctx context.Context, req wire.ReplaceDisk) error {
	_, err := call[struct{}](ctx, c, wire.ActionReplaceDisk, req)
	return err
}

// ReplaceNode has the disks of a node take the places of those of another one,
// which may be there, away or lost.
func (c *Client) ReplaceNode(ctx context.Context, old, by string) error {
	_, err := call[struct{}](ctx, c, wire.ActionReplaceNode, wire.ReplaceNode{Node: old, By: by})
	return err
}
