package catalog

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/tarnlake/tarn/schema"
	"github.com/tarnlake/tarn/tiering"
)

// lakeFiles is a lake of one table as it lies on disks: what was committed, and
// what files there are, with the rows of each.
type lakeFiles struct {
	rng     *rand.Rand
	last    uint32
	rows    map[SegmentID][]int // of every file that is there
	origin  map[SegmentID]Origin
	live    []SegmentID
	removed []SegmentID // by commits, the first of them first; files still there
	tries   [][]SegmentID
	acked   int
}

func newLakeFiles(seed uint64) *lakeFiles {
	return &lakeFiles{rng: rand.New(rand.NewPCG(seed, 1)), rows: map[SegmentID][]int{}, origin: map[SegmentID]Origin{}}
}

func (l *lakeFiles) write(rows []int, merged *Merged) SegmentID {
	l.last++
	id := NewSegmentID(Epoch(1+l.last/10), l.last)
	l.rows[id], l.origin[id] = rows, Origin{Table: "t", Version: Version(l.last), Merged: merged}
	return id
}

func (l *lakeFiles) append() {
	var rows []int
	for range 1 + l.rng.IntN(5) {
		rows = append(rows, l.acked)
		l.acked++
	}
	l.live = append(l.live, l.write(rows, nil))
}

// merge writes the rows of some live segments anew. The outputs are committed,
// or some of them, or all, are left behind by a node that has died.
func (l *lakeFiles) merge() {
	if len(l.live) < 2 {
		return
	}
	l.rng.Shuffle(len(l.live), func(i, j int) { l.live[i], l.live[j] = l.live[j], l.live[i] })
	n := 1 + l.rng.IntN(min(4, len(l.live)))
	inputs := slices.Clone(l.live[:n])
	var rows []int
	for _, id := range inputs {
		rows = append(rows, l.rows[id]...)
	}
	merged := l.merged(inputs, len(rows))
	var outputs []SegmentID
	for part := range slices.Chunk(rows, max(1, len(rows)/(1+l.rng.IntN(3)))) {
		outputs = append(outputs, l.write(part, merged))
	}
	if l.rng.IntN(3) == 0 { // never committed
		for _, id := range outputs[1+l.rng.IntN(len(outputs)):] {
			l.remove(id)
			outputs = slices.DeleteFunc(outputs, func(o SegmentID) bool { return o == id })
		}
		l.tries = append(l.tries, append(inputs, outputs...))
		return
	}
	l.removed = append(l.removed, inputs...)
	l.live = append(l.live[n:], outputs...)
}

// merged is what the next segments will say when they get so many rows.
func (l *lakeFiles) merged(inputs []SegmentID, rows int) *Merged {
	var from []Input
	for _, id := range inputs {
		from = append(from, Input{id, l.origin[id].Merged})
	}
	m, err := NewMerged(NewSegmentID(Epoch(1+(l.last+1)/10), l.last+1), int64(rows), from)
	if err != nil {
		panic(err)
	}
	return m
}

// expire deletes the files that were removed first. The nodes are up then, and
// have cleared away what tries to merge those have left.
func (l *lakeFiles) expire() {
	n := l.rng.IntN(len(l.removed) + 1)
	for _, id := range l.removed[:n] {
		for _, try := range l.tries {
			if slices.Contains(try, id) {
				for _, left := range try {
					if !slices.Contains(l.live, left) && !slices.Contains(l.removed, left) {
						l.remove(left)
					}
				}
			}
		}
		l.remove(id)
	}
	l.removed = l.removed[n:]
}

func (l *lakeFiles) remove(id SegmentID) {
	delete(l.rows, id)
	delete(l.origin, id)
}

func (l *lakeFiles) found() (f Found) {
	for id, rows := range l.rows {
		seg := Segment{ID: id, SchemaID: 1, Rows: int64(len(rows)), Bytes: 1, Hash: "h"}
		f.Segments = append(f.Segments, FoundSegment{seg, 1, &schema.Schema{ID: 1, Fields: fieldsWithIDs()}, l.origin[id]})
		f.Stripes = append(f.Stripes, foundCopies(id, "d1"))
	}
	return f
}

func foundCopies(id SegmentID, disks ...string) FoundStripe {
	return FoundStripe{Stripe{ID: id, Data: []Member{{id, 1, "h"}}}, CopiesOf(len(disks)), disks}
}

func fieldsWithIDs() []schema.Field {
	all := fields()
	for i := range all {
		all[i].ID = int32(i + 1)
	}
	return all
}

