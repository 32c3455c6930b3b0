package codec

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tarnlake/tarn/format/kern"
)

// columns are runs of integers that make encoders choose each encoding.
func columns[T kern.Uint](rng *rand.Rand, n int) map[string][]T {
	fill := func(f func(i int) T) []T {
		v := make([]T, n)
		for i := range v {
			v[i] = f(i)
		}
		return v
	}
	noise := rng.Uint64()
	return map[string][]T{
		"constant": fill(func(int) T { return T(noise) }),
		"narrow":   fill(func(int) T { return T(noise) + T(rng.IntN(100)) }),
		"wide":     fill(func(int) T { return T(rng.Uint64()) }),
		"few":      fill(func(int) T { return T(noise * uint64(rng.IntN(20))) }),
		"sparse":   fill(func(i int) T { return T(noise * uint64(rng.IntN(100)/98)) }),
		"runs":     fill(func(i int) T { return T(noise * uint64(i/37%9)) }),
		"ladder":   fill(func(i int) T { return T(uint64(i) * 10) }),
		"steady":   fill(func(i int) T { return T(noise) + T(i)*3 + T(rng.IntN(3)) }),
		"minutes":  fill(func(i int) T { return T(noise) + T(rng.IntN(40))*6 }),
		"rarely":   fill(func(i int) T { return T(noise)*0 + T(rng.IntN(30)/29)*T(rng.Uint64()) }),
		"steps":    fill(func(i int) T { return T(noise) + T(i/5)*4 + T(i/5*7%3) }),
		"patched":  fill(func(i int) T { return T(rng.IntN(60)) + T(rng.IntN(200)/199)<<6*T(rng.IntN(3)) }),
	}
}

// seen is the encodings that testView has met.
var seen Set

func testViews[T kern.Uint](t *testing.T) {
	rng := rand.New(rand.NewPCG(3, uint64(kern.Bits[T]())))
	for _, n := range []int{1, 1000, 1024, 5000} {
		for name, v := range columns[T](rng, n) {
			for _, signed := range []bool{false, true} {
				if kern.Bits[T]() == 64 && !signed {
					continue // such columns have no view
				}
				t.Run(fmt.Sprintf("%s/%d/%v", name, n, signed), func(t *testing.T) { testView(t, rng, v, signed) })
			}
		}
	}
}

func testView[T kern.Uint](t *testing.T, rng *rand.Rand, v []T, signed bool) {
	b, used := page(t, Default, func(e *Encoder) error { return PutInts(e, v, signed) })
	seen |= used
	d, err := NewDecoder(b, MaxPageValues)
	if err != nil {
		t.Fatal(err)
	}
	x, err := ViewInts[T](d, len(v), signed)
	if err == nil {
		err = d.Done()
	}
	if err != nil {
		t.Fatalf("%v: %v", used.List(), err)
	}
	want := make([]int64, len(v))
	widen(want, v, signed)
	all := allRows(len(v))
	got := make([]int64, len(all)*kern.Vector)
	if x.Read(got, all); !slices.Equal(got[:len(v)], want) {
		t.Fatalf("%v: values differ", used.List())
	}
	lo, hi := x.Bounds()
	if lo > slices.Min(want) || hi < slices.Max(want) {
		t.Errorf("%v: bounds %d to %d; values %d to %d", used.List(), lo, hi, slices.Min(want), slices.Max(want))
	}
	some := make([]kern.Mask, len(all)) // vectors that are not asked for are left alone
	some[len(all)-1][3] = 1
	for i := range got {
		got[i] = 77
	}
	x.Read(got, some)
	for i := range want {
		if read := i/kern.Vector == len(all)-1; read && got[i] != want[i] || !read && got[i] != 77 {
			t.Fatalf("%v: row %d is %d; want %d if it is read: %v", used.List(), i, got[i], want[i], read)
		}
	}
	checkVectors(t, x, want)
	for _, picked := range []int{1, 5, 100} {
		rows, values := make([]int32, picked), make([]int64, picked)
		for i := range rows {
			rows[i] = int32(rng.IntN(len(v)))
		}
		if rng.IntN(2) == 0 {
			slices.Sort(rows)
		}
		x.Gather(values, rows)
		for i, row := range rows {
			if values[i] != want[row] {
				t.Fatalf("%v: row %d gathered is %d; want %d", used.List(), row, values[i], want[row])
			}
		}
	}
	for range 30 {
		lo, hi := want[rng.IntN(len(want))]+int64(rng.IntN(3)-1), want[rng.IntN(len(want))]+int64(rng.IntN(3)-1)
		masks := allRows(len(v))
		masks[0][0] &= rng.Uint64()
		before := masks[0]
		x.Within(masks, lo, hi)
		for i, value := range want {
			had := i >= kern.Vector || before[i/64]>>(i%64)&1 == 1
			if got := masks[i/kern.Vector][i%kern.Vector/64]>>(i%64)&1 == 1; got != (had && lo <= value && value <= hi) {
				t.Fatalf("%v: row %d of %d within %d to %d: %v", used.List(), i, value, lo, hi, got)
			}
		}
	}
	if values, codes, ok := x.Codes(); ok {
		codes.Read(got, all)
		for i, c := range got[:len(v)] {
			if values[c] != want[i] {
				t.Fatalf("row %d: code %d is %d; want %d", i, c, values[c], want[i])
			}
		}
		set := make([]uint64, (len(values)+63)/64)
		for i := range set {
			set[i] = rng.Uint64()
		}
		masks := allRows(len(v))
		codes.In(masks, set)
		for i, c := range got[:len(v)] {
			if in := masks[i/kern.Vector][i%kern.Vector/64]>>(i%64)&1 == 1; in != (set[c>>6]>>(c&63)&1 == 1) {
				t.Fatalf("row %d: code %d in the set: %v", i, c, in)
			}
		}
	}
}

