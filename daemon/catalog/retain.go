package catalog

import (
	"sort"
	"time"

	"github.com/tarnlake/tarn/client/wire"
)

// Expirable reports whether ExpireVersions at that time would let a version go.
func (s *State) Expirable(now time.Time) bool {
	if now.Before(s.time) {
		now = s.time
	}
	found := false
	s.tables.Scan(func(_ TableID, t *table) bool {
		found = t.expired(now) > 0
		return !found
	})
	return found
}

// expired counts the oldest versions that are past both bounds of their
// retention: not among the newest RetainVersions and older than RetainFor.
func (t *table) expired(now time.Time) int {
	o := t.newest.Options
	beyond := max(0, t.commits.len()-int(min(o.RetainVersions, 1<<31)))
	cutoff := now.Add(-o.RetainFor)
	return sort.Search(beyond, func(i int) bool { return !t.commits.items[i].Time.Before(cutoff) })
}

func (s *State) expireVersions() (Result, error) {
	var shorter []*table
	s.tables.Scan(func(_ TableID, t *table) bool {
		if n := t.expired(s.time); n > 0 {
			short := *t
			short.commits = t.commits.from(n)
			shorter = append(shorter, &short)
		}
		return true
	})
	for _, t := range shorter {
		s.letGo(t)
		t.keys = t.keys.edit()
		t.trimKeys()
		s.set(t.publish())
	}
	return Result{}, nil
}

// letGo makes garbage of the segments of t that no kept version sees.
func (s *State) letGo(t *table) {
	oldest := t.commits.items[0].Version
	var kept []*Segment
	var gone []SegmentID
	for _, seg := range t.all.items {
		if seg.Removed != 0 && seg.Removed <= oldest {
			gone = append(gone, seg.ID)
		} else {
			kept = append(kept, seg)
		}
	}
	if len(gone) > 0 {
		t.all = list[*Segment]{items: kept}
		s.discard(gone)
	}
}

// discard takes note that no version refers to segments any more.
func (s *State) discard(ids []SegmentID) {
	refs := edit(&s.segments)
	for _, id := range ids {
		refs.Delete(id)
		s.release(id)
	}
}

func (s *State) dropTable(c DropTable) (Result, error) {
	t, err := s.named(c.Name)
	if err != nil {
		return Result{}, err
	}
	if c.IfVersion != 0 && (t.id != c.ID || t.newest.Version != c.IfVersion) {
		return Result{}, wire.Errorf(wire.Conflict, "table %q has changed since version %d", t.name, c.IfVersion)
	}
	edit(&s.names).Delete(t.name)
	edit(&s.tables).Delete(t.id)
	ids := make([]SegmentID, 0, t.all.len())
	for _, seg := range t.all.items {
		ids = append(ids, seg.ID)
	}
	s.discard(ids)
	return Result{Version: t.newest.Version}, nil
}