func threeDisks() RegisterNode {
	return RegisterNode{Node: "n", Name: "n", Disks: []DiskFacts{{"d1", "hot", 1}, {"d2", "hot", 1}, {"d3", "hot", 1}}}
}

// TestAdoptTakesEachRowOnce makes catalogs of the files of random lakes, at
// random times between merges that were committed, cut off and expired.
func TestAdoptTakesEachRowOnce(t *testing.T) {
	for seed := range uint64(300) {
		l := newLakeFiles(seed)
		for range 40 {
			[]func(){l.append, l.append, l.merge, l.expire}[l.rng.IntN(4)]()
		}
		if l.acked == 0 {
			continue
		}
		s, told, err := NewState().Recovered("n", "x", testStart, NewSegmentID(9, 9).Epoch()).Adopt(threeDisks(), l.found())
		if err != nil || len(told.Refused) > 0 {
			t.Fatalf("seed %d: %v, %v", seed, err, told.Refused)
		}
		var got []int
		table := adoptedTable1(t, s)
		for _, seg := range table.Segments {
			got = append(got, l.rows[seg.ID]...)
		}
		slices.Sort(got)
		want := make([]int, l.acked)
		for i := range want {
			want[i] = i
		}
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d: the rows are %v; want each of %d once", seed, got, l.acked)
		}
		if table.Commit.TotalRows != int64(l.acked) || told.Tables[0].Rows != int64(l.acked) {
			t.Fatalf("seed %d: %d rows are counted, and %d told of; want %d", seed, table.Commit.TotalRows, told.Tables[0].Rows, l.acked)
		}
		again, told, err := reencoded(t, s).Recovered("n", "y", testStart, 0).Adopt(threeDisks(), l.found())
		if err != nil || len(told.Tables) > 0 || adoptedTable1(t, again).Version != table.Version {
			t.Fatalf("seed %d: done again it gives %+v, %v; want no change", seed, told, err)
		}
	}
}

// adopted returns the rows of the catalog that is made of the files.
func (l *lakeFiles) adopted(t *testing.T) (got []int) {
	t.Helper()
	s, told, err := NewState().Recovered("n", "x", testStart, NewSegmentID(99, 9).Epoch()).Adopt(threeDisks(), l.found())
	if err != nil || len(told.Refused)+len(told.Doubtful) > 0 {
		t.Fatalf("%v, %v, %v", err, told.Refused, told.Doubtful)
	}
	if len(told.Tables) == 0 {
		return nil
	}
	for _, seg := range adoptedTable1(t, s).Segments {
		got = append(got, l.rows[seg.ID]...)
	}
	slices.Sort(got)
	return got
}

// TestAdoptWithoutGenerations: of what merges replaced a disk has some and not
// others, of any generation. Each row is there once as long as what was live is.
func TestAdoptWithoutGenerations(t *testing.T) {
	for seed := range uint64(300) {
		l := newLakeFiles(seed)
		for range 60 {
			[]func(){l.append, l.merge, l.merge}[l.rng.IntN(3)]()
		}
		for _, id := range slices.Sorted(maps.Keys(l.rows)) {
			if !slices.Contains(l.live, id) && l.rng.IntN(2) == 0 {
				l.remove(id)
			}
		}
		got := l.adopted(t)
		for i := range max(l.acked, len(got)) {
			if i >= len(got) || got[i] != i {
				t.Fatalf("seed %d: the rows are %v; want each of %d once", seed, got, l.acked)
			}
		}
	}
}

// TestAdoptNeverDoubles: whatever is missing, no row is there twice.
func TestAdoptNeverDoubles(t *testing.T) {
	for seed := range uint64(300) {
		l := newLakeFiles(seed)
		for range 60 {
			[]func(){l.append, l.merge, l.merge, l.expire}[l.rng.IntN(4)]()
		}
		for _, id := range slices.Sorted(maps.Keys(l.rows)) {
			if l.rng.IntN(3) == 0 {
				l.remove(id)
			}
		}
		got := l.adopted(t)
		if once := slices.Compact(slices.Clone(got)); len(once) != len(got) {
			t.Fatalf("seed %d: the rows are %v; want none twice", seed, got)
		}
	}
}