// checkVectors reads x a vector at a time, as values and as codes.
func checkVectors(t *testing.T, x *Ints, want []int64) {
	t.Helper()
	lo, hi := x.Bounds()
	var values [kern.Vector]int64
	var codes [kern.Vector]uint16
	for k := range vectors(len(want)) {
		x.ReadVector(&values, k)
		small := uint64(hi)-uint64(lo) < 1<<16
		if small {
			x.ReadCodes(&codes, k, lo)
		}
		for i, v := range values {
			switch row := k*kern.Vector + i; {
			case row < len(want) && v != want[row]:
				t.Fatalf("row %d: got %d; want %d", row, v, want[row])
			case v < lo || hi < v:
				t.Fatalf("row %d: %d is not within %d and %d", row, v, lo, hi)
			case small && int64(codes[i]) != v-lo:
				t.Fatalf("row %d: code %d; want %d - %d", row, codes[i], v, lo)
			}
		}
	}
}

// TestEveryColumnComesBack: whatever an encoder chooses.
func TestEveryColumnComesBack(t *testing.T) {
	t.Run("uint8", comesBack[uint8])
	t.Run("uint16", comesBack[uint16])
	t.Run("uint32", comesBack[uint32])
	t.Run("uint64", comesBack[uint64])
}

func comesBack[T kern.Uint](t *testing.T) {
	seeds := uint64(200)
	if testing.Short() {
		seeds = 4
	}
	for seed := range seeds {
		rng := rand.New(rand.NewPCG(seed, 5))
		for name, v := range columns[T](rng, 1+rng.IntN(3000)) {
			for _, profile := range []Profile{Fast, Default, Compact} {
				for _, signed := range []bool{false, true} {
					b, used := page(t, profile, func(e *Encoder) error { return PutInts(e, v, signed) })
					got := make([]T, len(v))
					get(t, b, func(d *Decoder) error { return GetInts(d, got) })
					if !slices.Equal(got, v) {
						t.Fatalf("seed %d, %s, profile %v, signed %v, %v: values differ", seed, name, profile, signed, used.List())
					}
				}
			}
		}
	}
}

func allRows(n int) []kern.Mask {
	masks := make([]kern.Mask, vectors(n))
	for k := range masks {
		masks[k].First(min(kern.Vector, n-k*kern.Vector))
	}
	return masks
}

// TestViews compares views of whatever an encoder chooses with the values, and
// checks that all encodings that have a view of their own were among them.
func TestViews(t *testing.T) {
	seen = 0
	defer func() {
		for _, enc := range []Encoding{Raw, Constant, Packed, Dictionary, Runs, Patched, Delta, Scaled, Sparse} {
			if !seen.Has(enc) {
				t.Errorf("no view of %s was tried", enc)
			}
		}
	}()
	t.Run("uint8", testViews[uint8])
	t.Run("uint16", testViews[uint16])
	t.Run("uint32", testViews[uint32])
	t.Run("uint64", testViews[uint64])
}

func TestTextViews(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	for name, value := range map[string]func(i int) string{
		"one":   func(int) string { return "same" },
		"few":   func(int) string { return fmt.Sprint("value ", rng.IntN(30)) },
		"many":  func(i int) string { return fmt.Sprint("value ", rng.Uint64()) },
		"empty": func(int) string { return "" },
	} {
		var s Strings
		s.Offsets = []int32{0}
		var want []string
		for i := range 3000 {
			want = append(want, value(i))
			s.Data = append(s.Data, want[i]...)
			s.Offsets = append(s.Offsets, int32(len(s.Data)))
		}
		b, _ := page(t, Default, func(e *Encoder) error { return e.PutStrings(s) })
		d, err := NewDecoder(b, MaxPageValues)
		if err != nil {
			t.Fatal(err)
		}
		x, err := d.ViewStrings(len(want))
		if err == nil {
			err = cmp.Or(d.Done(), x.Check())
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		values, codes, coded := x.Codes()
		if coded != (name != "many") {
			t.Errorf("%s: has codes: %v", name, coded)
		}
		if !coded {
			values = x.Read(nil)
		}
		row := make([]int64, vectors(len(want))*kern.Vector)
		if coded {
			codes.Read(row, allRows(len(want)))
			for i := 1; i < values.rows(); i++ {
				if bytes.Compare(values.value(i-1), values.value(i)) >= 0 {
					t.Errorf("%s: values do not ascend", name)
				}
			}
		}
		for i, w := range want {
			at := i
			if coded {
				at = int(row[i])
			}
			if got := string(values.value(at)); got != w {
				t.Fatalf("%s: row %d is %q; want %q", name, i, got, w)
			}
		}
	}
}
