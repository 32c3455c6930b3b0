package catalog

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
)

// SegmentSet is ids of segments, packed: runs of ids that follow each other, the
// highest first. A run is two uvarints: how far its highest id is below the
// lowest of the run before it, or that id of the first run; and how many more
// ids it has. Nil is the empty set.
type SegmentSet []byte

// maxSetBytes bounds what a file says: some 16,000 ids that stand apart, any
// number that do not. The highest ids, which are the newest of each node, are kept.
const maxSetBytes = 32 << 10

// segmentRun is all ids from one to another, with both.
type segmentRun struct{ first, last SegmentID }

// packSegments returns as many of the ids as fit, from the highest down, and the
// id below which some were left out; 0: none was.
func packSegments(runs []segmentRun, most int) (set SegmentSet, cut SegmentID) {
	above := SegmentID(0) // the lowest id so far
	for i, r := range joined(runs) {
		gap := above - r.last
		if i == 0 {
			gap, above = r.last, r.last+1
		}
		next := binary.AppendUvarint(set, uint64(gap))
		next = binary.AppendUvarint(next, uint64(r.last-r.first))
		if len(next) > most {
			return set, above
		}
		set, above = next, r.first
	}
	return set, 0
}

// joined returns the runs from the highest down, with no id in two of them.
func joined(runs []segmentRun) (all []segmentRun) {
	runs = slices.SortedFunc(slices.Values(runs), func(a, b segmentRun) int {
		return cmp.Or(cmp.Compare(b.last, a.last), cmp.Compare(a.first, b.first))
	})
	for _, r := range runs {
		if n := len(all); n > 0 && r.last+1 >= all[n-1].first {
			all[n-1].first = min(all[n-1].first, r.first)
			continue
		}
		all = append(all, r)
	}
	return all
}

// runs unpacks a set. It trusts nothing.
func (s SegmentSet) runs() (all []segmentRun, err error) {
	for b := []byte(s); len(b) > 0; {
		gap, n := binary.Uvarint(b)
		more, k := binary.Uvarint(b[max(n, 0):])
		if n <= 0 || k <= 0 {
			return nil, errors.New("a set of segments ends early")
		}
		last := gap
		if len(all) > 0 {
			last = uint64(all[len(all)-1].first) - gap
		}
		if gap == 0 || len(all) > 0 && gap >= uint64(all[len(all)-1].first) || more >= last {
			return nil, errors.New("a set of segments is out of order")
		}
		all, b = append(all, segmentRun{SegmentID(last - more), SegmentID(last)}), b[n+k:]
	}
	return all, nil
}

// check refuses what no merge has written.
func (s SegmentSet) check() error {
	if len(s) > maxSetBytes {
		return errors.New("a set of segments is too large")
	}
	_, err := s.runs()
	return err
}

// among returns those of some ids, which are sorted, that are in the set. Of a
// set that does not pass check it returns none.
func (s SegmentSet) among(sorted []SegmentID) (in []SegmentID) {
	runs, err := s.runs()
	if err != nil {
		return nil
	}
	for _, r := range runs {
		i, _ := slices.BinarySearch(sorted, r.first)
		for ; i < len(sorted) && sorted[i] <= r.last; i++ {
			in = append(in, sorted[i])
		}
	}
	return in
}
