package repair

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"slices"

	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/members"
	"github.com/tarnlake/tarn/tiering"
)

// Rebuilder writes the members that the disks of this node miss.
type Rebuilder struct {
	Members *members.Store
	Logger  *slog.Logger

	// Propose puts a command through the catalog; a rejection is an error.
	Propose func(ctx context.Context, cmd catalog.Command) error
}

// Pass rebuilds what the view misses on the disks of this node, what can lose
// least first, and returns how many members it has placed. A member that
// cannot be rebuilt is parked with the reason, and the others go on.
func (r *Rebuilder) Pass(ctx context.Context, view *catalog.State) (placed int, err error) {
	var done []catalog.MemberAt
	for _, item := range r.queue(view) {
		if ctx.Err() != nil {
			break
		}
		if err := r.rebuild(ctx, view, item); err != nil {
			r.park(ctx, item, err)
			continue
		}
		done = append(done, item.member())
		if len(done) == placedAtOnce {
			placed += len(done)
			if err := r.place(ctx, done); err != nil {
				return placed, err
			}
			done = nil
		}
	}
	return placed + len(done), errors.Join(r.place(ctx, done), ctx.Err())
}

// placedAtOnce is how many members one command places.
const placedAtOnce = 64

// item is one member to rebuild.
type item struct {
	at   catalog.Location
	slot int
}

func (i item) disk() string { return i.at.Group.Slots[i.slot].Disk }

func (i item) member() catalog.MemberAt {
	return catalog.MemberAt{Stripe: i.at.ID, Slot: i.slot, Disk: i.disk()}
}

// queue lists what this node is to rebuild, the most urgent first.
func (r *Rebuilder) queue(view *catalog.State) []item {
	var all []item
	view.Incomplete(func(at catalog.Location) bool {
		for slot := range at.Group.Slots {
			if i := (item{at, slot}); at.Missing.Has(slot) && !i.parked() && r.Members.Takes(view, i.disk()) {
				all = append(all, i)
			}
		}
		return true
	})
	slices.SortStableFunc(all, func(a, b item) int { return cmp.Compare(a.at.Spare(), b.at.Spare()) })
	return all
}

func (i item) parked() bool {
	return slices.ContainsFunc(i.at.Parked, func(p catalog.Parked) bool { return p.Slot == i.slot })
}

// rebuild makes a member durable on its disk and reads it back.
func (r *Rebuilder) rebuild(ctx context.Context, view *catalog.State, i item) error {
	medium, _ := r.Members.Medium(i.disk())
	name := i.at.FileOf(i.at.Group.Scheme, i.slot).String()
	stripe := r.Members.OpenStripe(i.at)
	defer stripe.Close()
	decoder, described, err := stripe.Decoder(nil)
	if err != nil {
		return err
	}
	inner := stripe.Inner(i.slot)
	switch err := verify(ctx, medium, described, inner, name); {
	case err == nil:
		return nil // it was there all the time: the disk was away
	case !tiering.IsNotExist(err):
		if err := replaceable(ctx, medium, decoder, name, inner, view.Index()); err != nil {
			return err
		}
	}
	if err := write(ctx, medium, decoder, name, tiering.Output{Slot: inner, Hash: i.hash()}); err != nil {
		return err
	}
	return verify(ctx, medium, described, inner, name)
}

// replaceable moves a damaged member out of the way, once it is sure that it
// can be rebuilt: what is left of it may be all there is.
func replaceable(ctx context.Context, medium *tiering.Medium, d *tiering.Decoder, name string, slot int, index uint64) error {
	if _, err := d.Rebuild(ctx, []tiering.Output{{Slot: slot, To: io.Discard}}); err != nil {
		return err
	}
	if err := medium.Trash(name, index); err != nil {
		return fmt.Errorf("a damaged %s is in the way: %w", name, err)
	}
	return nil
}

func (i item) hash() string {
	m, _ := i.at.Member(i.at.Group.Scheme, i.slot)
	return m.Hash
}

// Whole reads a member on a disk of this node, all of it, and reports whether
// it is what the catalog says.
func (r *Rebuilder) Whole(ctx context.Context, at catalog.Location, slot int, disk string) bool {
	medium, here := r.Members.Medium(disk)
	if !here {
		return false
	}
	stripe := r.Members.OpenStripe(at)
	defer stripe.Close()
	_, described, err := stripe.Decoder(nil)
	return err == nil && verify(ctx, medium, described, stripe.Inner(slot), at.FileOf(at.Group.Scheme, slot).String()) == nil
}

// verify reads a member from a medium, all of it.
func verify(ctx context.Context, medium *tiering.Medium, s *tiering.Stripe, slot int, name string) error {
	f, err := medium.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(s.VerifyMember(ctx, slot, f), f.Close())
}

func write(ctx context.Context, medium *tiering.Medium, d *tiering.Decoder, name string, out tiering.Output) error {
	w, err := medium.Create(name)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("it is being rebuilt already: %w", err)
	}
	if err != nil {
		return err
	}
	out.To = w
	if _, err := d.Rebuild(ctx, []tiering.Output{out}); err != nil {
		return errors.Join(err, w.Abort())
	}
	_, err = w.Commit()
	return err
}

func (r *Rebuilder) place(ctx context.Context, done []catalog.MemberAt) error {
	if len(done) == 0 {
		return nil
	}
	return r.Propose(ctx, catalog.Command{PlaceMembers: &catalog.PlaceMembers{Members: done}})
}

// park sets a member aside, unless it is this node that has a problem.
func (r *Rebuilder) park(ctx context.Context, i item, why error) {
	if ctx.Err() != nil || errors.Is(why, tiering.ErrDiskFull) || errors.Is(why, tiering.ErrSuspect) {
		r.Logger.Warn("a member was not rebuilt", "stripe", i.at.ID, "slot", i.slot, "error", why)
		return
	}
	r.Logger.Error("a member cannot be rebuilt and is set aside", "stripe", i.at.ID, "slot", i.slot, "disk", i.disk(), "error", why)
	cmd := catalog.Command{ParkMember: &catalog.ParkMember{Stripe: i.at.ID, Slot: i.slot, Reason: why.Error()}}
	if err := r.Propose(ctx, cmd); err != nil {
		r.Logger.Warn("a member was not set aside", "stripe", i.at.ID, "slot", i.slot, "error", err)
	}
}
