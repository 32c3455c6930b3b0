package codec

import (
	"math"
	"slices"
	"testing"

	"github.com/tarnlake/tarn/format/kern"
)

// mixture returns values made by a random choice of what encodings look for:
// runs, few distinct values, outliers, a common divisor, a trend, decimals.
func mixture(seed, n int) []uint64 {
	random := func(i int) uint64 { return noise(i + seed*1000003) }
	traits := random(-1)
	has := func(bit int) bool { return traits>>bit&1 == 1 }
	return sequence[uint64](n, func(i int) uint64 {
		x := random(i)
		if has(1) {
			x = random(i / int(1+traits>>8%9))
		}
		if has(2) {
			x = random(int(x % (2 + traits>>12%4000)))
		}
		x %= 1 + uint64(1)<<(traits>>20%50)
		if has(3) && i%1000 > 850+int(traits>>30%140) {
			x = random(i / 3)
		}
		if has(4) {
			x *= 1 + traits>>40%1000
		}
		if has(5) {
			x += uint64(i) * (traits >> 44 % 100000)
		}
		if has(6) {
			return math.Float64bits(float64(int64(x)%1e12) / math.Pow10(int(traits>>50%6)))
		}
		return x
	})
}

func checkChain[T kern.Uint](t *testing.T, seed int, want []T, put func(*Encoder) error) {
	t.Helper()
	for _, profile := range []Profile{Default, Fast, Compact} {
		b, used := page(t, profile, put)
		got := make([]T, len(want))
		get(t, b, func(d *Decoder) error { return GetInts(d, got) })
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d, %s: written as %v, values differ", seed, profile, used.List())
		}
	}
}

// TestChains: whatever chain the search comes to can be read again.
func TestChains(t *testing.T) {
	for seed := range 40 {
		v := mixture(seed, 3000+int(noise(seed)%9000))
		checkChain(t, seed, v, func(e *Encoder) error { return PutFloats(e, v) })
		checkChain(t, seed, v, func(e *Encoder) error { return PutInts(e, v, seed%2 == 0) })
		half := make([]uint32, len(v))
		for i, x := range v {
			half[i] = uint32(x)
		}
		checkChain(t, seed, half, func(e *Encoder) error { return PutFloats(e, half) })
		checkChain(t, seed, half, func(e *Encoder) error { return PutInts(e, half, seed%2 == 0) })
	}
}
