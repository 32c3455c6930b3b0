package codec

import (
	"fmt"
	"math/bits"
)

// Bits: booleans and validity, one bit a value, least significant first.
// Encodings: Constant (parameter 0 or 1), Raw, Runs.

// PutBits puts n bits. Bits past n in the last byte are not looked at.
func (e *Encoder) PutBits(b []byte, n int) error {
	if n > MaxElements {
		return ErrTooLarge
	}
	e.putBits(b, n, e.root())
	return nil
}

func (e *Encoder) putBits(b []byte, n int, r room) {
	switch ones := CountOnes(b, n); {
	case ones == 0:
		e.node(Constant, Bits, n, 0)
	case ones == n:
		e.node(Constant, Bits, n, 1)
	default:
		e.putMixedBits(b, n, r)
	}
}

func (e *Encoder) putMixedBits(b []byte, n int, r room) {
	raw := (n + 7) / 8
	if lengths := bitRuns(b, n, raw/4); lengths != nil && r.has(Runs) {
		if size := min(len(lengths)*4, scanInts(lengths, unsigned, false).packed); size*costRuns < raw*costRaw {
			e.node(Runs, Bits, n, uint64(len(lengths))<<1|uint64(b[0]&1))
			putInts(e, lengths, unsigned, r.below())
			return
		}
	}
	e.node(Raw, Bits, n, 0)
	dst := e.grow(raw)
	copy(dst, b)
	clearTail(dst, n)
}

// bitRuns returns the lengths of the runs of equal bits, or nil where there
// are more than limit.
func bitRuns(b []byte, n, limit int) []uint32 {
	var lengths []uint32
	for at := 0; at < n; {
		if len(lengths) >= limit {
			return nil
		}
		end := nextChange(b, at, n)
		lengths, at = append(lengths, uint32(end-at)), end
	}
	return lengths
}

// nextChange returns the first position after at whose bit differs, or n.
func nextChange(b []byte, at, n int) int {
	flip := -(b[at/8] >> (at % 8) & 1) // all ones if the run is of ones
	x := (b[at/8] ^ flip) >> (at % 8)
	if x != 0 {
		return min(at+bits.TrailingZeros8(x), n)
	}
	for i := at/8 + 1; i*8 < n; i++ {
		if x := b[i] ^ flip; x != 0 {
			return min(i*8+bits.TrailingZeros8(x), n)
		}
	}
	return n
}

// CountOnes returns how many of the first n bits are set.
func CountOnes(b []byte, n int) int {
	ones := 0
	for _, x := range b[:n/8] {
		ones += bits.OnesCount8(x)
	}
	if n%8 != 0 {
		ones += bits.OnesCount8(b[n/8] & (1<<(n%8) - 1))
	}
	return ones
}

// clearTail clears the bits past n in the last byte.
func clearTail(b []byte, n int) {
	if n%8 != 0 {
		b[n/8] &= 1<<(n%8) - 1
	}
}

// GetConstantBits tells whether the next bits are all alike, and which. If
// they are it moves past them; if not GetBits has to follow.
func (d *Decoder) GetConstantBits(n int) (value, constant bool, err error) {
	return d.constantBits(n, 1)
}

func (d *Decoder) constantBits(n, depth int) (value, constant bool, err error) {
	next, err := d.peek()
	if err != nil || next.enc != Constant {
		return false, false, err
	}
	if next, err = d.node(Bits, n, depth); err != nil {
		return false, false, err
	}
	if next.param > 1 {
		return false, false, fmt.Errorf("constant bit %d", next.param)
	}
	return next.param == 1, true, nil
}

// GetBits fills dst with the next n bits; dst has (n+7)/8 zeroed bytes.
func (d *Decoder) GetBits(dst []byte, n int) error { return getBits(d, dst, n, 1) }

func getBits(d *Decoder, dst []byte, n, depth int) error {
	value, constant, err := d.constantBits(n, depth)
	if err != nil || constant {
		if value {
			setBits(dst, 0, n)
		}
		return err
	}
	next, err := d.node(Bits, n, depth)
	if err != nil {
		return err
	}
	switch next.enc {
	case Raw:
		return getRawBits(d, next, dst)
	case Runs:
		return getBitRuns(d, next, dst, depth)
	}
	return next.unknown()
}

func getRawBits(d *Decoder, n node, dst []byte) error {
	if err := n.noParam(); err != nil {
		return err
	}
	if err := getRaw(d, dst); err != nil {
		return err
	}
	if n.count%8 != 0 && dst[n.count/8]>>(n.count%8) != 0 {
		return fmt.Errorf("bits past the last are not zero")
	}
	return nil
}

func getBitRuns(d *Decoder, n node, dst []byte, depth int) error {
	runs, err := n.runs(d, n.param>>1, 0)
	if err != nil {
		return err
	}
	lengths, err := getLengths(d, runs, n.count, depth+1)
	if err != nil {
		return err
	}
	at, one := 0, n.param&1 == 1
	for _, length := range lengths {
		if one {
			setBits(dst, at, at+int(length))
		}
		at, one = at+int(length), !one
	}
	return nil
}

// setBits sets the bits from start up to end.
func setBits(b []byte, start, end int) {
	for ; start < end && start%8 != 0; start++ {
		b[start/8] |= 1 << (start % 8)
	}
	for ; start+8 <= end; start += 8 {
		b[start/8] = 0xff
	}
	for ; start < end; start++ {
		b[start/8] |= 1 << (start % 8)
	}
}
