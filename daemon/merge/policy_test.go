package merge

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/schema"
	"pgregory.net/rapid"
)

// ledger is a table as the policy sees it, and what its merges have cost.
type ledger struct {
	policy   Policy
	t        *catalog.Snapshot
	last     catalog.SegmentID
	striped  map[catalog.SegmentID]bool
	ingested int64 // bytes
	merged   int64 // bytes written by merges
	sealed   int64 // of them by merges that only form stripes
}

func newLedger(target int64, width int) *ledger {
	l := &ledger{t: &catalog.Snapshot{ID: 1}, striped: map[catalog.SegmentID]bool{}}
	l.policy = Policy{Target: target, Width: width, Striped: func(id catalog.SegmentID) bool { return l.striped[id] }}
	return l
}

func (l *ledger) add(partition string, level int, bytes int64) *catalog.Segment {
	l.last++
	s := &catalog.Segment{ID: l.last, Level: level, Bytes: bytes, Rows: bytes, Partition: []schema.PartitionValue{{Text: partition}}}
	l.t.Segments = append(l.t.Segments, s)
	return s
}

func (l *ledger) ingest(partition string, bytes int64) {
	l.add(partition, 0, bytes)
	l.ingested += bytes
}

// step does one merge as Merger does: rows, and here bytes, are split evenly,
// and two segments or more form stripes.
func (l *ledger) step(t *rapid.T, from, to int) bool {
	job := l.policy.Next(l.t, from, to)
	if job == nil {
		return false
	}
	coming := int64(0)
	for _, p := range job.Parts {
		_, n := split(p, l.policy.Target)
		coming += n
	}
	for _, p := range job.Parts {
		if !slices.IsSortedFunc(p.Inputs, func(a, b *catalog.Segment) int { return int(a.ID) - int(b.ID) }) {
			t.Fatalf("inputs are not in the order of commit")
		}
		for _, s := range p.Inputs {
			if partitionKey(s.Partition) != partitionKey(p.Values) || l.policy.tier(s) != job.Tier || l.striped[s.ID] {
				t.Fatalf("segment %+v in a merge of tier %d of %v", s, job.Tier, p.Values)
			}
			i := slices.Index(l.t.Segments, s)
			l.t.Segments = slices.Delete(slices.Clone(l.t.Segments), i, i+1)
		}
		perFile, n := split(p, l.policy.Target)
		for left := p.bytes(); left > 0; left -= perFile {
			bytes := min(left, perFile)
			s := l.add(p.Values[0].Text, l.policy.levelOf(job.Tier, int(n), bytes), bytes)
			l.striped[s.ID] = l.policy.Width > 1 && coming > 1
			l.merged += bytes
			if job.Tier == Final {
				l.sealed += bytes
			}
		}
	}
	return true
}

// TestSteadyIngest: however segments come, those that wait are few, each row
// is rewritten a logarithmic number of times, and what is large enough ends in
// stripes.
func TestSteadyIngest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		target := int64(1) << rapid.IntRange(14, 24).Draw(t, "target")
		width := rapid.SampledFrom([]int{1, 2, 3, 4, 6}).Draw(t, "width")
		partitions := rapid.IntRange(1, 3).Draw(t, "partitions")
		least := max(1, target>>rapid.IntRange(4, 14).Draw(t, "size"))
		l := newLedger(target, width)
		for range rapid.IntRange(100, 400).Draw(t, "segments") {
			partition := fmt.Sprint(rapid.IntRange(1, partitions).Draw(t, "partition"))
			l.ingest(partition, rapid.Int64Range(least, 2*least).Draw(t, "bytes"))
			for l.step(t, 0, Final+1) {
			}
			if waiting := l.policy.Backlog(l.t); waiting != 0 {
				t.Fatalf("%d fresh segments wait when all merges are done", waiting)
			}
		}
		l.check(t, partitions, float64(target)/float64(least))
	})
}

func (l *ledger) check(t *rapid.T, partitions int, steps float64) {
	shelves, loose, rows := map[shelf]int{}, 0, int64(0)
	for _, s := range l.t.Segments {
		rows += s.Rows
		if tier := l.policy.tier(s); tier < Final {
			shelves[shelf{partitionKey(s.Partition), tier}]++
		} else if !l.striped[s.ID] {
			loose++
		}
	}
	if rows != l.ingested {
		t.Fatalf("%d rows are left of %d", rows, l.ingested)
	}
	for at, n := range shelves {
		if n >= fan {
			t.Fatalf("%d segments of tier %d wait", n, at.tier)
		}
	}
	if l.policy.Width > 1 && loose >= l.policy.Width {
		t.Fatalf("%d segments could form stripes of %d", loose, l.policy.Width)
	}
	most := math.Log(steps)/math.Log(fan) + 3 // one for the sizes that differ by a factor of two, one for the end, one to seal
	if got := float64(l.merged) / float64(l.ingested); got > most {
		t.Fatalf("every byte was written %.1f times more; want at most %.1f", got, most)
	}
}

// TestMergesThatLag: while merges do not keep up, each takes more, and a
// handful of them is enough to catch up.
func TestMergesThatLag(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLedger(1<<20, 1)
		n := rapid.IntRange(fan, 3000).Draw(t, "segments")
		for range n {
			l.ingest("a", rapid.Int64Range(100, 900).Draw(t, "bytes"))
		}
		merges := 0
		for l.policy.Backlog(l.t) > 0 {
			if !l.step(t, 0, large) {
				t.Fatalf("%d wait, and there is nothing to merge", l.policy.Backlog(l.t))
			}
			merges++
		}
		if most := n/16 + 3; merges > most {
			t.Fatalf("%d merges for %d segments; want at most %d", merges, n, most)
		}
	})
}

// TestSkip: what is left out is not merged, and nobody waits for it.
func TestSkip(t *testing.T) {
	l := newLedger(1<<20, 1)
	for range 20 {
		l.ingest("a", 100)
	}
	l.policy.Skip = func(_ catalog.TableID, _ string, s *catalog.Segment) bool { return s.ID > 7 }
	if job, n := l.policy.Next(l.t, 0, Final+1), l.policy.Backlog(l.t); job != nil || n != 0 {
		t.Errorf("got %+v and a backlog of %d; want nothing", job, n)
	}
	l.policy.Skip = func(_ catalog.TableID, _ string, s *catalog.Segment) bool { return s.ID == 3 }
	job := l.policy.Next(l.t, 0, Final+1)
	if job == nil || len(job.Parts[0].Inputs) != 19 {
		t.Errorf("got %+v; want 19 inputs", job)
	}
}

// TestSplit: segments of a part have the same number of rows, all of them
// together all, and about the bytes asked for.
func TestSplit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Part{Inputs: []*catalog.Segment{{Rows: rapid.Int64Range(0, 1<<30).Draw(t, "rows"), Bytes: rapid.Int64Range(0, 1<<34).Draw(t, "bytes")}}}
		perFile, files := split(p, 1<<20)
		if rows := p.rows(); (files == 0) != (rows == 0) || perFile*files < rows || files > 0 && perFile*(files-1) >= rows {
			t.Fatalf("%d segments of %d rows for %d", files, perFile, rows)
		}
	})
}
