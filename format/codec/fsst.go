package codec

import (
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/tarnlake/tarn/format/kern"
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
	escape = kern.Escape
	// maxSymbol is the length of the longest symbols.
	maxSymbol = kern.MaxSymbol
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

// readSymbols checks a table and makes it ready; it returns how many symbols
// there are.
func readSymbols(b []byte) (*kern.Symbols, int, error) {
	if len(b) == 0 || len(b) < 1+int(b[0]) {
		return nil, 0, fmt.Errorf("symbol table of %d bytes", len(b))
	}
	t, symbols := new(kern.Symbols), int(b[0])
	lens, rest := b[1:1+symbols], b[1+symbols:]
	for code, n := range lens {
		if n == 0 || n > maxSymbol || int(n) > len(rest) {
			return nil, 0, fmt.Errorf("symbol %d of %d bytes, %d left", code, n, len(rest))
		}
		var padded [maxSymbol]byte
		copy(padded[:], rest[:n])
		t.Bytes[code], t.Lens[code], rest = binary.LittleEndian.Uint64(padded[:]), n, rest[n:]
	}
	if len(rest) != 0 {
		return nil, 0, fmt.Errorf("%d bytes after the symbols", len(rest))
	}
	return t, symbols, nil
}

// symbolText is text as it is stored: codes. Those of a row have to be checked
// before it is decoded, which cannot fail then; those of all before anything is
// searched.
type symbolText struct {
	symbols *kern.Symbols
	known   int // symbols; codes past them have none
	codes   []byte
	rows    *textRows // in codes
	size    int       // bytes of text of all rows

	once    sync.Once
	wrong   error       // what is, after once
	checked atomic.Bool // all rows are right
	escapes int         // how many codes are one, after once
}

// readSymbolText reads codes; rows reads where strings lie in them.
func readSymbolText(d *Decoder, n node, rows func() (*textRows, error)) (*symbolText, error) {
	table, err := d.anyBuffer()
	if err != nil {
		return nil, err
	}
	codes, err := d.anyBuffer()
	if err != nil {
		return nil, err
	}
	if n.param > uint64(len(codes))*maxExpansion {
		return nil, fmt.Errorf("%d bytes of codes for %d of text", len(codes), n.param)
	}
	r, err := rows()
	if err != nil {
		return nil, err
	}
	if r.total() != len(codes) {
		return nil, fmt.Errorf("strings have %d bytes of codes; want %d", r.total(), len(codes))
	}
	return newSymbolText(table, codes, r, int(n.param))
}

// newSymbolText checks the table, and no codes.
func newSymbolText(table, codes []byte, rows *textRows, size int) (*symbolText, error) {
	symbols, known, err := readSymbols(table)
	if err != nil {
		return nil, err
	}
	return &symbolText{symbols: symbols, known: known, codes: codes, rows: rows, size: size}, nil
}

// check checks all codes, once.
func (t *symbolText) check() error {
	t.once.Do(func() {
		t.wrong = t.checkAll()
		t.checked.Store(t.wrong == nil)
	})
	return t.wrong
}

func (t *symbolText) checkAll() error {
	literals, err := t.findEscapes()
	if err != nil {
		return err
	}
	if made := t.symbols.Size(t.codes) + literals; made != t.size {
		return fmt.Errorf("codes make %d bytes; want %d", made, t.size)
	}
	return nil
}

// checkRows checks the codes of those rows alone, if not all have been.
func (t *symbolText) checkRows(rows []int32) error {
	if t.checked.Load() {
		return nil
	}
	scratch := takeScratch()
	defer scratch.release()
	for i, span := range t.rows.spans(rows, scratch) {
		if at := t.firstWrong(t.codes[span.from:span.to]); at >= 0 {
			return fmt.Errorf("string %d: code %d at %d has no symbol, or is half an escape", rows[i], t.codes[int(span.from)+at], int(span.from)+at)
		}
	}
	return nil
}

// firstWrong returns the place of the first code of a row that has no symbol,
// and of an escape that has no byte; -1 if there is none.
func (t *symbolText) firstWrong(codes []byte) int {
	for i := 0; i < len(codes); i++ {
		switch code := codes[i]; {
		case int(code) < t.known:
		case code != escape || i+1 == len(codes):
			return i
		default:
			i++
		}
	}
	return -1
}

// findEscapes looks for codes that have no symbol, and that those that are
// escapes have their byte in the same string. It returns how much more text
// there is than the symbols of all codes have, for bytes that are meant as they
// are look like codes.
func (t *symbolText) findEscapes() (literals int, err error) {
	var others byteSet
	for code := t.known; code < 256; code++ {
		others.add(byte(code))
	}
	scratch := takeScratch()
	defer scratch.release()
	literal, rows := -1, t.rows.finder(scratch)
	for at := range places(t.codes, &others) {
		switch code := t.codes[at]; {
		case at == literal:
		case code != escape || at+1 == len(t.codes):
			return 0, fmt.Errorf("code %d at %d has no symbol", code, at)
		default:
			literal = at + 1
			if row, end := rows.find(at); end == literal {
				return 0, fmt.Errorf("string %d ends in the middle of an escape", row)
			}
			literals += 1 - int(t.symbols.Lens[t.codes[literal]])
			t.escapes++
		}
	}
	return literals, nil
}

func getFSST(d *Decoder, n node, offsets []int32, alloc func(int) []byte, depth int) error {
	t, err := readSymbolText(d, n, func() (*textRows, error) {
		_, err := getOffsets(d, offsets, depth+1)
		return rowsAt(offsets), err
	})
	if err == nil {
		err = t.check()
	}
	if err != nil {
		return err
	}
	dst, err := d.allocBytes(int64(n.param), alloc)
	if err == nil {
		t.decode(dst, offsets)
	}
	return err
}

// stretch is how many codes are decoded at once.
const stretch = 2048

// decode fills dst with the text of the rows of which offsets are given, and
// makes offsets into codes offsets into dst. dst has room for the text; what is
// behind it may change, too. It looks at rows only after their codes: a
// stretch of codes becomes text in one loop that notes where the text of each
// code ends.
func (t *symbolText) decode(dst []byte, offsets []int32) {
	var ends [stretch]int32
	at, out, row, stop := int(offsets[0]), 0, 1, int(offsets[len(offsets)-1])
	offsets[0] = 0
	for at < stop {
		n, to := t.decodeStretch(dst, t.codes[at:min(at+stretch, stop)], out, &ends)
		for row < len(offsets) && int(offsets[row]) <= at+n {
			end := out
			if used := int(offsets[row]) - at; used > 0 {
				end = int(ends[used-1])
			}
			offsets[row] = int32(end)
			row++
		}
		at, out = at+n, to
	}
	for ; row < len(offsets); row++ {
		offsets[row] = int32(out)
	}
}

// decodeStretch writes the text of codes to dst from out on, and where that of
// each ends to ends. It returns how many codes it took, which are all but for an
// escape at the end, and where their text ends.
func (t *symbolText) decodeStretch(dst, codes []byte, out int, ends *[stretch]int32) (int, int) {
	i := 0
	for i < len(codes) {
		n, to := t.symbols.Expand(dst, out, codes[i:], ends[i:len(codes)])
		i, out = i+n, to
		for last := min(i+16, len(codes)); i < last; i++ {
			code := codes[i]
			if code == escape {
				if i+1 == len(codes) {
					return i, out // its byte is in the next stretch
				}
				i++
				dst[out] = codes[i]
				out++
			} else {
				out += putSymbol(dst[out:], t.symbols, code)
			}
			ends[i] = int32(out)
		}
	}
	return i, out
}

// putSymbol writes a symbol to dst, which has room for it, and returns its
// length.
func putSymbol(dst []byte, t *kern.Symbols, code byte) int {
	n := int(t.Lens[code])
	if len(dst) >= maxSymbol {
		binary.LittleEndian.PutUint64(dst, t.Bytes[code])
		return n
	}
	for k := range n {
		dst[k] = byte(t.Bytes[code] >> (8 * k))
	}
	return n
}

// sizeOf returns how many bytes of text the codes of a row are.
func (t *symbolText) sizeOf(codes []byte) (n int) {
	for i := 0; i < len(codes); i++ {
		n += int(t.symbols.Lens[codes[i]])
		if codes[i] == escape {
			i, n = i+1, n+1
		}
	}
	return n
}

// expand writes the text of the codes of a row to dst, which has room for it
// and for maxSymbol bytes more, and returns its length.
func (t *symbolText) expand(dst, codes []byte) (n int) {
	for i := 0; i < len(codes); i++ {
		code := codes[i]
		binary.LittleEndian.PutUint64(dst[n:], t.symbols.Bytes[code])
		n += int(t.symbols.Lens[code])
		if code == escape {
			i++
			dst[n] = codes[i]
			n++
		}
	}
	return n
}
