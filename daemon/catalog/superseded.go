package catalog

import (
	"cmp"
	"slices"
)

// Segments of merges stand beside those that they were made of: retention keeps
// these, and a merge that was cut off leaves outputs that no commit names. To
// take both would double rows. No file says which of the two was committed, but
// either has the same rows, as long as all of it is there.

// mergedPart is the outputs of one part of a merge, as far as they were found.
type mergedPart struct {
	Merged
	outputs []SegmentID
	rows    int64 // of the outputs
	depth   int   // of merges below it: it was made after all those
	cut     bool  // inputs are not there any more
	decided bool
}

// whole reports whether all outputs were found.
func (p *mergedPart) whole() bool { return p.rows == p.Rows }

func (p *mergedPart) committed() bool { return p.cut && p.whole() }

// merges is what is to be decided about merged parts.
type merges struct {
	rows func(SegmentID) (int64, bool) // of a segment that can be taken
	of   map[SegmentID]*mergedPart     // by output
	gone map[SegmentID]bool            // others have its rows
}

// superseded returns those of the segments whose rows others of them have, too.
// known are segments that a commit is known of. rows says how many rows a segment
// has that can be taken.
func superseded(found, known []FoundSegment, rows func(SegmentID) (int64, bool)) map[SegmentID]bool {
	m := &merges{rows, map[SegmentID]*mergedPart{}, map[SegmentID]bool{}}
	all := m.parts(slices.Concat(known, found))
	for _, f := range known {
		if p := m.of[f.ID]; p != nil && !p.decided {
			m.choose(p)
		}
	}
	for _, p := range all {
		switch {
		case p.decided:
		case m.takes(p):
			m.choose(p)
		default:
			p.decided = true
			m.lose(p.outputs)
		}
	}
	return m.gone
}

func (m *merges) lose(ids []SegmentID) {
	for _, id := range ids {
		m.gone[id] = true
	}
}

// takes says whether the outputs of a part are taken or its inputs. Where another
// part that is taken has one of its inputs, it was not committed.
func (m *merges) takes(p *mergedPart) bool {
	left := int64(0)
	for _, id := range p.Replaces {
		if m.gone[id] {
			return false
		}
		n, _ := m.rows(id)
		left += n
	}
	return p.whole() || p.rows > left
}

// choose takes the outputs of a part. What it is made of was committed, so the
// parts that made that were taken, too.
func (m *merges) choose(p *mergedPart) {
	p.decided = true
	m.lose(p.Replaces)
	for _, id := range p.Replaces {
		if below := m.of[id]; below != nil && !below.decided {
			m.choose(below)
		}
	}
}

// parts returns the parts in the order in which they are to be decided: first
// those that were committed for sure, for inputs of theirs were deleted since;
// then later ones before those that they were made of, and whole ones before others.
func (m *merges) parts(found []FoundSegment) []*mergedPart {
	parts := map[SegmentID]*mergedPart{}
	for _, f := range found {
		from := f.Origin.Merged
		if from == nil {
			continue
		}
		if parts[from.Part] == nil {
			parts[from.Part] = &mergedPart{Merged: *from}
		}
		p := parts[from.Part]
		p.outputs, p.rows = append(p.outputs, f.ID), p.rows+f.Rows
		m.of[f.ID] = p
	}
	all := make([]*mergedPart, 0, len(parts))
	for _, p := range parts {
		m.measure(p)
		p.cut = slices.ContainsFunc(p.Replaces, func(id SegmentID) bool {
			_, there := m.rows(id)
			return !there
		})
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *mergedPart) int {
		return cmp.Or(compareBool(b.committed(), a.committed()), cmp.Compare(b.depth, a.depth),
			compareBool(b.whole(), a.whole()), cmp.Compare(b.Part, a.Part))
	})
	return all
}

// measure sets the depth. Files that claim to be made of each other, which none
// of ours do, end at some depth, too.
func (m *merges) measure(p *mergedPart) int {
	if p.depth > 0 {
		return p.depth
	}
	p.depth = 1
	deepest := 0
	for _, id := range p.Replaces {
		if below := m.of[id]; below != nil && below != p {
			deepest = max(deepest, m.measure(below))
		}
	}
	p.depth = deepest + 1
	return p.depth
}
