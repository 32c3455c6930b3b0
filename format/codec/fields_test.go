package codec

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

// fieldsCases are strings, by row, and whether they have one pattern.
var fieldsCases = []struct {
	name  string
	value func(i int) string
	want  bool
}{
	{"ids", func(i int) string { return fmt.Sprint("order-", i*7) }, true},
	{"labels", func(i int) string {
		return fmt.Sprint(1000+i/40, string(rune('a'+i%26)), []string{"", "a", "zz"}[i%3], noise(i)%9)
	}, true},
	{"dates", func(i int) string {
		return fmt.Sprintf("%d-%02d-%02dT%02d", 1900+noise(i)%200, i%12+1, noise(i)%28+1, noise(i+1e6)%24)
	}, true},
	{"signs and cases", func(i int) string { return fmt.Sprint([]string{"+", "-", "X "}[noise(i)%3], noise(i)%1000000) }, true},
	{"zeroes", func(i int) string { return fmt.Sprintf("%05d/%d", noise(i)%100000, noise(i)%2) }, true},
	{"largest", func(i int) string {
		return fmt.Sprint("n", 999_999_999_999_999_999-noise(i)%1e6, strings.Repeat("z", 11+i%2))
	}, true},
	{"too many digits", func(i int) string { return fmt.Sprint("n", uint64(math.MaxUint64)-uint64(i)) }, false},
	{"leading zeroes here and there", func(i int) string { return fmt.Sprint(strings.Repeat("0", i%3), i, "-") }, false},
	{"another pattern once", func(i int) string { return fmt.Sprint(i, []string{"-", ""}[i/2999]) }, false},
	{"no number", func(i int) string { return strings.Repeat("%", i%50) + "=" }, false},
	{"many parts", func(i int) string { return strings.Repeat(fmt.Sprint(i, "-"), 9) }, false},
}

func TestFields(t *testing.T) {
	for _, c := range fieldsCases {
		for _, null := range []func(int) bool{nil, func(i int) bool { return i%5 < 2 }} {
			values := make([]string, 3000)
			for i := range values {
				values[i] = c.value(i)
			}
			in := stringsOf(values, null)
			b, used := page(t, Default, func(e *Encoder) error { return e.PutStrings(in) })
			got := Strings{Offsets: make([]int32, len(values)+1)}
			get(t, b, func(d *Decoder) error {
				return d.GetStrings(got.Offsets, func(n int) []byte { got.Data = make([]byte, n); return got.Data })
			})
			for i, want := range values {
				if !in.null(i) && string(got.value(i)) != want {
					t.Fatalf("%s: value %d is %q; want %q", c.name, i, got.value(i), want)
				}
			}
			if used.Has(Fields) != c.want {
				t.Errorf("%s: written as %v", c.name, used.List())
			}
		}
	}
}

func TestDigitsOf(t *testing.T) {
	for _, x := range []uint64{0, 1, 7, 8, 9, 10, 11, 99, 100, math.MaxUint64} {
		if got, want := digitsOf(x), len(fmt.Sprint(x)); got != want {
			t.Errorf("%d: got %d; want %d", x, got, want)
		}
	}
	for _, x := range tens {
		for _, x := range []uint64{x - 1, x, x + 1} {
			if got, want := digitsOf(x), len(fmt.Sprint(x)); got != want {
				t.Errorf("%d: got %d; want %d", x, got, want)
			}
		}
	}
}

func TestFieldsDamage(t *testing.T) {
	for _, c := range []struct {
		name  string
		kinds []uint8
		put   func(e *Encoder)
		want  string
	}{
		{"no parts", nil, func(e *Encoder) {}, "fields of 0 parts"},
		{"many parts", make([]uint8, 17), func(e *Encoder) {}, "fields of 17 parts"},
		{"unknown kind", []uint8{3}, func(e *Encoder) {}, "part of kind 3"},
		{"padded to nothing", []uint8{16}, func(e *Encoder) {}, "part of kind 16"},
		{"padded too wide", []uint8{16 + 19}, func(e *Encoder) {}, "part of kind 35"},
		{"number wider than its part", []uint8{16 + 2}, func(e *Encoder) { e.putConstantInt(Word64, 9, 100) }, "number 100 in 2 digits"},
		{"fields in fields", []uint8{0}, func(e *Encoder) { e.node(Fields, Bytes, 9, 1); e.buffer([]byte{1}) }, "within fields"},
		{"two numbers", []uint8{1, 16 + 2}, func(e *Encoder) { e.putConstantInt(Word64, 9, 1); e.putConstantInt(Word64, 9, 1) }, "parts 0 and 1 are of one class"},
		{"no letter", []uint8{2}, func(e *Encoder) { e.putConstantInt(Word64, 9, 0) }, "no letters"},
		{"no text", []uint8{0}, func(e *Encoder) { e.putConstantBytes(9, nil) }, "no text"},
		{"a digit in text", []uint8{0}, func(e *Encoder) { e.putConstantBytes(9, []byte("-1")) }, "byte 49 in a part of text"},
	} {
		b, _ := page(t, Default, func(e *Encoder) error {
			e.node(Fields, Bytes, 9, uint64(len(c.kinds)))
			e.buffer(c.kinds)
			c.put(e)
			return nil
		})
		d, err := NewDecoder(b, MaxPageValues)
		if err != nil {
			t.Fatal(err)
		}
		err = d.GetStrings(make([]int32, 10), func(n int) []byte { return make([]byte, n) })
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v; want an error with %q", c.name, err, c.want)
		}
	}
}
