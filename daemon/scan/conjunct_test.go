package scan

import (
	"testing"
	"time"
)

// TestConditionsInOrder: a condition goes first for the rows that it throws
// out in its time, not for the rows alone.
func TestConditionsInOrder(t *testing.T) {
	l := newLake(t, "k int32", "s string")
	l.addJSON(t, `[{"k":1,"s":"ab"}]`)
	type seen struct {
		tried, passed int
		took          time.Duration
	}
	const rows = 1 << 20
	for _, c := range []struct {
		name        string
		text, span  seen
		wantedFirst string
	}{
		{"nothing is known: the range is taken to be cheap", seen{}, seen{}, "k"},
		{"the text throws out more, the range in a hundredth of the time", seen{rows, rows / 1000, 10 * time.Millisecond}, seen{rows, rows / 10, 100 * time.Microsecond}, "k"},
		{"the range throws out next to nothing", seen{rows, rows / 1000, 10 * time.Millisecond}, seen{rows, rows - 100, 100 * time.Microsecond}, "s"},
		{"one takes as long as the other", seen{rows, rows / 1000, time.Millisecond}, seen{rows, rows / 2, time.Millisecond}, "s"},
	} {
		p, err := New(l.snap, parse(t, "SELECT count(*) FROM t WHERE s LIKE '%b%' AND k < 500"), Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, cond := range p.conjuncts {
			known := c.span
			if cond.find != nil {
				known = c.text
			}
			cond.stats.add(known.tried, known.passed, known.took)
		}
		first := p.conjuncts[p.inOrder(nil)[0].nth]
		if got := p.inputs[first.slots[0]].field.Name; got != c.wantedFirst {
			t.Errorf("%s: the condition on %s goes first; want that on %s", c.name, got, c.wantedFirst)
		}
	}
}

// TestConditionsAreTimed: what a block took is part of what is known.
func TestConditionsAreTimed(t *testing.T) {
	l := newLake(t, "k int32", "s string")
	l.addJSON(t, `[{"k":1,"s":"ab"},{"k":2,"s":"cb"},{"k":900,"s":"b"}]`)
	p, err := New(l.snap, parse(t, "SELECT count(*) FROM t WHERE s LIKE '%b%' AND k < 500 AND k % 2 = 0"), Options{NoPrune: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rowsOf(p, l); err != nil {
		t.Fatal(err)
	}
	for i, c := range p.conjuncts {
		if c.stats.tried.Load() == 0 || c.stats.nanos.Load() == 0 {
			t.Errorf("condition %d: %d rows tried in %d ns", i, c.stats.tried.Load(), c.stats.nanos.Load())
		}
	}
}
