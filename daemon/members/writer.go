package members

import (
	"errors"
	"fmt"
	"sync"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/tiering"
)

// Writer writes one segment to the disks of a group of copies. A disk that
// fails is left out, as long as enough are left for the commit. It is not safe
// for concurrent use; it ends with Commit or Abort.
type Writer struct {
	store  *Store
	id     catalog.SegmentID
	group  catalog.Group
	need   int
	index  uint64            // of the state that chose the group
	copies []*tiering.Writer // by slot; nil: left out
	errs   []error           // of those left out
}

// Create begins a segment in a placement group of the view.
func (s *Store) Create(view *catalog.State, id catalog.SegmentID) (*Writer, error) {
	g, err := s.groupFor(view, id)
	if err != nil {
		return nil, err
	}
	w := &Writer{store: s, id: id, group: g, need: view.CopiesNeeded(g.ID), index: view.Index(), copies: make([]*tiering.Writer, len(g.Slots))}
	for i, slot := range g.Slots {
		m, here := s.Medium(slot.Disk)
		if !here {
			w.errs = append(w.errs, wire.Errorf(wire.Unavailable, "disk %s is not in this node", slot.Disk))
			continue
		}
		if w.copies[i], err = m.Create(catalog.SegmentFile(id).String()); err != nil {
			w.errs = append(w.errs, err)
		}
	}
	if err := w.enough(); err != nil {
		return nil, errors.Join(err, w.Abort())
	}
	return w, nil
}

// enough returns an error when too few disks are left for a commit.
func (w *Writer) enough() error {
	left := 0
	for _, c := range w.copies {
		if c != nil {
			left++
		}
	}
	if left >= w.need {
		return nil
	}
	return fmt.Errorf("segment %s: %d of the %d disks of group %d take it, and %d must: %w", w.id, left, len(w.copies), w.group.ID, w.need, errors.Join(w.errs...))
}

// Write appends to the segment. After an error the writer is good for Abort only.
func (w *Writer) Write(p []byte) (int, error) {
	failed := false
	for i, c := range w.copies {
		if c == nil {
			continue
		}
		if _, err := c.Write(p); err != nil {
			w.drop(i, errors.Join(err, c.Abort()))
			failed = true
		}
	}
	if failed {
		if err := w.enough(); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

func (w *Writer) drop(slot int, err error) {
	w.copies[slot] = nil
	w.errs = append(w.errs, err)
}

// Commit makes the segment durable on all disks at a time and returns it as
// the stripe of a commit. When it fails nothing is left of the segment but
// what a disk that failed may keep, which nobody will refer to.
func (w *Writer) Commit() (catalog.NewStripe, error) {
	receipts, errs := make([]tiering.Receipt, len(w.copies)), make([]error, len(w.copies))
	var syncs sync.WaitGroup
	for i, c := range w.copies {
		if c != nil {
			syncs.Go(func() { receipts[i], errs[i] = c.Commit() })
		}
	}
	syncs.Wait()
	st := catalog.NewStripe{Stripe: catalog.Stripe{ID: w.id, Group: w.group.ID}, Placed: make([]string, len(w.copies))}
	for i, c := range w.copies {
		switch {
		case c == nil:
		case errs[i] != nil:
			w.drop(i, errs[i])
		default:
			st.Placed[i] = w.group.Slots[i].Disk
			st.Data = []catalog.Member{{Segment: w.id, Bytes: receipts[i].Size, Hash: receipts[i].Hash}}
		}
	}
	if err := w.enough(); err != nil {
		return catalog.NewStripe{}, errors.Join(err, w.store.Discard(st, w.index))
	}
	return st, nil
}

// Abort gives the segment up. It may be called again, and after Commit, when
// it does nothing.
func (w *Writer) Abort() error {
	var errs []error
	for _, c := range w.copies {
		if c != nil {
			errs = append(errs, c.Abort())
		}
	}
	return errors.Join(errs...)
}

// Discard moves the members of a stripe that no commit refers to, or ever
// will, to the trash; index is that of the state that says so.
func (s *Store) Discard(st catalog.NewStripe, index uint64) error {
	var errs []error
	for _, disk := range st.Placed {
		if m, here := s.Medium(disk); here {
			errs = append(errs, m.Trash(catalog.SegmentFile(st.ID).String(), index))
		}
	}
	return errors.Join(errs...)
}
