package repair

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"slices"

	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/members"
	"github.com/tarnlake/tarn/daemon/plant"
	"github.com/tarnlake/tarn/tiering"
)

// Rebuilder writes the members that the disks of this node miss, from sources
// wherever they are.
type Rebuilder struct {
	Members *members.Store
	Logger  *slog.Logger

	// Propose puts a command through the catalog; a rejection is an error.
	Propose func(ctx context.Context, cmd catalog.Command) error

	// Report, if not nil, is told of sources that are damaged.
	Report members.Report

	// Pace, if not nil, is called before bytes of a member are written, or read
	// back from its disk, and returns when there is time for them. An error ends
	// the member. It may be called from several goroutines. lost: no disk has the
	// member. Members of stripes that can lose nothing more do not wait for it.
	Pace func(ctx context.Context, lost bool, bytes int64) error

	waits []waiting // of the pass under way
	told  int       // see tell

	// Meter, if not nil, counts the bytes of members that were written.
	Meter *Meter
}

func (r *Rebuilder) pace(ctx context.Context, i item, bytes int64) error {
	if r.Pace == nil || i.at.Spare() < 1 {
		return nil
	}
	lost := i.at.Lost()
	return r.Pace(ctx, lost.Has(i.slot), bytes)
}

// Pass rebuilds what the view misses on the disks of this node, what can lose
// least first, and returns how many members it has placed. A member that
// cannot be rebuilt is parked with the reason, and the others go on.
func (r *Rebuilder) Pass(ctx context.Context, view *catalog.State) (placed int, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var done []catalog.MemberAt
	r.waits = nil
	for o := range r.rebuildAll(ctx, view, r.queue(view)) {
		switch {
		case err != nil: // the catalog takes nothing now: what is under way is found done later
		case o.err != nil:
			r.park(ctx, o.item, o.err)
		default:
			done = append(done, o.member())
		}
		if len(done) == placedAtOnce {
			if err = r.place(ctx, done); err != nil {
				stop()
			}
			placed, done = placed+len(done), nil
		}
	}
	if ctx.Err() == nil {
		r.tell()
	}
	return placed + len(done), cmp.Or(err, errors.Join(r.place(ctx, done), ctx.Err()))
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
			if i := (item{at, slot}); at.Missing.Has(slot) && !i.parked() && r.takes(view, i) {
				all = append(all, i)
			}
		}
		return true
	})
	slices.SortStableFunc(all, func(a, b item) int { return cmp.Compare(a.at.Spare(), b.at.Spare()) })
	return all
}

// takes reports whether a member can be rebuilt on its disk. One that is drained
// by now gets what is on its way to it: a slot moves on only when it has arrived.
func (r *Rebuilder) takes(view *catalog.State, i item) bool {
	d, ok := view.Disk(i.disk())
	if !ok || d.State != catalog.DiskDraining || i.at.Group.Slots[i.slot].From == "" {
		return r.Members.Takes(view, i.disk())
	}
	m, here := r.Members.Medium(i.disk())
	return here && m.Suspect() == nil
}

func (i item) parked() bool {
	return slices.ContainsFunc(i.at.Parked, func(p catalog.Parked) bool { return p.Slot == i.slot })
}

func (i item) file() catalog.MemberFile { return i.at.FileOf(i.at.Group.Scheme, i.slot) }

func (i item) want() catalog.Member {
	m, _ := i.at.Member(i.at.Group.Scheme, i.slot)
	return m
}

