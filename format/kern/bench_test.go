package kern

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// benchTiers times f, which handles n values, on every tier.
func benchTiers(b *testing.B, name string, n int, f func()) {
	was := Tier()
	defer SetTier(was)
	for _, tier := range Tiers() {
		SetTier(tier)
		b.Run(fmt.Sprintf("%s/%s", name, tier), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
			b.ReportMetric(float64(b.N)*float64(n)/float64(b.Elapsed().Nanoseconds()), "values/ns")
		})
	}
}

func benchPacked[T Uint](b *testing.B, widths ...int) {
	for _, width := range widths {
		var dst [Vector]T
		var m Mask
		src := randomVector[T](rand.New(rand.NewPCG(1, 1)), width)
		packed := apart(make([]T, Words[T](width)))
		Pack(packed, &src, 0, width)
		name := fmt.Sprintf("uint%d/%d", Bits[T](), width)
		benchTiers(b, "Unpack/"+name, Vector, func() { Unpack(&dst, packed, 3, width) })
		benchTiers(b, "Within/"+name, Vector, func() { Within(&m, packed, width, 3, 1<<width/3) })
	}
}

// apart moves a slice half a memory page away from where the allocator puts
// large ones: loads from the address of a store under way, modulo 4,096, wait.
func apart[T Uint](s []T) []T {
	half := 2048 * 8 / Bits[T]()
	return append(make([]T, half, half+4*Vector*8), s...)[half:]
}

func BenchmarkPacked(b *testing.B) {
	benchPacked[uint8](b, 3, 5)
	benchPacked[uint16](b, 5, 11)
	benchPacked[uint32](b, 4, 10, 17, 32)
	benchPacked[uint64](b, 10, 20, 43)
}

func BenchmarkWithinBlock(b *testing.B) {
	var masks [64]Mask
	widths, bases := bytes.Repeat([]byte{10}, 64), make([]uint32, 64)
	packed := make([]uint32, 64*Words[uint32](10))
	for i := range packed {
		packed[i] = rand.Uint32()
	}
	benchTiers(b, "set", 64*Vector, func() { WithinBlock(masks[:], packed, widths, bases, 100, 300) })
	benchTiers(b, "and", 64*Vector, func() {
		for k := range masks {
			masks[k][0] = 1 // no vector is skipped
		}
		WithinBlockAnd(masks[:], packed, widths, bases, 100, 300)
	})
}

func BenchmarkIn(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	set := make([]uint64, 64)
	for k := range set {
		set[k] = rng.Uint64()
	}
	benchIn[uint8](b, 5, set[:1])
	benchIn[uint8](b, 8, set[:4])
	benchIn[uint16](b, 10, set[:16])
	benchIn[uint16](b, 12, set[:64])
}

func benchIn[T Uint](b *testing.B, width int, set []uint64) {
	var m Mask
	src := randomVector[T](rand.New(rand.NewPCG(1, 1)), width)
	packed := make([]T, Words[T](width))
	Pack(packed, &src, 0, width)
	benchTiers(b, fmt.Sprintf("uint%d/%d", Bits[T](), width), Vector, func() { In(&m, packed, width, 0, set) })
}

func BenchmarkDecode(b *testing.B) {
	var d32 [Vector]uint32
	var d64 [Vector]uint64
	src32, src64 := (*[Vector]uint32)(apart(make([]uint32, Vector))), (*[Vector]uint64)(apart(make([]uint64, Vector)))
	benchTiers(b, "PrefixSum/uint32", Vector, func() { PrefixSum(&d32, src32, 1) })
	benchTiers(b, "PrefixSum/uint64", Vector, func() { PrefixSum(&d64, src64, 1) })
	var f64 [Vector]float64
	var f32 [Vector]float32
	benchTiers(b, "ALP64/20", Vector, func() { DecodeALP64(&f64, src64[:], 1000, 20, 14, 10) })
	benchTiers(b, "ALP32/20", Vector, func() { DecodeALP32(&f32, src32[:], 1000, 20, 7, 3) })
	rng := rand.New(rand.NewPCG(1, 1))
	benchLookup(b, &d32, randomVector[uint8](rng, 4))
	benchLookup(b, &d64, randomVector[uint8](rng, 4))
	benchLookup(b, &d64, randomVector[uint8](rng, 8))
	benchLookup(b, &d64, randomVector[uint16](rng, 12))
}

