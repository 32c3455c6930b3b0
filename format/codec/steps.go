package codec

import (
	"fmt"
	"math/bits"

	"github.com/tarnlake/tarn/format/kern"
)

// Scaled: values that are a common divisor apart, as timestamps of whole
// minutes are. The parameter is the divisor; value i is the base plus the
// divisor times x[i], wrapping. One node of the same shape, x; one buffer, the
// base.
//
// Delta: values that move slowly. Each vector has a base; value i of a vector
// is its base plus the unit times the sum of x[0] to x[i], wrapping. So any
// vector decodes alone. The parameter is the unit; one node of the same shape,
// x (signed); one buffer, the bases (a word a vector). A writer makes x[0]
// equal x[1], so that it costs nothing.

// planSteps prices Scaled and Delta, which both want the common divisor.
func planSteps[T kern.Uint](e *Encoder, plan *intPlan[T], v []T, s intStats[T], r room) {
	if s.kind == float || s.hi-s.lo < 2 || wordBytes[T]() < 2 {
		return
	}
	unit := divisor(v, s.lo)
	if r.has(Scaled) && unit > 1 {
		planScaled(e, plan, v, s, unit, r)
	}
	if r.has(Delta) {
		if s.hi-s.lo > flipOf[T](signed)-1 {
			unit = 1 // a difference may wrap, and is no multiple then
		}
		planDelta(e, plan, v, unit, r)
	}
}

// divisor returns the greatest common divisor of all differences to lo.
func divisor[T kern.Uint](v []T, lo T) T {
	var g, last T
	for _, x := range v {
		if x -= lo; x == last {
			continue
		}
		last = x
		for g, x = x, g; x != 0; {
			g, x = x, g%x
		}
		if g == 1 {
			return 1
		}
	}
	return g
}

func planScaled[T kern.Uint](e *Encoder, plan *intPlan[T], v []T, s intStats[T], unit T, r room) {
	guess := s.patched - len(v)*(bits.Len64(uint64(unit))-1)/8
	if guess*costScaled/100 >= plan.cost {
		return
	}
	x := make([]T, len(v))
	for i := range v {
		x[i] = (v[i] - s.lo) / unit
	}
	child := planInts(e, x, unsigned, r.below(Patched))
	plan.offer(child.cost+nodeSize+wordBytes[T](), costScaled, func() {
		e.node(Scaled, shapeOf[T](), len(v), uint64(unit))
		e.buffer(bytesOf([]T{s.lo}))
		child.write()
	})
}

func getScaled[T kern.Uint](d *Decoder, n node, dst []T, depth int) error {
	unit, err := unitOf[T](n)
	if err != nil {
		return err
	}
	base, err := words[T](d, 1)
	if err != nil {
		return err
	}
	if err := getInts(d, dst, depth+1); err != nil {
		return err
	}
	for i, x := range dst {
		dst[i] = base[0] + x*unit
	}
	return nil
}

// unitOf checks a divisor.
func unitOf[T kern.Uint](n node) (T, error) {
	if n.param == 0 || uint64(T(n.param)) != n.param {
		return 0, fmt.Errorf("%s by %d in %s", n.enc, n.param, n.shape)
	}
	return T(n.param), nil
}

// planDelta asks a sample whether differences between neighbours are a fifth
// smaller than the best so far.
func planDelta[T kern.Uint](e *Encoder, plan *intPlan[T], v []T, unit T, r room) {
	if len(v) < 4 || sampleDeltas(v, unit)*len(v)/(8*kern.Vector)+vectors(len(v))*(3+2*wordBytes[T]()) > plan.cost*4/5 {
		return
	}
	x, bases := deltas(v, unit)
	child := planInts(e, x, signed, r.below(Patched))
	plan.offer(child.cost+nodeSize+len(bases)*wordBytes[T](), costDelta, func() {
		e.node(Delta, shapeOf[T](), len(v), uint64(unit))
		e.buffer(bytesOf(bases))
		child.write()
	})
}

// sampleDeltas returns the bits that a vector of differences takes, as far as
// a sample tells.
func sampleDeltas[T kern.Uint](v []T, unit T) int {
	s := sample(v)
	x := make([]T, 0, len(s))
	for i := range s {
		if i%sampleRun != 0 {
			x = append(x, T(int64Of(s[i]-s[i-1])/int64Of(unit)))
		}
	}
	lo, hi := kern.MinMax(x, flipOf[T](signed))
	p := planPatchedVector(x, lo, hi)
	return p.width*kern.Vector + p.patches*(2+p.extra)*8*kern.Vector/len(x)
}

// deltas returns the differences of v in units, and the bases of its vectors.
func deltas[T kern.Uint](v []T, unit T) (x, bases []T) {
	x = make([]T, len(v))
	for at := 0; at < len(v); at += kern.Vector {
		vec := v[at:min(at+kern.Vector, len(v))]
		out := x[at:][:len(vec)]
		for i := 1; i < len(vec); i++ {
			out[i] = T(int64Of(vec[i]-vec[i-1]) / int64Of(unit))
		}
		if len(vec) > 1 {
			out[0] = out[1]
		}
		bases = append(bases, vec[0]-out[0]*unit)
	}
	return x, bases
}

// int64Of widens the bits of a signed value.
func int64Of[T kern.Uint](x T) int64 {
	shift := 64 - kern.Bits[T]()
	return int64(uint64(x)<<shift) >> shift
}

func getDelta[T kern.Uint](d *Decoder, n node, dst []T, depth int) error {
	unit, err := unitOf[T](n)
	if err != nil {
		return err
	}
	bases, err := words[T](d, vectors(len(dst)))
	if err != nil {
		return err
	}
	if err := getInts(d, dst, depth+1); err != nil {
		return err
	}
	for k, base := range bases {
		sumUp(dst[k*kern.Vector:min(len(dst), (k+1)*kern.Vector)], base, unit)
	}
	return nil
}

// sumUp makes values of the differences of a vector, in place.
func sumUp[T kern.Uint](vec []T, sum, unit T) {
	for i, x := range vec {
		sum += x * unit
		vec[i] = sum
	}
}
