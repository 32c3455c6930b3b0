package codec

import (
	"fmt"
	"math"
	"strconv"

	"github.com/tarnlake/tarn/format/kern"
)

// Decimal: floats as people print them, with about as many digits each,
// wherever the point is. A value is its digits divided by 10^places, which is
// rounded once and so gives what parsing the text gives; ALP's product with
// 10^-e is rounded twice, and from 15 digits on loses half of such values.
// Three buffers, the exceptions; two nodes: digits (of the same shape, signed)
// and places (Word8).

// decimalColumn is a column as digits and places.
type decimalColumn[T kern.Uint] struct {
	digits []T
	places []uint8
	exceptions[T]
}

// maxDigits returns how many digits F always keeps.
func maxDigits[F real]() int {
	if wholeLimit[F]() > 1<<24 {
		return 15
	}
	return 7
}

// sampleDecimal returns how many digits most of s has, and the bits that s
// takes with them.
func sampleDecimal[F real, T kern.Uint](s []T) (digits, least int) {
	var text [32]byte
	wanted, looks := 0, 0
	for i := 0; i < len(s); i += 16 {
		v := float64(floatsOf[F](s)[i])
		if math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		looks++
		if n := significant(strconv.AppendFloat(text[:0], v, 'e', -1, kern.Bits[T]())); n <= maxDigits[F]() {
			wanted, digits = wanted+1, max(digits, n)
		}
	}
	if wanted*8 < looks*7 || looks == 0 {
		return 0, math.MaxInt32
	}
	c := decimalOf[F](s, digits)
	x := scanInts(c.digits, signed, true)
	y := scanInts(c.places, unsigned, true)
	return digits, (x.patched+y.patched)*8*len(s)/(vectors(len(s))*kern.Vector) + len(c.exceptions.values)*(kern.Bits[T]()+16)
}

// significant counts the digits of a number in the form 1.23e+4.
func significant(text []byte) (n int) {
	for _, c := range text {
		if c == 'e' {
			break
		}
		if c >= '0' && c <= '9' {
			n++
		}
	}
	return n
}

func planDecimal[F real, T kern.Uint](e *Encoder, plan *intPlan[T], v []T, digits int, r room) {
	c := decimalOf[F](v, digits)
	a := planInts(e, c.digits, signed, r.below(Patched, Sparse))
	b := planInts(e, c.places, unsigned, r.below(Patched, Sparse))
	plan.offer(a.cost+b.cost+c.bytes()+nodeSize, costDecimal, func() {
		e.node(Decimal, shapeOf[T](), len(v), 0)
		c.put(e)
		a.write()
		b.write()
	})
}

// decimalOf scales every value of v to that many digits.
func decimalOf[F real, T kern.Uint](v []T, digits int) *decimalColumn[T] {
	c := &decimalColumn[T]{digits: make([]T, len(v)), places: make([]uint8, len(v)), exceptions: newExceptions[T](len(v))}
	powers := powers[F]()
	lastDigits, lastPlaces := T(0), uint8(0)
	for i, x := range floatsOf[F](v) {
		m, p, ok := toDecimal(x, digits, int(lastPlaces), powers)
		if ok {
			lastDigits, lastPlaces = T(m), uint8(p)
		} else {
			c.add(i, v[i])
		}
		c.digits[i], c.places[i] = lastDigits, lastPlaces
	}
	return c
}

// toDecimal returns the digits of v and their places, and whether they make v
// again. Zero takes the places of the value before it, last.
func toDecimal[F real](v F, digits, last int, powers []F) (m int64, places int, ok bool) {
	size := math.Abs(float64(v))
	if size == 0 {
		return 0, last, same(v, 0, 0)
	}
	places = min(digits-beforePoint(size), len(powers)-1)
	if places < 0 || size > wholeLimit[F]() { // or not a number
		return 0, 0, false
	}
	x := float64(v * powers[places])
	if !(math.Abs(x) < wholeLimit[F]()) {
		return 0, 0, false
	}
	m = int64(math.RoundToEven(x))
	return m, places, same(v, F(m)/powers[places], m)
}

// beforePoint returns how many digits x has before its point, less the zeroes
// after it where there are none. For x that decimals cannot have the result is
// just out of range.
func beforePoint(x float64) int {
	binary := int(math.Float64bits(x)>>52) - 1023
	n := (binary*1233)>>12 + 1 // 1233/4096 is a bit less than log10(2)
	switch {
	case n >= 0 && n < len(powers64) && x >= powers64[n]:
		n++
	case n < 0 && -n < len(powers64) && x*powers64[-n] >= 1:
		n++
	}
	return n
}

func getDecimal[T kern.Uint](d *Decoder, n node, dst []T, depth int) error {
	switch wordBytes[T]() {
	case 8:
		return getDecimalOf[float64](d, n, dst, depth)
	case 4:
		return getDecimalOf[float32](d, n, dst, depth)
	}
	return n.unknown()
}

func getDecimalOf[F real, T kern.Uint](d *Decoder, n node, dst []T, depth int) error {
	if err := n.noParam(); err != nil {
		return err
	}
	x, err := getExceptions[T](d, len(dst))
	if err != nil {
		return err
	}
	if err := getInts(d, dst, depth+1); err != nil {
		return err
	}
	if err := d.Spend(int64(len(dst))); err != nil {
		return err
	}
	places := make([]uint8, len(dst))
	if err := getInts(d, places, depth+1); err != nil {
		return err
	}
	powers := powers[F]()
	if top := kern.Max(places); int(top) >= len(powers) {
		return fmt.Errorf("decimal with %d places", top)
	}
	decimalDecode(floatsOf[F](dst), dst, places, powers)
	return x.restore(dst)
}

// decimalDecode turns digits into floats, in place: dst is the memory of src.
func decimalDecode[F real, T kern.Uint](dst []F, src []T, places []uint8, powers []F) {
	for i, p := range places {
		dst[i] = F(int64Of(src[i])) / powers[p]
	}
}