func benchLookup[C uint8 | uint16 | uint32, T uint32 | uint64](b *testing.B, dst *[Vector]T, codes [Vector]C) {
	n := int(Max(codes[:])) + 1
	dict := make([]T, n)
	benchTiers(b, fmt.Sprintf("Lookup/uint%d-of-%d-to-uint%d", Bits[C](), n, Bits[T]()), Vector, func() { Lookup(dst, &codes, dict) })
}

func BenchmarkMasks(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	x, y := make([]Mask, 64), make([]Mask, 64)
	benchTiers(b, "And/64", 64*Vector, func() { AndMasks(x, y) })
	benchTiers(b, "Count/64", 64*Vector, func() { CountMasks(x) })
	for _, every := range []int{100, 10, 2} {
		m := randomMask(rng, every)
		var rows [Vector]uint16
		var v, out [Vector]uint64
		benchTiers(b, fmt.Sprintf("Rows/1-in-%d", every), Vector, func() { Rows(&rows, &m, 0) })
		benchTiers(b, fmt.Sprintf("Compress64/1-in-%d", every), Vector, func() { Compress(&out, &v, &m) })
	}
}

func BenchmarkAggregate(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	m, most := randomMask(rng, 2), randomMask(rng, 50)
	most.Not()
	i64, i32, f64 := randomNumbers[int64](rng), randomNumbers[int32](rng), randomNumbers[float64](rng)
	benchTiers(b, "Sum/int64", Vector, func() { Sum(&i64, &m) })
	benchTiers(b, "SumNarrow/int64", Vector, func() { SumNarrow(&i64, &m) })
	benchTiers(b, "Sum/int32", Vector, func() { Sum(&i32, &m) })
	benchTiers(b, "SumFloats/float64", Vector, func() { SumFloats(&f64, &m) })
	benchTiers(b, "MinMaxOf/int64", Vector, func() { MinMaxOf(&i64, &m) })
	benchTiers(b, "MinMaxOf/float64", Vector, func() { MinMaxOf(&f64, &m) })
	for _, groups := range []int{4, 16, 256} {
		var codes [Vector]uint8
		for i := range codes {
			codes[i] = uint8(rng.IntN(groups))
		}
		counts, sums := make([]int64, groups), make([]Split, groups)
		benchTiers(b, fmt.Sprintf("GroupCount/%d", groups), Vector, func() { GroupCount(counts, &codes, &most) })
		benchTiers(b, fmt.Sprintf("GroupSum/%d", groups), Vector, func() { GroupSum(sums, &codes, &i64, &most) })
	}
}

func BenchmarkCompare(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	var m Mask
	i64, j64, f64 := randomNumbers[int64](rng), randomNumbers[int64](rng), randomNumbers[float64](rng)
	benchTiers(b, "int64/vectors", Vector, func() { Compare(&m, Lt, &i64, &j64) })
	benchTiers(b, "float64/constant", Vector, func() { CompareTo(&m, Ge, &f64, 0.5) })
}

// BenchmarkText counts bytes, not rows, as values.
func BenchmarkText(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	words := []string{"carefully ", "final ", "deposits ", "sleep ", "quickly ", "special ", "requests ", "packages "}
	text := Strings{Offsets: []int32{0}}
	for range 8 * Vector {
		for range 3 + rng.IntN(4) {
			text.Data = append(text.Data, words[rng.IntN(len(words))]...)
		}
		text.Offsets = append(text.Offsets, int32(len(text.Data)))
	}
	m := make([]Mask, MasksFor(text.Rows()))
	all := func() []Mask {
		for k := range m {
			m[k].Fill(true)
		}
		return m
	}
	for _, s := range []string{"special requests", "unusual", "quickly final dep"} {
		benchTiers(b, "Contains/"+s[:7], len(text.Data), func() { text.Contains(all(), []byte(s)) })
	}
	benchTiers(b, "Equal", text.Rows(), func() { text.Equal(all(), []byte("final deposits sleep quickly ")) })
	benchTiers(b, "HasPrefix", text.Rows(), func() { text.HasPrefix(all(), []byte("special re")) })
}
