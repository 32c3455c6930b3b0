package codec

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/tarnlake/tarn/format/kern"
)

// page returns what put puts, and the encodings it took.
func page(t testing.TB, profile Profile, put func(*Encoder) error) ([]byte, Set) {
	t.Helper()
	e := NewEncoder(profile)
	if err := put(e); err != nil {
		t.Fatal(err)
	}
	b, used := e.Page(nil)
	if err := put(e); err != nil {
		t.Fatal(err)
	}
	if again, _ := e.Page(nil); !bytes.Equal(b, again) {
		t.Fatal("the same values made another page")
	}
	return b, used
}

// get decodes a page whole.
func get(t *testing.T, page []byte, take func(*Decoder) error) {
	t.Helper()
	d, err := NewDecoder(page, MaxPageValues)
	if err != nil {
		t.Fatal(err)
	}
	if err := take(d); err != nil {
		t.Fatal(err)
	}
	if err := d.Done(); err != nil {
		t.Fatal(err)
	}
}

// noise is a small generator (splitmix64): the same numbers for ever.
func noise(i int) uint64 {
	z := uint64(i+1) * 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func sequence[T kern.Uint](n int, value func(i int) uint64) []T {
	v := make([]T, n)
	for i := range v {
		v[i] = T(value(i))
	}
	return v
}

func set(list ...Encoding) (s Set) {
	for _, e := range list {
		s |= 1 << e
	}
	return s
}

// intCases are values and what they should be written as.
var intCases = []struct {
	name    string
	n       int
	value   func(i int) uint64
	signed  bool
	profile Profile
	want    Set // for 64-bit words
}{
	{"none", 0, noise, false, Default, set(Constant)},
	{"one", 1, noise, false, Default, set(Constant)},
	{"same", 5000, func(int) uint64 { return 9 }, true, Default, set(Constant)},
	{"noise", 5000, noise, false, Default, set(Raw)},
	{"few rows", 20, func(i int) uint64 { return noise(i) }, false, Default, set(Raw)},
	{"narrow", 5000, func(i int) uint64 { return 1<<40 + noise(i)%1000 }, false, Default, set(Packed)},
	{"around zero", 5000, func(i int) uint64 { return noise(i)%200 - 100 }, true, Default, set(Packed)},
	{"ascending", 5000, func(i int) uint64 { return uint64(i) * 3 }, false, Default, set(Delta, Constant)},
	{"ascending, in fast", 5000, func(i int) uint64 { return uint64(i) * 3 }, false, Fast, set(Packed)},
	{"descending unevenly", 5000, func(i int) uint64 { return 1<<62 - uint64(i)*700 - noise(i)%16*7 }, true, Default, set(Delta, Packed)},
	{"slow with jumps", 5000, func(i int) uint64 { return uint64(i)*60 + noise(i)%8 + uint64(i/400)*1e9 }, true, Default, set(Delta, Patched)},
	{"outliers", 5000, func(i int) uint64 {
		if i%99 == 5 {
			return noise(i) >> (i % 60)
		}
		return noise(i) % 1000
	}, false, Default, set(Patched)},
	{"outliers on both sides", 5000, func(i int) uint64 {
		if i%99 == 5 {
			return -(noise(i) >> (i % 60)) * uint64(i%2*2-1)
		}
		return noise(i)%1000 - 77
	}, true, Default, set(Patched)},
	{"minutes", 5000, func(i int) uint64 { return 17 + noise(i)%5000*60_000_000 }, true, Default, set(Scaled, Packed)},
	{"mostly one", 5000, func(i int) uint64 {
		if i%9 == 5 {
			return noise(i)
		}
		return 1
	}, false, Default, set(Sparse, Raw)},
	{"a vector and one", 1025, func(i int) uint64 { return noise(i) % 100 }, false, Default, set(Packed)},
	{"less than a vector", 1023, func(i int) uint64 { return noise(i) % 100 }, false, Default, set(Packed)},
	{"runs", 5000, func(i int) uint64 { return noise(i / 300) }, false, Default, set(Runs, Raw)},
	{"far apart", 5000, func(i int) uint64 { return noise(int(noise(i) % 50)) }, false, Default, set(Dictionary, Packed, Raw)},
	{"many far apart", 60000, func(i int) uint64 { return noise(int(noise(i) % 900)) }, true, Default, set(Dictionary, Packed, Raw)},
	{"far apart in runs", 60000, func(i int) uint64 { return noise(int(noise(i/7) % 100)) }, false, Default, set(Dictionary, Runs, Patched, Raw)},
	{"repeating noise", 5000, func(i int) uint64 { return noise(i % 2000) }, false, Compact, set(Zstd)},
}

func testInts[T kern.Uint](t *testing.T, wantEncodings bool) {
	for _, c := range intCases {
		want := sequence[T](c.n, c.value)
		b, used := page(t, c.profile, func(e *Encoder) error { return PutInts(e, want, c.signed) })
		got := make([]T, c.n)
		get(t, b, func(d *Decoder) error { return GetInts(d, got) })
		if !slices.Equal(got, want) {
			t.Errorf("%s: values differ", c.name)
		}
		if wantEncodings && used != c.want {
			t.Errorf("%s: written as %v; want %v", c.name, used.List(), c.want.List())
		}
		if raw := c.n * wordBytes[T](); len(b) > raw+512 {
			t.Errorf("%s: %d bytes for %d raw", c.name, len(b), raw)
		}
	}
}

func TestInts(t *testing.T) {
	t.Run("uint8", func(t *testing.T) { testInts[uint8](t, false) })
	t.Run("uint16", func(t *testing.T) { testInts[uint16](t, false) })
	t.Run("uint32", func(t *testing.T) { testInts[uint32](t, false) })
	t.Run("uint64", func(t *testing.T) { testInts[uint64](t, true) })
}

func stringsOf(values []string, null func(int) bool) Strings {
	s := Strings{Offsets: []int32{0}, Null: null}
	for _, v := range values {
		s.Data = append(s.Data, v...)
		s.Offsets = append(s.Offsets, int32(len(s.Data)))
	}
	return s
}

func TestStrings(t *testing.T) {
	third := func(i int) bool { return i%3 == 0 }
	for _, c := range []struct {
		name  string
		n     int
		value func(i int) string
		null  func(int) bool
		want  Set
	}{
		{"none", 0, nil, nil, set(Constant)},
		{"same", 900, func(int) string { return "Ulm" }, nil, set(Constant)},
		{"same or null", 900, func(i int) string { return []string{"garbage", "Ulm", "Ulm"}[i%3] }, third, set(Constant)},
		{"all null", 900, func(i int) string { return fmt.Sprint(i) }, func(int) bool { return true }, set(Constant)},
		{"all empty", 900, func(int) string { return "" }, nil, set(Constant)},
		{"cities", 5000, func(i int) string { return []string{"Ulm", "", "Köln", "Frankfurt am Main"}[noise(i)%4] }, third,
			set(Dictionary, Packed, Raw)},
		{"many", 60000, func(i int) string { return fmt.Sprintf("%x", noise(int(noise(i)%3000))) }, nil, set(Dictionary, Packed, FSST)},
		{"distinct", 20, func(i int) string { return fmt.Sprintf("%d", 1000+i) }, nil, set(Raw, Constant)},
		{"text", 3000, func(i int) string { return strings.Repeat("the quick brown fox ", i%7) + fmt.Sprint(i) }, nil, set(FSST, Patched)},
		{"noise", 3000, func(i int) string {
			v := noise(i)
			return string([]byte{byte(v), byte(v >> 8), byte(v >> 16), byte(v >> 24)})
		}, third,
			set(Raw, Sparse, Constant)},
	} {
		values := make([]string, c.n)
		for i := range values {
			values[i] = c.value(i)
		}
		in := stringsOf(values, c.null)
		b, used := page(t, Default, func(e *Encoder) error { return e.PutStrings(in) })
		got := Strings{Offsets: make([]int32, c.n+1)}
		get(t, b, func(d *Decoder) error {
			return d.GetStrings(got.Offsets, func(n int) []byte { got.Data = make([]byte, n); return got.Data })
		})
		for i, want := range values {
			if !in.null(i) && string(got.value(i)) != want {
				t.Fatalf("%s: value %d is %q; want %q", c.name, i, got.value(i), want)
			}
		}
		if used != c.want {
			t.Errorf("%s: written as %v; want %v", c.name, used.List(), c.want.List())
		}
	}
}

func TestBits(t *testing.T) {
	for _, c := range []struct {
		name  string
		value func(i int) bool
		want  Set
	}{
		{"zeroes", func(int) bool { return false }, set(Constant)},
		{"ones", func(int) bool { return true }, set(Constant)},
		{"noise", func(i int) bool { return noise(i)&1 == 1 }, set(Raw)},
		{"two runs", func(i int) bool { return i < 700 }, set(Runs, Raw)},
	} {
		for _, n := range []int{1000, 1007, 1008, 70000} {
			want := make([]byte, (n+7)/8)
			for i := range n {
				if c.value(i) {
					setBits(want, i, i+1)
				}
			}
			dirty := bytes.Clone(want)
			if n%8 != 0 {
				dirty[n/8] |= 0x80 // past the last bit
			}
			b, used := page(t, Default, func(e *Encoder) error { return e.PutBits(dirty, n) })
			got := make([]byte, len(want))
			get(t, b, func(d *Decoder) error { return d.GetBits(got, n) })
			if !bytes.Equal(got, want) {
				t.Errorf("%s, %d bits: values differ", c.name, n)
			}
			if used != c.want {
				t.Errorf("%s, %d bits: written as %v; want %v", c.name, n, used.List(), c.want.List())
			}
		}
	}
}

func TestWide(t *testing.T) {
	for _, c := range []struct {
		name string
		hi   func(lo uint64, i int) uint64
		want Encoding
	}{
		{"narrow", func(lo uint64, i int) uint64 { return signOf(lo) }, Narrow},
		{"split", func(lo uint64, i int) uint64 { return uint64(i % 3) }, Split},
	} {
		var want []uint64
		for i := range 3000 {
			lo := noise(i)
			want = append(want, lo, c.hi(lo, i))
		}
		b, used := page(t, Default, func(e *Encoder) error { return e.PutWide(want) })
		got := make([]uint64, len(want))
		get(t, b, func(d *Decoder) error { return d.GetWide(got) })
		if !slices.Equal(got, want) || !used.Has(c.want) {
			t.Errorf("%s: values differ or written as %v", c.name, used.List())
		}
	}
}

// TestLargeDictionary needs 32-bit codes, as only list elements can.
func TestLargeDictionary(t *testing.T) {
	const n, distinct = 400_000, 70_000
	values := make([]string, n)
	for i := range values {
		values[i] = fmt.Sprint("customer-", i%distinct)
		if i < 10_000 { // or the table gives up early
			values[i] = "customer-0"
		}
	}
	b, used := page(t, Default, func(e *Encoder) error { return e.PutStrings(stringsOf(values, nil)) })
	if !used.Has(Dictionary) {
		t.Fatalf("written as %v; want a dictionary", used.List())
	}
	got := Strings{Offsets: make([]int32, n+1)}
	get(t, b, func(d *Decoder) error {
		return d.GetStrings(got.Offsets, func(n int) []byte { got.Data = make([]byte, n); return got.Data })
	})
	for i := 0; i < n; i += 997 {
		if string(got.value(i)) != values[i] {
			t.Fatalf("value %d is %q; want %q", i, got.value(i), values[i])
		}
	}
}

func TestBudget(t *testing.T) {
	b, _ := page(t, Default, func(e *Encoder) error {
		return e.PutStrings(stringsOf(slices.Repeat([]string{"0123456789"}, 100), nil))
	})
	d, err := NewDecoder(b, 999)
	if err != nil {
		t.Fatal(err)
	}
	err = d.GetStrings(make([]int32, 101), func(int) []byte { t.Error("memory over budget was asked for"); return nil })
	if !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v; want ErrTooLarge", err)
	}
	if err := new(Encoder).PutBits(nil, MaxElements+1); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too many bits: got %v; want ErrTooLarge", err)
	}
}

