package codec

import (
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/tarnlake/tarn/format/kern"
)

// ALP (Afroozeh, Kuffó, Boncz: ALP: Adaptive Lossless floating-Point
// Compression, SIGMOD 2024), with the parameters that Parquet's encoding has.
// Each vector has an exponent e and a factor f; a value is its integer times
// 10^f times 10^-e, computed in that order in the type of the value. Two
// buffers: exponents and factors (u8 a vector), then the exceptions; one node
// of the same shape, the integers (signed). An exception's integer is that of
// the value before it.

// power is how a vector makes integers of its values.
type power struct{ e, f uint8 }

// alpColumn is a column as integers.
type alpColumn[T kern.Uint] struct {
	powers []power // by vector
	ints   []T
	exceptions[T]
}

// planFloats prices ALP and Decimal. Both are tried on a sample; the better
// one is made whole, if it promises to be smaller than what there is.
func planFloats[T kern.Uint](e *Encoder, plan *intPlan[T], v []T, r room) {
	switch wordBytes[T]() {
	case 8:
		planReals[float64](e, plan, v, r)
	case 4:
		planReals[float32](e, plan, v, r)
	}
}

func planReals[F real, T kern.Uint](e *Encoder, plan *intPlan[T], v []T, r room) {
	s := sample(v)
	limit := plan.cost * 8 * len(s) / len(v) * 15 / 16
	combos, alp := searchPowers[F, T](thinned(s))
	alp = alp * len(s) / len(thinned(s))
	digits, dec := sampleDecimal[F, T](s)
	switch {
	case alp <= dec && alp < limit && r.has(ALP):
		planALP[F](e, plan, v, combos, r)
	case dec < limit && r.has(Decimal):
		planDecimal[F](e, plan, v, digits, r)
	}
}

// thinned takes every fourth value of a sample.
func thinned[T kern.Uint](s []T) []T {
	if len(s) < 256 {
		return s
	}
	out := make([]T, 0, len(s)/4)
	for i := 0; i < len(s); i += 4 {
		out = append(out, s[i])
	}
	return out
}

func planALP[F real, T kern.Uint](e *Encoder, plan *intPlan[T], v []T, combos []power, r room) {
	c := alpOf[F](v, combos)
	child := planInts(e, c.ints, signed, r.below(Patched, Delta, Sparse))
	plan.offer(child.cost+2*len(c.powers)+c.bytes()+nodeSize, costALP, func() {
		e.node(ALP, shapeOf[T](), len(v), 0)
		exponents, factors := make([]uint8, len(c.powers)), make([]uint8, len(c.powers))
		for k, p := range c.powers {
			exponents[k], factors[k] = p.e, p.f
		}
		e.buffer(exponents)
		e.buffer(factors)
		c.put(e)
		child.write()
	})
}

// toInteger returns the integer of v, and whether it makes v again.
func toInteger[F real](v F, p power, powers, unders []F) (int64, bool) {
	x := float64(v * powers[p.e] * unders[p.f])
	if !(math.Abs(x) < wholeLimit[F]()) { // or not a number
		return 0, false
	}
	m := int64(math.RoundToEven(x))
	return m, same(v, F(m)*powers[p.f]*unders[p.e], m)
}

