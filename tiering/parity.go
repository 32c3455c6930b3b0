package tiering

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/zeebo/xxh3"
)

// A parity member, byte by byte, is in docs/format.md:
//
//	head │ coded bytes │ trailer │ tail
//
// Everything but the coded bytes follows from the Stripe and the slot, so a
// parity member that is rebuilt is the same file again, with the same hash.

const (
	parityMagic = "TPAR"
	parityMajor = 1
	parityMinor = 0

	headSize = 4096 // so that blocks lie on pages of disks and of the page cache
	tailSize = 64
)

var le = binary.LittleEndian

// head returns the first bytes of a parity member.
func (s *Stripe) head(slot int) []byte {
	b := make([]byte, 0, headSize)
	b = append(b, parityMagic...)
	b = le.AppendUint16(b, parityMajor)
	b = le.AppendUint16(b, parityMinor)
	b = le.AppendUint32(b, blockSize)
	b = le.AppendUint16(b, uint16(s.Scheme.Data))
	b = le.AppendUint16(b, uint16(s.Scheme.Parity))
	b = le.AppendUint16(b, uint16(slot))
	b = b[:56]
	b = le.AppendUint64(b, xxh3.Hash(b))
	return b[:headSize]
}

// foot returns what follows the coded bytes: padding, trailer and tail.
func (s *Stripe) foot(slot int) []byte {
	end := headSize + s.coded()
	at := (end + 7) &^ 7
	b := make([]byte, at-end, at-end+s.trailerSize()+tailSize)
	b = s.appendTrailer(b)
	body := b[at-end:]
	tail := make([]byte, 0, tailSize)
	tail = le.AppendUint64(tail, uint64(at))
	tail = le.AppendUint64(tail, uint64(len(body)))
	tail = le.AppendUint64(tail, xxh3.Hash(body))
	tail = le.AppendUint64(tail, uint64(at+int64(len(body))+tailSize))
	tail = le.AppendUint64(tail, 0) // required features
	tail = le.AppendUint16(tail, uint16(slot))
	tail = append(tail[:48], parityMagic...)
	tail = le.AppendUint16(tail, parityMajor)
	tail = le.AppendUint16(tail, parityMinor)
	tail = le.AppendUint64(tail, xxh3.Hash(tail))
	return append(b, tail...)
}

// tailAt returns where the tail begins in each parity member.
func (s *Stripe) tailAt() int64 { return (headSize+s.coded()+7)&^7 + s.trailerSize() }

// trailerSize returns what appendTrailer will append, in bytes.
func (s *Stripe) trailerSize() int64 {
	n := int64(4 + len(s.ID) + 8)
	for _, m := range s.Data {
		n += 8 + 16 + 4 + int64(len(m.Name))
	}
	return (n+7)&^7 + 8*s.countSums()
}

// countSums returns how many blocks all members have together.
func (s *Stripe) countSums() int64 {
	n := int64(s.Scheme.Parity) * blocksOf(s.coded())
	for _, m := range s.Data {
		n += blocksOf(m.Size)
	}
	return n
}

func (s *Stripe) appendTrailer(b []byte) []byte {
	start := len(b)
	b = appendText(b, s.ID)
	b = le.AppendUint16(b, uint16(s.Scheme.Data))
	b = le.AppendUint16(b, uint16(s.Scheme.Parity))
	b = le.AppendUint32(b, blockSize)
	for _, m := range s.Data {
		b = le.AppendUint64(b, uint64(m.Size))
		b, _ = hex.AppendDecode(b, []byte(m.Hash)) // checked when the stripe was made
		b = appendText(b, m.Name)
	}
	for (len(b)-start)%8 != 0 {
		b = append(b, 0)
	}
	for _, sums := range s.sums {
		for _, sum := range sums {
			b = le.AppendUint64(b, sum)
		}
	}
	return b
}

func appendText(b []byte, text string) []byte {
	return append(le.AppendUint32(b, uint32(len(text))), text...)
}

// Source is a member to read from: *File is one, a member on another node is
// one. It must be safe for concurrent use.
type Source interface {
	io.ReaderAt
	Size() int64
}

// ReadStripe reads tail and trailer of a parity member, and checks both. It
// returns the stripe and the slot of the member. It allocates no more than
// 64 MiB, and no more than the member is long.
func ReadStripe(parity Source) (*Stripe, int, error) {
	t, err := readTail(parity)
	if err != nil {
		return nil, 0, err
	}
	body := make([]byte, t.length)
	if err := readFull(parity, body, t.at); err != nil {
		return nil, 0, fmt.Errorf("trailer: %w", err)
	}
	if xxh3.Hash(body) != t.sum {
		return nil, 0, fmt.Errorf("%w: trailer: wrong checksum", ErrCorrupt)
	}
	s, err := decodeTrailer(body)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: trailer: %w", ErrCorrupt, err)
	}
	if s.tailAt()+tailSize != parity.Size() || t.slot < s.Scheme.Data || t.slot >= s.Scheme.Width() {
		return nil, 0, fmt.Errorf("%w: slot %d of %d bytes is no parity member of what its trailer describes", ErrCorrupt, t.slot, parity.Size())
	}
	return s, t.slot, nil
}

