package credential

import (
	"crypto/x509"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/tarnlake/tarn/client/wire"
)

// NodeName is the DNS name in every node's certificate, whatever its cluster
// and address: what clients of other makers give as the server's name.
const NodeName = "node." + Domain

// Domain is where all names in certificates are, and the only one the
// authorities may sign for. The top level is reserved for private use.
const Domain = "tarn.internal"

// Identity is who a certificate says its holder is. Name is the UUID of a node
// or the name of a client.
type Identity struct {
	Cluster string
	Role    Role
	Name    string
}

// String tells who it is, in words.
func (id Identity) String() string {
	if id.Role == Node {
		return fmt.Sprintf("node %s of cluster %s", id.Name, id.Cluster)
	}
	return fmt.Sprintf("client %q (%s) of cluster %s", id.Name, id.Role, id.Cluster)
}

const scheme = "tarn"

// ClusterURI is what an authority's certificate says: which cluster's it is.
func ClusterURI(cluster string) *url.URL { return &url.URL{Scheme: scheme, Host: cluster} }

// URI is what the certificate says.
func (id Identity) URI() *url.URL {
	return &url.URL{Scheme: scheme, Host: id.Cluster, Path: "/" + string(id.Role) + "/" + id.Name}
}

// DNSNames are those of a node; a client has none.
func (id Identity) DNSNames() []string {
	if id.Role != Node {
		return nil
	}
	return []string{NodeName, id.Name + "." + id.Cluster + "." + Domain}
}

// spoken is what clients and nodes may be called: it is typed into commands, and
// goes into URIs, tables and logs.
var spoken = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$`)

// CheckClientName tells whether a client, or its token, may be called name.
func CheckClientName(name string) error {
	if IsName(name) {
		return nil
	}
	return wire.Errorf(wire.InvalidArgument, "%s cannot be the name of a client", Quote(name)).WithHint("%s", NameRule)
}

// IsName tells whether something may be called that. NameRule says what may be, for people.
func IsName(text string) bool { return spoken.MatchString(text) }

// NameRule is the rule of IsName.
const NameRule = "1 to 64 letters, digits and . _ @ -, beginning with a letter or digit"

// Check tells whether there can be such an identity.
func (id Identity) Check() error {
	if !IsUUID(id.Cluster) {
		return wire.Errorf(wire.InvalidArgument, "%s is not a cluster's UUID", Quote(id.Cluster))
	}
	if id.Role != Node {
		if _, err := ParseClientRole(string(id.Role)); err != nil {
			return err
		}
		return CheckClientName(id.Name)
	}
	if !IsUUID(id.Name) {
		return wire.Errorf(wire.InvalidArgument, "%s is not a node's UUID", Quote(id.Name))
	}
	return nil
}

// IdentityOf reads the identity in a certificate, which nobody has verified
// yet. There must be exactly one.
func IdentityOf(cert *x509.Certificate) (Identity, error) {
	if len(cert.URIs) != 1 {
		return Identity{}, wire.Errorf(wire.Unauthenticated, "the certificate is not one of a Tarn cluster")
	}
	u := cert.URIs[0]
	role, name, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	id := Identity{Cluster: u.Host, Role: Role(role), Name: name}
	if err := id.Check(); err != nil || id.URI().String() != u.String() {
		return Identity{}, wire.Errorf(wire.Unauthenticated, "the certificate is not one of a Tarn node or client")
	}
	return id, nil
}

// IsUUID reports whether text is a UUID in its one usual spelling.
func IsUUID(text string) bool {
	u, err := uuid.Parse(text)
	return err == nil && u.String() == text
}

// maxQuoted bounds what messages and logs repeat of a stranger's words.
const maxQuoted = 80

// Quote quotes text for a message, and no more than a stranger should be quoted.
func Quote(text string) string { return strconv.QuoteToASCII(Clip(text)) }

// Clip is Quote without the quotes.
func Clip(text string) string {
	if len(text) <= maxQuoted {
		return text
	}
	return text[:maxQuoted] + "…"
}
