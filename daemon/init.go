package daemon

import (
	"context"
	"crypto/rand"
	"path/filepath"
	"time"

	"github.com/tarnlake/tarn/client/credential"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/cluster/trust"
)

// Founded is what InitCluster has made.
type Founded struct {
	Cluster string // UUID
	Node    string // UUID of its first node
	Admin   string // file with certificate and key of an admin, for --cert
}

const (
	adminName = "admin.pem"
	adminLife = 365 * 24 * time.Hour
)

// InitCluster makes the node of cfg.Dir the first one of a cluster that others
// can join: it gives it an authority and a certificate. The node must not run.
// It may have been alone until now, and then keeps all that it has; in a new
// directory it is made. When it was cut off it may be called again.
func InitCluster(ctx context.Context, cfg Config) (f Founded, err error) {
	cfg = cfg.withDefaults()
	lock, err := lockDir(cfg.Dir)
	if err != nil {
		return f, err
	}
	defer lock.Close()
	id, err := loadIdentity(cfg.Dir, "")
	if err != nil {
		return f, err
	}
	if id.Secured || id.Joining {
		return f, wire.Errorf(wire.Conflict, "the node in %s belongs to cluster %s already", cfg.Dir, id.Cluster).
			WithHint("tarn server --dir %s", cfg.Dir)
	}
	c, err := catalog.Open(catalog.Config{
		Dir: raftDir(cfg.Dir), Node: id.Node, Cluster: id.Cluster, Bootstrap: id.fresh, Logger: cfg.Logger, Now: time.Now, Fatal: cfg.Fatal,
	})
	if err != nil {
		return f, err
	}
	defer c.Close()
	f = Founded{Cluster: id.Cluster, Node: id.Node, Admin: filepath.Join(cfg.Dir, adminName)}
	if err := found(ctx, cfg, c, id, f.Admin); err != nil {
		return f, err
	}
	id.Secured = true
	return f, id.write(cfg.Dir)
}

// found gives the catalog an authority and issues the first certificates.
func found(ctx context.Context, cfg Config, c *catalog.Catalog, id identity, admin string) error {
	if c.View().Trust().Cluster == "" {
		t, err := trust.NewState(id.Cluster, time.Now(), rand.Reader)
		if err != nil {
			return err
		}
		if _, err := propose(ctx, c, catalog.Command{InitTrust: &t}); err != nil {
			return err
		}
	}
	t := c.View().Trust()
	if err := certifyNode(cfg.Dir, t, id.Node); err != nil {
		return err
	}
	f, err := loadFellows(cfg.Dir)
	if err != nil {
		return err
	}
	if err := f.save(fellowsFile{Keys: t.GossipKeys}); err != nil {
		return err
	}
	return certifyAdmin(ctx, c, t, admin)
}

// certifyNode writes the first node's certificate.
func certifyNode(dir string, t trust.State, node string) error {
	key, csr, err := credential.NewRequest()
	if err != nil {
		return err
	}
	chain, err := t.SignNode(time.Now(), csr, node)
	if err != nil {
		return err
	}
	cert, err := trust.NewCertificate(key, chain)
	if err != nil {
		return err
	}
	return writeCertificate(dir, cert)
}

// certifyAdmin issues a certificate of an admin, and writes it once the
// catalog knows it.
func certifyAdmin(ctx context.Context, c *catalog.Catalog, t trust.State, path string) error {
	key, csr, err := credential.NewRequest()
	if err != nil {
		return err
	}
	chain, issued, err := t.SignClient(time.Now(), csr, "admin", trust.Admin, adminLife)
	if err != nil {
		return err
	}
	if _, err := propose(ctx, c, catalog.Command{IssueCertificate: &issued}); err != nil {
		return err
	}
	cert, err := trust.NewCertificate(key, chain)
	if err != nil {
		return err
	}
	b, err := credential.MarshalPEM(cert)
	if err != nil {
		return err
	}
	return replaceFile(path, b, 0o600)
}
