package catalog

import (
	"maps"
	"slices"
	"strconv"
)

// partitionOf tells partitions of all tables apart.
type partitionOf struct {
	table TableID
	key   string
}

func (f FoundSegment) partition() partitionOf {
	var key []byte
	for _, v := range f.Partition {
		key = append(strconv.AppendQuote(key, v.Text), '0'+byte(btoi(v.Null)))
	}
	return partitionOf{f.Table, string(key)}
}

// mayCover reports whether f, which does not list all that it came of, may have
// the rows of other.
func (f FoundSegment) mayCover(other FoundSegment) bool {
	m, o := f.Origin.Merged, other.Origin.Merged
	return f.ID != other.ID && other.ID < m.Cut && (o == nil || o.Part != m.Part)
}

// doubt notes the segments taken whose rows a merge that was taken may have, too.
// Of two that the catalog has it knows that they have not.
func (a *adoption) doubt(fresh, live []FoundSegment, gone map[SegmentID]bool) {
	tables := map[TableID]*DoubtNotice{}
	note := func(segments, merges []FoundSegment) {
		short := shortOf(merges, gone)
		for _, f := range segments {
			covers := func(m FoundSegment) bool { return m.mayCover(f) }
			if gone[f.ID] || !slices.ContainsFunc(short[f.partition()], covers) {
				continue
			}
			if tables[f.Table] == nil {
				tables[f.Table] = &DoubtNotice{Table: f.Origin.Table}
			}
			tables[f.Table].Segments++
			tables[f.Table].Rows += f.Rows
		}
	}
	note(fresh, slices.Concat(fresh, live))
	note(live, fresh)
	for _, id := range slices.Sorted(maps.Keys(tables)) {
		a.told.Doubtful = append(a.told.Doubtful, *tables[id])
	}
}

// shortOf returns the merges that do not list all they came of, by partition.
func shortOf(all []FoundSegment, gone map[SegmentID]bool) map[partitionOf][]FoundSegment {
	short := map[partitionOf][]FoundSegment{}
	for _, f := range all {
		if f.Origin.Merged != nil && f.Origin.Merged.Cut > 0 && !gone[f.ID] {
			short[f.partition()] = append(short[f.partition()], f)
		}
	}
	return short
}
