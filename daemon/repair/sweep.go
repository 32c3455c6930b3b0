package repair

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/members"
	"github.com/tarnlake/tarn/tiering"
)

// Sweeper clears the disks of this node of what nothing needs, and finds what
// is not on them. It judges nothing itself: see catalog.State.Verdict. All
// fields are needed.
type Sweeper struct {
	Members *members.Store
	Logger  *slog.Logger

	// Read returns a state that is newer than the call.
	Read func(ctx context.Context) (*catalog.State, error)

	// View returns the newest state that was applied here.
	View func() *catalog.State

	// Propose puts a command through the catalog; a rejection is an error.
	Propose func(ctx context.Context, cmd catalog.Command) error

	// Forget is told of each segment whose files go away.
	Forget func(catalog.SegmentID)

	lingers lingering
}

// Sweep moves the files of garbage on this node's disks to the trash and then
// tells the catalog to forget them, in this order: a crash in between repeats
// the move. So it does with files in the wrong place that had to wait until
// their stripe is whole again.
func (s *Sweeper) Sweep(ctx context.Context, view *catalog.State) {
	for _, w := range s.lingers.all() {
		if m, here := s.Members.Medium(w.disk); here {
			s.clear(m, w.file)
		}
	}
	var gone []catalog.DeadMembers
	for _, d := range view.Garbage() {
		for _, m := range d.Data {
			s.Forget(m.Segment)
		}
		if slots := s.trash(d, view.Index()); slots != 0 {
			gone = append(gone, catalog.DeadMembers{Stripe: d.ID, Slots: slots})
		}
	}
	if len(gone) == 0 {
		return
	}
	if err := s.Propose(ctx, catalog.Command{ForgetMembers: &catalog.ForgetMembers{Members: gone}}); err != nil {
		s.Logger.Warn("forgetting what is in the trash", "error", err)
	}
}

// trash moves the members of a dead stripe that are on this node's disks to
// the trash, and returns their slots.
func (s *Sweeper) trash(d catalog.Dead, index uint64) catalog.Slots {
	var done catalog.Slots
	for i, slot := range d.Group.Slots {
		m, here := s.Members.Medium(slot.Disk)
		if !here || !d.Slots.Has(i) {
			continue
		}
		file := d.FileOf(d.Group.Scheme, i)
		if err := m.Trash(file.String(), index); err != nil && !tiering.IsNotExist(err) {
			s.Logger.Warn("moving a file to the trash", "file", file, "disk", slot.Disk, "error", err)
			continue
		}
		done |= 1 << i
	}
	return done
}

// Reconcile compares disks of this node with the catalog: what no stripe needs,
// or ever can, goes to the trash; what is missing is reported to the catalog,
// whose repair brings it back; everything unknown is left alone. It returns how
// many members are missing.
func (s *Sweeper) Reconcile(ctx context.Context, media ...*tiering.Medium) (missing int, err error) {
	var errs []error
	there := map[string]map[catalog.MemberFile]bool{}
	for _, m := range media {
		files, err := s.inventory(m)
		if err != nil {
			errs = append(errs, fmt.Errorf("the files of disk %s cannot be listed: %w", m.ID(), err))
			continue
		}
		there[m.ID()] = files
	}
	view, err := s.Read(ctx) // after the lists: see State.Verdict
	if err != nil {
		return 0, errors.Join(append(errs, err)...)
	}
	for disk, files := range there {
		m, _ := s.Members.Medium(disk)
		for f := range files {
			if view.Verdict(disk, f) != catalog.Keep {
				s.clear(m, f)
			}
		}
	}
	return s.reportMissing(ctx, view, there), errors.Join(errs...)
}

// ReconcileDisk is Reconcile of a disk that has to be there.
func (s *Sweeper) ReconcileDisk(ctx context.Context, disk string) (missing int, err error) {
	m, here := s.Members.Medium(disk)
	if !here {
		return 0, wire.Errorf(wire.Unavailable, "disk %s is not in this node", disk)
	}
	if err := m.Check(); err != nil {
		return 0, err
	}
	return s.Reconcile(ctx, m)
}

func (s *Sweeper) inventory(m *tiering.Medium) (map[catalog.MemberFile]bool, error) {
	entries, err := m.Inventory()
	files := make(map[catalog.MemberFile]bool, len(entries))
	for _, e := range entries {
		f, err := catalog.ParseMemberFile(e.Name)
		if err != nil {
			s.Logger.Warn("a file that is not Tarn's is left alone", "disk", m.ID(), "file", e.Name)
			continue
		}
		files[f] = true
	}
	return files, err
}

// missedAtOnce is how many members one command reports.
const missedAtOnce = 1000

// reportMissing tells the catalog of members that it counts on and that are
// not on the disks listed, and returns how many there are.
func (s *Sweeper) reportMissing(ctx context.Context, view *catalog.State, there map[string]map[catalog.MemberFile]bool) int {
	var missed []catalog.MemberAt
	for _, g := range view.Groups() {
		view.Stripes(g.ID, 0, func(at catalog.Location) bool {
			for i := range g.Slots {
				if _, used := at.Member(g.Scheme, i); !used {
					continue
				}
				for _, disk := range at.DisksOf(i) {
					if files, listed := there[disk]; listed && !files[at.FileOf(g.Scheme, i)] && s.gone(disk, at.FileOf(g.Scheme, i)) {
						missed = append(missed, catalog.MemberAt{Stripe: at.ID, Slot: i, Disk: disk})
					}
				}
			}
			return true
		})
	}
	for some := range slices.Chunk(missed, missedAtOnce) {
		s.Logger.Error("files of the catalog are not on their disk", "files", len(some), "stripe", some[0].Stripe, "slot", some[0].Slot, "disk", some[0].Disk)
		if err := s.Propose(ctx, catalog.Command{MissMembers: &catalog.MissMembers{Members: some}}); err != nil {
			s.Logger.Warn("reporting missing files", "error", err)
		}
	}
	return len(missed)
}

// Damaged has a member rebuilt that was read and is not whole, for the reason
// given, and reports whether there is something to rebuild it from. Otherwise
// what is left of it is all there is, and stays; one that is not there at all
// is missing in any case.
func (s *Sweeper) Damaged(ctx context.Context, at catalog.MemberAt, why error) (rebuilt bool) {
	view, err := s.Read(ctx)
	if err != nil {
		s.Logger.Warn("reporting a damaged member", "stripe", at.Stripe, "slot", at.Slot, "disk", at.Disk, "error", err)
		return false
	}
	l, ok := view.Locate(at.Stripe)
	if !ok {
		return true // it is not needed any more
	}
	spare := l.Spare()
	if spare < 1 && !tiering.IsNotExist(why) {
		return false
	}
	if err := s.Propose(ctx, catalog.Command{MissMembers: &catalog.MissMembers{Members: []catalog.MemberAt{at}}}); err != nil {
		s.Logger.Warn("reporting a damaged member", "stripe", at.Stripe, "slot", at.Slot, "disk", at.Disk, "error", err)
		return false
	}
	return spare >= 1
}

// gone reports whether a file is not on a disk of this node: it may have come
// after the list.
func (s *Sweeper) gone(disk string, file catalog.MemberFile) bool {
	m, here := s.Members.Medium(disk)
	if !here {
		return false
	}
	f, err := m.Open(file.String())
	if err == nil {
		f.Close()
	}
	return tiering.IsNotExist(err) && m.Check() == nil
}
