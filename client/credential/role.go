// Package credential is by what nodes and clients of a cluster know each other:
// identities in certificates, the authorities that vouch for them, the files
// that they are kept in, and how a client verifies the node that it calls.
// Whom a cluster lets in, and what they may do, is daemon/cluster/trust.
package credential

import "github.com/tarnlake/tarn/client/wire"

// Role is what the holder of a certificate or a token may do. Roles are
// ordered: each may do what the ones before it may. The zero Role may nothing.
type Role string

// Roles, from the least. Their text is part of certificates and of the state.
const (
	Reader Role = "reader" // reads tables
	Writer Role = "writer" // makes, fills, alters and drops tables, too
	Admin  Role = "admin"  // runs the cluster: nodes, disks, certificates and tokens
	Node   Role = "node"   // is part of the cluster; only certificates have it
)

var ranks = map[Role]int{Reader: 1, Writer: 2, Admin: 3, Node: 4}

// May reports whether r may do what least may. Nobody may what an unknown
// role may.
func (r Role) May(least Role) bool {
	need, known := ranks[least]
	return known && ranks[r] >= need
}

// ParseClientRole reads the role of a client: reader, writer or admin.
func ParseClientRole(text string) (Role, error) {
	if r := Role(text); r == Reader || r == Writer || r == Admin {
		return r, nil
	}
	return "", wire.Errorf(wire.InvalidArgument, "%s is not a role of a client", Quote(text)).WithHint("reader, writer or admin")
}
