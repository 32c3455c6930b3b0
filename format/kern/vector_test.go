package kern

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// randomMask sets about one bit in every.
func randomMask(rng *rand.Rand, every int) (m Mask) {
	for i := range Vector {
		m[i/64] |= bit(every > 0 && rng.IntN(every) == 0) << (i % 64)
	}
	return m
}

// testMasks are masks of all densities.
func testMasks(rng *rand.Rand) []Mask {
	masks := []Mask{{}, {15: 1 << 63}, {0: 1}, randomMask(rng, 1), randomMask(rng, 2), randomMask(rng, 7), randomMask(rng, 200)}
	for i := range 5 {
		masks = append(masks, randomMask(rng, 2+i))
	}
	return masks
}

// randomNumbers has small and great values, repeated ones, and for floats
// infinities, NaNs of both signs, both zeros and numbers too small to be normal.
func randomNumbers[T Number](rng *rand.Rand) (v [Vector]T) {
	special := specials[T]()
	for i := range v {
		switch rng.IntN(4) {
		case 0:
			v[i] = special[rng.IntN(len(special))]
		case 1:
			v[i] = T(rng.IntN(100))
		default:
			v[i] = T(rng.Uint64()) - T(rng.Uint64())
		}
	}
	return v
}

func specials[T Number]() []T {
	var zero T
	switch v := any(&zero).(type) {
	case *float64:
		return any(specialFloats(v, math.MaxFloat64, math.SmallestNonzeroFloat64)).([]T)
	case *float32:
		return any(specialFloats(v, math.MaxFloat32, math.SmallestNonzeroFloat32)).([]T)
	}
	one := zero + 1
	top := one
	for top+top > top { // the highest power of two
		top += top
	}
	return []T{0, 1, zero - 1, top, top - 1 + top, 0 - top, 0 - top - 1, 0 - top - top}
}

func specialFloats[T Float](_ *T, most, least float64) []T {
	inf, nan, negative := T(math.Inf(1)), T(math.NaN()), T(math.Copysign(0, -1))
	return []T{0, negative, 1, -1, inf, -inf, nan, -nan, T(most), -T(most), T(least), -T(least), 0.1, -2.5}
}

// check compares what f gives on the tier in use with what it gives on the
// reference.
func check[R comparable](t *testing.T, what string, f func() R) {
	t.Helper()
	var want R
	onScalar(func() { want = f() })
	if got := f(); got != want {
		t.Fatalf("%T %s: got %v; want %v", want, what, got, want)
	}
}

func diffNumbers[T Number](t *testing.T, rng *rand.Rand) {
	a, b := randomNumbers[T](rng), randomNumbers[T](rng)
	for i := range b {
		if rng.IntN(3) == 0 {
			b[i] = a[i]
		}
	}
	for op := Eq; op <= Ge; op++ {
		check(t, fmt.Sprintf("Compare %d", op), func() (m Mask) { Compare(&m, op, &a, &b); return m })
		for _, c := range append(specials[T](), a[0], b[1]) {
			check(t, fmt.Sprintf("CompareTo %d %v", op, c), func() (m Mask) { CompareTo(&m, op, &a, c); return m })
		}
	}
	for _, m := range testMasks(rng) {
		check(t, fmt.Sprintf("MinMaxOf %x", m), func() any { return fmt.Sprint(MinMaxOf(&a, &m)) })
	}
}

func diffIntegers[T Integer](t *testing.T, rng *rand.Rand) {
	diffNumbers[T](t, rng)
	v := randomNumbers[T](rng)
	for _, m := range testMasks(rng) {
		check(t, "Sum", func() Total { return Sum(&v, &m) })
	}
}

func diffFloats[T Float](t *testing.T, rng *rand.Rand) {
	diffNumbers[T](t, rng)
	v := randomNumbers[T](rng)
	check(t, "IsNaN", func() (m Mask) { IsNaN(&m, &v); return m })
	for i, x := range v {
		if x != x || x-x != 0 {
			v[i] = T(rng.NormFloat64())
		}
	}
	for _, m := range testMasks(rng) {
		check(t, "SumFloats", func() uint64 { return math.Float64bits(SumFloats(&v, &m)) })
	}
}

