package kern

import (
	"math/rand/v2"
	"testing"
)

// reference packs value by value, straight from the words of the package
// comment.
func reference[T Uint](src *[Vector]T, base T, width int) []T {
	bits, lanes := Bits[T](), Vector/Bits[T]()
	out := make([]T, Words[T](width))
	for i, v := range src {
		lane, row := i%lanes, i/lanes
		for b := range width {
			at := row*width + b
			bit := (v - base) >> b & 1
			out[at/bits*lanes+lane] |= bit << (at % bits)
		}
	}
	return out
}

func testPack[T Uint](t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for width := range Bits[T]() + 1 {
		var mask T
		if width > 0 {
			mask = ^T(0) >> (Bits[T]() - width)
		}
		base := T(rng.Uint64())
		var src, back [Vector]T
		for i := range src {
			src[i] = base + T(rng.Uint64())&mask
		}
		packed := make([]T, Words[T](width))
		Pack(packed, &src, base, width)
		want := reference(&src, base, width)
		for k := range want {
			if packed[k] != want[k] {
				t.Fatalf("width %d: word %d is %#x; want %#x", width, k, packed[k], want[k])
			}
		}
		if Unpack(&back, packed, base, width); back != src {
			t.Fatalf("width %d: unpacked values differ", width)
		}
	}
}

func TestPackEveryWidth(t *testing.T) {
	t.Run("uint8", testPack[uint8])
	t.Run("uint16", testPack[uint16])
	t.Run("uint32", testPack[uint32])
	t.Run("uint64", testPack[uint64])
}

func TestMinMax(t *testing.T) {
	v := []uint8{5, 0xff, 0x80, 3} // as int8: 5, -1, -128, 3
	if lo, hi := MinMax(v, 0); lo != 3 || hi != 0xff {
		t.Errorf("unsigned: got %d, %d; want 3, 255", lo, hi)
	}
	if lo, hi := MinMax(v, 0x80); int8(lo) != -128 || hi != 5 {
		t.Errorf("signed: got %d, %d; want -128, 5", int8(lo), hi)
	}
}

func TestRuns(t *testing.T) {
	for _, c := range []struct {
		v    []uint16
		want int
	}{{nil, 0}, {[]uint16{7}, 1}, {[]uint16{7, 7}, 1}, {[]uint16{7, 8, 8, 7}, 3}} {
		if got := Runs(c.v); got != c.want {
			t.Errorf("Runs(%v): got %d; want %d", c.v, got, c.want)
		}
	}
}
