package daemon

import (
	"context"
	"slices"
	"time"

	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/tiering"
)

// maintainEvery is how often old versions are let go and garbage is moved.
const maintainEvery = time.Minute

// maintain drops versions past their retention, moves the files that no
// version needs any more to the trash, and empties old trash.
func (n *Node) maintain(ctx context.Context) {
	tick := time.NewTicker(maintainEvery)
	defer tick.Stop()
	trash := trashClock{first: map[uint64]time.Time{}}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		n.expire(ctx)
		if err := n.catalog.KeepBallast(); err != nil {
			n.cfg.Logger.Warn("keeping room for deletes on a full disk", "error", err)
		}
		ripe := trash.olderThan(n.cfg.TrashFor)
		for _, m := range n.members.Media() {
			if err := m.EmptyTrash(ripe); err != nil {
				n.cfg.Logger.Warn("emptying the trash", "disk", m.ID(), "error", err)
			}
		}
	}
}

// trashClock says how long this process has seen a trash directory. Its
// entries are garbage by the catalog's word already; the wait is only there
// so that an operator can bring a file back.
type trashClock struct{ first map[uint64]time.Time }

func (c trashClock) olderThan(age time.Duration) func(index uint64) bool {
	now := time.Now()
	return func(index uint64) bool {
		if _, ok := c.first[index]; !ok {
			c.first[index] = now
		}
		return now.Sub(c.first[index]) > age
	}
}

// expire drops old versions and trashes the segments that went with them.
func (n *Node) expire(ctx context.Context) {
	if n.catalog.Leads() && n.catalog.View().Expirable(time.Now()) {
		if _, err := n.catalog.Propose(ctx, catalog.Command{ExpireVersions: &catalog.ExpireVersions{}}); err != nil {
			n.cfg.Logger.Warn("dropping old versions", "error", err)
			return
		}
	}
	n.sweep(ctx)
}

// sweep moves the files of garbage on this node's disks to the trash and then
// tells the catalog to forget them, in this order: a crash in between repeats
// the move.
func (n *Node) sweep(ctx context.Context) {
	view := n.catalog.View()
	var gone []catalog.DeadMembers
	for _, d := range view.Garbage() {
		for _, m := range d.Data {
			n.readers.forget(m.Segment)
		}
		if slots := n.trash(d, view.Index()); slots != 0 {
			gone = append(gone, catalog.DeadMembers{Stripe: d.ID, Slots: slots})
		}
	}
	if len(gone) == 0 {
		return
	}
	if _, err := n.propose(ctx, catalog.Command{ForgetMembers: &catalog.ForgetMembers{Members: gone}}); err != nil {
		n.cfg.Logger.Warn("forgetting what is in the trash", "error", err)
	}
}

// trash moves the members of a dead stripe that are on this node's disks to
// the trash, and returns their slots.
func (n *Node) trash(d catalog.Dead, index uint64) catalog.Slots {
	var done catalog.Slots
	for i, slot := range d.Group.Slots {
		m, here := n.members.Medium(slot.Disk)
		if !here || !d.Slots.Has(i) {
			continue
		}
		file := d.FileOf(d.Group.Scheme, i)
		if err := m.Trash(file.String(), index); err != nil && !tiering.IsNotExist(err) {
			n.cfg.Logger.Warn("moving a file to the trash", "file", file, "disk", slot.Disk, "error", err)
			continue
		}
		done |= 1 << i
	}
	return done
}

// reconcile compares the disks with the catalog: what no stripe needs, or
// ever can, goes to the trash; what is missing is reported to the catalog,
// whose repair brings it back; everything unknown is left alone.
func (n *Node) reconcile(ctx context.Context) {
	there := map[string]map[catalog.MemberFile]bool{}
	for _, m := range n.members.Media() {
		files, err := n.inventory(m)
		if err != nil {
			n.cfg.Logger.Error("the files of a disk cannot be listed", "disk", m.ID(), "error", err)
			continue
		}
		there[m.ID()] = files
	}
	view, err := n.catalog.Read(ctx) // after the lists: see State.Verdict
	if err != nil {
		n.cfg.Logger.Warn("comparing disks with the catalog", "error", err)
		return
	}
	for disk, files := range there {
		n.clear(view, disk, files)
	}
	n.reportMissing(ctx, view, there)
}

func (n *Node) inventory(m *tiering.Medium) (map[catalog.MemberFile]bool, error) {
	entries, err := m.Inventory()
	files := make(map[catalog.MemberFile]bool, len(entries))
	for _, e := range entries {
		f, err := catalog.ParseMemberFile(e.Name)
		if err != nil {
			n.cfg.Logger.Warn("a file that is not Tarn's is left alone", "file", e.Name)
			continue
		}
		files[f] = true
	}
	return files, err
}

// clear trashes the files of a disk that the catalog calls trash.
func (n *Node) clear(view *catalog.State, disk string, files map[catalog.MemberFile]bool) {
	m, _ := n.members.Medium(disk)
	for f := range files {
		if view.Verdict(disk, f) != catalog.Trash {
			continue
		}
		if err := m.Trash(f.String(), view.Index()); err != nil {
			n.cfg.Logger.Warn("a file that nothing needs stays", "file", f, "disk", disk, "error", err)
			continue
		}
		n.cfg.Logger.Info("a file that nothing needs went to the trash", "file", f, "disk", disk)
	}
}

// missedAtOnce is how many members one command reports.
const missedAtOnce = 1000

// reportMissing tells the catalog of members that it counts on and that are
// not on the disks listed.
func (n *Node) reportMissing(ctx context.Context, view *catalog.State, there map[string]map[catalog.MemberFile]bool) {
	var missed []catalog.MemberAt
	for _, g := range view.Groups() {
		view.Stripes(g.ID, 0, func(at catalog.Location) bool {
			for i := range g.Slots {
				if _, used := at.Member(g.Scheme, i); !used {
					continue
				}
				for _, disk := range at.DisksOf(i) {
					if files, listed := there[disk]; listed && !files[at.FileOf(g.Scheme, i)] {
						missed = append(missed, catalog.MemberAt{Stripe: at.ID, Slot: i, Disk: disk})
					}
				}
			}
			return true
		})
	}
	for some := range slices.Chunk(missed, missedAtOnce) {
		n.cfg.Logger.Error("files of the catalog are not on their disk", "files", len(some), "first", some[0])
		if _, err := n.propose(ctx, catalog.Command{MissMembers: &catalog.MissMembers{Members: some}}); err != nil {
			n.cfg.Logger.Warn("reporting missing files", "error", err)
		}
	}
}
