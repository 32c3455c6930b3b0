package kern

import "unsafe"

// Symbols are up to 255 strings of one to eight bytes, by the code that stands
// for each: its bytes, the first in the lowest bits, with zeros after them,
// and its length, which is 0 for a code without one. Code 255 never has one:
// it escapes the byte after it.
type Symbols struct {
	Bytes [256]uint64
	Lens  [256]uint8
}

// Escape is the code that says that the next byte is meant as it is.
const Escape = 255

// MaxSymbol is the length of the longest symbols.
const MaxSymbol = 8

// Size returns how many bytes the symbols of all codes have together.
func (t *Symbols) Size(codes []byte) int {
	size, done := sizeFast(codes, &t.Lens)
	for _, c := range codes[done:] {
		size += int(t.Lens[c])
	}
	return size
}

const (
	octet     = 8                 // codes at once
	octetRoom = octet * MaxSymbol // bytes that they may write
	lowBits   = 0x0101010101010101
	highBits  = 0x8080808080808080
)

// Expand writes the symbols of codes to dst from out on, and to ends where
// each of them ends. It stops before an escape, at most seven codes early, and
// where fewer than eight codes, or less than 64 bytes of dst, are left. It
// returns how many codes it did and where their text ends; up to seven bytes of
// dst behind it have changed, too. ends is as long as codes.
func (t *Symbols) Expand(dst []byte, out int, codes []byte, ends []int32) (done, end int) {
	if len(ends) < len(codes) {
		panic("BUG: kern: fewer ends than codes")
	}
	from, to, last := unsafe.Pointer(unsafe.SliceData(codes)), unsafe.Pointer(unsafe.SliceData(dst)), unsafe.Pointer(unsafe.SliceData(ends))
	for done+octet <= len(codes) && out+octetRoom <= len(dst) {
		c, e := (*[octet]uint8)(unsafe.Add(from, done)), (*[octet]int32)(unsafe.Add(last, done*4))
		if w := *(*uint64)(unsafe.Pointer(c)); (^w-lowBits)&w&highBits != 0 {
			break
		}
		out = t.put(to, out, c[0])
		e[0] = int32(out)
		out = t.put(to, out, c[1])
		e[1] = int32(out)
		out = t.put(to, out, c[2])
		e[2] = int32(out)
		out = t.put(to, out, c[3])
		e[3] = int32(out)
		out = t.put(to, out, c[4])
		e[4] = int32(out)
		out = t.put(to, out, c[5])
		e[5] = int32(out)
		out = t.put(to, out, c[6])
		e[6] = int32(out)
		out = t.put(to, out, c[7])
		e[7] = int32(out)
		done += octet
	}
	return done, out
}

// put writes eight bytes, and returns where those that count end.
func (t *Symbols) put(dst unsafe.Pointer, out int, code uint8) int {
	*(*uint64)(unsafe.Add(dst, out)) = t.Bytes[code]
	return out + int(t.Lens[code])
}
