package catalog

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/hashicorp/raft"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/zeebo/xxh3"
)

// sealed is a backend whose log entries carry a checksum: eight bytes, the
// xxh3-64 of index, term, type and data (little-endian), in what raft calls their extensions. The leader
// makes it, it travels with the entry, and every reading checks it, so that a
// bit which flips on one disk reaches no other.
type sealed struct{ backend }

// errUnsound is why an entry of a leader is not appended. Nothing was.
var errUnsound = errors.New("the checksum of the entry does not match")

// StoreLog appends an entry.
func (s sealed) StoreLog(l *raft.Log) error { return s.StoreLogs([]*raft.Log{l}) }

// StoreLogs appends entries: new ones, and those of a leader if they are sound.
func (s sealed) StoreLogs(logs []*raft.Log) error {
	for _, l := range logs {
		if len(l.Extensions) == 0 {
			l.Extensions = binary.LittleEndian.AppendUint64(nil, entrySum(l))
		} else if !isSealed(l) {
			return fmt.Errorf("entry %d: %w", l.Index, errUnsound)
		}
	}
	return s.backend.StoreLogs(logs)
}

// GetLog reads an entry; one that is damaged is wire.Corrupt.
func (s sealed) GetLog(index uint64, l *raft.Log) error {
	if err := s.backend.GetLog(index, l); err != nil {
		return err
	}
	if l.Index != index || !isSealed(l) {
		return wire.Errorf(wire.Corrupt, "entry %d of the catalog's log is damaged", index).
			WithHint("never cut the log: make this node's catalog anew and let it follow the others, or bring it back from a copy")
	}
	return nil
}

// verify reads all entries.
func (s sealed) verify() error {
	first, err := s.FirstIndex()
	last, err2 := s.LastIndex()
	if err := errors.Join(err, err2); err != nil || last == 0 {
		return err
	}
	for i := first; i <= last; i++ {
		if err := s.GetLog(i, new(raft.Log)); err != nil && !errors.Is(err, raft.ErrLogNotFound) { // a snapshot leaves a gap
			return err
		}
	}
	return nil
}

func isSealed(l *raft.Log) bool {
	return len(l.Extensions) == 8 && binary.LittleEndian.Uint64(l.Extensions) == entrySum(l)
}

func entrySum(l *raft.Log) uint64 {
	var head [17]byte
	binary.LittleEndian.PutUint64(head[:], l.Index)
	binary.LittleEndian.PutUint64(head[8:], l.Term)
	head[16] = byte(l.Type)
	h := xxh3.New()
	h.Write(head[:])
	h.Write(l.Data)
	return h.Sum64()
}
