package trust

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/tarnlake/tarn/client/credential"
	"github.com/tarnlake/tarn/client/wire"
)

// JoinPrefix begins every join token.
const JoinPrefix = "tarn_join_"

const (
	uuidSize       = 16
	expirySize     = 8
	joinFieldsSize = uuidSize + sha256.Size + idSize + secretSize + expirySize
)

var joinKind = tokenKind{name: "a join token", prefix: JoinPrefix, size: 1 + joinFieldsSize + checksumSize}

// JoinToken is what a machine needs to become a node: which cluster, by what to
// know it, and a secret by which to be known. It is as good as the text.
type JoinToken struct {
	Cluster string
	CA      [sha256.Size]byte // SHA-256 of the SPKI of the authority
	ID      string            // not secret
	Expires time.Time
	text    string
}

// ParseJoinToken reads the text of a token. It does not look at the clock.
func ParseJoinToken(text string) (JoinToken, error) {
	fields, err := joinKind.read(text)
	if err != nil {
		return JoinToken{}, err
	}
	t := JoinToken{text: text}
	t.Cluster = uuid.UUID(take(&fields, uuidSize)).String()
	t.CA = [sha256.Size]byte(take(&fields, sha256.Size))
	t.ID = letters.EncodeToString(take(&fields, idSize))
	take(&fields, secretSize)
	t.Expires = time.Unix(int64(binary.BigEndian.Uint64(fields)), 0).UTC()
	return t, nil
}

// take cuts the first n bytes off b.
func take(b *[]byte, n int) []byte {
	head := (*b)[:n]
	*b = (*b)[n:]
	return head
}

// JoinSecret is what the state keeps of a join token: never its text.
type JoinSecret struct {
	ID      string    `json:"id"`
	Hash    []byte    `json:"hash"` // SHA-256 of the text
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	Uses    int       `json:"uses"` // how many nodes may join with it
	Used    []Use     `json:"used,omitempty"`
}

// Use is a node that a token let in. The same node with the same key is the
// same use, however often it asks.
type Use struct {
	Node string    `json:"node"`
	Key  []byte    `json:"key"` // SHA-256 of the SPKI of its first key
	At   time.Time `json:"at"`
}

func (u Use) same(v Use) bool { return u.Node == v.Node && bytes.Equal(u.Key, v.Key) }

// What join tokens may be.
const (
	DefaultJoinLife = 24 * time.Hour
	MaxJoinLife     = 30 * 24 * time.Hour
	MaxJoinUses     = 1000
)

// NewJoinToken makes a token that lets uses nodes join within life: its text,
// to be shown once and kept nowhere, and what WithJoin is to be given.
// Zeros mean one node and DefaultJoinLife.
func (s State) NewJoinToken(now time.Time, random io.Reader, uses int, life time.Duration) (text string, j JoinSecret, err error) {
	uses, life = cmp.Or(uses, 1), cmp.Or(life, DefaultJoinLife)
	if life < time.Second || life > MaxJoinLife {
		return "", j, wire.Errorf(wire.InvalidArgument, "a join token cannot live for %v", life).WithHint("up to %v", MaxJoinLife)
	}
	authority, err := s.authority()
	if err != nil {
		return "", j, err
	}
	signer, _, err := authority.parse()
	if err != nil {
		return "", j, err
	}
	secret, err := randomBytes(random, idSize+secretSize)
	if err != nil {
		return "", j, err
	}
	cluster, ca, expires := uuid.MustParse(s.Cluster), credential.Fingerprint(signer), now.Add(life).UTC().Truncate(time.Second)
	fields := slices.Concat(cluster[:], ca[:], secret)
	text = joinKind.write(binary.BigEndian.AppendUint64(fields, uint64(expires.Unix())))
	j = JoinSecret{ID: letters.EncodeToString(secret[:idSize]), Hash: hashText(text), Created: now.UTC(), Expires: expires, Uses: uses}
	return text, j, j.check()
}

func (j JoinSecret) check() error {
	if j.Uses < 1 || j.Uses > MaxJoinUses {
		return wire.Errorf(wire.InvalidArgument, "a join token cannot let %d nodes in", j.Uses).WithHint("1 to %d", MaxJoinUses)
	}
	return nil
}

// WithJoin returns s with a new join token.
func (s State) WithJoin(now time.Time, j JoinSecret) (State, error) {
	if err := j.check(); err != nil {
		return s, err
	}
	s = s.Pruned(now)
	if _, taken := s.Joins[j.ID]; taken {
		return s, wire.Errorf(wire.Conflict, "there is a join token %s already", j.ID)
	}
	if len(s.Joins) >= MaxJoins {
		return s, wire.Errorf(wire.LimitExceeded, "the cluster has %d join tokens, and takes no more", len(s.Joins)).WithHint("let one token join several nodes")
	}
	s.Joins = with(s.Joins, j.ID, j)
	return s, nil
}

// WithoutJoin returns s without a join token: it lets nobody in any more. The
// nodes that it let in stay.
func (s State) WithoutJoin(id string) (State, error) {
	if _, ok := s.Joins[id]; !ok {
		return s, wire.Errorf(wire.InvalidArgument, "there is no join token %s", credential.Quote(id))
	}
	s.Joins = without(s.Joins, func(j JoinSecret) bool { return j.ID == id })
	return s, nil
}

// WithUse returns s with a node let in by a token, or says why it is not: the
// token is gone, expired or used up by now, or the node is known by another
// key. A use that was counted before is counted once.
func (s State) WithUse(now time.Time, id string, u Use) (State, error) {
	j, ok := s.Joins[id]
	if !ok {
		return s, unknownJoin(id)
	}
	if slices.ContainsFunc(j.Used, u.same) {
		return s, nil
	}
	if expired(j.Expires, now) {
		return s, wire.Errorf(wire.Unauthenticated, "join token %s expired at %s", id, credential.Stamp(j.Expires)).WithHint("tarn cluster token makes another")
	}
	if err := s.checkNewNode(u); err != nil {
		return s, err
	}
	if len(j.Used) >= j.Uses {
		return s, wire.Errorf(wire.Unauthenticated, "join token %s is used up: it has let in %d of %d nodes", id, len(j.Used), j.Uses).
			WithHint("tarn cluster token makes another")
	}
	j.Used = append(slices.Clone(j.Used), u)
	s.Joins = with(s.Joins, id, j)
	return s, nil
}

func unknownJoin(id string) error {
	return wire.Errorf(wire.Unauthenticated, "join token %s was taken back, or is long expired", credential.Quote(id)).WithHint("tarn cluster token makes another")
}

// checkNewNode refuses a node that has joined already, by whatever token.
func (s State) checkNewNode(u Use) error {
	for _, j := range s.Joins {
		if slices.ContainsFunc(j.Used, func(v Use) bool { return v.Node == u.Node }) {
			return wire.Errorf(wire.Conflict, "node %s has joined before, with another key", u.Node).
				WithHint("start it with the directory it had, or join with an empty one: that makes a new node")
		}
	}
	return nil
}
