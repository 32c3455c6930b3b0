package gossip

import (
	"encoding/binary"
	"math"

	"github.com/google/uuid"
	"github.com/tarnlake/tarn/client/wire"
)

// Meta is what a node says about itself with every sign of life.
//
//	version  1 byte    metaVersion
//	node     16 bytes
//	flags    1 byte    bit 0: the node is leaving
//	epoch    uvarint
//	address, version, zone: 1 byte of length and the text
//
// What a newer build appends is skipped by older ones.
type Meta struct {
	Node    string // UUID
	Address string // host:port of gRPC, at most 255 bytes
	Epoch   uint64 // its life; 0 before it has one
	Version string // of its build, at most 64 bytes
	Zone    string // failure domain, at most 128 bytes
	Leaving bool   // it has said goodbye; set by Leave
}

const (
	metaVersion = 1

	maxAddress = math.MaxUint8
	maxVersion = 64
	maxZone    = 128

	flagLeaving = 1 << 0
)

// encode returns the bytes of m, of which memberlist takes 512 at most: what
// check lets through is never longer.
func (m Meta) encode() ([]byte, error) {
	id, err := m.check()
	if err != nil {
		return nil, err
	}
	var flags byte
	if m.Leaving {
		flags |= flagLeaving
	}
	b := append([]byte{metaVersion}, id[:]...)
	b = append(b, flags)
	b = binary.AppendUvarint(b, m.Epoch)
	for _, text := range []string{m.Address, m.Version, m.Zone} {
		b = append(append(b, byte(len(text))), text...)
	}
	return b, nil
}

func (m Meta) check() (uuid.UUID, error) {
	id, err := uuid.Parse(m.Node)
	if err != nil || id.String() != m.Node {
		return id, wire.Errorf(wire.InvalidArgument, "%.80q is not a node's UUID", m.Node)
	}
	for _, text := range []struct {
		name, value string
		limit       int
	}{{"address", m.Address, maxAddress}, {"version", m.Version, maxVersion}, {"zone", m.Zone, maxZone}} {
		if len(text.value) > text.limit {
			return id, wire.Errorf(wire.InvalidArgument, "the %s of node %s has %d bytes; gossip takes %d", text.name, m.Node, len(text.value), text.limit)
		}
	}
	return id, nil
}

// decodeMeta reads what encode has written. The error is wire.Corrupt.
func decodeMeta(b []byte) (Meta, error) {
	r := reader{rest: b}
	if v := r.byte(); v != metaVersion {
		return Meta{}, wire.Errorf(wire.Corrupt, "a node's word on itself of version %d; this build knows %d", v, metaVersion)
	}
	var m Meta
	m.Node = uuid.UUID(r.take(len(uuid.UUID{}))).String()
	m.Leaving = r.byte()&flagLeaving != 0
	m.Epoch = r.uvarint()
	m.Address = r.text(maxAddress)
	m.Version = r.text(maxVersion)
	m.Zone = r.text(maxZone)
	if r.bad {
		return Meta{}, wire.Errorf(wire.Corrupt, "a node's word on itself does not parse (%d bytes)", len(b))
	}
	return m, nil
}

// reader cuts fields off bytes. After the first that is not there it returns
// zeros, and bad is set.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) take(n int) []byte {
	if n > len(r.rest) {
		r.bad, r.rest = true, nil
		return make([]byte, n) // n is at most 255
	}
	head := r.rest[:n]
	r.rest = r.rest[n:]
	return head
}

func (r *reader) byte() byte { return r.take(1)[0] }

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.bad, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) text(limit int) string {
	text := string(r.take(int(r.byte())))
	if len(text) > limit {
		r.bad = true
	}
	return text
}
