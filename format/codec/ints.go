package codec

import (
	"math/bits"

	"github.com/tarnlake/tarn/format/kern"
)

// Integers of 8 to 64 bits, and everything kept as such: dates, times, float
// bits, dictionary codes, lengths. Signed says how a value's bits are ordered.

// Relative costs of reading a stored byte, in percent: bytes that decode
// slowly have to save more. They steer the choice only.
const (
	costRaw        = 95
	costPacked     = 100
	costRuns       = 100
	costDictionary = 105
	costZstd       = 150
	costZstdSmall  = 105 // when small files matter more than fast scans
)

// PutInts puts the values of v. Where a row is null, v should hold the value
// before it, which costs nothing in any encoding.
func PutInts[T kern.Uint](e *Encoder, v []T, signed bool) error {
	if len(v) > MaxElements {
		return ErrTooLarge
	}
	putInts(e, v, signed, cascade)
	return nil
}

// intPlan is one way to write a run of integers and its price.
type intPlan[T kern.Uint] struct {
	cost  int
	write func()
}

func (p *intPlan[T]) offer(size, percent int, write func()) {
	if cost := size * percent / 100; p.write == nil || cost < p.cost {
		p.cost, p.write = cost, write
	}
}

// What a node's own integers may be made of, beside the encodings that have no
// nodes below: this keeps chains within MaxDepth.
const (
	cascade = Set(1<<Runs | 1<<Dictionary)
	runs    = Set(1 << Runs)
	leaf    = Set(0)
)

func putInts[T kern.Uint](e *Encoder, v []T, signed bool, may Set) {
	s := scanInts(v, signed)
	if s.constant {
		e.putConstantInt(shapeOf[T](), len(v), uint64(s.lo))
		return
	}
	var plan intPlan[T]
	plan.offer(len(v)*wordBytes[T](), costRaw, func() { putRawInts(e, v) })
	plan.offer(s.packed, costPacked, func() { putPacked(e, v, s.flip) })
	if may.Has(Runs) {
		planRuns(e, &plan, v, s)
	}
	if may.Has(Dictionary) {
		planDictionary(e, &plan, v, s)
	}
	if e.compact && len(v)*wordBytes[T]() >= minZstd {
		planZstd(e, &plan, v)
	}
	plan.write()
}

// intStats is what one pass over the values tells.
type intStats[T kern.Uint] struct {
	flip     T // sign bit for signed values, else 0
	lo, hi   T // in the order of the values
	constant bool
	packed   int // bytes when packed
	runs     int
}

func scanInts[T kern.Uint](v []T, signed bool) intStats[T] {
	s := intStats[T]{constant: true}
	if signed {
		s.flip = 1 << (kern.Bits[T]() - 1)
	}
	if len(v) == 0 {
		return s
	}
	s.lo, s.hi = v[0], v[0]
	for at := 0; at < len(v); at += kern.Vector {
		vec := v[at:min(at+kern.Vector, len(v))]
		lo, hi := kern.MinMax(vec, s.flip)
		s.packed += packedVector[T](bits.Len64(uint64(hi - lo)))
		s.lo, s.hi = min(s.lo^s.flip, lo^s.flip)^s.flip, max(s.hi^s.flip, hi^s.flip)^s.flip
	}
	s.constant = s.lo == s.hi
	s.runs = kern.Runs(v)
	return s
}

// GetInts fills dst with the next integers.
func GetInts[T kern.Uint](d *Decoder, dst []T) error { return getInts(d, dst, 1) }

func getInts[T kern.Uint](d *Decoder, dst []T, depth int) error {
	n, err := d.node(shapeOf[T](), len(dst), depth)
	if err != nil {
		return err
	}
	switch n.enc {
	case Constant:
		return getConstantInt(n, dst)
	case Raw:
		return getRawInts(d, n, dst)
	case Packed:
		return getPacked(d, n, dst)
	case Runs:
		return getRuns(d, n, dst, depth)
	case Dictionary:
		return getDictionaryInts(d, n, dst, depth)
	case Zstd:
		return getZstd(d, n, bytesOf(dst))
	}
	return n.unknown()
}
