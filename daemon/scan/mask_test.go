package scan

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/index"
)

// TestMasksHold compares what indexes say of each block with the filter's own
// verdict on every row, over random tables and conditions.
func TestMasksHold(t *testing.T) {
	var tally [5]int
	for seed := range uint64(60) {
		g := &generator{Rand: rand.New(rand.NewPCG(seed, 2)), ref: reference{meant: map[*expr.Expr]val{}}}
		g.makeLake(t)
		for range 20 {
			q := &expr.Query{Table: "t", Where: g.condition(3)}
			p, err := New(g.lake.snap, q, Options{})
			if err != nil {
				t.Fatal(err)
			}
			for task, err := range p.tasks(t.Context(), g.lake) {
				if err != nil {
					t.Fatal(err)
				}
				tally[task.found]++
				checkMask(t, p, task)
			}
		}
	}
	for _, f := range []index.Found{index.Unsure, index.Candidates, index.TheseRows} {
		if tally[f] == 0 {
			t.Errorf("found %d never came up: %v", f, tally)
		}
	}
}

func checkMask(t *testing.T, p *Plan, task task) {
	t.Helper()
	s := p.survivors(task)
	if err := p.read(t.Context(), task, s, forFilter); err != nil {
		t.Fatal(err)
	}
	v, err := p.filter.eval(s.batch, nil)
	if err != nil {
		return // a value that cannot be computed: nothing to compare with
	}
	truth := v.truth()
	for i := range task.rows {
		is, in := truth.has(i), task.mask != nil && task.mask.Has(i)
		if task.all && !is || task.mask != nil && is && !in || task.found == index.TheseRows && in && !is {
			t.Fatalf("%s: row %d of block %d of %s is %v; found %d, in its mask %v", p.q.Where, i, task.block, task.seg.ID, is, task.found, in)
		}
	}
	left := p.survivors(task)
	some, err := p.load(t.Context(), task, left, int64(task.rows))
	if err != nil {
		t.Fatal(err)
	}
	left.settle()
	if want := truth.rows(task.rows); some != (len(want) > 0) || some && left.n != len(want) ||
		some && left.rows != nil && !slices.Equal(left.rows, want) {
		t.Fatalf("%s: block %d of %s, found %d: got %+v; want rows %v", p.q.Where, task.block, task.seg.ID, task.found, left, want)
	}
}
