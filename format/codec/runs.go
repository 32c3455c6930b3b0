package codec

import (
	"fmt"

	"github.com/tarnlake/tarn/format/kern"
)

// Runs: run-length. The parameter is the number of runs. Words are two nodes,
// the values of the runs and their lengths (Word32); bits are one node, the
// lengths, of runs that take turns: the parameter's lowest bit is the first
// value and the rest of it the number of runs. No run is empty and together
// they have the node's count.

// planRuns prices run-length by its parts. Where runs are short it looks only
// if the values saved should pay for the lengths.
func planRuns[T kern.Uint](e *Encoder, plan *intPlan[T], v []T, s intStats[T], r room) {
	if guess := int(float64(plan.cost)*float64(s.runs)/float64(len(v))) + s.runs/4; s.runs > len(v)/4 && guess > plan.cost*15/16 {
		return
	}
	values, lengths := runsOf(v, s.runs)
	a := planInts(e, values, s.kind, r.below(Patched, Delta, Scaled, ALP, Decimal))
	b := planInts(e, lengths, unsigned, r.below(Patched))
	plan.offer(a.cost+b.cost+nodeSize+e.extraOfRuns(s.runs), costRuns, func() {
		e.node(Runs, shapeOf[T](), len(v), uint64(len(values)))
		a.write()
		b.write()
	})
}

// extraOfRuns is what runs are taken to cost beside their bytes. Each is copied
// by itself, which takes as long as unpacking a dozen values: it has to save a
// byte more.
func (e *Encoder) extraOfRuns(runs int) int {
	if e.profile == Compact {
		return 0
	}
	return runs
}

func runsOf[T kern.Uint](v []T, runs int) (values []T, lengths []uint32) {
	values, lengths = make([]T, 0, runs), make([]uint32, 0, runs)
	for start := 0; start < len(v); {
		end := start + 1
		for end < len(v) && v[end] == v[start] {
			end++
		}
		values, lengths = append(values, v[start]), append(lengths, uint32(end-start))
		start = end
	}
	return values, lengths
}

func getRuns[T kern.Uint](d *Decoder, n node, dst []T, depth int) error {
	runs, err := n.runs(d, n.param, int64(wordBytes[T]()))
	if err != nil {
		return err
	}
	values := make([]T, runs)
	if err := getInts(d, values, depth+1); err != nil {
		return err
	}
	lengths, err := getLengths(d, runs, len(dst), depth+1)
	if err != nil {
		return err
	}
	at := 0
	for i, length := range lengths {
		v, end := values[i], at+int(length)
		if length <= 4 && at+4 <= len(dst) { // most runs are short: the next one overwrites what is too much
			*(*[4]T)(dst[at:]) = [4]T{v, v, v, v}
		} else {
			kern.Fill(dst[at:end], v)
		}
		at = end
	}
	return nil
}

// runs checks a number of runs and pays for the scratch to decode them.
func (n node) runs(d *Decoder, runs uint64, valueBytes int64) (int, error) {
	if runs == 0 || runs > uint64(n.count) {
		return 0, fmt.Errorf("%d values in %d runs", n.count, runs)
	}
	return int(runs), d.Spend(int64(runs) * (valueBytes + 4))
}

// getLengths reads the lengths of runs that have total values in all.
func getLengths(d *Decoder, runs, total, depth int) ([]uint32, error) {
	lengths := make([]uint32, runs)
	if err := getInts(d, lengths, depth); err != nil {
		return nil, err
	}
	sum := uint64(0)
	for _, n := range lengths {
		if n == 0 {
			return nil, fmt.Errorf("a run is empty")
		}
		sum += uint64(n)
	}
	if sum != uint64(total) {
		return nil, fmt.Errorf("runs have %d values; want %d", sum, total)
	}
	return lengths, nil
}
