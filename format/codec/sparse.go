package codec

import (
	"fmt"
	"slices"

	"github.com/tarnlake/tarn/format/kern"
)

// Sparse: one value for most rows. The parameter is that value, zero-extended.
// Two nodes: bits, 1 where another value stands, and those other values, in
// order (a node of no values if there are none).

// planSparse asks a sample for the commonest value, counts it, and goes on
// where leaving it out pays for a bit a row.
func planSparse[T kern.Uint](e *Encoder, plan *intPlan[T], v []T, s intStats[T], r room) {
	top, ok := commonest(v)
	if !ok {
		return
	}
	others := len(v) - count(v, top)
	if guess := len(v)/8 + int(float64(plan.cost)*float64(others)/float64(len(v))); guess >= plan.cost*9/10 {
		return
	}
	marks, rest := make([]byte, (len(v)+7)/8), make([]T, 0, others)
	for i, x := range v {
		if x != top {
			marks[i/8] |= 1 << (i % 8)
			rest = append(rest, x)
		}
	}
	child := planInts(e, rest, s.kind, r.below(Patched, Delta, Scaled, Dictionary, ALP, Decimal))
	plan.offer(len(marks)+child.cost+2*nodeSize, costSparse, func() {
		e.node(Sparse, shapeOf[T](), len(v), uint64(top))
		e.putBits(marks, len(v), room{may: 1 << Runs, depth: r.depth - 1})
		child.write()
	})
}

// commonest returns the most frequent value of a sample, if it is a quarter of
// it.
func commonest[T kern.Uint](v []T) (top T, ok bool) {
	const pieces = 128
	if len(v) < 2*pieces {
		return 0, false
	}
	var s [pieces]T
	for i := range s {
		s[i] = v[i*len(v)/pieces]
	}
	slices.Sort(s[:])
	most := 0
	for start := 0; start < pieces; {
		end := start + 1
		for end < pieces && s[end] == s[start] {
			end++
		}
		if end-start > most {
			top, most = s[start], end-start
		}
		start = end
	}
	return top, most >= pieces/4
}

func count[T kern.Uint](v []T, x T) (n int) {
	for _, y := range v {
		if y == x {
			n++
		}
	}
	return n
}

func getSparse[T kern.Uint](d *Decoder, n node, dst []T, depth int) error {
	if uint64(T(n.param)) != n.param {
		return fmt.Errorf("sparse value %#x does not fit %s", n.param, n.shape)
	}
	size := (len(dst) + 7) / 8
	if err := d.Spend(int64(size)); err != nil {
		return err
	}
	marks := make([]byte, size)
	if err := getBits(d, marks, len(dst), depth+1); err != nil {
		return err
	}
	// The others are decoded into the end of dst: where one is read is never
	// before where it is written.
	rest := dst[len(dst)-CountOnes(marks, len(dst)):]
	if err := getInts(d, rest, depth+1); err != nil {
		return err
	}
	scatter(dst, marks, rest, T(n.param))
	return nil
}

// scatter spreads rest, the end of dst, over the marked places.
func scatter[T kern.Uint](dst []T, marks []byte, rest []T, top T) {
	for i := range dst {
		if marks[i/8]>>(i%8)&1 == 1 {
			dst[i], rest = rest[0], rest[1:]
		} else {
			dst[i] = top
		}
	}
}
