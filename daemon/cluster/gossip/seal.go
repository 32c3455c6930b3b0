package gossip

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"

	"github.com/google/uuid"
)

// A packet is its kind, the cluster's UUID in clear, and the message sealed
// with AES-256-GCM. What is in clear is authenticated with it, so a message of
// another cluster is refused even where two have the same key.
//
//	packet   kind, cluster, sealed
//	stream   kind, cluster, length of sealed (4 bytes, big-endian), sealed: again and again
//	sealed   nonce (12 bytes), ciphertext, tag (16 bytes)
const (
	kindPacket = 1
	kindStream = 2

	clusterSize  = 16
	packetHead   = 1 + clusterSize
	sealOverhead = 12 + 16
	keySize      = 32
)

// Why a message is not let in.
var (
	errGarbage = errors.New("it is not a message of gossip")
	errForeign = errors.New("it is of another cluster")
	errKey     = errors.New("it is sealed with a key that this cluster does not have")
)

// box seals and opens messages of one cluster. keys is asked each time: the
// first seals, all open.
type box struct {
	cluster uuid.UUID
	keys    func() [][]byte
}

// head returns what a message of a kind begins with.
func (b *box) head(kind byte) []byte { return append([]byte{kind}, b.cluster[:]...) }

// checkHead tells why bytes that begin with head are not ours.
func (b *box) checkHead(kind byte, head []byte) error {
	switch {
	case len(head) < packetHead || head[0] != kind:
		return errGarbage
	case uuid.UUID(head[1:packetHead]) != b.cluster:
		return errForeign
	}
	return nil
}

// seal appends the sealed message to head, which it vouches for.
func (b *box) seal(head, message []byte) ([]byte, error) {
	keys := b.keys()
	if len(keys) == 0 {
		return nil, errors.New("there is no key to gossip with")
	}
	aead, err := newAEAD(keys[0])
	if err != nil {
		return nil, err
	}
	return aead.Seal(head, nil, message, head), nil
}

// open returns the message that was sealed behind head.
func (b *box) open(head, sealed []byte) ([]byte, error) {
	for _, key := range b.keys() {
		aead, err := newAEAD(key)
		if err != nil {
			return nil, err
		}
		if message, err := aead.Open(nil, nil, sealed, head); err == nil {
			return message, nil
		}
	}
	return nil, errKey
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	if len(key) != keySize {
		return nil, errors.New("a key of gossip is not one of AES-256")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