func diffWords[T Uint](t *testing.T, rng *rand.Rand) {
	diffIntegers[T](t, rng)
	v := randomVector[T](rng, Bits[T]())
	for _, m := range testMasks(rng) {
		check(t, "Compress", func() any {
			dst := v
			n := Compress(&dst, &dst, &m)
			return fmt.Sprint(dst[:n])
		})
	}
	for _, words := range []int{1, 2, 4, 5, 16, 20} {
		set := make([]uint64, words)
		for k := range set {
			set[k] = rng.Uint64() & rng.Uint64()
		}
		for width := range min(Bits[T](), 10) + 1 {
			if 1<<width > 64*words {
				break
			}
			room := min(64*words-1<<width, int(^T(0)>>1)*2+1-(1<<width-1))
			base := T(rng.IntN(max(room, 0) + 1))
			packed := make([]T, Words[T](width))
			src := randomVector[T](rng, width)
			Pack(packed, &src, 0, width)
			check(t, fmt.Sprintf("In width %d of %d words from %d", width, words, base), func() (m Mask) {
				In(&m, packed, width, base, set)
				return m
			})
		}
	}
}

func diffMasks(t *testing.T, rng *rand.Rand) {
	masks := testMasks(rng)
	others := append(slices.Clone(masks[3:]), masks[:3]...)
	for name, f := range map[string]func(a, b []Mask){"And": AndMasks, "Or": OrMasks, "AndNot": AndNotMasks} {
		check(t, name, func() any {
			dst := slices.Clone(masks)
			f(dst, others)
			return fmt.Sprint(dst, CountMasks(dst))
		})
	}
	for _, m := range masks {
		check(t, "Rows 16", func() any {
			var dst [Vector]uint16
			return fmt.Sprint(dst[:Rows(&dst, &m, 64512)])
		})
		check(t, "Rows 32", func() any {
			var dst [Vector]int32
			return fmt.Sprint(dst[:Rows(&dst, &m, 1<<30)])
		})
	}
}

func diffDecoders(t *testing.T, rng *rand.Rand) {
	v32, v64 := randomNumbers[uint32](rng), randomNumbers[uint64](rng)
	check(t, "PrefixSum 32", func() [Vector]uint32 {
		dst := v32
		PrefixSum(&dst, &dst, 77)
		return dst
	})
	check(t, "PrefixSum 64", func() [Vector]uint64 {
		dst := v64
		PrefixSum(&dst, &dst, 1<<63)
		return dst
	})
	for width := range 65 {
		src := randomVector[uint64](rng, width)
		packed := make([]uint64, Words[uint64](width))
		Pack(packed, &src, 0, width)
		e := rng.IntN(MaxExponent64 + 1)
		f, base := rng.IntN(e+1), uint64(int64(rng.Uint64())>>(rng.IntN(8)*8))
		check(t, fmt.Sprintf("ALP64 %d %d %d", width, e, f), func() (bits [Vector]uint64) {
			var dst [Vector]float64
			DecodeALP64(&dst, packed, base, width, e, f)
			for i, x := range dst {
				bits[i] = math.Float64bits(x)
			}
			return bits
		})
	}
	for width := range 33 {
		src := randomVector[uint32](rng, width)
		packed := make([]uint32, Words[uint32](width))
		Pack(packed, &src, 0, width)
		e := rng.IntN(MaxExponent32 + 1)
		f, base := rng.IntN(e+1), rng.Uint32()
		check(t, fmt.Sprintf("ALP32 %d %d %d", width, e, f), func() (bits [Vector]uint32) {
			var dst [Vector]float32
			DecodeALP32(&dst, packed, base, width, e, f)
			for i, x := range dst {
				bits[i] = math.Float32bits(x)
			}
			return bits
		})
	}
}

