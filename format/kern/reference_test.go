package kern

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// What the scalar kernels are the reference for is checked here against the
// sentences of their doc comments, on the tier in use and on the reference.

func onBoth(t *testing.T, f func(t *testing.T)) {
	t.Run("scalar", func(t *testing.T) { onScalar(func() { f(t) }) })
	t.Run(Tier(), f)
}

func TestWithinMeans(t *testing.T) {
	onBoth(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 2))
		src := randomVector[uint16](rng, 9)
		packed := make([]uint16, Words[uint16](9))
		Pack(packed, &src, 0, 9)
		for _, r := range [][2]uint16{{100, 50}, {0, 0}, {511, 0}, {65530, 20}, {600, 65535 - 500}, {0, 65535}, {512, 9}, {500, 65535 - 300}, {31744, 58483}} {
			var m Mask
			Within(&m, packed, 9, r[0], r[1])
			for i, v := range src {
				if got, want := m[i/64]>>(i%64)&1, bit(v-r[0] <= r[1]); got != want {
					t.Fatalf("from %d span %d: bit of %d is %d; want %d", r[0], r[1], v, got, want)
				}
			}
		}
	})
}

func TestCompareMeans(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	onBoth(t, func(t *testing.T) {
		var v [Vector]float64
		copy(v[:], []float64{-inf, -1, math.Copysign(0, -1), 0, 1, inf, nan})
		for op, want := range map[Op]uint64{Eq: 0b0001100, Ne: 0b1110011, Lt: 0b0000011, Le: 0b0001111, Gt: 0b0110000, Ge: 0b0111100} {
			var m Mask
			if CompareTo(&m, op, &v, 0); m[0]&127 != want {
				t.Errorf("op %d with 0: got %07b; want %07b", op, m[0]&127, want)
			}
		}
		var m Mask
		if IsNaN(&m, &v); m[0] != 1<<6 {
			t.Errorf("IsNaN: got %b; want the seventh only", m[0])
		}
		w := [Vector]int8{-128, -1, 0, 127}
		if CompareTo(&m, Gt, &w, -1); m[0] != ^uint64(3) || m.Count() != Vector-2 {
			t.Errorf("int8 > -1: got %x", m)
		}
	})
}

func TestSumMeans(t *testing.T) {
	var all Mask
	all.Fill(true)
	onBoth(t, func(t *testing.T) {
		var signed [Vector]int64
		var unsigned [Vector]uint64
		for i := range signed {
			signed[i], unsigned[i] = math.MinInt64, math.MaxUint64
		}
		if got, want := Sum(&signed, &all), (Total{-512, 0}); got != want {
			t.Errorf("1,024 times the least int64: got %v; want %v", got, want)
		}
		if got, want := Sum(&unsigned, &all), (Total{1023, 1<<64 - 1024}); got != want {
			t.Errorf("1,024 times the greatest uint64: got %v; want %v", got, want)
		}
		first := Mask{0: 3}
		small := [Vector]int16{-7, -8, 100}
		if got, ok := Sum(&small, &first).Int64(); got != -15 || !ok {
			t.Errorf("-7-8: got %d, %v; want -15", got, ok)
		}
		floats := [Vector]float64{0: 1e16, 1: 1, 16: 1, 17: -1}
		if got := SumFloats(&floats, &all); got != 1e16 { // lane 0 loses its 1, lane 1 cancels
			t.Errorf("floats: got %v; want 1e16", got)
		}
	})
}

func TestTotal(t *testing.T) {
	total := Total{0, math.MaxUint64}
	total.Add(Total{0, 1})
	if _, ok := total.Uint64(); total != (Total{1, 0}) || ok {
		t.Errorf("got %v, fits %v; want 2^64, which does not fit", total, ok)
	}
	total.Add(Total{-1, math.MaxUint64})
	total.Add(Total{-1, 0})
	if v, ok := total.Int64(); v != -1 || !ok {
		t.Errorf("got %d, %v; want -1", v, ok)
	}
	if got := (Split{Low: 1 << 40, High: -1 << 40}).Total(); got != (Total{-256, 1 << 40}) {
		t.Errorf("split: got %v", got)
	}
}

func TestMinMaxMeans(t *testing.T) {
	negative := math.Copysign(0, -1)
	onBoth(t, func(t *testing.T) {
		v := [Vector]float64{math.NaN(), 0, negative, -5}
		some := Mask{0: 7}
		lo, hi, ok := MinMaxOf(&v, &some)
		if !ok || !math.Signbit(lo) || lo != 0 || math.Signbit(hi) {
			t.Errorf("got %v, %v, %v; want -0, 0", lo, hi, ok)
		}
		some = Mask{0: 1}
		if _, _, ok := MinMaxOf(&v, &some); ok {
			t.Error("a NaN alone has a least value")
		}
	})
}

func TestMaskOperations(t *testing.T) {
	var m Mask
	for _, n := range []int{0, 1, 64, 65, 1000, Vector} {
		if m.First(n); m.Count() != n || m.Any() != (n > 0) || m.All() != (n == Vector) {
			t.Errorf("First(%d): count %d, any %v, all %v", n, m.Count(), m.Any(), m.All())
		}
	}
	m.First(100)
	o := Mask{0: 1, 15: 1}
	or, and, not := m, m, m
	or.Or(&o)
	and.AndNot(&o)
	not.Not()
	if or.Count() != 101 || and.Count() != 99 || not.Count() != Vector-100 {
		t.Errorf("got %d, %d, %d; want 101, 99, 924", or.Count(), and.Count(), not.Count())
	}
	rows := [Vector]int32{}
	if n := Rows(&rows, &o, 10); !slices.Equal(rows[:n], []int32{10, 970}) {
		t.Errorf("rows: got %v; want 10 and 970", rows[:n])
	}
}

