package clock

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// machine is a clock that is set, and time that passes.
type machine struct {
	off     time.Duration
	elapsed time.Duration
}

var year2026 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func (m *machine) true() time.Time { return year2026.Add(m.elapsed) }

func newMachine() (*machine, *Guard) {
	m := &machine{}
	return m, New(Config{Wall: func() time.Time { return m.true().Add(m.off) }, Elapsed: func() time.Duration { return m.elapsed }})
}

// TestJump: a jump, forwards or back, is told and not followed until it has
// stayed for an hour.
func TestJump(t *testing.T) {
	for _, jump := range []time.Duration{24 * time.Hour, 10 * 365 * 24 * time.Hour, -time.Hour, -24 * time.Hour} {
		m, g := newMachine()
		m.elapsed += time.Minute
		if got := g.Now(); !got.Equal(m.true()) || g.Wrong() != nil {
			t.Errorf("before: %v, %v; want %v", got, g.Wrong(), m.true())
		}
		m.off = jump
		m.elapsed += time.Minute
		if got := g.Now(); !got.Equal(m.true()) || g.Wrong() == nil || g.Ahead() != jump {
			t.Errorf("after a jump of %v: %v, ahead %v, %v; want %v", jump, got, g.Ahead(), g.Wrong(), m.true())
		}
		m.elapsed += Doubt - time.Second
		if got := g.Now(); !got.Equal(m.true()) {
			t.Errorf("for almost %v: %v; want %v", Doubt, got, m.true())
		}
		before := g.Now()
		m.elapsed += time.Second
		got := g.Now()
		if want := m.true().Add(jump); jump > 0 && !got.Equal(want) || g.Wrong() != nil {
			t.Errorf("after %v: %v, %v; want %v", Doubt, got, g.Wrong(), want)
		}
		if got.Before(before) {
			t.Errorf("the time went back from %v to %v", before, got)
		}
	}
}

// TestDrift: a clock that is off by little at a time is believed.
func TestDrift(t *testing.T) {
	m, g := newMachine()
	for range 1000 {
		m.elapsed += time.Second
		m.off += Bound / 2
		if err := g.Wrong(); err != nil {
			t.Fatalf("off by %v: %v", m.off, err)
		}
	}
}

// TestOthers: what other nodes say stands above both: a clock that is wrong from
// the start is told, and one that has jumped to where they are is right.
func TestOthers(t *testing.T) {
	m, g := newMachine()
	m.elapsed += time.Minute
	g.Told(time.Hour)
	if got, want := g.Now(), m.true().Add(-time.Hour); !got.Equal(want) || g.Wrong() == nil {
		t.Errorf("an hour ahead of the others: %v, %v; want %v", got, g.Wrong(), want)
	}
	m.elapsed += fresh
	if g.Wrong() != nil {
		t.Errorf("nobody has said anything lately: %v", g.Wrong())
	}
	m.off = time.Hour
	if g.Wrong() == nil {
		t.Error("a jump was not noticed")
	}
	g.Told(time.Millisecond)
	if got, want := g.Now(), m.true().Add(time.Hour); !got.Equal(want) || g.Wrong() != nil {
		t.Errorf("the others have the new time: %v, %v; want %v", got, g.Wrong(), want)
	}
}

// TestNeverBack: whatever the clock does and the others say, time goes forwards.
func TestNeverBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, g := newMachine()
		last := g.Now()
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			m.elapsed += time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "passes"))
			switch rapid.IntRange(0, 2).Draw(t, "what") {
			case 0:
				m.off = time.Duration(rapid.Int64Range(-int64(100*time.Hour), int64(100*time.Hour)).Draw(t, "off"))
			case 1:
				g.Told(time.Duration(rapid.Int64Range(-int64(time.Hour), int64(time.Hour)).Draw(t, "told")))
			}
			now := g.Now()
			if now.Before(last) {
				t.Fatalf("the time went back from %v to %v", last, now)
			}
			last = now
		}
	})
}

// TestCompare: the one that differs is found by the middle, and what may be the
// way there and back is nobody's fault.
func TestCompare(t *testing.T) {
	ms := time.Millisecond
	for _, test := range []struct {
		offsets map[string]Offset
		want    map[string]time.Duration
	}{
		{nil, map[string]time.Duration{"": 0}},
		{map[string]Offset{"a": {time.Hour, ms}, "b": {ms, ms}}, map[string]time.Duration{"": -ms, "a": time.Hour - ms, "b": 0}},
		{map[string]Offset{"a": {time.Hour, ms}, "b": {time.Hour, ms}}, map[string]time.Duration{"": -time.Hour, "a": 0, "b": 0}},
		{map[string]Offset{"a": {2 * time.Second, ms}}, map[string]time.Duration{"": -time.Second, "a": time.Second}},
		{map[string]Offset{"a": {400 * ms, 450 * ms}, "b": {0, ms}}, map[string]time.Duration{"": 0, "a": 0, "b": 0}},
	} {
		got := Compare(test.offsets)
		for node, want := range test.want {
			if got[node] != want {
				t.Errorf("%v: %q is ahead by %v; want %v", test.offsets, node, got[node], want)
			}
		}
	}
	sent := year2026
	if got, want := Measure(sent, 100*ms, sent.Add(time.Second)), (Offset{950 * ms, 50 * ms}); got != want {
		t.Errorf("got %v; want %v", got, want)
	}
}