// FindStripe reads the stripe from the first of its parity members that is
// intact; sources are by slot, nil for those that are not there. If there is
// none the error is a *StripeError that says why. Copies have no trailer:
// NewStripe is all there is to know of them.
func FindStripe(id string, scheme Scheme, sources []Source) (*Stripe, error) {
	e := &StripeError{Stripe: id, Scheme: scheme, Err: errors.New("no intact trailer")}
	for slot := scheme.Data; slot < scheme.Width(); slot++ {
		s, err := findIn(sources, slot)
		if err == nil && (s.ID != id || s.Scheme != scheme) {
			err = fmt.Errorf("%w: belongs to stripe %s (%v)", ErrCorrupt, s.ID, s.Scheme)
		}
		if err == nil {
			return s, nil
		}
		e.Damage = append(e.Damage, Damage{slot, parityName(id, slot-scheme.Data), err})
	}
	return nil, e
}

func findIn(sources []Source, slot int) (*Stripe, error) {
	if slot >= len(sources) || sources[slot] == nil {
		return nil, errNotThere
	}
	s, at, err := ReadStripe(sources[slot])
	if err == nil && at != slot {
		err = fmt.Errorf("%w: is the member of slot %d", ErrCorrupt, at)
	}
	return s, err
}

// tail is what the last bytes of a parity member say.
type tail struct {
	at, length int64 // of the trailer
	sum        uint64
	slot       int
}

func readTail(parity Source) (tail, error) {
	size := parity.Size()
	if size < headSize+tailSize {
		return tail{}, fmt.Errorf("%w: %d bytes are no parity member", ErrCorrupt, size)
	}
	b := make([]byte, tailSize)
	if err := readFull(parity, b, size-tailSize); err != nil {
		return tail{}, fmt.Errorf("tail: %w", err)
	}
	t, err := decodeTail(b, size)
	if err != nil {
		return tail{}, fmt.Errorf("%w: tail: %w", ErrCorrupt, err)
	}
	return t, nil
}

// decodeTail reads the tail of a file of that size.
func decodeTail(b []byte, size int64) (tail, error) {
	if string(b[48:52]) != parityMagic || le.Uint64(b[56:]) != xxh3.Hash(b[:56]) {
		return tail{}, errors.New("is not one, or has a wrong checksum")
	}
	if v := le.Uint16(b[52:]); v != parityMajor {
		return tail{}, fmt.Errorf("version %d is not known; this build reads %d", v, parityMajor)
	}
	if f := le.Uint64(b[32:]); f != 0 {
		return tail{}, fmt.Errorf("required features %#x are not known", f)
	}
	t := tail{int64(le.Uint64(b)), int64(le.Uint64(b[8:])), le.Uint64(b[16:]), int(le.Uint16(b[40:]))}
	if t.length < 0 || t.length > maxTrailer || t.at < headSize || t.at > size || t.at+t.length+tailSize != size ||
		int64(le.Uint64(b[24:])) != size || !allZero(b[42:48]) {
		return tail{}, fmt.Errorf("a trailer of %d bytes at %d does not end a file of %d bytes", t.length, t.at, size)
	}
	return t, nil
}

// decodeTrailer reads what appendTrailer wrote. It trusts nothing and does
// not keep b.
func decodeTrailer(b []byte) (*Stripe, error) {
	s := &Stripe{}
	c := cursor{rest: b}
	s.ID = c.text()
	s.Scheme = Scheme{int(c.u16()), int(c.u16())}
	if n := c.u32(); c.err == nil && n != blockSize {
		return nil, fmt.Errorf("blocks of %d bytes; this build reads %d", n, blockSize)
	}
	if err := errors.Join(c.err, s.Scheme.Check()); err != nil {
		return nil, err
	}
	if s.Scheme.Copies() {
		return nil, errors.New("copies have no trailer")
	}
	for range s.Scheme.Data {
		m := Member{Size: int64(c.u64()), Hash: hex.EncodeToString(c.take(16))}
		m.Name = c.text()
		s.Data = append(s.Data, m)
	}
	c.pad(len(b))
	if err := errors.Join(c.err, s.check()); err != nil {
		return nil, err
	}
	if int64(len(c.rest)) != 8*s.countSums() {
		return nil, fmt.Errorf("%d bytes of checksums; want %d", len(c.rest), 8*s.countSums())
	}
	s.sums = s.newSums()
	for _, sums := range s.sums {
		for n := range sums {
			sums[n] = c.u64()
		}
	}
	return s, nil
}

// newSums makes the room for the checksums of all blocks.
func (s *Stripe) newSums() [][]uint64 {
	all := make([]uint64, s.countSums())
	by := make([][]uint64, s.Scheme.Width())
	for slot := range by {
		n := blocksOf(s.payload(slot))
		by[slot], all = all[:n:n], all[n:]
	}
	return by
}

// checkEnvelope checks what stands around the coded bytes of a parity member.
func (s *Stripe) checkEnvelope(slot int, src Source) error {
	if src.Size() != s.Size(slot) {
		return fmt.Errorf("%w: %d bytes; want %d", ErrCorrupt, src.Size(), s.Size(slot))
	}
	if slot < s.Scheme.Data || s.Scheme.Copies() {
		return nil
	}
	if err := checkBytes(src, 0, s.head(slot)); err != nil {
		return fmt.Errorf("head: %w", err)
	}
	if err := checkBytes(src, headSize+s.coded(), s.foot(slot)); err != nil {
		return fmt.Errorf("trailer: %w", err)
	}
	return nil
}

func checkBytes(src Source, at int64, want []byte) error {
	got := make([]byte, len(want))
	if err := readFull(src, got, at); err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%w: not what the stripe says", ErrCorrupt)
	}
	return nil
}

// readFull fills b from off on; a file that ends before is corrupt.
func readFull(src io.ReaderAt, b []byte, off int64) error {
	n, err := src.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: ends at %d", ErrCorrupt, off+int64(n))
	}
	return err
}

func allZero(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}
