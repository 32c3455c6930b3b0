package scan

import (
	"math/big"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"pgregory.net/rapid"
)

// unscaled draws numbers of up to 38 digits, with many at the edges.
var unscaled = rapid.Custom(func(t *rapid.T) *big.Int {
	b := new(big.Int).SetBytes(rapid.SliceOfN(rapid.Byte(), 0, 15).Draw(t, "bytes"))
	if rapid.IntRange(0, 3).Draw(t, "edge") == 0 {
		b = pow10[rapid.IntRange(0, 38).Draw(t, "digits")].BigInt()
		b.Sub(b, big.NewInt(1))
	}
	if rapid.Bool().Draw(t, "negative") {
		b.Neg(b)
	}
	return b
})

var maxUnscaled = new(big.Int).Sub(pow10[38].BigInt(), big.NewInt(1))

func inRange(b *big.Int) bool { return b.CmpAbs(maxUnscaled) <= 0 }

func ratOf(b *big.Int, scale int32) *big.Rat {
	return new(big.Rat).SetFrac(b, pow10[scale].BigInt())
}

// TestDecimals holds decimal arithmetic against big integers.
func TestDecimals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, y := unscaled.Draw(t, "x"), unscaled.Draw(t, "y")
		xs, ys := rapid.Int32Range(0, 38).Draw(t, "xs"), rapid.Int32Range(0, 38).Draw(t, "ys")
		xd, yd := decimal128.FromBigInt(x), decimal128.FromBigInt(y)

		check := func(what string, got decimal128.Num, ok bool, want *big.Int) {
			if ok != inRange(want) || ok && got.BigInt().Cmp(want) != 0 {
				t.Fatalf("%s of %v and %v: got %v, %v; want %v", what, x, y, got.BigInt(), ok, want)
			}
		}
		sum, ok := addDec(xd, yd)
		check("sum", sum, ok, new(big.Int).Add(x, y))
		product, ok := mulDec(xd, yd)
		check("product", product, ok, new(big.Int).Mul(x, y))

		if got, want := cmpDec(xd, xs, yd, ys), ratOf(x, xs).Cmp(ratOf(y, ys)); got != want {
			t.Fatalf("compare %ve-%d with %ve-%d: got %d; want %d", x, xs, y, ys, got, want)
		}
		moved, ok := rescale(xd, xs, ys)
		check("rescale", moved, ok, rounded(ratOf(x, xs), ys))
		want, _ := ratOf(x, xs).Float64()
		if got := floatOf(xd, xs); got != want {
			t.Fatalf("%ve-%d as float: got %v; want %v", x, xs, got, want)
		}
	})
}

// rounded returns r × 10^scale, rounded half away from zero.
func rounded(r *big.Rat, scale int32) *big.Int {
	r = new(big.Rat).Mul(r, new(big.Rat).SetInt(pow10[scale].BigInt()))
	half := big.NewRat(int64(r.Sign()), 2)
	r.Add(r, half)
	return new(big.Int).Quo(r.Num(), r.Denom())
}

// TestWideSums holds exact sums and their means against big integers.
func TestWideSums(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var sum wide
		want := new(big.Int)
		n := rapid.IntRange(1, 50).Draw(t, "n")
		var ints []int64
		for range n {
			x := unscaled.Draw(t, "x")
			sum = sum.plus(wideOfDec(decimal128.FromBigInt(x)))
			want.Add(want, x)
			ints = append(ints, rapid.Int64().Draw(t, "int"))
		}
		if sum.big().Cmp(want) != 0 {
			t.Fatalf("sum: got %v; want %v", sum.big(), want)
		}
		if d, ok := sum.decimal(); ok != inRange(want) || ok && d.BigInt().Cmp(want) != 0 {
			t.Fatalf("sum as decimal: got %v, %v; want %v", d.BigInt(), ok, want)
		}
		scale := rapid.Int32Range(0, 38).Draw(t, "scale")
		mean, _ := new(big.Rat).Quo(ratOf(want, scale), new(big.Rat).SetInt64(int64(n))).Float64()
		if got := sum.mean(scale, int64(n)); got != mean {
			t.Fatalf("mean of %ve-%d over %d: got %v; want %v", want, scale, n, got, mean)
		}
		bigInts := new(big.Int)
		for _, v := range ints {
			bigInts.Add(bigInts, big.NewInt(v))
		}
		if got := sumInts(ints).big(); got.Cmp(bigInts) != 0 {
			t.Fatalf("sum of ints: got %v; want %v", got, bigInts)
		}
	})
}
