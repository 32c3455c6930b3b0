package codec

import (
	"fmt"
	"math/bits"

	"github.com/tarnlake/tarn/format/kern"
)

// Packed: frame of reference. Each vector of 1,024 values has a base (its
// least value) and a width; the differences to the base are bit-packed in the
// layout of package kern. The last vector is filled up with its base. Three
// buffers: widths (u8 a vector), bases (a word a vector), packed vectors, one
// after the other. So base and base+2^width-1 bound a vector before it is
// unpacked, and any vector can be found by summing widths.

func vectors(n int) int { return (n + kern.Vector - 1) / kern.Vector }

// packedVector returns the bytes that a vector packed at width takes in all.
func packedVector[T kern.Uint](width int) int {
	return width*kern.VectorBytes + 1 + wordBytes[T]()
}

func putPacked[T kern.Uint](e *Encoder, v []T, flip T) {
	widths, bases := make([]uint8, vectors(len(v))), make([]T, vectors(len(v)))
	size := 0
	for k := range widths {
		lo, hi := kern.MinMax(v[k*kern.Vector:min((k+1)*kern.Vector, len(v))], flip)
		widths[k], bases[k] = uint8(bits.Len64(uint64(hi-lo))), lo
		size += int(widths[k]) * kern.VectorBytes
	}
	e.node(Packed, shapeOf[T](), len(v), 0)
	e.buffer(widths)
	e.buffer(bytesOf(bases))
	packed := wordsOf[T](e.grow(size))
	for k, w := range widths {
		n := kern.Words[T](int(w))
		kern.Pack(packed[:n], wholeVector(v[k*kern.Vector:], bases[k]), bases[k], int(w))
		packed = packed[n:]
	}
}

// wholeVector returns the first vector of v, filled up with base if v is
// shorter.
func wholeVector[T kern.Uint](v []T, base T) *[kern.Vector]T {
	if len(v) >= kern.Vector {
		return (*[kern.Vector]T)(v)
	}
	var whole [kern.Vector]T
	kern.Fill(whole[copy(whole[:], v):], base)
	return &whole
}

func getPacked[T kern.Uint](d *Decoder, n node, dst []T) error {
	if err := n.noParam(); err != nil {
		return err
	}
	widths, bases, err := frames[T](d, len(dst))
	if err != nil {
		return err
	}
	packed, err := packedVectors[T](d, widths)
	if err != nil {
		return err
	}
	unpack(dst, widths, bases, packed)
	return nil
}

// frames reads the widths and bases of the vectors of n values.
func frames[T kern.Uint](d *Decoder, n int) (widths []uint8, bases []T, err error) {
	if widths, err = d.buffer(vectors(n)); err != nil {
		return nil, nil, err
	}
	for _, w := range widths {
		if int(w) > kern.Bits[T]() {
			return nil, nil, fmt.Errorf("packed width %d is more than %d bits", w, kern.Bits[T]())
		}
	}
	bases, err = words[T](d, len(widths))
	return widths, bases, err
}

// packedVectors reads the words that vectors of these widths take.
func packedVectors[T kern.Uint](d *Decoder, widths []uint8) ([]T, error) {
	total := 0
	for _, w := range widths {
		total += kern.Words[T](int(w))
	}
	return words[T](d, total)
}

func unpack[T kern.Uint](dst []T, widths []uint8, bases, packed []T) {
	for k, w := range widths {
		n, out := kern.Words[T](int(w)), dst[k*kern.Vector:]
		if len(out) >= kern.Vector {
			kern.Unpack((*[kern.Vector]T)(out), packed[:n], bases[k], int(w))
		} else {
			var whole [kern.Vector]T
			kern.Unpack(&whole, packed[:n], bases[k], int(w))
			copy(out, whole[:])
		}
		packed = packed[n:]
	}
}
