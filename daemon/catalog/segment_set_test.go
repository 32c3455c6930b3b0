package catalog

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestSegmentSet: a set has what was put into it; of one that is too small, all
// from the cut on.
func TestSegmentSet(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		in := map[SegmentID]bool{}
		var runs []segmentRun
		for range rng.IntN(40) {
			first := NewSegmentID(Epoch(1+rng.IntN(3)), uint32(1+rng.IntN(300)))
			r := segmentRun{first, first + SegmentID(rng.IntN(6))}
			runs = append(runs, r)
			for id := r.first; id <= r.last; id++ {
				in[id] = true
			}
		}
		most := rng.IntN(120)
		set, cut := packSegments(runs, most)
		if err := set.check(); err != nil || len(set) > most {
			t.Fatalf("seed %d: %d bytes of %d, %v", seed, len(set), most, err)
		}
		for e := range Epoch(5) {
			for n := range uint32(310) {
				id := NewSegmentID(e, n)
				if got, want := len(set.among([]SegmentID{id})) == 1, in[id] && id >= cut; got != want {
					t.Fatalf("seed %d: %s is in it: %v; want %v (cut %s)", seed, id, got, want, cut)
				}
			}
		}
	}
}

func TestSegmentSetRefuses(t *testing.T) {
	for _, s := range []SegmentSet{{1}, {0, 0}, {1, 1}, {5, 0, 5, 0}, {5, 0, 0, 0}, {0x80}, {5, 0x80}, {5, 0, 9, 0}, make(SegmentSet, maxSetBytes+1)} {
		if s.check() == nil {
			t.Errorf("% x is taken", s)
		}
	}
}

// TestMergedIsBounded: rows that are merged for ever do not make what segments
// say longer for ever, and what is left out is said.
func TestMergedIsBounded(t *testing.T) {
	m := (*Merged)(nil)
	last := NewSegmentID(1, 1)
	for n := range uint32(300) {
		inputs := []Input{{last, m}}
		for i := range uint32(63) {
			inputs = append(inputs, Input{ID: NewSegmentID(1, 2+n*200+3*i)})
		}
		part := NewSegmentID(1, 2+n*200+199)
		var err error
		if m, err = NewMerged(part, 1, inputs); err != nil {
			t.Fatal(err)
		}
		last = part + 1 // not the one that names the part
	}
	if size := len(Origin{Table: "t", Version: 1, Merged: m}.String()); size > 2*maxSetBytes*4/3+4096 || len(m.Older) < maxSetBytes/2 {
		t.Errorf("the origin has %d bytes, of which %d are for what is older", size, len(m.Older))
	}
	oldest, newest := NewSegmentID(1, 5), NewSegmentID(1, 2+298*200+3)
	if m.Cut <= oldest || m.Cut > newest || len(m.Older.among([]SegmentID{oldest, newest})) != 1 {
		t.Errorf("cut at %s: %v is listed of %s and %s; want the newer one", m.Cut, m.Older.among([]SegmentID{oldest, newest}), oldest, newest)
	}
}

// TestAdoptDoubts: what may be there twice is told of, and only that.
func TestAdoptDoubts(t *testing.T) {
	l := newLakeFiles(1)
	a, b := l.write([]int{0, 1}, nil), l.write([]int{2}, nil)
	m := l.merged([]SegmentID{l.write([]int{3}, nil)}, 1)
	m.Cut = b
	l.write([]int{3}, m)
	s, told, err := NewState().Recovered("n", "x", testStart, 9).Adopt(threeDisks(), l.found())
	if err != nil || !slices.Equal(told.Doubtful, []DoubtNotice{{"t", 1, 2}}) {
		t.Fatalf("%+v, %v; want the 2 rows of %s in doubt", told, err, a)
	}
	if got := adoptedTable1(t, s).Commit.TotalRows; got != 4 {
		t.Errorf("%d rows; want all 4", got)
	}
}
