package wire

import "time"

// The actions that run a cluster. Their bodies and results are as those of
// message.go.
const (
	ActionJoinToken   = "tarn.cluster.join_token" // CreateJoinToken → Secret
	ActionCreateToken = "tarn.token.create"       // CreateToken → Secret
	ActionListTokens  = "tarn.token.list"         // {} → TokenList
	ActionRevokeToken = "tarn.token.revoke"       // Revoke → {}
	ActionIssueCert   = "tarn.cert.issue"         // IssueCertificate → IssuedCertificate
	ActionListCerts   = "tarn.cert.list"          // {} → CertificateList
	ActionRevokeCert  = "tarn.cert.revoke"        // Revoke → {}
	ActionNodes       = "tarn.node.list"          // {} → NodeList
	ActionDrainNode   = "tarn.node.drain"         // NodeName → {}
	ActionLoseNode    = "tarn.node.lose"          // NodeName → {}
	ActionRemoveNode  = "tarn.node.remove"        // NodeName → {}
	ActionReplaceNode = "tarn.node.replace"       // ReplaceNode → {}
	ActionAddDisk     = "tarn.disk.add"           // AddDisk → AddedDisk
	ActionReplaceDisk = "tarn.disk.replace"       // ReplaceDisk → {}
	ActionStripes     = "tarn.stripe.show"        // GetStripes → StripeList
	ActionRetry       = "tarn.stripe.retry"       // {} → {}
)

// CreateJoinToken asks for a token that lets nodes join. Zeros mean one node
// and a day.
type CreateJoinToken struct {
	Uses int           `json:"uses,omitempty"`
	For  time.Duration `json:"for,omitempty"`
}

// CreateToken asks for an access token. Zero For means for ever.
type CreateToken struct {
	Name string        `json:"name"`
	Role string        `json:"role"` // reader, writer or admin
	For  time.Duration `json:"for,omitempty"`
}

// Secret is a token's text, which the cluster keeps no copy of.
type Secret struct {
	Text    string    `json:"text"`
	ID      string    `json:"id"`               // by which lists and messages call it
	Expires time.Time `json:"expires,omitzero"` // zero: never
}

// Revoke ends what has that id, or serial, or name.
type Revoke struct {
	Name  string `json:"name"`
	Force bool   `json:"force,omitempty"` // though it is the last admin's
}

// TokenList lists the access tokens, by name.
type TokenList struct {
	Tokens []Token `json:"tokens"`
}

// Token describes an access token.
type Token struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Role    string    `json:"role"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"` // zero: never
}

// IssueCertificate asks for a client's certificate. The private key stays
// with who asks. Zero For means a year.
type IssueCertificate struct {
	Name string        `json:"name"`
	Role string        `json:"role"` // reader, writer or admin
	CSR  []byte        `json:"csr"`  // DER
	For  time.Duration `json:"for,omitempty"`
}

// IssuedCertificate is a certificate and its chain, in DER, the authority's
// own last.
type IssuedCertificate struct {
	Chain [][]byte `json:"chain"`
}

// CertificateList lists the certificates of clients, by name and age.
type CertificateList struct {
	Certificates []Certificate `json:"certificates"`
}

// Certificate describes a certificate that was issued to a client.
type Certificate struct {
	Serial  string    `json:"serial"`
	Name    string    `json:"name"`
	Role    string    `json:"role"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	Revoked bool      `json:"revoked,omitempty"`
}

// NodeList lists the nodes of the cluster.
type NodeList struct {
	Nodes []Node `json:"nodes"`
}

// Node is a node of the cluster.
type Node struct {
	ID      string    `json:"id"`   // UUID
	Name    string    `json:"name"` // for people
	Address string    `json:"address"`
	Zone    string    `json:"zone,omitempty"`
	Version string    `json:"version"`
	Speaks  string    `json:"speaks"`           // protocols, from oldest to newest
	State   string    `json:"state"`            // up, down or lost
	Reason  string    `json:"reason,omitempty"` // of the state
	Since   time.Time `json:"since,omitzero"`   // of the state
	Vote    string    `json:"vote,omitempty"`   // its part in agreement: leader, voter, learner; empty: none
	Gossip  string    `json:"gossip,omitempty"` // as gossip sees it
	Held    string    `json:"held,omitempty"`   // why it is not judged, though it seems to be gone
	Disks   int       `json:"disks"`
}

// NodeName names a node by its name, or its id or enough of its beginning.
type NodeName struct {
	Node  string `json:"node"`
	Force bool   `json:"force,omitempty"` // lose it though rows go with it
}

// AddDisk makes a directory a disk of a node that runs.
type AddDisk struct {
	Path string `json:"path"`           // absolute, on the node
	Tier string `json:"tier,omitempty"` // hot, warm, cold or archive; empty: hot
	Node string `json:"node,omitempty"` // name or id; empty: the node that is asked
}

// AddedDisk is the disk that came of it.
type AddedDisk struct {
	ID string `json:"id"`
}

// ReplaceDisk has a disk take the places of another one.
type ReplaceDisk struct {
	ID   string `json:"id"`             // of the old one, or enough of its beginning
	By   string `json:"by"`             // an absolute path that becomes a disk, or the id of one
	Node string `json:"node,omitempty"` // that has the path; empty: that of the old disk
}

// ReplaceNode has the disks of a node take the places of those of another.
type ReplaceNode struct {
	Node string `json:"node"` // the old one: name or id
	By   string `json:"by"`
}