func TestLayout(t *testing.T) {
	v := sequence[uint32](3000, func(i int) uint64 { return noise(i) % 50 })
	b, _ := page(t, Default, func(e *Encoder) error { return PutInts(e, v, false) })
	l, err := LayoutOf(b)
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Nodes) != 1 || l.Nodes[0].Encoding != Packed || l.Nodes[0].Count != 3000 || len(l.Buffers) != 3 {
		t.Errorf("got %+v; want one packed node and three buffers", l)
	}
	if last := l.Buffers[2]; last.Offset%64 != 0 || last.Offset+last.Bytes != len(b) || last.Bytes != 3*6*kern.VectorBytes {
		t.Errorf("packed data at %d, %d bytes of a page of %d", last.Offset, last.Bytes, len(b))
	}
	for n := range len(b) {
		if _, err := LayoutOf(b[:n]); err == nil {
			t.Fatalf("first %d bytes of %d: no error", n, len(b))
		}
	}
}

func TestNames(t *testing.T) {
	if got := fmt.Sprint(Known.List()); got != "[raw constant packed dictionary runs zstd narrow split patched delta scaled sparse alp decimal fsst fields shared prefixed]" {
		t.Errorf("got %s", got)
	}
	if got := fmt.Sprint(Encoding(33), Shape(99), Wide); got != "encoding 33 shape 99 wide" {
		t.Errorf("got %s", got)
	}
}

