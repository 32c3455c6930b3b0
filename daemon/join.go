package daemon

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/cluster/trust"
)

// Join is how a new node gets into a cluster.
type Join struct {
	Address string // host:port of any node of the cluster
	Token   string // of tarn cluster token
}

// clusterOf returns the cluster that a node is to join; empty: none.
func (j Join) clusterOf() (string, error) {
	switch {
	case j == (Join{}):
		return "", nil
	case j.Address == "" || j.Token == "":
		return "", wire.Errorf(wire.InvalidArgument, "to join a cluster takes both the address of a node and a token").
			WithHint("tarn server --join HOST:PORT --token TOKEN; tarn cluster token makes one")
	}
	t, err := trust.ParseJoinToken(j.Token)
	return t.Cluster, err
}

const keyName = "node.key"

// join has the cluster let this node in: afterwards it has its certificate, and
// the cluster knows of it. A join that was cut off is taken up again with the
// same key, which is the same use of the token.
func (n *Node) join(ctx context.Context, address string) error {
	if n.cfg.Join == (Join{}) {
		return wire.Errorf(wire.Unavailable, "the node in %s was not let into its cluster yet", n.cfg.Dir).
			WithHint("start it with --join HOST:PORT --token TOKEN")
	}
	key, err := joinKey(n.cfg.Dir)
	if err != nil {
		return err
	}
	facts := trust.NodeFacts{Node: n.id.Node, Name: n.cfg.Name, Addr: address, Zone: n.cfg.Zone, Version: n.cfg.Version, Speaks: n.cfg.speaks.String()}
	joiner, err := trust.NewJoiner(time.Now(), n.cfg.Join.Token, facts, key)
	if err != nil {
		return err
	}
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", n.cfg.Join.Address)
	if err != nil {
		return wire.Errorf(wire.Unavailable, "joining at %s: %w", n.cfg.Join.Address, err).
			WithHint("is that the host:port of a node of the cluster?")
	}
	joined, err := joiner.Ask(ctx, conn, time.Now)
	if err != nil {
		return err
	}
	return n.keepJoined(joined)
}

// keepJoined makes what the cluster has given durable.
func (n *Node) keepJoined(j trust.Joined) error {
	f, err := loadFellows(n.cfg.Dir)
	if err != nil {
		return err
	}
	if err := f.save(fellowsFile{Keys: j.GossipKeys}); err != nil {
		return err
	}
	if err := writeCertificate(n.cfg.Dir, j.Certificate); err != nil {
		return err
	}
	n.id.Joining, n.id.Secured = false, true
	if err := n.id.write(n.cfg.Dir); err != nil {
		return err
	}
	return os.Remove(filepath.Join(n.cfg.Dir, keyName))
}

// joinKey returns the key that this node joins with. It is kept before it is
// used.
func joinKey(dir string) (*ecdsa.PrivateKey, error) {
	at := filepath.Join(dir, keyName)
	b, err := os.ReadFile(at)
	if errors.Is(err, fs.ErrNotExist) {
		return newJoinKey(at)
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, wire.Errorf(wire.Corrupt, "%s holds no key", at)
	}
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		return nil, wire.Errorf(wire.Corrupt, "%s: %w", at, err)
	}
	return key, nil
}

func newJoinKey(at string) (*ecdsa.PrivateKey, error) {
	key, err := trust.NewKey()
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, replaceFile(at, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}

// admit lets a node in that shows a join token: see trust.ServeJoins.
func (n *Node) admit(ctx context.Context, r trust.JoinRequest) (trust.JoinAnswer, error) {
	if !n.serving.Load() {
		return trust.JoinAnswer{}, errStarting
	}
	view, err := n.catalog.Read(ctx)
	if err != nil {
		return trust.JoinAnswer{}, err
	}
	speaks, err := catalog.ParseSpeaks(r.Facts.Speaks)
	if err != nil {
		return trust.JoinAnswer{}, wire.Errorf(wire.InvalidArgument, "%w", err)
	}
	a, err := view.Trust().Admit(time.Now(), r)
	if err != nil {
		return trust.JoinAnswer{}, err
	}
	if _, err := n.propose(ctx, catalog.Command{AdmitNode: &catalog.AdmitNode{Join: a.Join, Use: a.Use, Node: catalog.RegisterNode{
		Node: a.Facts.Node, Name: a.Facts.Name, Address: a.Facts.Addr, Gossip: a.Facts.Gossip, Zone: a.Facts.Zone, Version: a.Facts.Version,
		Speaks: speaks,
	}}}); err != nil {
		return trust.JoinAnswer{}, err
	}
	n.cfg.Logger.Info("a node was let in", "node", a.Facts.Node, "name", a.Facts.Name, "address", a.Facts.Addr, "token", a.Join)
	return a.Answer, nil
}
