package catalog

import (
	"maps"
	"slices"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/cluster/trust"
)

// AdmitNode lets a node in: the use of its join token and its entry, or
// neither. Its certificate was signed before (trust.State.Admit), and is handed
// out after.
type AdmitNode struct {
	Join string       `json:"join"` // id of the token
	Use  trust.Use    `json:"use"`
	Node RegisterNode `json:"node"` // of a node without disks: it brings them when it starts
}

// RevokeJoin takes a join token back.
type RevokeJoin struct {
	ID string `json:"id"`
}

// RevokeToken takes access tokens back, by id or name. Without Force not those
// of the last admin.
type RevokeToken struct {
	Token string `json:"token"`
	Force bool   `json:"force,omitempty"`
}

// RevokeCertificate takes back certificates of clients, by serial or name.
// Without Force not those of the last admin.
type RevokeCertificate struct {
	Certificate string `json:"certificate"`
	Force       bool   `json:"force,omitempty"`
}

// Trust returns whom the cluster believes; the zero State before InitTrust. It
// is shared and not to be changed, and it holds secrets.
func (s *State) Trust() trust.State { return s.trust }

// applyTrust applies what changes whom the cluster believes, and forgets what
// expired long ago. The time is that of the command, as it is on every node.
func (s *State) applyTrust(cmd Command) (Result, error) {
	if cmd.InitTrust != nil {
		return Result{}, s.initTrust(*cmd.InitTrust)
	}
	if s.trust.Cluster == "" {
		return Result{}, wire.Errorf(wire.Unavailable, "the cluster has no authority yet").WithHint("tarn cluster init")
	}
	next, err := s.changeTrust(cmd)
	if err != nil {
		return Result{}, err
	}
	s.trust = next.Pruned(s.time)
	return Result{}, nil
}

func (s *State) changeTrust(cmd Command) (trust.State, error) {
	switch {
	case cmd.CreateJoin != nil:
		return s.trust.WithJoin(s.time, *cmd.CreateJoin)
	case cmd.RevokeJoin != nil:
		return s.trust.WithoutJoin(cmd.RevokeJoin.ID)
	case cmd.AdmitNode != nil:
		return s.admitNode(*cmd.AdmitNode)
	case cmd.CreateToken != nil:
		return s.trust.WithToken(s.time, *cmd.CreateToken)
	case cmd.RevokeToken != nil:
		next, err := s.trust.WithoutToken(cmd.RevokeToken.Token)
		return s.adminLeft(next, err, cmd.RevokeToken.Force)
	case cmd.IssueCertificate != nil:
		return s.trust.WithCertificate(s.time, *cmd.IssueCertificate)
	}
	next, err := s.trust.WithoutCertificate(cmd.RevokeCertificate.Certificate)
	return s.adminLeft(next, err, cmd.RevokeCertificate.Force)
}

// adminLeft lets a change that takes something back go on if there was no error
// and an admin is left, or force says so.
func (s *State) adminLeft(next trust.State, err error, force bool) (trust.State, error) {
	if err != nil || force {
		return next, err
	}
	return next, s.trust.CheckAdminLeft(next, s.time)
}

// initTrust takes the authority of a new cluster, once: another one later
// would shut out all who believe the first.
func (s *State) initTrust(t trust.State) error {
	if s.trust.Cluster != "" {
		return wire.Errorf(wire.Conflict, "the cluster has its authority already")
	}
	if len(t.Joins)+len(t.Tokens)+len(t.Certificates) > 0 || len(t.GossipKeys) == 0 {
		return wire.Errorf(wire.InvalidArgument, "the trust of a new cluster has a gossip key, and no tokens or certificates yet")
	}
	if _, err := t.Roots(); err != nil {
		return err
	}
	s.trust = t
	return nil
}

// admitNode lets a node in. The same one that asks again, with the same key, is
// in already; another one with its UUID is refused.
func (s *State) admitNode(c AdmitNode) (trust.State, error) {
	if c.Use.Node != c.Node.Node || len(c.Node.Disks) > 0 {
		return s.trust, wire.Errorf(wire.InvalidArgument, "the join token is used by node %q, without disks; to be let in is node %q with %d", c.Use.Node, c.Node.Node, len(c.Node.Disks))
	}
	next, err := s.trust.WithUse(s.time, c.Join, c.Use)
	if err != nil {
		return s.trust, err
	}
	if _, there := s.nodes.Get(c.Node.Node); !there {
		_, err := s.registerNode(c.Node)
		return next, err
	}
	if again := len(next.Joins[c.Join].Used) == len(s.trust.Joins[c.Join].Used); again {
		return next, nil
	}
	return s.trust, wire.Errorf(wire.Conflict, "there is a node %s already", c.Node.Node).
		WithHint("start it with the directory it had, or join with an empty one: that makes a new node")
}

// trusts reports whether the command is for applyTrust.
func (c Command) trusts() bool {
	return c.InitTrust != nil || c.CreateJoin != nil || c.AdmitNode != nil || c.CreateToken != nil || c.IssueCertificate != nil || c.revokes()
}

func (c Command) revokes() bool {
	return c.RevokeJoin != nil || c.RevokeToken != nil || c.RevokeCertificate != nil
}

// trustRecord is the trust in a snapshot, without what it has many of.
type trustRecord struct {
	Cluster    string     `json:"cluster"`
	CAs        []trust.CA `json:"cas"`
	GossipKeys [][]byte   `json:"gossip_keys"`
}

func (e *encoder) trust(t trust.State) {
	if t.Cluster == "" {
		return
	}
	e.put(record{Trust: &trustRecord{t.Cluster, t.CAs, t.GossipKeys}})
	for _, id := range slices.Sorted(maps.Keys(t.Joins)) {
		j := t.Joins[id]
		e.put(record{Join: &j})
	}
	for _, id := range slices.Sorted(maps.Keys(t.Tokens)) {
		a := t.Tokens[id]
		e.put(record{Token: &a})
	}
	for _, serial := range slices.Sorted(maps.Keys(t.Certificates)) {
		c := t.Certificates[serial]
		e.put(record{Certificate: &c})
	}
}

// takeTrust takes a record of whom the cluster believes.
func (d *decoder) takeTrust(r record) error {
	t := &d.s.trust
	if (t.Cluster == "") != (r.Trust != nil) {
		return errTrust
	}
	switch {
	case r.Trust != nil:
		*t = trust.State{Cluster: r.Trust.Cluster, CAs: r.Trust.CAs, GossipKeys: r.Trust.GossipKeys}
		return checkText("cluster id", t.Cluster, maxIDBytes)
	case r.Join != nil:
		return takeNew(&t.Joins, r.Join.ID, *r.Join)
	case r.Token != nil:
		return takeNew(&t.Tokens, r.Token.ID, *r.Token)
	}
	return takeNew(&t.Certificates, r.Certificate.Serial, *r.Certificate)
}

var errTrust = wire.Errorf(wire.Corrupt, "the cluster's trust comes twice, or after what belongs to it")

// takeNew puts a value into a map that is made where needed.
func takeNew[V any](m *map[string]V, key string, v V) error {
	if _, there := (*m)[key]; there || key == "" {
		return wire.Errorf(wire.Corrupt, "entry %q of the cluster's trust is empty or there twice", key)
	}
	if *m == nil {
		*m = map[string]V{}
	}
	(*m)[key] = v
	return nil
}