// TestDeepChains writes what tempts an encoder to nest too deep: exceptions in
// clusters, within floats, runs and dictionaries.
func TestDeepChains(t *testing.T) {
	for name, value := range map[string]func(i int) float64{
		"sparse digits": func(i int) float64 {
			if i%1000 > 900 {
				return float64(noise(i)%1e9) / 100
			}
			return 3
		},
		"sparse places": func(i int) float64 {
			if i%2000 > 1900 {
				return float64(noise(i)%1e9) / 1e5
			}
			return float64(noise(i)%1e9) / 1e3
		},
		"sparse runs": func(i int) float64 {
			if i%1000 > 900 {
				return float64(noise(i/2)%1e9) / 100
			}
			return float64(noise(i/2) % 2)
		},
		"dictionary": func(i int) float64 {
			if i%1000 > 900 {
				return float64(noise(int(noise(i)%40))%1e9) / 100
			}
			return math.Pi
		},
	} {
		v := sequence[uint64](20000, func(i int) uint64 { return math.Float64bits(value(i)) })
		for _, profile := range []Profile{Default, Fast, Compact} {
			b, _ := page(t, profile, func(e *Encoder) error { return PutFloats(e, v) })
			got := make([]uint64, len(v))
			get(t, b, func(d *Decoder) error { return GetInts(d, got) })
			if !slices.Equal(got, v) {
				t.Errorf("%s, %s: values differ", name, profile)
			}
		}
	}
}
