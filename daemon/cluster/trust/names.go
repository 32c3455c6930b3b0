// Package trust is whom a cluster believes: its own certificate authority, the
// certificates of nodes and clients, tokens to join and to call with, and the
// TLS and gRPC glue that checks them. What the cluster agrees on is State:
// plain data, changed by pure functions. The clock, and the randomness of
// secrets, come in as arguments; keys and signatures take the standard
// library's own randomness, as it insists.
package trust

import "github.com/tarnlake/tarn/client/credential"

// What is the same to clients is defined by client/credential, and has its
// names here, too.
type (
	Role     = credential.Role
	Identity = credential.Identity
	Roots    = credential.Roots
	Peer     = credential.Peer
)

// Roles, from the least.
const (
	Reader = credential.Reader
	Writer = credential.Writer
	Admin  = credential.Admin
	Node   = credential.Node
)

// Functions of client/credential.
var (
	NewRoots       = credential.NewRoots
	NewKey         = credential.NewKey
	NewCSR         = credential.NewCSR
	NewCertificate = credential.NewCertificate
	MarshalPEM     = credential.MarshalPEM
	ParsePEM       = credential.ParsePEM
	ParseCAs       = credential.ParseCAs
)
