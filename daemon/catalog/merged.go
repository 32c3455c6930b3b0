package catalog

import (
	"errors"
	"fmt"
)

// Merged says whose rows the segments of one part of a merge have together: of
// those that it replaces, and so of all that these were merged from. A disk
// may have any of them while those in between are gone.
type Merged struct {
	Part     SegmentID   `json:"part"` // names the part: the first of its segments
	Rows     int64       `json:"rows"` // of all its segments
	Replaces []SegmentID `json:"replaces"`

	// Older is what earlier merges replaced on the way here, and Parts names
	// those of these merges' parts that became several segments. Both are
	// bounded; of ids below Cut some may be left out.
	Older SegmentSet `json:"older,omitempty"`
	Parts SegmentSet `json:"parts,omitempty"`
	Cut   SegmentID  `json:"cut,omitempty"`
}

// Input is a segment that is merged, with what its file says of its own merge;
// nil: its rows came from outside.
type Input struct {
	ID     SegmentID
	Merged *Merged
}

// NewMerged returns what the segments of a part are to say, the first of which is
// given, when they get all rows of the inputs.
func NewMerged(part SegmentID, rows int64, inputs []Input) (*Merged, error) {
	m := &Merged{Part: part, Rows: rows}
	var older, parts []segmentRun
	for _, in := range inputs {
		m.Replaces = append(m.Replaces, in.ID)
		if in.Merged == nil {
			continue
		}
		o, err1 := in.Merged.Older.runs()
		p, err2 := in.Merged.Parts.runs()
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("segment %s: %w", in.ID, err)
		}
		older, parts = append(older, o...), append(parts, p...)
		for _, id := range in.Merged.Replaces {
			older = append(older, segmentRun{id, id})
		}
		if in.Merged.Part != in.ID {
			parts = append(parts, segmentRun{in.Merged.Part, in.Merged.Part})
		}
		m.Cut = max(m.Cut, in.Merged.Cut)
	}
	var cut1, cut2 SegmentID
	m.Older, cut1 = packSegments(older, maxSetBytes)
	m.Parts, cut2 = packSegments(parts, maxSetBytes)
	m.Cut = max(m.Cut, cut1, cut2)
	return m, nil
}

func (m *Merged) check() error {
	if m == nil {
		return nil
	}
	if m.Part == 0 || m.Rows < 0 {
		return fmt.Errorf("part %s of %d rows", m.Part, m.Rows)
	}
	return errors.Join(m.Older.check(), m.Parts.check())
}
