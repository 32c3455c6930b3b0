// Package members keeps the members of stripes: it writes the copies of a new
// segment to the disks of its placement group, finds a member wherever it is,
// and reads on from another copy when one is gone.
//
// It decides nothing. Which disks a group has, what is missing and what is
// garbage is said by a catalog.State that the caller brings.
package members

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/tiering"
	"github.com/zeebo/xxh3"
)

// Store is the disks of a node. It is safe for concurrent use.
type Store struct {
	mu    sync.RWMutex
	media map[string]*tiering.Medium // by disk id
}

// NewStore returns a store of these media.
func NewStore(media ...*tiering.Medium) *Store {
	s := &Store{media: map[string]*tiering.Medium{}}
	for _, m := range media {
		s.media[m.ID()] = m
	}
	return s
}

// Media returns the media of this node, by id.
func (s *Store) Media() []*tiering.Medium {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]*tiering.Medium, 0, len(s.media))
	for _, m := range s.media {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b *tiering.Medium) int { return cmp.Compare(a.ID(), b.ID()) })
	return all
}

// Medium returns the medium of a disk, if it is in this node.
func (s *Store) Medium(disk string) (*tiering.Medium, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	m, ok := s.media[disk]
	return m, ok
}

// Takes reports whether a disk is one of this node that would take a new member.
func (s *Store) Takes(view *catalog.State, disk string) bool {
	d, ok := view.Disk(disk)
	m, here := s.Medium(disk)
	return ok && here && d.State == catalog.DiskUp && m.Suspect() == nil
}

// ingestTier is where fresh segments go.
const ingestTier = "hot"

// groupFor chooses the placement group of a new segment: of those of copies
// the one whose disks would all take a member, or most of them. Segments
// spread over equals by their ids.
func (s *Store) groupFor(view *catalog.State, id catalog.SegmentID) (catalog.Group, error) {
	best, most, luck := catalog.Group{}, -1, uint64(0)
	for _, g := range view.Groups() {
		if g.Tier != ingestTier || !g.Scheme.Copies() {
			continue
		}
		open := 0
		for _, slot := range g.Slots {
			if s.Takes(view, slot.Disk) {
				open++
			}
		}
		if h := xxh3.HashString(fmt.Sprint(id, g.ID)); open > most || open == most && h > luck {
			best, most, luck = g, open, h
		}
	}
	if most < 0 {
		return best, wire.Errorf(wire.Unavailable, "there is no placement group for fresh segments on tier %s", ingestTier).WithHint("tarn status")
	}
	return best, nil
}
