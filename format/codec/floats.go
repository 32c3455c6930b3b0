package codec

import (
	"fmt"
	"math"
	"unsafe"

	"github.com/tarnlake/tarn/format/kern"
)

// What ALP and Decimal have in common: floats that people wrote in decimal
// become integers, and those that would not come back bit by bit are kept
// aside as exceptions.
//
// Exceptions are three buffers: how many (u16 a vector), their places in the
// vector (u16 each), their bits (a word each).

type real interface{ float32 | float64 }

// powers are 10^0 and up, as far as they are exact, and their inverses.
var (
	powers64 = powersOf[float64](22)
	powers32 = powersOf[float32](10)
	under64  = [...]float64{1e0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9,
		1e-10, 1e-11, 1e-12, 1e-13, 1e-14, 1e-15, 1e-16, 1e-17, 1e-18}
	under32 = [...]float32{1e0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10}
)

func powersOf[F real](n int) []F {
	p := make([]F, n+1)
	p[0] = 1
	for i := range n {
		p[i+1] = p[i] * 10
	}
	return p
}

// powers returns 10^0 and up, as far as F has them exactly.
func powers[F real]() []F {
	var f F
	if unsafe.Sizeof(f) == 8 {
		return any(powers64).([]F)
	}
	return any(powers32).([]F)
}

// unders returns 10^-0 and down: what ALP multiplies by.
func unders[F real]() []F {
	var f F
	if unsafe.Sizeof(f) == 8 {
		return any(under64[:]).([]F)
	}
	return any(under32[:]).([]F)
}

// wholeLimit returns what integers have to stay below to be exact in F.
func wholeLimit[F real]() float64 {
	var f F
	if unsafe.Sizeof(f) == 8 {
		return 1 << 53
	}
	return 1 << 24
}

// floatsOf returns the words of floats as such: F has the size of T.
func floatsOf[F real, T kern.Uint](v []T) []F {
	return unsafe.Slice((*F)(unsafe.Pointer(unsafe.SliceData(v))), len(v))
}

// same reports whether back, made from the integer m, is v bit by bit. No
// integer makes a NaN, and none makes -0.
func same[F real](v, back F, m int64) bool {
	return v == back && (m != 0 || !math.Signbit(float64(v)))
}

// exceptions collects the values that an encoding has to keep as they are.
type exceptions[T kern.Uint] struct {
	counts []uint16 // by vector
	places []uint16
	values []T
}

func newExceptions[T kern.Uint](n int) exceptions[T] {
	return exceptions[T]{counts: make([]uint16, vectors(n))}
}

func (x *exceptions[T]) add(i int, v T) {
	x.counts[i/kern.Vector]++
	x.places = append(x.places, uint16(i%kern.Vector))
	x.values = append(x.values, v)
}

// bytes returns what the buffers take.
func (x *exceptions[T]) bytes() int {
	return 2*len(x.counts) + len(x.places)*(2+wordBytes[T]()) + 24
}

func (x *exceptions[T]) put(e *Encoder) {
	e.buffer(bytesOf(x.counts))
	e.buffer(bytesOf(x.places))
	e.buffer(bytesOf(x.values))
}

// getExceptions reads the exceptions of n values.
func getExceptions[T kern.Uint](d *Decoder, n int) (x exceptions[T], err error) {
	if x.counts, err = words[uint16](d, vectors(n)); err != nil {
		return x, err
	}
	total := 0
	for _, c := range x.counts {
		total += int(c)
	}
	if x.places, err = words[uint16](d, total); err != nil {
		return x, err
	}
	x.values, err = words[T](d, total)
	return x, err
}

// restore puts the exceptions where they belong.
func (x *exceptions[T]) restore(dst []T) error {
	places, values := x.places, x.values
	for k, c := range x.counts {
		vec := dst[k*kern.Vector : min(len(dst), (k+1)*kern.Vector)]
		for i, at := range places[:c] {
			if int(at) >= len(vec) {
				return fmt.Errorf("exception for value %d in a vector of %d", at, len(vec))
			}
			vec[at] = values[i]
		}
		places, values = places[c:], values[c:]
	}
	return nil
}