func diffGroups[C Code](t *testing.T, rng *rand.Rand) {
	for _, groups := range []int{1, 3, 24, 25, 256} {
		var codes [Vector]C
		for i := range codes {
			codes[i] = C(rng.IntN(groups))
		}
		v := randomNumbers[int64](rng)
		for _, m := range testMasks(rng) {
			check(t, "SumNarrow", func() int64 { return SumNarrow(&v, &m) })
			checkCountSum(t, groups, &codes, &v, &m)
			check(t, "Group", func() any {
				counts, sums := make([]int64, groups), make([]Split, groups)
				GroupCount(counts, &codes, &m)
				GroupSum(sums, &codes, &v, &m)
				narrow, least, most := make([]int64, groups), make([]int64, groups), make([]int64, groups)
				GroupSumNarrow(narrow, &codes, &v, &m)
				GroupMinMax(least, most, &codes, &v, &m)
				return fmt.Sprint(counts, sums, narrow, least, most)
			})
		}
	}
}

// checkCountSum compares counts and sums in one with those of their own.
func checkCountSum[C Code](t *testing.T, groups int, codes *[Vector]C, v *[Vector]int64, m *Mask) {
	t.Helper()
	small := *v
	for i := range small {
		small[i] >>= 64 - 33 // its sums have 33 + 10 bits
	}
	both, counts, sums := make([]int64, groups), make([]int64, groups), make([]int64, groups)
	GroupCountSum(both, codes, &small, m)
	GroupCount(counts, codes, m)
	GroupSumNarrow(sums, codes, &small, m)
	for c, b := range both {
		if CountOf(b) != counts[c] || SumOf(b) != sums[c] {
			t.Errorf("group %d: count %d, sum %d; want %d, %d", c, CountOf(b), SumOf(b), counts[c], sums[c])
		}
	}
}

func diffLookup[C uint8 | uint16 | uint32](t *testing.T, rng *rand.Rand) {
	for _, n := range []int{1, 7, 16, 17, 32, 33, 64, 65, 200} {
		dict32, dict64 := make([]uint32, n), make([]uint64, n)
		for k := range n {
			dict32[k], dict64[k] = rng.Uint32(), rng.Uint64()
		}
		var codes [Vector]C
		for i := range codes {
			codes[i] = C(rng.IntN(n))
		}
		check(t, "Lookup 32", func() (dst [Vector]uint32) { Lookup(&dst, &codes, dict32); return dst })
		check(t, "Lookup 64", func() (dst [Vector]uint64) { Lookup(&dst, &codes, dict64); return dst })
	}
}

// diffText searches in strings of few letters, so that there is much to find,
// also across the borders of rows.
func diffText(t *testing.T, rng *rand.Rand) {
	for _, rows := range []int{0, 1, 63, 64, 65, 1024, 1500} {
		text := Strings{Offsets: []int32{int32(rng.IntN(70))}}
		letters := 2 + rng.IntN(30)
		data := make([]byte, text.Offsets[0])
		for range rows {
			for range rng.IntN(3) * rng.IntN(20) {
				data = append(data, byte('a'+rng.IntN(letters)))
			}
			text.Offsets = append(text.Offsets, int32(len(data)))
		}
		text.Data = append(data, bytes.Repeat([]byte("ab"), rng.IntN(40))...)
		for range 8 {
			at := rng.IntN(len(text.Data) + 1)
			s := text.Data[at:min(at+rng.IntN(12), len(text.Data))]
			diffSearch(t, text, s)
		}
	}
}

func diffSearch(t *testing.T, text Strings, s []byte) {
	searches := []struct {
		name string
		run  func(m []Mask, s []byte)
		has  func(row, s []byte) bool
	}{
		{"Equal", text.Equal, bytes.Equal},
		{"HasPrefix", text.HasPrefix, bytes.HasPrefix},
		{"HasSuffix", text.HasSuffix, bytes.HasSuffix},
		{"Contains", text.Contains, bytes.Contains},
	}
	for k, search := range searches {
		want := make([]Mask, MasksFor(text.Rows()))
		got := make([]Mask, len(want))
		for i := range text.Rows() {
			row, wanted := text.Data[text.Offsets[i]:text.Offsets[i+1]], i%(k+2) < 2
			want[i/Vector][i%Vector/64] |= bit(wanted && search.has(row, s)) << (i % 64)
			got[i/Vector][i%Vector/64] |= bit(wanted) << (i % 64)
		}
		if search.run(got, s); !slices.Equal(got, want) {
			t.Fatalf("%s %q in %d rows from %d: got %x; want %x", search.name, s, text.Rows(), text.Offsets[0], got, want)
		}
	}
}

