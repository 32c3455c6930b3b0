package index

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

var le = binary.LittleEndian

// packedUints is an array of numbers of width bits each, lowest bits first.
type packedUints struct {
	b     []byte
	width uint
}

// maxWidth keeps a number and its offset in a byte within one 64-bit read.
const maxWidth = 56

func widthOf(most uint64) uint { return uint(bits.Len64(most)) }

func packedBytes(n int, width uint) int { return (n*int(width) + 7) / 8 }

// packedSpare is how many bytes of room appendPacked wants behind what it
// appends.
const packedSpare = 8

func appendPacked(b []byte, values []uint64, width uint) []byte {
	b = slices.Grow(b, packedBytes(len(values), width)+packedSpare)
	var word uint64
	var have uint
	for _, v := range values {
		if have+width > 64 {
			b = le.AppendUint64(b, word)[:len(b)+int(have/8)]
			word >>= have &^ 7
			have &= 7
		}
		word |= v << have
		have += width
	}
	return le.AppendUint64(b, word)[:len(b)+int(have+7)/8]
}

// at returns number i, which must be there.
func (p packedUints) at(i int) uint64 {
	bit := i * int(p.width)
	from := p.b[bit>>3:]
	var word uint64
	if len(from) >= 8 {
		word = le.Uint64(from)
	} else {
		var end [8]byte
		copy(end[:], from)
		word = le.Uint64(end[:])
	}
	return word >> (bit & 7) & (1<<p.width - 1)
}