func adoptedTable1(t *testing.T, s *State) *Snapshot {
	t.Helper()
	table, err := s.Table("t")
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// reencoded is the state as a restart finds it.
func reencoded(t *testing.T, s *State) *State {
	t.Helper()
	again, err := DecodeState(bytes.NewReader(encoded(t, s)))
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// TestAdoptNewerThanCheckpoint: a checkpoint has two segments; a later merge has
// replaced them, and a table was made since. What was deleted stays so.
func TestAdoptNewerThanCheckpoint(t *testing.T) {
	w := newWorld(t)
	first := w.must(openEpoch("storage")).Epoch
	gone := w.must(commitOf(first, w.must(createTable("old")).Table, 9)).Table
	e := w.must(openEpoch("storage")).Epoch
	table := w.must(createTable("t")).Table
	table = w.must(commitOf(e, table, 1, 2)).Table
	found := Found{}
	add := func(id SegmentID, of TableID, o Origin, rows int64) {
		found.Segments = append(found.Segments, FoundSegment{Segment{ID: id, SchemaID: 1, Rows: rows, Bytes: 1, Hash: "h"}, of, table.Schema, o})
		found.Stripes = append(found.Stripes, foundCopies(id, "d1"))
	}
	inputs := []SegmentID{NewSegmentID(e, 1), NewSegmentID(e, 2)}
	merged := NewSegmentID(e, 3)
	add(merged, table.ID, Origin{Table: "t", Version: 2, Merged: &Merged{Part: merged, Rows: 20, Replaces: inputs}}, 20)
	add(NewSegmentID(e+1, 1), table.ID+1, Origin{Table: "made", Version: 7}, 5)
	add(NewSegmentID(e+1, 2), table.ID+2, Origin{Table: "t", Version: 1}, 1) // of another table that had the name
	add(NewSegmentID(first, 10), gone.ID, Origin{Table: "old", Version: 3}, 10)

	s, told, err := w.s.Recovered("storage", "x", testStart.Add(time.Hour), e+1).Adopt(
		RegisterNode{Node: "storage", Name: "storage", Disks: []DiskFacts{{"d1", "hot", 1 << 40}}}, found)
	if err != nil || len(told.Refused) > 0 {
		t.Fatalf("%v, %v", err, told.Refused)
	}
	s = reencoded(t, s)
	got := adoptedTable1(t, s)
	if len(got.Segments) != 1 || got.Segments[0].ID != merged || got.Version != table.Version+1 || got.Commit.TotalRows != 20 {
		t.Errorf("table t is %+v; want the merged segment alone, as the next version", got)
	}
	if made, err := s.Table("made"); err != nil || made.Version <= 7 || made.Commit.TotalRows != 5 {
		t.Errorf("the table made since is %+v, %v; want 5 rows at a version that it never had", made, err)
	}
	if other, err := s.Table(fmt.Sprintf("t.table%d", table.ID+2)); err != nil || other.Commit.TotalRows != 1 {
		t.Errorf("the other table of the name is %+v, %v; want it under another one", other, err)
	}
	if told.Deleted != 1 {
		t.Errorf("%d files of closed epochs are left out; want 1", told.Deleted)
	}
	for id, want := range map[SegmentID]Verdict{merged: Keep, inputs[0]: Keep, NewSegmentID(first, 10): Trash, NewSegmentID(e, 77): Wait} {
		if got := verdict(s, id); got != want {
			t.Errorf("%s: %v; want %v", id, got, want)
		}
	}
}

// TestAdoptStripes: members that nobody has found are missing, and their slots
// are on lost disks, so that they get others.
func TestAdoptStripes(t *testing.T) {
	a, b := NewSegmentID(1, 1), NewSegmentID(1, 2)
	seg := func(id SegmentID) FoundSegment {
		return FoundSegment{Segment{ID: id, SchemaID: 1, Rows: 1, Bytes: 1, Hash: "h"}, 1, &schema.Schema{ID: 1, Fields: fieldsWithIDs()}, Origin{Table: "t", Version: 1}}
	}
	striped := FoundStripe{
		Stripe{ID: a, Data: []Member{{a, 1, "h"}, {b, 1, "h"}}, Parity: []Member{{0, 2, "p"}, {0, 2, "q"}}},
		tiering.Scheme{Data: 2, Parity: 2}, []string{"d1", "", "d2", "d3"},
	}
	c, d := NewSegmentID(1, 3), NewSegmentID(1, 4)
	found := Found{
		Segments: []FoundSegment{seg(a), seg(b), seg(c), seg(d)},
		Stripes:  []FoundStripe{foundCopies(d, "d2"), striped, foundCopies(c, "d1", "d2", "d3")},
	}
	s, told, err := NewState().Recovered("n", "x", testStart, 1).Adopt(threeDisks(), found)
	if err != nil || len(told.Refused) > 0 {
		t.Fatalf("%v, %v", err, told.Refused)
	}
	s = reencoded(t, s)
	at, ok := s.Locate(b)
	if !ok || at.Lost() != 1<<1 || at.Spare() != 1 {
		t.Errorf("the stripe is %+v; want member 1 missing", at)
	}
	if lost, _ := s.Disk(at.Group.Slots[1].Disk); lost == nil || lost.State != DiskLost {
		t.Errorf("the slot that was not found is on %+v; want a lost disk", lost)
	}
	one, _ := s.Locate(d)
	three, _ := s.Locate(c)
	if one.Group.ID != three.Group.ID || one.Lost().Len() != 2 || three.Lost() != 0 {
		t.Errorf("the segment with one copy is in group %d and misses %b; want it in group %d with two copies missing", one.Group.ID, one.Lost(), three.Group.ID)
	}
}

func TestAdoptRefuses(t *testing.T) {
	id := NewSegmentID(1, 1)
	whole := func() (FoundSegment, FoundStripe) {
		o := Origin{Table: "t", Version: 1}
		return FoundSegment{Segment{ID: id, SchemaID: 1, Rows: 1, Bytes: 1, Hash: "h"}, 1, &schema.Schema{ID: 1, Fields: fieldsWithIDs()}, o}, foundCopies(id, "d1")
	}
	for name, change := range map[string]func(*FoundSegment, *FoundStripe){
		"unknown disk":    func(_ *FoundSegment, st *FoundStripe) { st.Disks[0] = "d9" },
		"no members":      func(_ *FoundSegment, st *FoundStripe) { st.Disks = nil },
		"wrong scheme":    func(_ *FoundSegment, st *FoundStripe) { st.Scheme = tiering.Scheme{Data: 2, Parity: 1} },
		"other name":      func(_ *FoundSegment, st *FoundStripe) { st.ID++ },
		"no table number": func(f *FoundSegment, _ *FoundStripe) { f.Table = 0 },
		"sorted by nothing": func(f *FoundSegment, _ *FoundStripe) {
			f.Origin.SortBy = []schema.SortKey{{FieldID: 77}}
		},
		"partitioned by no expression": func(f *FoundSegment, _ *FoundStripe) {
			f.Origin.PartitionBy = []schema.Transform{{Kind: "moon", FieldID: 3}}
			f.Partition = make([]schema.PartitionValue, 1)
		},
		"partition": func(f *FoundSegment, _ *FoundStripe) { f.Partition = make([]schema.PartitionValue, 1) },
	} {
		seg, st := whole()
		change(&seg, &st)
		s, told, err := NewState().Recovered("n", "x", testStart, 1).Adopt(threeDisks(), Found{[]FoundSegment{seg}, []FoundStripe{st}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(told.Refused) != 1 || len(s.Tables()) != 0 {
			t.Errorf("%s: %+v, %d tables; want a refusal", name, told, len(s.Tables()))
		}
	}
}

func TestOriginRoundTrip(t *testing.T) {
	o := Origin{
		Table: "t", Version: 3, PartitionBy: []schema.Transform{{Kind: schema.Identity, FieldID: 1}}, Partition: []schema.PartitionValue{{Text: "x"}},
		SortBy: []schema.SortKey{{FieldID: 1, Desc: true}}, Merged: &Merged{Part: 5, Rows: 7, Replaces: []SegmentID{1, 2}},
	}
	got, err := ParseOrigin(o.String())
	if err != nil || got.String() != o.String() {
		t.Errorf("got %v, %v; want %v", got, err, o)
	}
}

// FuzzParseOrigin: files are foreign bytes. What is taken can be adopted or is
// refused, and the state that comes of it can be read again.
func FuzzParseOrigin(f *testing.F) {
	f.Add(Origin{Table: "t", Version: 3, Merged: &Merged{Part: 5, Rows: 7, Replaces: []SegmentID{1, 2}}}.String())
	f.Add(Origin{Table: "t", Version: 3, Merged: &Merged{Part: 5, Older: SegmentSet{9, 2, 3, 0}, Parts: SegmentSet{4, 0}, Cut: 3}}.String())
	f.Add(`{"table":"t","version":1,"sort_by":[{"field":1}],"options":{"lookup":["id"]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		o, err := ParseOrigin(text)
		if err != nil {
			return
		}
		id := NewSegmentID(1, 1)
		seg := FoundSegment{Segment{ID: id, SchemaID: 1, Rows: 1, Bytes: 1, Hash: "h", Partition: o.Partition}, 1, &schema.Schema{ID: 1, Fields: fieldsWithIDs()}, o}
		s, told, err := NewState().Recovered("n", "x", testStart, 1).Adopt(threeDisks(), Found{[]FoundSegment{seg}, []FoundStripe{foundCopies(id, "d1")}})
		if err != nil {
			t.Fatal(err)
		}
		if len(told.Refused) == 0 {
			reencoded(t, s)
		}
	})
}
