package codec

import (
	"math"
	"slices"
	"strconv"
	"testing"
)

// odd are floats that no decimal makes.
var odd = []float64{math.NaN(), math.Float64frombits(0x7ff4_0000_dead_beef), math.Copysign(0, -1), math.Inf(1), math.Inf(-1),
	math.MaxFloat64, math.SmallestNonzeroFloat64, -math.MaxFloat64, 1 << 53, 1<<53 + 2, 1e22, 1e-22, 1e300, 1e-300, 0, math.Pi}

var floatCases = []struct {
	name   string
	value  func(i int) float64
	want   Set // for doubles
	want32 Set
}{
	{"prices", func(i int) float64 { return float64(noise(i)%100000) / 100 }, set(ALP, Packed), set(Decimal, Patched, Packed)},
	{"whole", func(i int) float64 { return float64(noise(i)%1000) - 500 }, set(ALP, Packed), set(ALP, Packed)},
	{"printed", func(i int) float64 {
		v, _ := strconv.ParseFloat(strconv.FormatFloat(math.Exp(float64(noise(i)%1000)/50-9), 'g', 15, 64), 64)
		return v
	}, set(Dictionary, Packed), set(Dictionary, Packed)},
	{"measured", func(i int) float64 {
		v, _ := strconv.ParseFloat(strconv.FormatFloat(float64(noise(i))/1e17, 'g', 15, 64), 64)
		return v
	}, set(Decimal, Packed, Patched), set(Packed)},
	{"noise", func(i int) float64 { return float64(noise(i)) / 3e17 }, set(Packed), set(Packed)},
	{"one or prices", func(i int) float64 {
		if i%3 > 0 {
			return 1
		}
		return float64(noise(i)%10_000_000) / 100
	}, set(Sparse, ALP, Packed, Raw), 0},
	{"prices and oddities", func(i int) float64 {
		if i%40 < len(odd) {
			return odd[i%40]
		}
		return float64(noise(i)%100000) / 100
	}, set(ALP, Packed), 0},
	{"oddities", func(i int) float64 { return odd[noise(i)%uint64(len(odd))] }, set(Dictionary, Packed, Raw), 0},
	{"oddities first", func(i int) float64 {
		if i%1024 < len(odd) {
			return odd[i%1024]
		}
		return 250 + float64(noise(i)%9)/10 + float64(i)/1000
	}, set(ALP, Delta, Patched), 0},
}

func TestFloats(t *testing.T) {
	for _, c := range floatCases {
		want := sequence[uint64](5000, func(i int) uint64 { return math.Float64bits(c.value(i)) })
		b, used := page(t, Default, func(e *Encoder) error { return PutFloats(e, want) })
		got := make([]uint64, len(want))
		get(t, b, func(d *Decoder) error { return GetInts(d, got) })
		if !slices.Equal(got, want) {
			t.Errorf("%s: values differ", c.name)
		}
		if used != c.want {
			t.Errorf("%s: written as %v; want %v", c.name, used.List(), c.want.List())
		}
	}
}

func TestFloats32(t *testing.T) {
	for _, c := range floatCases {
		want := sequence[uint32](5000, func(i int) uint64 { return uint64(math.Float32bits(float32(c.value(i)))) })
		b, used := page(t, Default, func(e *Encoder) error { return PutFloats(e, want) })
		got := make([]uint32, len(want))
		get(t, b, func(d *Decoder) error { return GetInts(d, got) })
		if !slices.Equal(got, want) {
			t.Errorf("%s: values differ", c.name)
		}
		if c.want32 != 0 && used != c.want32 {
			t.Errorf("%s: written as %v; want %v", c.name, used.List(), c.want32.List())
		}
	}
}

// TestDecimalIsWhatParsingGives: every number of 15 digits comes back without
// an exception, wherever its point is.
func TestDecimalIsWhatParsingGives(t *testing.T) {
	var v []uint64
	for i := range 20000 {
		text := strconv.FormatUint(noise(i)%900_000_000_000_000+100_000_000_000_000, 10)
		x, err := strconv.ParseFloat(text[:1]+"."+text[1:]+"e"+strconv.Itoa(i%22-7), 64)
		if err != nil {
			t.Fatal(err)
		}
		v = append(v, math.Float64bits(x*float64(1-i%2*2)))
	}
	c := decimalOf[float64](v, 15)
	if n := len(c.exceptions.values); n != 0 {
		t.Errorf("%d exceptions, the first %v; want none", n, math.Float64frombits(c.exceptions.values[0]))
	}
}
