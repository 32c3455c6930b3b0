package tiering

// The code of a stripe, once more, from its definition: GF(2^8) by the
// polynomial x^8+x^4+x^3+x^2+1, and parity member r (counted by slot) the sum
// of 1/(r xor c) times data member c.

func refMul(a, b byte) byte {
	p := byte(0)
	for ; b > 0; b >>= 1 {
		if b&1 != 0 {
			p ^= a
		}
		carry := a&0x80 != 0
		if a <<= 1; carry {
			a ^= 0x1d
		}
	}
	return p
}

func refInverse(a byte) byte {
	for b := 1; b < 256; b++ {
		if refMul(a, byte(b)) == 1 {
			return byte(b)
		}
	}
	panic("zero has no inverse")
}

// refParity returns byte i of the parity member of a slot.
func refParity(data [][]byte, slot, i int) byte {
	sum := byte(0)
	for c, member := range data {
		if i < len(member) {
			sum ^= refMul(refInverse(byte(slot^c)), member[i])
		}
	}
	return sum
}
