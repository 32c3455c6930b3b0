package kern

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// eachTier runs f once for every tier that is faster than the reference.
func eachTier(t *testing.T, f func(t *testing.T)) {
	was := Tier()
	defer SetTier(was)
	for _, name := range Tiers()[1:] {
		if err := SetTier(name); err != nil {
			t.Fatal(err)
		}
		t.Run(name, f)
	}
}

// onScalar runs f on the reference tier.
func onScalar(f func()) {
	was := now
	now = scalar
	defer func() { now = was }()
	f()
}

func TestSetTier(t *testing.T) {
	was := Tier()
	defer SetTier(was)
	for _, name := range Tiers() {
		if err := SetTier(name); err != nil || Tier() != name {
			t.Errorf("SetTier(%q): %v, tier is %s", name, err, Tier())
		}
	}
	if err := SetTier("neon"); err == nil || !strings.Contains(err.Error(), "scalar, avx2, avx512") {
		t.Errorf("SetTier(neon): got %v; want an error that lists the tiers", err)
	}
}

// edges are numbers at which width-bit arithmetic goes wrong first.
func edges[T Uint](width int) []T {
	top := T(1)<<width - 1
	return []T{0, 1, 2, top, top - 1, top + 1, top / 2, top/2 + 1, ^T(0), ^T(0) - 1, ^T(0)/2 + 1, ^T(0) / 2}
}

func randomVector[T Uint](rng *rand.Rand, width int) (v [Vector]T) {
	top := T(1)<<width - 1
	special := edges[T](width)
	for i := range v {
		v[i] = T(rng.Uint64()) & top
		if rng.IntN(8) == 0 {
			v[i] = special[rng.IntN(len(special))] & top
		}
	}
	return v
}

func diffPacked[T Uint](t *testing.T, rng *rand.Rand, width int) {
	src := randomVector[T](rng, width)
	packed := make([]T, Words[T](width))
	Pack(packed, &src, 0, width)
	base := T(rng.Uint64())
	var got, want [Vector]T
	if Unpack(&got, packed, base, width); got != *unpackWant(&want, packed, base, width) {
		t.Fatalf("Unpack width %d: got %x; want %x", width, got, want)
	}
	bounds := append(edges[T](width), T(rng.Uint64()), src[0], src[1])
	for _, lo := range bounds {
		for _, span := range bounds {
			var m, n Mask
			withinScalar(&n, packed, width, lo, span)
			if Within(&m, packed, width, lo, span); m != n {
				t.Fatalf("Within width %d, lo %#x span %#x: got %x; want %x", width, lo, span, m, n)
			}
		}
	}
}

func unpackWant[T Uint](dst *[Vector]T, src []T, base T, width int) *[Vector]T {
	unpackScalar(dst, src, base, width)
	return dst
}

func diffEveryWidth[T Uint](t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for width := range Bits[T]() + 1 {
		diffPacked[T](t, rng, width)
	}
}

func TestPackedTiers(t *testing.T) {
	eachTier(t, func(t *testing.T) {
		t.Run("uint8", diffEveryWidth[uint8])
		t.Run("uint16", diffEveryWidth[uint16])
		t.Run("uint32", diffEveryWidth[uint32])
		t.Run("uint64", diffEveryWidth[uint64])
	})
}

func TestWithinBlock(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	var packed []uint32
	var bases []uint32
	var plain [][Vector]uint32
	widths := []uint8{3, 0, 17, 32, 8}
	for k, w := range widths {
		v := randomVector[uint32](rng, int(w))
		bases = append(bases, uint32(k)*50)
		words := make([]uint32, Words[uint32](int(w)))
		Pack(words, &v, 0, int(w))
		packed = append(packed, words...)
		for i := range v {
			v[i] += bases[k]
		}
		plain = append(plain, v)
	}
	masks := make([]Mask, len(widths))
	and := make([]Mask, len(widths))
	for k := range and {
		and[k][k%MaskWords] = 0xf0f0
	}
	WithinBlock(masks, packed, widths, bases, 40, 100)
	WithinBlockAnd(and, packed, widths, bases, 40, 100)
	for k := range plain {
		for i, v := range plain[k] {
			want := bit(v >= 40 && v <= 140)
			if got := masks[k][i/64] >> (i % 64) & 1; got != want {
				t.Fatalf("vector %d, value %d is %d: got bit %d; want %d", k, i, v, got, want)
			}
			want &= bit(i/64 == k%MaskWords && 0xf0f0>>(i%64)&1 == 1)
			if got := and[k][i/64] >> (i % 64) & 1; got != want {
				t.Fatalf("and: vector %d, value %d is %d: got bit %d; want %d", k, i, v, got, want)
			}
		}
	}
}
