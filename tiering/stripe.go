package tiering

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	"github.com/zeebo/xxh3"
)

// blockSize is how many bytes of a member one checksum covers, and so the
// least that is read of a member to decode from it.
const blockSize = 256 << 10

// Limits of what a trailer may say; a reader allocates by them.
const (
	maxMemberSize = 1 << 40
	maxTrailer    = 64 << 20
)

// Member is what a stripe knows of one of its data members.
type Member struct {
	Name string // of its file: the segment's
	Size int64  // bytes
	Hash string // xxh3-128 of the whole file, hexadecimal, as in a Receipt
}

// Stripe is what its parity members' trailers say: which members there are,
// and the checksum of every block of each. Slots 0 to Data-1 of the scheme are
// the data members in their order, those from Data on are parity. A Stripe
// does not change and is safe for concurrent use.
//
// A stripe of copies has no trailers and no checksums of blocks: its members
// are one file, checked by its hash, and range reads of it by whoever knows
// what is in it.
type Stripe struct {
	ID     string
	Scheme Scheme
	Data   []Member

	sums [][]uint64 // xxh3 of every block, by slot; nil until it was encoded
}

// NewStripe describes a stripe that is to be encoded. There must be as many
// members as the scheme has data, with distinct names.
func NewStripe(id string, scheme Scheme, data []Member) (*Stripe, error) {
	s := &Stripe{ID: id, Scheme: scheme, Data: data}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("stripe %.80q: %w", id, err)
	}
	return s, nil
}

func (s *Stripe) check() error {
	if err := errors.Join(s.Scheme.Check(), checkName(s.ID)); err != nil {
		return err
	}
	if len(s.Data) != s.Scheme.Data {
		return fmt.Errorf("%d data members; scheme %v has %d", len(s.Data), s.Scheme, s.Scheme.Data)
	}
	seen := map[string]bool{}
	for slot := s.Scheme.Data; slot < s.Scheme.Width() && !s.Scheme.Copies(); slot++ {
		name := s.Name(slot)
		if err := checkName(name); err != nil {
			return err
		}
		seen[name] = true
	}
	for i, m := range s.Data {
		if err := m.check(); err != nil {
			return fmt.Errorf("slot %d: %w", i, err)
		}
		if seen[m.Name] {
			return fmt.Errorf("member %s is in it twice", m.Name)
		}
		seen[m.Name] = true
	}
	if n := s.trailerSize(); n > maxTrailer {
		return fmt.Errorf("members are too large: %d bytes of checksums; at most %d", n, maxTrailer)
	}
	return nil
}

func (m Member) check() error {
	if err := checkName(m.Name); err != nil {
		return err
	}
	if m.Size < 0 || m.Size > maxMemberSize {
		return fmt.Errorf("member %s of %d bytes: want 0 to 2^40", m.Name, m.Size)
	}
	if b, err := hex.DecodeString(m.Hash); err != nil || len(b) != 16 || hex.EncodeToString(b) != m.Hash {
		return fmt.Errorf("member %s: hash %.40q: want 32 hexadecimal digits", m.Name, m.Hash)
	}
	return nil
}

// Name returns the name of a slot's file.
func (s *Stripe) Name(slot int) string {
	switch {
	case s.Scheme.Copies():
		return s.Data[0].Name
	case slot < s.Scheme.Data:
		return s.Data[slot].Name
	}
	return parityName(s.ID, slot-s.Scheme.Data)
}

func parityName(stripe string, n int) string { return stripe + ".p" + strconv.Itoa(n) }

// Size returns the size of a slot's file in bytes.
func (s *Stripe) Size(slot int) int64 {
	switch {
	case s.Scheme.Copies():
		return s.Data[0].Size
	case slot < s.Scheme.Data:
		return s.Data[slot].Size
	}
	return s.tailAt() + tailSize
}

// payload returns how many bytes of a slot are coded: all of a data member,
// and of a parity member as many as the longest data member has.
func (s *Stripe) payload(slot int) int64 {
	if slot < s.Scheme.Data {
		return s.Data[slot].Size
	}
	longest := int64(0)
	for _, m := range s.Data {
		longest = max(longest, m.Size)
	}
	return longest
}

// coded returns the payload of parity: no slot has more.
func (s *Stripe) coded() int64 { return s.payload(s.Scheme.Data) }

func blocksOf(size int64) int64 { return (size + blockSize - 1) / blockSize }

// blockLen returns how many bytes block n of a slot has; none past its end.
func (s *Stripe) blockLen(slot int, n int64) int {
	return int(min(max(s.payload(slot)-n*blockSize, 0), blockSize))
}

// blockAt returns where block n of a slot begins in its file.
func (s *Stripe) blockAt(slot int, n int64) int64 {
	if slot < s.Scheme.Data {
		return n * blockSize
	}
	return headSize + n*blockSize
}

// checkBlock compares a block as it was read or decoded with its checksum.
func (s *Stripe) checkBlock(slot int, n int64, block []byte) error {
	if got, want := xxh3.Hash(block), s.sums[slot][n]; got != want {
		return fmt.Errorf("%w: block %d: checksum %016x; want %016x", ErrCorrupt, n, got, want)
	}
	return nil
}
