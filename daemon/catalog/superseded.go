package catalog

import (
	"cmp"
	"maps"
	"slices"
)

// Segments of merges stand beside those that they were made of: retention keeps
// these, and a merge that was cut off leaves outputs that no commit names. To
// take both would double rows. No file says whether it was committed itself, but
// each says what it came of, over all merges, and all that was committed once.

// mergedPart is the outputs of one part of a merge, as far as they were found.
type mergedPart struct {
	Merged
	version Version // of the table when it was begun, after those that it came of were committed
	outputs []SegmentID
	rows    int64         // of the outputs
	older   []SegmentID   // of Older, those that were found
	before  []*mergedPart // those that were found of the merges that it came of: they were committed
	gap     bool          // inputs are not there any more
	proven  bool          // another part came of it
	decided bool
}

// whole reports whether all outputs were found.
func (p *mergedPart) whole() bool { return p.rows == p.Rows }

func (p *mergedPart) committed() bool { return p.whole() && (p.proven || p.gap) }

// merges is what is to be decided about merged parts.
type merges struct {
	rows map[SegmentID]int64       // of segments that can be taken
	ids  []SegmentID               // of these, sorted
	part map[SegmentID]*mergedPart // by name
	of   map[SegmentID]*mergedPart // by output
	gone map[SegmentID]bool        // others have its rows
}

// superseded returns those of the segments whose rows others of them have, too.
// known are segments that a commit is known of. rows says how many rows those
// segments have that can be taken.
func superseded(found, known []FoundSegment, rows map[SegmentID]int64) map[SegmentID]bool {
	m := &merges{
		rows: rows, ids: slices.Sorted(maps.Keys(rows)),
		part: map[SegmentID]*mergedPart{}, of: map[SegmentID]*mergedPart{}, gone: map[SegmentID]bool{},
	}
	all := m.parts(slices.Concat(known, found))
	m.disprove(all)
	for _, f := range known {
		if p := m.of[f.ID]; p != nil {
			m.choose(p)
		}
	}
	for _, p := range all {
		switch {
		case p.decided:
		case m.takes(p):
			m.choose(p)
		default:
			m.drop(p)
		}
	}
	return m.gone
}

func (m *merges) lose(ids []SegmentID) {
	for _, id := range ids {
		m.gone[id] = true
	}
}

func (m *merges) drop(p *mergedPart) {
	p.decided = true
	m.lose(p.outputs)
}

// disprove drops the parts that were not committed for sure: another part came
// of one of their inputs, and not by way of them.
func (m *merges) disprove(all []*mergedPart) {
	replacing := map[SegmentID][]*mergedPart{}
	for _, p := range all {
		for _, id := range p.Replaces {
			replacing[id] = append(replacing[id], p)
		}
	}
	inputs := slices.Sorted(maps.Keys(replacing)) // found or not
	for _, p := range all {
		for _, id := range p.Older.among(inputs) {
			for _, q := range replacing[id] {
				if q != p && !q.proven && q.Part >= p.Cut {
					m.drop(q)
				}
			}
		}
	}
}

// takes says whether the outputs of a part are taken or its inputs. Where another
// part that is taken has one of its inputs, it was not committed.
func (m *merges) takes(p *mergedPart) bool {
	if slices.ContainsFunc(p.Replaces, func(id SegmentID) bool { return m.gone[id] }) {
		return false
	}
	return p.whole() || p.rows > m.instead(p)
}

// instead returns how many rows there are in what a part came of.
func (m *merges) instead(p *mergedPart) (rows int64) {
	covered := map[SegmentID]bool{}
	below := slices.Concat(p.Replaces, p.older)
	for _, id := range below {
		q := m.of[id]
		if _, there := m.rows[id]; !there || q == nil || q == p {
			continue
		}
		for _, under := range slices.Concat(q.Replaces, q.older) {
			covered[under] = true
		}
	}
	for _, id := range below {
		if !covered[id] && !m.gone[id] {
			rows += m.rows[id]
		}
	}
	return rows
}

// choose takes the outputs of a part. What it is made of was committed, so the
// parts that made that were taken, too.
func (m *merges) choose(p *mergedPart) {
	if p.decided {
		return
	}
	p.decided = true
	m.lose(p.Replaces)
	m.lose(p.older)
	for _, q := range p.before {
		m.choose(q)
	}
}

// parts returns the parts in the order in which they are to be decided: first
// those that were committed for sure, for others came of them or inputs of theirs
// were deleted since; then later ones before those that they were made of. Of
// several with the same input only the last can have been committed.
func (m *merges) parts(found []FoundSegment) []*mergedPart {
	m.collect(found)
	names := slices.Sorted(maps.Keys(m.part))
	all := make([]*mergedPart, 0, len(names))
	for _, name := range names {
		p := m.part[name]
		m.descend(p, names)
		p.gap = slices.ContainsFunc(p.Replaces, func(id SegmentID) bool {
			_, there := m.rows[id]
			return !there
		})
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *mergedPart) int {
		return cmp.Or(compareBool(b.proven && b.whole(), a.proven && a.whole()), compareBool(b.committed(), a.committed()),
			cmp.Compare(b.version, a.version), compareBool(b.whole(), a.whole()), cmp.Compare(b.Part, a.Part))
	})
	return all
}

func (m *merges) collect(found []FoundSegment) {
	for _, f := range found {
		from := f.Origin.Merged
		if from == nil {
			continue
		}
		p := m.part[from.Part]
		if p == nil {
			p = &mergedPart{Merged: *from}
			m.part[from.Part] = p
		}
		p.outputs, p.rows, p.version = append(p.outputs, f.ID), p.rows+f.Rows, max(p.version, f.Origin.Version)
		m.of[f.ID] = p
	}
}

// descend finds what a part came of. names are those of all parts, sorted.
func (m *merges) descend(p *mergedPart, names []SegmentID) {
	p.older = p.Older.among(m.ids)
	for _, name := range slices.Concat(p.Older.among(names), p.Parts.among(names)) {
		m.prove(p, m.part[name])
	}
	for _, id := range p.Replaces {
		m.prove(p, m.part[id])
	}
	for _, id := range slices.Concat(p.Replaces, p.older) {
		m.prove(p, m.of[id])
	}
}

// prove notes that p came of q. Files that claim to be made of themselves,
// which none of ours do, prove nothing.
func (m *merges) prove(p, q *mergedPart) {
	if q != nil && q != p {
		p.before, q.proven = append(p.before, q), true
	}
}