// searchPowers returns the five best powers for s, best first, and the bits
// that s takes with the best.
func searchPowers[F real, T kern.Uint](s []T) (best []power, least int) {
	type scored struct {
		power
		bits int
	}
	var all []scored
	for e := range len(unders[F]()) {
		for f := range e + 1 {
			p := power{uint8(e), uint8(f)}
			if n, ok := powerBits[F](s, p); ok {
				all = append(all, scored{p, n})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b scored) int { return a.bits - b.bits })
	for _, c := range all[:min(len(all), 5)] {
		best = append(best, c.power)
	}
	if len(all) == 0 {
		return nil, math.MaxInt32
	}
	return best, all[0].bits
}

// powerBits returns the bits that s takes with p; false where half of it or
// more are exceptions.
func powerBits[F real, T kern.Uint](s []T, p power) (int, bool) {
	powers, unders := powers[F](), unders[F]()
	lo, hi, bad := int64(math.MaxInt64), int64(math.MinInt64), 0
	for _, v := range floatsOf[F](s) {
		m, ok := toInteger(v, p, powers, unders)
		if !ok {
			if bad++; bad*2 >= len(s) {
				return 0, false
			}
			continue
		}
		lo, hi = min(lo, m), max(hi, m)
	}
	return (len(s)-bad)*bits.Len64(uint64(hi-lo)) + bad*(kern.Bits[T]()+16), true
}

// alpOf makes integers of v, each vector with the best power of combos.
func alpOf[F real, T kern.Uint](v []T, combos []power) *alpColumn[T] {
	c := &alpColumn[T]{ints: make([]T, len(v)), exceptions: newExceptions[T](len(v))}
	powers, unders := powers[F](), unders[F]()
	for at := 0; at < len(v); at += kern.Vector {
		vec := v[at:min(at+kern.Vector, len(v))]
		p := bestPower[F](vec, combos)
		c.powers = append(c.powers, p)
		last := T(0)
		for i, x := range floatsOf[F](vec) {
			m, ok := toInteger(x, p, powers, unders)
			if ok {
				last = T(m)
			} else {
				c.add(at+i, vec[i])
			}
			c.ints[at+i] = last
		}
	}
	c.fillFirst()
	return c
}

// fillFirst lets exceptions at the beginning of a vector, before any other
// value, have the integer of the first other value.
func (c *alpColumn[T]) fillFirst() {
	places := c.places
	for k, n := range c.counts {
		vec := c.ints[k*kern.Vector : min(len(c.ints), (k+1)*kern.Vector)]
		lead := 0
		for lead < int(n) && int(places[lead]) == lead {
			lead++
		}
		if lead < len(vec) {
			kern.Fill(vec[:lead], vec[lead])
		}
		places = places[n:]
	}
}

func bestPower[F real, T kern.Uint](vec []T, combos []power) power {
	if len(combos) == 1 {
		return combos[0]
	}
	const looks = 32
	var s [looks]T
	for i := range s {
		s[i] = vec[i*len(vec)/looks]
	}
	best, least := combos[0], math.MaxInt
	for _, p := range combos {
		if n, ok := powerBits[F](s[:], p); ok && n < least {
			best, least = p, n
		}
	}
	return best
}

func getALP[T kern.Uint](d *Decoder, n node, dst []T, depth int) error {
	switch wordBytes[T]() {
	case 8:
		return getALPOf[float64](d, n, dst, depth)
	case 4:
		return getALPOf[float32](d, n, dst, depth)
	}
	return n.unknown()
}

func getALPOf[F real, T kern.Uint](d *Decoder, n node, dst []T, depth int) error {
	if err := n.noParam(); err != nil {
		return err
	}
	exponents, err := d.buffer(vectors(len(dst)))
	if err != nil {
		return err
	}
	factors, err := d.buffer(len(exponents))
	if err != nil {
		return err
	}
	for k, e := range exponents {
		if int(e) >= len(unders[F]()) || factors[k] > e {
			return fmt.Errorf("alp exponent %d and factor %d", e, factors[k])
		}
	}
	x, err := getExceptions[T](d, len(dst))
	if err != nil {
		return err
	}
	if err := getInts(d, dst, depth+1); err != nil {
		return err
	}
	for k, e := range exponents {
		vec := dst[k*kern.Vector : min(len(dst), (k+1)*kern.Vector)]
		alpDecode(floatsOf[F](vec), vec, powers[F]()[factors[k]], unders[F]()[e])
	}
	return x.restore(dst)
}

// alpDecode turns integers into floats, in place: dst is the memory of src.
func alpDecode[F real, T kern.Uint](dst []F, src []T, factor, under F) {
	for i := range dst {
		dst[i] = F(int64Of(src[i])) * factor * under
	}
}
