package codec

import (
	"math"
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
	costPatched    = 103
	costScaled     = 102
	costDelta      = 110
	costALP        = 103
	costDecimal    = 105
	costSparse     = 105
	costRuns       = 100 // and extraOfRuns
	costDictionary = 105
	costFSST       = 110
	costFields     = 115
	costZstdSmall  = 105 // when small files matter more than fast scans
)

// kind says what the bits of a word mean.
type kind uint8

const (
	unsigned kind = iota
	signed
	float // IEEE 754, of 32 or 64 bits
)

// flipOf returns the bit to invert so that values of that kind compare as
// unsigned ones: the sign bit of signed integers. Floats go by their bits.
func flipOf[T kern.Uint](k kind) T {
	if k == signed {
		return 1 << (kern.Bits[T]() - 1)
	}
	return 0
}

// PutInts puts the values of v. Where a row is null, v should hold the value
// before it, which costs nothing in any encoding.
func PutInts[T kern.Uint](e *Encoder, v []T, isSigned bool) error {
	if len(v) > MaxElements {
		return ErrTooLarge
	}
	k := unsigned
	if isSigned {
		k = signed
	}
	planRoot(e, e.recall(), v, k).write()
	return nil
}

// PutFloats puts the bits of floats; as for PutInts. They come back bit by
// bit, payloads of NaNs and the sign of zero included.
func PutFloats[T uint32 | uint64](e *Encoder, v []T) error {
	if len(v) > MaxElements {
		return ErrTooLarge
	}
	planRoot(e, e.recall(), v, float).write()
	return nil
}

// planRoot plans a column of its own.
func planRoot[T kern.Uint](e *Encoder, c *choice, v []T, k kind) intPlan[T] {
	return planKnown(e, c, v, k, e.root())
}

// planKnown plans v within r. It tries what c remembers first.
func planKnown[T kern.Uint](e *Encoder, c *choice, v []T, k kind, r room) intPlan[T] {
	if c.trusted() {
		plan := planInts(e, v, k, room{r.may & c.used, r.depth, c.top})
		if c.holds(plan.cost, len(v), drift) && math.Abs(float64(plan.runs)/float64(len(v))-c.runs) < 0.1 {
			c.age++
			return plan
		}
	}
	plan := planInts(e, v, k, r)
	write := plan.write
	plan.write = func() {
		c.learn(e, plan.cost, len(v), write)
		c.runs = float64(plan.runs) / float64(max(1, len(v)))
	}
	return plan
}

// room is what a node may be made of, beside the encodings that have no nodes
// below, and how many nodes deep. It keeps chains within MaxDepth and the
// search short.
type room struct {
	may   Set
	depth int
	top   Encoding // if not 0, the only encoding with nodes below for this very node
}

// root is the room of a node that nothing is above.
func (e *Encoder) root() room {
	may := Set(1<<Runs | 1<<Dictionary | 1<<Sparse | 1<<Patched)
	if e.profile != Fast {
		may |= 1<<Delta | 1<<Scaled | 1<<ALP | 1<<Decimal | 1<<FSST | 1<<Fields
	}
	return room{may: may, depth: MaxDepth}
}

// has reports whether there is room for a node of enc with nodes below.
func (r room) has(enc Encoding) bool {
	return r.depth > 1 && r.may.Has(enc) && (r.top == 0 || r.top == enc)
}

// without is the room with one encoding less.
func (r room) without(enc Encoding) room { r.may &^= 1 << enc; return r }

// below is the room of the children of a node; list is what they may be.
func (r room) below(list ...Encoding) room {
	may := Set(0)
	for _, enc := range list {
		may |= 1 << enc
	}
	return room{may: r.may & may, depth: r.depth - 1}
}

// intPlan is one way to write a run of integers and its price.
type intPlan[T kern.Uint] struct {
	cost  int
	write func()
	runs  int // in the values
}

func (p *intPlan[T]) offer(size, percent int, write func()) {
	if cost := size * percent / 100; p.write == nil || cost < p.cost {
		p.cost, p.write = cost, write
	}
}

