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
	"slices"
	"sync"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/tiering"
)

// Store is the disks of a node, and those of others as far as it reaches them.
// It is safe for concurrent use.
type Store struct {
	mu     sync.RWMutex
	media  map[string]*tiering.Medium     // of this node, by disk id
	remote func(disk string) Disk         // nil: this node is alone
	fills  func(disk string) tiering.Fill // nil: nothing is known

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

// Add gives the store another medium of this node.
func (s *Store) Add(m *tiering.Medium) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.media[m.ID()] = m
}

// Reach gives the store the disks of other nodes. remote returns the disk of
// an id, whether it is there or not; it must not wait.
func (s *Store) Reach(remote func(disk string) Disk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remote = remote
}

// KnowFills tells the store how full disks of other nodes are, as far as that
// is known; fills must not wait.
func (s *Store) KnowFills(fills func(disk string) tiering.Fill) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fills = fills
}

// Fill returns how full a disk is, as far as is known here.
func (s *Store) Fill(disk string) tiering.Fill {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if m, here := s.media[disk]; here {
		return m.Fill()
	}
	if s.fills == nil {
		return tiering.FillOpen
	}
	return s.fills(disk)
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
	return ok && here && d.State == catalog.DiskUp && m.Suspect() == nil && m.Fill() < tiering.FillNoWrites
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