// rebuild makes a member durable on its disk and reads it back.
func (r *Rebuilder) rebuild(ctx context.Context, view *catalog.State, i item) error {
	if plant.On(plant.PlaceUnwritten) {
		return nil
	}
	found := r.readBack(ctx, i)
	switch {
	case found == nil:
		return nil // it was there all the time: the disk was away, or its writer was late
	case ctx.Err() != nil || members.NoFilesLeft(found):
		return found
	}
	var errs []error
	for way := range r.ways(ctx, view, i) {
		err := r.by(ctx, way, i, !tiering.IsNotExist(found), view.Index())
		if err == nil && plant.On(plant.BlindRebuild) {
			return nil
		}
		if err == nil {
			return r.readBack(ctx, i)
		}
		if errs = append(errs, err); ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// way is how a member is made anew. It says yes only if what it has written is
// what the stripe needs there.
type way func(ctx context.Context, i item, to io.Writer) error

// ways gives how a member may be made, the cheapest first: by a copy from
// the disk that its slot moves from, from the other members, parity that is
// lost altogether from the data, and, when too little is left for that, by a
// copy from wherever there is one.
func (r *Rebuilder) ways(ctx context.Context, view *catalog.State, i item) iter.Seq[way] {
	if plant.On(plant.BlindRebuild) {
		return slices.Values([]way{r.copyBlindly})
	}
	var all []way
	if len(i.at.DisksOf(i.slot)) > 0 {
		all = append(all, r.copyOver)
	}
	all = append(all, r.decode)
	if sc := i.at.Group.Scheme; !sc.Copies() && i.slot >= sc.Data {
		all = append(all, r.encode)
	}
	return func(yield func(way) bool) {
		for _, w := range all {
			if !yield(w) {
				return
			}
		}
		if i.at.Spare() < 1 { // what is left may be damaged
			r.search(ctx, view, i)(yield)
		}
	}
}

// copyOver copies a member from the disk that its slot moves from.
func (r *Rebuilder) copyOver(ctx context.Context, i item, to io.Writer) error {
	return r.copyFrom(ctx, i.at.DisksOf(i.slot)[0], i, to)
}

func (r *Rebuilder) copyFrom(ctx context.Context, disk string, i item, to io.Writer) error {
	name, want := i.file().String(), i.want()
	copied, err := tiering.NewStripe(name, tiering.Scheme{Data: 1, Parity: 1}, []tiering.Member{{Name: name, Size: want.Bytes, Hash: want.Hash}})
	if err != nil {
		return err
	}
	f, err := r.Members.OpenOn(ctx, disk, i.file(), want.Bytes)
	if err != nil {
		return err
	}
	_, _, err = copied.Encode(ctx, []tiering.Source{f}, []io.Writer{to})
	return errors.Join(err, f.Close())
}

func (r *Rebuilder) decode(ctx context.Context, i item, to io.Writer) error {
	stripe := r.Members.OpenStripe(ctx, i.at)
	defer stripe.Close()
	decoder, err := stripe.Decoder(r.Report)
	if err != nil {
		return errors.Join(err, stripe.Away())
	}
	if _, err = decoder.Rebuild(ctx, []tiering.Output{{Slot: stripe.Inner(i.slot), To: to, Hash: i.want().Hash}}); err != nil {
		return errors.Join(err, stripe.Away())
	}
	return nil
}

func (r *Rebuilder) encode(ctx context.Context, i item, to io.Writer) error {
	stripe := r.Members.OpenStripe(ctx, i.at)
	defer stripe.Close()
	if err := stripe.EncodeParity(ctx, i.slot-i.at.Group.Scheme.Data, to); err != nil {
		return errors.Join(err, stripe.Away())
	}
	return nil
}

// by makes a member in one way. A damaged one is moved out of the way once it
// is sure that it can be made: what is left of it may be all there is.
func (r *Rebuilder) by(ctx context.Context, way way, i item, damaged bool, index uint64) error {
	medium, _ := r.Members.Medium(i.disk())
	name := i.file().String()
	if damaged {
		if err := way(ctx, i, io.Discard); err != nil {
			return err
		}
		if err := medium.Trash(name, index); err != nil && !tiering.IsNotExist(err) {
			return fmt.Errorf("a damaged %s is in the way: %w", name, err)
		}
	}
	if err := medium.CheckRoom(tiering.FillNoRepair, i.want().Bytes); err != nil {
		return err
	}
	w, err := medium.Create(name)
	if err != nil {
		return err
	}
	if err := way(ctx, i, paced{ctx, r, i, w}); err != nil {
		return errors.Join(err, w.Abort())
	}
	_, err = w.Commit()
	return err
}

// readBack reads a member from its disk, all of it and past caches, and
// compares it with what the catalog says.
func (r *Rebuilder) readBack(ctx context.Context, i item) error {
	got, err := r.Members.HashHere(ctx, i.disk(), i.file(), func(ctx context.Context, bytes int64) error { return r.pace(ctx, i, bytes) })
	if err != nil {
		return err
	}
	if plant.On(plant.BlindRebuild) {
		return nil
	}
	return i.judge(got)
}

func compare(ctx context.Context, disk members.Disk, i item) error {
	got, err := disk.Hash(ctx, i.file())
	if err != nil {
		return err
	}
	if plant.On(plant.BlindRebuild) {
		return nil
	}
	return i.judge(got)
}

// judge compares what was read with what the catalog says.
func (i item) judge(got tiering.Receipt) error {
	if want := i.want(); got.Size != want.Bytes || got.Hash != want.Hash {
		return fmt.Errorf("%w: %s has %d bytes of hash %s, the catalog says %d of hash %s", tiering.ErrCorrupt, i.file(), got.Size, got.Hash, want.Bytes, want.Hash)
	}
	return nil
}

// Whole has a member read where it lies, all of it, and reports whether it is
// what the catalog says. The error is for a disk that could not be asked.
func (r *Rebuilder) Whole(ctx context.Context, at catalog.Location, slot int, disk string) (bool, error) {
	d, err := r.Members.Disk(disk)
	if err != nil {
		return false, err
	}
	err = compare(ctx, d, item{at, slot})
	if err != nil && (ctx.Err() != nil || errors.Is(err, members.ErrAway)) {
		return false, err
	}
	return err == nil, nil
}

// Miss has a damaged member rebuilt, if there is something to rebuild it from:
// otherwise what is left of it is all there is. It looks for itself: the
// member may have been rebuilt since it was reported. A disk that cannot be
// asked is no word about its bytes.
func (r *Rebuilder) Miss(ctx context.Context, view *catalog.State, m catalog.MemberAt) {
	at, ok := view.Locate(m.Stripe)
	if !ok || at.Spare() < 1 {
		return
	}
	if whole, err := r.Whole(ctx, at, m.Slot, m.Disk); whole || err != nil {
		return
	}
	cmd := catalog.Command{MissMembers: &catalog.MissMembers{Members: []catalog.MemberAt{m}}}
	if err := r.Propose(ctx, cmd); err != nil {
		r.Logger.Warn("reporting a damaged member", "stripe", m.Stripe, "slot", m.Slot, "disk", m.Disk, "error", err)
	}
}

// paced writes no faster than the rebuilder may, and counts.
type paced struct {
	ctx context.Context
	r   *Rebuilder
	i   item
	to  io.Writer
}

func (p paced) Write(b []byte) (int, error) {
	if err := p.r.pace(p.ctx, p.i, int64(len(b))); err != nil {
		return 0, err
	}
	n, err := p.to.Write(b)
	if p.r.Meter != nil {
		p.r.Meter.Add(int64(n))
	}
	return n, err
}

func (r *Rebuilder) place(ctx context.Context, done []catalog.MemberAt) error {
	if len(done) == 0 {
		return nil
	}
	return r.Propose(ctx, catalog.Command{PlaceMembers: &catalog.PlaceMembers{Members: done}})
}

// park sets a member aside, unless it is this node that has a problem, or
// sources may come back, or somebody writes it right now.
func (r *Rebuilder) park(ctx context.Context, i item, why error) {
	if ctx.Err() != nil || passing(why) {
		r.waits = append(r.waits, waiting{i, why})
		return
	}
	r.Logger.Error("a member cannot be rebuilt and is set aside", "stripe", i.at.ID, "slot", i.slot, "disk", i.disk(), "error", why)
	cmd := catalog.Command{ParkMember: &catalog.ParkMember{Stripe: i.at.ID, Slot: i.slot, Reason: why.Error()}}
	if err := r.Propose(ctx, cmd); err != nil {
		r.Logger.Warn("a member was not set aside", "stripe", i.at.ID, "slot", i.slot, "error", err)
	}
}

// waiting is a member that cannot be rebuilt yet.
type waiting struct {
	item
	why error
}

// tell logs that members have to wait, once for an outage and again when twice
// as many do, and when that is over: they are tried again all the time.
func (r *Rebuilder) tell() {
	for _, w := range r.waits {
		r.Logger.Debug("a member waits to be rebuilt", "stripe", w.at.ID, "slot", w.slot, "disk", w.disk(), "error", w.why)
	}
	switch n := len(r.waits); {
	case n == 0 && r.told > 0:
		r.Logger.Info("no member waits any more for something to rebuild it from", "members", r.told)
		r.told = 0
	case n > 0 && (r.told == 0 || n >= 2*r.told):
		first := r.waits[0]
		r.Logger.Warn("members wait to be rebuilt until what they need is back", "members", n,
			"stripe", first.at.ID, "slot", first.slot, "disk", first.disk(), "error", first.why)
		r.told = n
	}
}

// passing reports whether what has failed may work later by itself.
func passing(err error) bool {
	for _, may := range []error{tiering.ErrDiskFull, tiering.ErrSuspect, members.ErrAway, fs.ErrExist, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, may) {
			return true
		}
	}
	return members.NoFilesLeft(err)
}
