package tiering

import "fmt"

// Fill is how full a medium is, by what it still takes. Each level takes less
// than the one before; all of them let read and delete.
type Fill int32

// Levels.
const (
	FillOpen     Fill = iota // takes everything
	FillNoGroups             // no slots of placement groups that it has not yet
	FillNoMerges             // and no results of merges
	FillNoRepair             // and nothing that is rebuilt
	FillNoWrites             // and nothing at all
)

// Watermarks are from how many percent on each level holds, from FillNoGroups
// on. Zero: the level is never reached.
type Watermarks [FillNoWrites]float64

// DefaultWatermarks leave repair room when placement and merges have stopped,
// and deletes when everything else has.
var DefaultWatermarks = Watermarks{85, 90, 93, 95}

// fillBack is by how many percent the fill must fall under a mark again.
const fillBack = 2

// Next returns the level of a medium that had one and is now so full, in percent.
func (w Watermarks) Next(had Fill, percent float64) Fill {
	level := FillOpen
	for i, mark := range w {
		at := Fill(i) + 1
		if mark > 0 && (percent >= mark || at <= had && percent >= mark-fillBack) {
			level = at
		}
	}
	return level
}

// SetWatermarks sets from when on the medium takes less; it has none before.
func (m *Medium) SetWatermarks(w Watermarks) { m.marks.Store(&w) }

// Fill returns the level at which the medium was when its room was last
// looked at: by Space, or by Create.
func (m *Medium) Fill() Fill { return Fill(m.fill.Load()) }

// see notes how full the medium is.
func (m *Medium) see(s Space) {
	if w := m.marks.Load(); w != nil && s.Total > 0 {
		m.fill.Store(int32(w.Next(m.Fill(), s.Percent())))
	}
}

// Percent returns how much of the room is taken.
func (s Space) Percent() float64 {
	if s.Total <= 0 {
		return 0
	}
	return 100 * float64(s.Total-s.Free) / float64(s.Total)
}

// CheckFill returns an error that wraps ErrDiskFull if the medium is at a
// level, or above.
func (m *Medium) CheckFill(level Fill) error { return m.CheckRoom(level, 0) }

// CheckRoom is CheckFill for a member of so many bytes: with them the medium must
// still be below the last mark. It is not asked to stay below the level, or a
// disk just below it would wait for ever for a large member.
func (m *Medium) CheckRoom(level Fill, bytes int64) error {
	s, err := m.Space()
	if err != nil {
		return err
	}
	if err := m.tooFull(s, level); err != nil {
		return err
	}
	then := s
	then.Free -= max(bytes, 0)
	if w := m.marks.Load(); w != nil && bytes > 0 && s.Total > 0 && w.Next(FillOpen, then.Percent()) >= FillNoWrites {
		return fmt.Errorf("medium %s: %w: %.1f %% of %s bytes would be taken", m.dir, ErrDiskFull, then.Percent(), digits(s.Total))
	}
	return nil
}

func (m *Medium) tooFull(s Space, level Fill) error {
	if m.Fill() >= level {
		return fmt.Errorf("medium %s: %w: %.1f %% of %s bytes are taken", m.dir, ErrDiskFull, s.Percent(), digits(s.Total))
	}
	return nil
}
