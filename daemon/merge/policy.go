package merge

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/schema"
)

// The policy is tiered: within a partition, segments of about a size wait for
// each other, and fan of them become one that is about fan times as large. So
// a row is written once for each tier that it passes, and there are fewer
// than fan segments of a tier but for those that wait for a merge. See
// docs/decisions/0106-merge.md.
const (
	// DefaultTarget is how many stored bytes a merged segment should have.
	DefaultTarget = 256 << 20

	fan       = 8  // segments of a tier that become one
	maxInputs = 64 // of one merge: each is open meanwhile, with a block in memory
	maxTotal  = 8  // targets that the inputs of one merge may have together

	// Final is the level of a segment that is not merged with others any
	// more: it is as large as it should be, or as it can be. Levels below are
	// the tiers; fresh segments have level 0.
	Final = 9

	// large is the first tier whose merges take long. They have a lane of
	// their own, so that fresh segments do not wait for them.
	large = 4
)

// Job is one merge: the rows of each part become segments of their own.
// Together these form stripes.
type Job struct {
	Table *catalog.Snapshot
	Parts []Part
	Tier  int // of the inputs; Final: they only come to form stripes
}

// Part is segments of one partition.
type Part struct {
	Values []schema.PartitionValue
	Inputs []*catalog.Segment // in the order in which rows of equal keys are to stand
}

// Bytes returns the stored bytes of the inputs.
func (j *Job) Bytes() int64 {
	var total int64
	for _, p := range j.Parts {
		total += p.bytes()
	}
	return total
}

func (p Part) bytes() (total int64) {
	for _, s := range p.Inputs {
		total += s.Bytes
	}
	return total
}

func (p Part) rows() (total int64) {
	for _, s := range p.Inputs {
		total += s.Rows
	}
	return total
}

// Policy decides what to merge. It is a pure function of what it is given.
type Policy struct {
	Target int64 // bytes

	// Skip leaves a segment out: it cannot be read, or its partition is
	// another node's. Nil leaves out none.
	Skip func(table catalog.TableID, partition string, s *catalog.Segment) bool

	// Width is how many data members a stripe has; 1: merged segments are kept
	// as copies. Striped reports whether a segment is in a stripe with parity.
	Width   int
	Striped func(catalog.SegmentID) bool
}

// full is the size from which on a segment is as large as it should be.
func (p Policy) full() int64 { return p.Target * 3 / 4 }

// tier returns which segments s waits for. It is never below what a merge gave
// it, so every merge brings a row to a higher one.
func (p Policy) tier(s *catalog.Segment) int {
	if s.Level >= Final || s.Bytes >= p.full() {
		return Final
	}
	t := 5
	for size := p.Target / fan; t > 0 && s.Bytes < size; size /= fan {
		t--
	}
	return max(t, s.Level)
}

// levelOf returns the level of what a merge of a tier has written: of a part
// that became several segments each is as large as it should be.
func (p Policy) levelOf(tier, segments int, bytes int64) int {
	if tier == Final || segments > 1 || bytes >= p.full() {
		return Final
	}
	return min(tier+1, Final-1)
}

// shelf is the segments of a partition that are of one tier.
type shelf struct {
	partition string
	tier      int
}

// shelves sorts the segments of those tiers, each shelf in the order of commit.
func (p Policy) shelves(t *catalog.Snapshot, from, to int) map[shelf][]*catalog.Segment {
	all := map[shelf][]*catalog.Segment{}
	for _, s := range t.Segments {
		tier := p.tier(s)
		if tier < from || tier >= to {
			continue
		}
		at := shelf{partitionKey(s.Partition), tier}
		if p.Skip == nil || !p.Skip(t.ID, at.partition, s) {
			all[at] = append(all[at], s)
		}
	}
	return all
}

// Next returns what is to be merged next of the tiers from one on up to, but
// without, another, or nil for nothing. Where most segments wait comes first.
func (p Policy) Next(t *catalog.Snapshot, from, to int) *Job {
	var best shelf
	most := fan - 1
	all := p.shelves(t, from, to)
	for at, segments := range all {
		if n := len(segments); at.tier < Final && (n > most || n == most && n >= fan && at.before(best)) {
			best, most = at, n
		}
	}
	if most >= fan {
		inputs := p.cut(all[best])
		return &Job{Table: t, Tier: best.tier, Parts: []Part{{inputs[0].Partition, inputs}}}
	}
	if to > Final {
		return p.seal(t, all)
	}
	return nil
}

func (s shelf) before(o shelf) bool {
	return cmp.Or(cmp.Compare(s.tier, o.tier), cmp.Compare(s.partition, o.partition)) < 0
}

// cut returns as many of the oldest segments as one merge may have.
func (p Policy) cut(segments []*catalog.Segment) []*catalog.Segment {
	n, total := 0, int64(0)
	for n < min(len(segments), maxInputs) && (n < 2 || total+segments[n].Bytes <= maxTotal*p.Target) {
		total += segments[n].Bytes
		n++
	}
	return segments[:n]
}

// seal returns a merge of segments that are large enough and still kept as
// copies, each by itself: they become the members of a stripe. Those that are
// about the same size go together, for parity is as long as the longest.
func (p Policy) seal(t *catalog.Snapshot, all map[shelf][]*catalog.Segment) *Job {
	if p.Width < 2 {
		return nil
	}
	var loose []*catalog.Segment
	for at, segments := range all {
		for _, s := range segments {
			if at.tier == Final && s.Rows > 0 && !p.Striped(s.ID) {
				loose = append(loose, s)
			}
		}
	}
	if len(loose) < p.Width {
		return nil
	}
	slices.SortFunc(loose, func(a, b *catalog.Segment) int { return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.ID, b.ID)) })
	job := &Job{Table: t, Tier: Final}
	for _, s := range loose[:p.Width] {
		job.Parts = append(job.Parts, Part{s.Partition, []*catalog.Segment{s}})
	}
	return job
}

// Backlog returns how many fresh segments of a table wait for merges that
// could be done.
func (p Policy) Backlog(t *catalog.Snapshot) (waiting int) {
	for _, segments := range p.shelves(t, 0, Final) {
		if len(segments) < fan {
			continue
		}
		for _, s := range segments {
			waiting += btoi(s.Level == 0)
		}
	}
	return waiting
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// partitionKey tells partitions of one table apart.
func partitionKey(values []schema.PartitionValue) string {
	var key []byte
	for _, v := range values {
		if v.Null {
			key = append(key, 0)
			continue
		}
		key = binary.AppendUvarint(append(key, 1), uint64(len(v.Text)))
		key = append(key, v.Text...)
	}
	return string(key)
}