func TestText(t *testing.T) {
	for seed := range uint64(20) {
		diffText(t, rand.New(rand.NewPCG(seed, 9)))
	}
	was := Tier()
	defer SetTier(was)
	SetTier("scalar")
	diffText(t, rand.New(rand.NewPCG(1, 1)))
}

// diffAll compares every kernel but the packed ones with its reference.
func diffAll(t *testing.T, rng *rand.Rand) {
	diffWords[uint8](t, rng)
	diffWords[uint16](t, rng)
	diffWords[uint32](t, rng)
	diffWords[uint64](t, rng)
	diffIntegers[int8](t, rng)
	diffIntegers[int16](t, rng)
	diffIntegers[int32](t, rng)
	diffIntegers[int64](t, rng)
	diffFloats[float32](t, rng)
	diffFloats[float64](t, rng)
	diffMasks(t, rng)
	diffDecoders(t, rng)
	diffGroups[uint8](t, rng)
	diffGroups[uint16](t, rng)
	diffLookup[uint8](t, rng)
	diffLookup[uint16](t, rng)
	diffLookup[uint32](t, rng)
	diffText(t, rng)
	diffSymbols(t, rng)
}

func TestVectorTiers(t *testing.T) {
	eachTier(t, func(t *testing.T) {
		for seed := range uint64(3) {
			diffAll(t, rand.New(rand.NewPCG(seed, 7)))
		}
	})
}

// FuzzTiers looks for inputs on which a tier differs from the reference.
func FuzzTiers(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(seed, uint8(seed*8))
	}
	f.Fuzz(func(t *testing.T, seed uint64, width uint8) {
		eachTier(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, uint64(width)))
			diffPacked[uint8](t, rng, int(width)%9)
			diffPacked[uint16](t, rng, int(width)%17)
			diffPacked[uint32](t, rng, int(width)%33)
			diffPacked[uint64](t, rng, int(width)%65)
			diffAll(t, rng)
		})
	})
}

func TestArithTiers(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 1))
	for range 20 {
		a, b := randomNumbers[int64](rng), randomNumbers[int64](rng)
		by, plus := int64(rng.Uint64()), int64(rng.Uint64())
		check(t, "Affine", func() (dst [Vector]int64) { Affine(&dst, &a, by, plus); return dst })
		check(t, "Add", func() (dst [Vector]int64) { Add(&dst, &a, &b); return dst })
		check(t, "Mul", func() (dst [Vector]int64) { Mul(&dst, &a, &b); return dst })
		check(t, "Mul in place", func() (dst [Vector]int64) { dst = a; Mul(&dst, &dst, &dst); return dst })
		diffWiden[uint8](t, rng)
		diffWiden[uint16](t, rng)
		diffWiden[uint32](t, rng)
		diffWiden[uint64](t, rng)
	}
}

func diffWiden[T Uint](t *testing.T, rng *rand.Rand) {
	var src [Vector]T
	for i := range src {
		src[i] = T(rng.Uint64())
	}
	base, by := T(rng.Uint64()), uint16(rng.Uint32())
	check(t, "Widen", func() (dst [Vector]int64) { Widen(&dst, &src, false); return dst })
	check(t, "Widen signed", func() (dst [Vector]int64) { Widen(&dst, &src, true); return dst })
	check(t, "Codes", func() (dst [Vector]uint16) { Codes(&dst, &src, base); return dst })
	check(t, "Combine", func() (dst [Vector]uint16) {
		var more [Vector]uint16
		Codes(&dst, &src, 0)
		Codes(&more, &src, base)
		Combine(&dst, &more, by)
		return dst
	})
}