func putInts[T kern.Uint](e *Encoder, v []T, k kind, r room) { planInts(e, v, k, r).write() }

// planInts finds the cheapest way to write v. What is offered first wins
// between equals; what comes later looks at the price so far and gives up
// early where it cannot win.
func planInts[T kern.Uint](e *Encoder, v []T, k kind, r room) (plan intPlan[T]) {
	s := scanInts(v, k, r.may.Has(Patched) && (r.top == 0 || r.top == Patched))
	plan.runs = s.runs
	if s.constant {
		plan.offer(nodeSize, costRaw, func() { e.putConstantInt(shapeOf[T](), len(v), uint64(s.lo)) })
		return plan
	}
	plan.offer(len(v)*wordBytes[T](), costRaw, func() { putRawInts(e, v) })
	plan.offer(s.packed, costPacked, func() { putPacked(e, v, s.flip) })
	if s.patched < s.packed {
		plan.offer(s.patched+patchedBuffers, costPatched, func() { putPatched(e, v, s.vecs) })
	}
	if k == float && (r.has(ALP) || r.has(Decimal)) {
		planFloats(e, &plan, v, r)
	}
	if r.has(Scaled) || r.has(Delta) {
		planSteps(e, &plan, v, s, r)
	}
	if r.has(Dictionary) {
		planDictionary(e, &plan, v, s, r)
	}
	if r.has(Sparse) {
		planSparse(e, &plan, v, s, r)
	}
	if r.has(Runs) {
		planRuns(e, &plan, v, s, r)
	}
	if e.profile == Compact && len(v)*wordBytes[T]() >= minZstd {
		planZstd(e, &plan, v)
	}
	return plan
}

// intStats is what one pass over the values tells.
type intStats[T kern.Uint] struct {
	kind     kind
	flip     T // see flipOf
	lo, hi   T // in the order of the values
	constant bool
	packed   int                // bytes when packed
	patched  int                // bytes when packed with patches
	vecs     []patchedVector[T] // as they would be then
	runs     int
}

func scanInts[T kern.Uint](v []T, k kind, patches bool) intStats[T] {
	s := intStats[T]{kind: k, flip: flipOf[T](k), constant: true}
	if len(v) == 0 {
		return s
	}
	s.lo, s.hi = v[0], v[0]
	for at := 0; at < len(v); at += kern.Vector {
		vec := v[at:min(at+kern.Vector, len(v))]
		lo, hi := kern.MinMax(vec, s.flip)
		s.packed += packedVector[T](bits.Len64(uint64(hi - lo)))
		s.lo, s.hi = min(s.lo^s.flip, lo^s.flip)^s.flip, max(s.hi^s.flip, hi^s.flip)^s.flip
		if patches {
			p := planPatchedVector(vec, lo, hi)
			s.vecs, s.patched = append(s.vecs, p), s.patched+p.bytes()
		}
	}
	if !patches {
		s.patched = s.packed
	}
	s.constant = s.lo == s.hi
	s.runs = kern.Runs(v)
	return s
}

// sample returns 16 stretches of 64 values from all over v, or v if it is
// short. Stretches keep what neighbours have in common.
func sample[T kern.Uint](v []T) []T {
	if len(v) <= sampleRuns*sampleRun {
		return v
	}
	out := make([]T, 0, sampleRuns*sampleRun)
	for i := range sampleRuns {
		at := i * (len(v) - sampleRun) / (sampleRuns - 1)
		out = append(out, v[at:at+sampleRun]...)
	}
	return out
}

const sampleRuns, sampleRun = 16, 64

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
	case Patched:
		return getPatched(d, n, dst)
	case Delta:
		return getDelta(d, n, dst, depth)
	case Scaled:
		return getScaled(d, n, dst, depth)
	case Sparse:
		return getSparse(d, n, dst, depth)
	case ALP:
		return getALP(d, n, dst, depth)
	case Decimal:
		return getDecimal(d, n, dst, depth)
	}
	return n.unknown()
}
