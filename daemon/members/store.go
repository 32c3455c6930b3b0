// Package members keeps the members of stripes: it writes the copies of a new
// segment to the disks of its placement group, on whatever nodes they are,
// finds a member wherever it is, reads on from another copy when one is gone,
// and decodes from the rest of the stripe what is on no disk.
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

// Store is the disks of a node, and those of others as far as it reaches them.
// It is safe for concurrent use.
type Store struct {
	mu     sync.RWMutex
	media  map[string]*tiering.Medium // of this node, by disk id
	remote func(disk string) Disk     // nil: this node is alone

	troubles troubles
}

// NewStore returns a store of these media.
func NewStore(media ...*tiering.Medium) *Store {
	s := &Store{media: map[string]*tiering.Medium{}}
	for _, m := range media {
		s.media[m.ID()] = m
	}
	return s
}

// Reach gives the store the disks of other nodes. remote returns the disk of
// an id, whether it is there or not; it must not wait.
func (s *Store) Reach(remote func(disk string) Disk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remote = remote
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

// Local returns a disk, if it is in this node.
func (s *Store) Local(disk string) (Disk, bool) {
	m, here := s.Medium(disk)
	return local{m}, here
}

// Disk returns a disk wherever it is. When the store reaches no other nodes,
// their disks are an error that wraps ErrAway.
func (s *Store) Disk(disk string) (Disk, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if m, here := s.media[disk]; here {
		return local{m}, nil
	}
	if s.remote == nil {
		return nil, wire.Errorf(wire.Unavailable, "%w: it is not in this node", ErrAway)
	}
	return s.remote(disk), nil
}

// Takes reports whether a disk is one of this node that would take a new member.
func (s *Store) Takes(view *catalog.State, disk string) bool {
	d, ok := view.Disk(disk)
	m, here := s.Medium(disk)
	return ok && here && d.State == catalog.DiskUp && m.Suspect() == nil
}

// reaches reports whether a disk is one of another node that is up.
func (s *Store) reaches(view *catalog.State, disk string) bool {
	d, ok := view.Disk(disk)
	if _, here := s.Medium(disk); here || !ok || d.State == catalog.DiskDown {
		return false
	}
	n, ok := view.Node(d.Node)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return ok && n.State == catalog.NodeUp && s.remote != nil
}

// ingestTier is where fresh segments go.
const ingestTier = "hot"

// groupFor chooses the placement group of a new segment: of those of copies
// the one whose disks would all take a member, or most of them, and of several
// one with a disk of this node, to which no network leads. Segments spread over
// equals by their ids.
func (s *Store) groupFor(view *catalog.State, id catalog.SegmentID) (catalog.Group, error) {
	best, most, near, luck := catalog.Group{}, -1, false, uint64(0)
	for _, g := range view.Groups() {
		if g.Tier != ingestTier || !g.Scheme.Copies() {
			continue
		}
		open, here := s.open(view, g)
		h := xxh3.HashString(fmt.Sprint(id, g.ID))
		if better := cmp.Or(cmp.Compare(open, most), compareBools(here, near), cmp.Compare(h, luck)); better > 0 {
			best, most, near, luck = g, open, here, h
		}
	}
	if most < 0 {
		return best, wire.Errorf(wire.Unavailable, "there is no placement group for fresh segments on tier %s", ingestTier).WithHint("tarn status")
	}
	return best, nil
}

// open counts the disks of a group that would take a new member, as far as is
// known, and reports whether one of them is in this node.
func (s *Store) open(view *catalog.State, g catalog.Group) (disks int, here bool) {
	for _, slot := range g.Slots {
		d, ok := view.Disk(slot.Disk)
		switch {
		case s.troubles.has(slot.Disk):
		case s.Takes(view, slot.Disk):
			disks, here = disks+1, true
		case ok && d.State == catalog.DiskUp && s.reaches(view, slot.Disk):
			disks++
		}
	}
	return disks, here
}

// compareBools puts true after false.
func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}
