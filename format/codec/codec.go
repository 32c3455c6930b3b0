// Package codec turns columns of values into pages and pages into columns.
// One file holds one encoding. The package knows neither files nor schemas:
// the caller says which values come next, in the same order on both sides.
//
// Words: a page is the bytes of one column over one block; a node is one step
// of encoding, with its encoding, its shape and its count; a buffer is a run
// of bytes that a node owns. The nodes of a page stand in preorder: what a
// node is made of (the codes and the values of a dictionary) follows it. Shape
// and encoding alone say how many nodes and buffers belong to a node, so a
// decoder walks both lists once, in step.
//
// A page, little-endian:
//
//	offset  size    field
//	0       4       nodes
//	4       4       buffers
//	8       8       zero
//	16      16 × n  nodes: encoding u8, shape u8, zero u16, count u32, param u64
//	…       4 × b   buffer lengths
//	…               buffers, in order, each at the next multiple of its
//	                alignment (64 from 256 bytes up, else 8); gaps are zero
//
// The page ends with the last byte of its last buffer.
package codec

import (
	"errors"
	"fmt"
)

// Encoding numbers a way to write values. Numbers reach disk: never reorder,
// never reuse, and stay below MaxEncodings.
type Encoding uint8

// The encodings of format 1.0.
const (
	Raw        Encoding = 1 // the values as they are in Arrow
	Constant   Encoding = 2 // one value for all
	Packed     Encoding = 3 // frame of reference: base and bit-packed difference, per vector
	Dictionary Encoding = 4 // distinct values, sorted, and a code for each row
	Runs       Encoding = 5 // run values and run lengths
	Zstd       Encoding = 6 // a zstd frame of the raw bytes
	Narrow     Encoding = 7 // 128-bit values that fit 64 bits
	Split      Encoding = 8 // 128-bit values as low and high halves
)

// The encodings that format 1.1 adds.
const (
	Patched Encoding = 9  // as Packed, with exceptions
	Delta   Encoding = 10 // sums of differences, per vector
	Scaled  Encoding = 11 // multiples of a common divisor
	Sparse  Encoding = 12 // one value for most rows, and the others
	ALP     Encoding = 13 // floats as integers times a power of ten, per vector
	Decimal Encoding = 14 // floats as digits and places, per value
	FSST    Encoding = 15 // text by a table of 255 symbols
	Fields  Encoding = 16 // text of one pattern, as a column for each of its parts
)

// Encodings of dictionaries.
const (
	Shared   Encoding = 17 // text that is kept beside the pages, once for all of a column
	Prefixed Encoding = 18 // ascending text: what neighbours share, and the rest
)

// MaxEncodings bounds encoding numbers: sets of them are 48-bit masks.
const MaxEncodings = 48

var encodingNames = [...]string{
	Raw: "raw", Constant: "constant", Packed: "packed", Dictionary: "dictionary",
	Runs: "runs", Zstd: "zstd", Narrow: "narrow", Split: "split",
	Patched: "patched", Delta: "delta", Scaled: "scaled", Sparse: "sparse",
	ALP: "alp", Decimal: "decimal", FSST: "fsst", Fields: "fields", Shared: "shared", Prefixed: "prefixed",
}

// String returns the name of the encoding, or its number if unknown.
func (e Encoding) String() string {
	if int(e) < len(encodingNames) && encodingNames[e] != "" {
		return encodingNames[e]
	}
	return fmt.Sprintf("encoding %d", uint8(e))
}

// Set is a set of encodings: bit n stands for encoding n.
type Set uint64

// Known is the set of encodings that this package reads.
const Known = Set(1<<Raw | 1<<Constant | 1<<Packed | 1<<Dictionary | 1<<Runs | 1<<Zstd | 1<<Narrow | 1<<Split |
	1<<Patched | 1<<Delta | 1<<Scaled | 1<<Sparse | 1<<ALP | 1<<Decimal | 1<<FSST | 1<<Fields | 1<<Shared | 1<<Prefixed)

// Has reports whether e is in the set.
func (s Set) Has(e Encoding) bool { return s>>e&1 == 1 }

// List returns the members in ascending order.
func (s Set) List() []Encoding {
	var out []Encoding
	for e := Encoding(0); e < MaxEncodings; e++ {
		if s.Has(e) {
			out = append(out, e)
		}
	}
	return out
}

// Shape numbers what a node's values are. Numbers reach disk.
type Shape uint8

// The shapes of format 1.0.
const (
	Bits   Shape = 1 // one bit a value: booleans, validity
	Word8  Shape = 2 // integers, times and floats of 8, 16, 32 and 64 bits
	Word16 Shape = 3
	Word32 Shape = 4
	Word64 Shape = 5
	Wide   Shape = 6 // 128-bit integers
	Bytes  Shape = 7 // byte strings of any length
	Blob   Shape = 8 // count bytes without inner structure
)

var shapeNames = [...]string{
	Bits: "bits", Word8: "word8", Word16: "word16", Word32: "word32", Word64: "word64",
	Wide: "wide", Bytes: "bytes", Blob: "blob",
}

// String returns the name of the shape, or its number if unknown.
func (s Shape) String() string {
	if int(s) < len(shapeNames) && shapeNames[s] != "" {
		return shapeNames[s]
	}
	return fmt.Sprintf("shape %d", uint8(s))
}

// Limits. They bound what a decoder allocates and what an encoder may write.
const (
	// MaxDepth is how many nodes a value may pass through, root included;
	// the halves of a wide value count from one again.
	MaxDepth = 3
	// MaxElements bounds the count of a node: list elements can be many more
	// than rows, and a constant node claims any number of them for free.
	MaxElements = 1 << 27
	// MaxPageValues bounds the bytes of all values decoded from one page,
	// in the shape they have in Arrow, scratch included.
	MaxPageValues = 3 << 30
)

// ErrTooLarge says that values do not fit one page: more than MaxElements, or
// more than MaxPageValues bytes.
var ErrTooLarge = errors.New("too large for one page")

const (
	headerSize = 16
	nodeSize   = 16
)

// alignUp rounds the offset of a buffer of n bytes up to its alignment: large
// buffers start on a cache line, small ones do not waste one.
func alignUp(offset, n int) int {
	align := 8
	if n >= 256 {
		align = 64
	}
	return (offset + align - 1) &^ (align - 1)
}
