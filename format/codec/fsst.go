package codec

import (
	"encoding/binary"
	"fmt"
)

// FSST (Boncz, Neumann, Leis: FSST: Fast Random Access String Compression,
// VLDB 2020). Up to 255 symbols of 1 to 8 bytes stand for what is frequent in
// the text of a page; a code is a byte, and 255 says that the next byte is
// meant as it is. Every string is coded alone, so any can be decoded alone,
// and equal strings have equal codes. The parameter is the number of bytes of
// all strings. One node: the lengths of the codes (Word32), by string. Two
// buffers: the symbol table (how many, u8; their lengths, u8 each; their
// bytes, one after the other), the codes of all strings.

const (
	// escape is the code before a byte that no symbol stands for.
	escape = 255
	// maxSymbol is the length of the longest symbols.
	maxSymbol = 8
	// minFSST is the least number of bytes worth a table.
	minFSST = 512
	// maxExpansion bounds what a byte of codes may stand for.
	maxExpansion = maxSymbol
)

// symbol is up to eight bytes, the first in the lowest bits.
type symbol struct {
	bytes uint64
	len   uint8
}

// symbolTable decodes: by code.
type symbolTable struct {
	bytes [256]uint64
	lens  [256]uint8 // or noLength where there is no symbol
}

// noLength is more than any length, in a bit of its own.
const noLength = 0x80

// appendSymbols writes a table.
func appendSymbols(b []byte, symbols []symbol) []byte {
	b = append(b, byte(len(symbols)))
	for _, s := range symbols {
		b = append(b, s.len)
	}
	for _, s := range symbols {
		b = append(b, binary.LittleEndian.AppendUint64(nil, s.bytes)[:s.len]...)
	}
	return b
}

// readSymbols checks a table and makes it ready.
func readSymbols(b []byte) (*symbolTable, error) {
	if len(b) == 0 || len(b) < 1+int(b[0]) {
		return nil, fmt.Errorf("symbol table of %d bytes", len(b))
	}
	t, symbols := new(symbolTable), int(b[0])
	for code := range t.lens {
		t.lens[code] = noLength
	}
	lens, rest := b[1:1+symbols], b[1+symbols:]
	for code, n := range lens {
		if n == 0 || n > maxSymbol || int(n) > len(rest) {
			return nil, fmt.Errorf("symbol %d of %d bytes, %d left", code, n, len(rest))
		}
		var padded [maxSymbol]byte
		copy(padded[:], rest[:n])
		t.bytes[code], t.lens[code], rest = binary.LittleEndian.Uint64(padded[:]), n, rest[n:]
	}
	if len(rest) != 0 {
		return nil, fmt.Errorf("%d bytes after the symbols", len(rest))
	}
	return t, nil
}

func getFSST(d *Decoder, n node, offsets []int32, alloc func(int) []byte, depth int) error {
	table, err := d.anyBuffer()
	if err != nil {
		return err
	}
	symbols, err := readSymbols(table)
	if err != nil {
		return err
	}
	codes, err := d.anyBuffer()
	if err != nil {
		return err
	}
	if n.param > uint64(len(codes))*maxExpansion {
		return fmt.Errorf("%d bytes of codes for %d of text", len(codes), n.param)
	}
	total, err := getOffsets(d, offsets, depth+1)
	if err != nil {
		return err
	}
	if total != int64(len(codes)) {
		return fmt.Errorf("strings have %d bytes of codes; want %d", total, len(codes))
	}
	dst, err := d.allocBytes(int64(n.param), alloc)
	if err != nil {
		return err
	}
	return symbols.decode(dst, codes, offsets)
}

// stretch is how many codes are decoded at once.
const stretch = 2048

// decode fills dst with what the codes mean, and makes offsets into codes
// offsets into dst. It looks at strings only after their codes: a stretch of
// codes becomes text in one loop that notes where the text of each code ends.
func (t *symbolTable) decode(dst, codes []byte, offsets []int32) error {
	var ends [stretch]int32
	at, row, out := 0, 1, 0
	for at < len(codes) {
		part := codes[at:min(at+stretch, len(codes))]
		n, to := t.decodeStretch(dst, part, out, &ends)
		if n < 0 {
			return fmt.Errorf("code %d at %d has no symbol or no room", codes[at-n-1], at-n-1)
		}
		for row < len(offsets) && int(offsets[row]) <= at+n {
			end := out
			if used := int(offsets[row]) - at; used > 0 {
				end = int(ends[used-1])
			}
			if end < 0 {
				return fmt.Errorf("string %d ends in the middle of an escape", row-1)
			}
			offsets[row] = int32(end)
			row++
		}
		at, out = at+n, to
	}
	for ; row < len(offsets); row++ {
		offsets[row] = int32(out)
	}
	if out != len(dst) {
		return fmt.Errorf("codes make %d bytes; want %d", out, len(dst))
	}
	return nil
}

// decodeStretch writes the text of codes to dst from out on, and the ends of
// each in ends (-1 before an escaped byte). It returns how many codes it took
// (all, but for an escape at the end) and where the text ends; or -1 less the
// place of a code that it cannot decode.
func (t *symbolTable) decodeStretch(dst, codes []byte, out int, ends *[stretch]int32) (int, int) {
	for i := 0; i < len(codes); i++ {
		i, out = t.decodeFour(dst, codes, i, out, ends)
		if i == len(codes) {
			break
		}
		n := int(t.lens[codes[i]])
		switch {
		case n <= maxSymbol && n <= len(dst)-out:
			for k := range n {
				dst[out+k] = byte(t.bytes[codes[i]] >> (8 * k))
			}
			out += n
		case codes[i] == escape && i+1 < len(codes) && out < len(dst):
			ends[i] = -1
			i++
			dst[out] = codes[i]
			out++
		case codes[i] == escape && i+1 == stretch:
			return i, out // its byte is in the next stretch
		default:
			return -1 - i, out
		}
		ends[i] = int32(out)
	}
	return len(codes), out
}

// decodeFour decodes four codes at a time, from place i on, as long as all
// have symbols and dst has room for the longest. One check does for the four:
// a store of eight bytes may write past its symbol, never past the room.
func (t *symbolTable) decodeFour(dst, codes []byte, i, out int, ends *[stretch]int32) (int, int) {
	const room = 4 * maxSymbol
	for i+4 <= len(codes) && i+4 <= len(ends) && out+room <= len(dst) {
		a, b, c, d := codes[i], codes[i+1], codes[i+2], codes[i+3]
		la, lb, lc, ld := t.lens[a], t.lens[b], t.lens[c], t.lens[d]
		if (la|lb|lc|ld)&noLength != 0 {
			break
		}
		to, end := (*[room]byte)(dst[out:]), (*[4]int32)(ends[i:])
		atB := int(la)
		atC := atB + int(lb)
		atD := atC + int(lc)
		binary.LittleEndian.PutUint64(to[0:], t.bytes[a])
		binary.LittleEndian.PutUint64(to[atB:], t.bytes[b])
		binary.LittleEndian.PutUint64(to[atC:], t.bytes[c])
		binary.LittleEndian.PutUint64(to[atD:], t.bytes[d])
		end[0], end[1], end[2] = int32(out+atB), int32(out+atC), int32(out+atD)
		out += atD + int(ld)
		end[3] = int32(out)
		i += 4
	}
	return i, out
}
