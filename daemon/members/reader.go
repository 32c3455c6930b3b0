package members

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/tiering"
)

// Copy is an open copy of a segment.
type Copy struct {
	*tiering.File
	Disk string // that it is on
}

// Open opens a segment on the first disk that has it, leaving out those in
// without. When none has it the error says what is wrong on each; it is one
// for which tiering.IsNotExist holds if the file is on none of them.
func (s *Store) Open(view *catalog.State, id catalog.SegmentID, without ...string) (*Copy, error) {
	at, ok := view.Locate(id)
	if !ok {
		return nil, fmt.Errorf("segment %s is in no stripe: %w", id, fs.ErrNotExist)
	}
	var errs []error
	for _, disk := range disksOf(&at) {
		if slices.Contains(without, disk) {
			continue
		}
		f, err := s.OpenOn(disk, catalog.SegmentFile(id), at.Data[at.DataIndex()].Bytes)
		if err == nil {
			return &Copy{f, disk}, nil
		}
		errs = append(errs, fmt.Errorf("disk %s: %w", disk, err))
	}
	if len(errs) == 0 {
		return nil, wire.Errorf(wire.Corrupt, "segment %s is lost: no disk that is left has it", id).WithHint("tarn status")
	}
	return nil, errors.Join(errs...)
}

// disksOf returns the disks that have the segment of a location, each once.
func disksOf(at *catalog.Location) []string {
	if !at.Group.Scheme.Copies() {
		return at.DisksOf(at.Slot)
	}
	var disks []string
	for i := range at.Group.Slots {
		disks = append(disks, at.DisksOf(i)...)
	}
	return disks
}

// OpenOn opens a file of a disk. It is an error if it has not that size.
func (s *Store) OpenOn(disk string, file catalog.MemberFile, size int64) (*tiering.File, error) {
	m, here := s.Medium(disk)
	if !here {
		return nil, wire.Errorf(wire.Unavailable, "it is not in this node")
	}
	f, err := m.Open(file.String())
	if err != nil {
		return nil, err
	}
	if f.Size() != size {
		err := fmt.Errorf("%s has %d bytes, the catalog says %d", file, f.Size(), size)
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Path returns where a segment lies on a disk of this node, for people; it is
// empty if it lies on none.
func (s *Store) Path(view *catalog.State, id catalog.SegmentID) string {
	at, ok := view.Locate(id)
	if !ok {
		return ""
	}
	for _, disk := range disksOf(&at) {
		if m, here := s.Medium(disk); here {
			return m.Path(catalog.SegmentFile(id).String())
		}
	}
	return ""
}
