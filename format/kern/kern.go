// Package kern holds the inner loops of the encodings and of the scan: plain
// functions over slices and arrays that neither allocate nor fail. They take
// whole vectors, read and write nothing but their arguments, and may be called
// at the same time on different memory. Lengths and codes out of range are the
// caller's to rule out, once; the doc comments say which.
//
// What is written here in scalar Go is the reference, and all that the plain
// build has. Under GOEXPERIMENT=simd there are faster tiers, made from one
// template by gen, which give the same bits; see Tier. The package knows
// nothing of encodings, files or SQL.
//
// Words: a tier is a set of CPU features that kernels are compiled for; a mask
// has one bit for each value of a vector; a vector is 1,024 values; a word is one value of the unsigned type T
// in packed data; a lane is a column of words that one SIMD register element
// would walk down.
//
// The packed layout is interleaved in natural order. A T of b bits has
// 1024/b lanes (32 for uint32). Value i of a vector lives in lane i mod lanes,
// row i div lanes; the b rows of a lane, w bits each, fill w words from their
// low bits up; word k of lane l is word k*lanes+l of the packed data. So a
// vector takes w*128 bytes whatever T is, one shift serves all lanes of a row,
// and a register of neighbouring lanes unpacks to neighbouring values: compare
// masks come out in row order.
//
// Values are little-endian in files; this package takes them as Go slices and
// is therefore right on little-endian machines only, as all that Tarn runs on.
package kern

import "unsafe"

// Vector is the number of values that one call packs or unpacks.
const Vector = 1024

// VectorBytes is the size of a packed vector per bit of width.
const VectorBytes = Vector / 8

// Uint is the set of word types. Signed values travel as the unsigned value
// of the same bits.
type Uint interface {
	uint8 | uint16 | uint32 | uint64
}

// Bits returns the number of bits of T.
func Bits[T Uint]() int {
	var v T
	return int(unsafe.Sizeof(v)) * 8
}

// Words returns how many words of T a vector packed at width takes.
func Words[T Uint](width int) int { return width * Vector / Bits[T]() }
