package trust

import (
	"cmp"
	"io"
	"time"

	"github.com/tarnlake/tarn/client/credential"
	"github.com/tarnlake/tarn/client/wire"
)

// AccessPrefix begins every access token.
const AccessPrefix = "tarn_token_"

var accessKind = tokenKind{name: "an access token", prefix: AccessPrefix, size: 1 + idSize + secretSize + checksumSize}

// AccessToken is what the state keeps of a bearer token: never its text.
type AccessToken struct {
	ID      string    `json:"id"` // part of the text, not secret
	Name    string    `json:"name"`
	Role    Role      `json:"role"`
	Hash    []byte    `json:"hash"` // SHA-256 of the text
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"` // zero: never
}

// NewAccessToken makes a token for a client: its text, to be shown once and
// kept nowhere, and what WithToken is to be given. Zero life means for ever.
func NewAccessToken(now time.Time, random io.Reader, name string, role Role, life time.Duration) (text string, t AccessToken, err error) {
	if life < 0 {
		return "", t, wire.Errorf(wire.InvalidArgument, "a token cannot live for %v", life)
	}
	fields, err := randomBytes(random, idSize+secretSize)
	if err != nil {
		return "", t, err
	}
	text = accessKind.write(fields)
	t = AccessToken{ID: letters.EncodeToString(fields[:idSize]), Name: name, Role: role, Hash: hashText(text), Created: now.UTC()}
	if life > 0 {
		t.Expires = now.Add(life).UTC()
	}
	return text, t, t.check()
}

func (t AccessToken) check() error {
	if err := credential.CheckClientName(t.Name); err != nil {
		return err
	}
	_, err := credential.ParseClientRole(string(t.Role))
	return err
}

// WithToken returns s with a new token. Names are unique among the living, so
// that a name is enough to revoke.
func (s State) WithToken(now time.Time, t AccessToken) (State, error) {
	if err := t.check(); err != nil {
		return s, err
	}
	s = s.Pruned(now)
	for _, other := range s.Tokens {
		if other.ID == t.ID || other.Name == t.Name && !expired(other.Expires, now) {
			return s, wire.Errorf(wire.Conflict, "there is a token %s already", other.Name).WithHint("tarn token revoke %s, or choose another name", other.Name)
		}
	}
	if len(s.Tokens) >= MaxTokens {
		return s, wire.Errorf(wire.LimitExceeded, "the cluster has %d access tokens, and takes no more", len(s.Tokens)).WithHint("tarn token revoke those not needed")
	}
	s.Tokens = with(s.Tokens, t.ID, t)
	return s, nil
}

// WithoutToken returns s without the tokens that have this id or name: from
// now on they are refused.
func (s State) WithoutToken(idOrName string) (State, error) {
	before := len(s.Tokens)
	s.Tokens = without(s.Tokens, func(t AccessToken) bool { return t.ID == idOrName || t.Name == idOrName })
	if len(s.Tokens) == before {
		return s, wire.Errorf(wire.InvalidArgument, "there is no access token %s", credential.Quote(idOrName)).WithHint("tarn token list")
	}
	return s, nil
}

// AccessTokens lists the tokens by name, expired ones of the last month included.
func (s State) AccessTokens() []AccessToken {
	return sorted(s.Tokens, func(a, b AccessToken) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
}

// Authenticate returns whose token text is. Every error is
// wire.Unauthenticated and says what is wrong, never what would be right.
func (s State) Authenticate(now time.Time, text string) (Principal, error) {
	fields, err := accessKind.read(text)
	if err != nil {
		e := wire.FromError(err)
		return Principal{}, wire.Errorf(wire.Unauthenticated, "%s", e.Message).WithHint("%s", e.Hint)
	}
	id := letters.EncodeToString(fields[:idSize])
	t, known := s.Tokens[id]
	if !known || !isText(text, t.Hash) {
		return Principal{}, wire.Errorf(wire.Unauthenticated, "access token %s was revoked, or is of another cluster", id).WithHint("tarn token create makes another")
	}
	if expired(t.Expires, now) {
		return Principal{}, wire.Errorf(wire.Unauthenticated, "access token %s (%s) expired at %s", id, t.Name, credential.Stamp(t.Expires)).WithHint("tarn token create makes another")
	}
	return Principal{Name: t.Name, Role: t.Role, Via: ViaToken, ID: id}, nil
}

// Principal is who makes a call.
type Principal struct {
	Name string // of the client or its token; of a node its UUID
	Role Role
	Via  string // ViaCertificate or ViaToken
	ID   string // the certificate's serial, or the token's id
}

// How a principal has shown who it is.
const (
	ViaCertificate = "certificate"
	ViaToken       = "token"
)
