package trust

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"github.com/tarnlake/tarn/client/wire"
)

// A token is a prefix and the base32 of a version byte, its fields and a
// CRC-32C over prefix and all of them: one word for a double click, a pattern
// for scanners of leaked secrets, and no mistyped letter goes unnoticed.
type tokenKind struct {
	name   string // for messages, with its article
	prefix string
	size   int // of the payload: version, fields, checksum
}

const (
	tokenVersion = 1
	idSize       = 5  // eight letters
	secretSize   = 20 // 160 random bits
	checksumSize = 4
)

// letters is base32 of RFC 4648 in lower case: no 0, 1, 8 or 9 to be mistaken.
var letters = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (k tokenKind) checksum(payload []byte) uint32 {
	return crc32.Update(crc32.Checksum([]byte(k.prefix), castagnoli), castagnoli, payload)
}

// write returns the text of a token with these fields.
func (k tokenKind) write(fields []byte) string {
	payload := append([]byte{tokenVersion}, fields...)
	payload = binary.BigEndian.AppendUint32(payload, k.checksum(payload))
	if len(payload) != k.size {
		panic(fmt.Sprintf("BUG: %s of %d bytes; want %d", k.name, len(payload), k.size))
	}
	return k.prefix + letters.EncodeToString(payload)
}

// read returns the fields in a token's text, or what is wrong with it. No
// message repeats the text: it may be nearly a secret.
func (k tokenKind) read(text string) ([]byte, error) {
	body, ok := strings.CutPrefix(text, k.prefix)
	if !ok {
		return nil, k.foreign(text)
	}
	if i := strings.IndexFunc(body, notALetter); i >= 0 {
		return nil, k.bad("is mistyped: character %d cannot be in one", len(k.prefix)+i+1)
	}
	if want := letters.EncodedLen(k.size); len(body) < want {
		return nil, k.bad("is cut short: %d of %d characters", len(text), len(k.prefix)+want)
	} else if len(body) > want {
		return nil, k.bad("is too long: %d characters instead of %d", len(text), len(k.prefix)+want)
	}
	payload, err := letters.DecodeString(body)
	if err != nil || letters.EncodeToString(payload) != body {
		return nil, k.bad("is mistyped")
	}
	fields, sum := payload[:k.size-checksumSize], payload[k.size-checksumSize:]
	if binary.BigEndian.Uint32(sum) != k.checksum(fields) {
		return nil, k.bad("is mistyped: its checksum does not match")
	}
	if fields[0] != tokenVersion {
		return nil, wire.Errorf(wire.Unsupported, "the %s is of version %d; this build knows %d", k.noun(), fields[0], tokenVersion).WithHint("use a newer tarn")
	}
	return fields[1:], nil
}

// noun is the name without its article.
func (k tokenKind) noun() string {
	_, noun, _ := strings.Cut(k.name, " ")
	return noun
}

func notALetter(r rune) bool { return !(r >= 'a' && r <= 'z' || r >= '2' && r <= '7') }

func (k tokenKind) bad(format string, args ...any) error {
	return wire.Errorf(wire.InvalidArgument, "the %s %s", k.noun(), fmt.Sprintf(format, args...)).WithHint("copy it again, all of it, or make another")
}

func (k tokenKind) foreign(text string) error {
	for _, other := range []tokenKind{joinKind, accessKind} {
		if strings.HasPrefix(text, other.prefix) {
			return wire.Errorf(wire.InvalidArgument, "this is %s; wanted is %s, which begins with %s", other.name, k.name, k.prefix)
		}
	}
	return wire.Errorf(wire.InvalidArgument, "this is not %s: those begin with %s", k.name, k.prefix)
}

// randomBytes returns n bytes from random.
func randomBytes(random io.Reader, n int) ([]byte, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(random, b); err != nil {
		return nil, wire.Errorf(wire.Unavailable, "no randomness: %w", err)
	}
	return b, nil
}

// hashText is what is kept of a token. A plain hash is enough: the secret in
// it is random, and too long to guess.
func hashText(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// isText reports whether hash was made from text, in the same time whatever they are.
func isText(text string, hash []byte) bool {
	return subtle.ConstantTimeCompare(hashText(text), hash) == 1
}