func TestGroupsMean(t *testing.T) {
	codes := [Vector]uint8{0: 2, 1: 2, 2: 0, 3: 1}
	v := [Vector]int64{math.MaxInt64, math.MaxInt64, -1, 5}
	onBoth(t, func(t *testing.T) {
		counts, sums := make([]int64, 3), make([]Split, 3)
		m := Mask{0: 15}
		GroupCount(counts, &codes, &m)
		GroupSum(sums, &codes, &v, &m)
		if !slices.Equal(counts, []int64{1, 1, 2}) {
			t.Errorf("counts: got %v; want 1, 1, 2", counts)
		}
		if got := sums[2].Total(); got != (Total{0, math.MaxUint64 - 1}) {
			t.Errorf("sum of group 2: got %v; want twice the greatest int64", got)
		}
	})
}

func TestArithMeans(t *testing.T) {
	onBoth(t, func(t *testing.T) {
		a, b := [Vector]int64{1, -2, math.MaxInt64}, [Vector]int64{5, 7, 1}
		var dst [Vector]int64
		if Affine(&dst, &a, -3, 10); dst[0] != 7 || dst[1] != 16 || dst[5] != 10 {
			t.Errorf("affine: got %v; want 7, 16", dst[:2])
		}
		if Add(&dst, &a, &b); dst[1] != 5 || dst[2] != math.MinInt64 {
			t.Errorf("add: got %v; want 5 and a sum that wraps", dst[1:3])
		}
		if Mul(&dst, &a, &b); dst[1] != -14 || dst[2] != math.MaxInt64 {
			t.Errorf("mul: got %v; want -14 and the greatest int64", dst[1:3])
		}
		bytes := [Vector]uint8{0xff, 1}
		if Widen(&dst, &bytes, true); dst[0] != -1 || dst[1] != 1 {
			t.Errorf("widen: got %v; want -1, 1", dst[:2])
		}
		var codes [Vector]uint16
		if Codes(&codes, &bytes, 0xfe); codes[0] != 1 || codes[1] != 3 || codes[2] != 2 {
			t.Errorf("codes: got %v; want 1, 3, 2", codes[:3])
		}
		if Combine(&codes, &[Vector]uint16{4, 5}, 10); codes[0] != 14 || codes[1] != 35 {
			t.Errorf("combine: got %v; want 14, 35", codes[:2])
		}
		least, most := []int64{0, 0}, []int64{0, 0}
		GroupMinMax(least, most, &[Vector]uint8{0, 1, 1}, &a, &Mask{0: 3})
		if !slices.Equal(least, []int64{0, -2}) || !slices.Equal(most, []int64{1, 0}) {
			t.Errorf("min and max: got %v, %v; want 0, -2 and 1, 0", least, most)
		}
	})
}

func TestDecodersMean(t *testing.T) {
	onBoth(t, func(t *testing.T) {
		deltas := [Vector]uint32{5, ^uint32(0), 2}
		var sums [Vector]uint32
		if last := PrefixSum(&sums, &deltas, 10); last != 16 || sums[0] != 15 || sums[1] != 14 || sums[2] != 16 {
			t.Errorf("got %v…, last %d; want 15, 14, 16, last 16", sums[:3], last)
		}
		var prices [Vector]float64
		cents := [Vector]uint64{1999, ^uint64(4)}
		DecodeALP64(&prices, cents[:], 0, 64, 2, 0)
		value, hundredth := 1999.0, 0.01 // not constants, which Go multiplies exactly
		if prices[0] != value*hundredth || prices[1] != -0.05 {
			t.Errorf("got %v; want 19.990000000000002 and -0.05", prices[:2])
		}
	})
}

// TestNoAllocations keeps the promise that kernels, fast or not, leave buffers
// on the stacks of their callers.
func TestNoAllocations(t *testing.T) {
	onBoth(t, func(t *testing.T) {
		packed, set, dict := make([]uint32, Vector), make([]uint64, 4), make([]uint64, 16)
		wide := make([]uint64, Vector)
		counts, sums := make([]int64, 4), make([]Split, 4)
		text := Strings{[]int32{0, 3, 3, 9}, []byte("abcdefghi")}
		got := testing.AllocsPerRun(20, func() {
			var v, w [Vector]uint32
			var i64 [Vector]int64
			var u64 [Vector]uint64
			var f64 [Vector]float64
			var codes [Vector]uint8
			var rows [Vector]uint16
			var masks [1]Mask
			m := &masks[0]
			Unpack(&v, packed, 1, 7)
			Within(m, packed, 7, 1, 3)
			WithinAnd(m, packed, 7, 1, 3)
			In(m, packed, 7, 0, set)
			PrefixSum(&w, &v, 1)
			DecodeALP64(&f64, wide, 1, 9, 3, 1)
			Lookup(&u64, &codes, dict)
			Rows(&rows, m, 0)
			Compress(&v, &w, m)
			Compare(m, Lt, &v, &w)
			CompareTo(m, Lt, &i64, 7)
			Sum(&i64, m)
			SumNarrow(&i64, m)
			SumFloats(&f64, m)
			MinMaxOf(&f64, m)
			GroupCount(counts, &codes, m)
			GroupSum(sums, &codes, &i64, m)
			Affine(&i64, &i64, 1, 2)
			Mul(&i64, &i64, &i64)
			Widen(&i64, &codes, false)
			AndMasks(masks[:], masks[:])
			m.First(text.Rows())
			text.Contains(masks[:], []byte("gh"))
			text.HasPrefix(masks[:], []byte("ab"))
		})
		if got != 0 {
			t.Errorf("got %v allocations; want none", got)
		}
	})
}
