package members

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/plant"
	"github.com/tarnlake/tarn/tiering"
	"github.com/zeebo/xxh3"
)

// Sealing is a stripe with parity in the making: data members are written one
// after the other, each to the disk of its slot, on whatever node that is, then
// parity is made of what is on the disks, and all of it is read back: by the
// nodes that have it, and by this one. It is not safe for concurrent use; it
// ends with Seal or Abort.
type Sealing struct {
	store *Store
	index uint64 // of the state that chose the group
	group catalog.Group
	file  NewMember // data member under way
	id    catalog.SegmentID
	sent  *xxh3.Hasher // of what was written of it
	size  int64        // likewise
	made  catalog.NewStripe
}

// BeginStripe begins a stripe in a placement group of that scheme all of whose
// disks take members. Stripes spread over such groups by their ids; without
// any the error is wire.Unavailable.
func (s *Store) BeginStripe(view *catalog.State, scheme tiering.Scheme, id catalog.SegmentID) (*Sealing, error) {
	groups := s.openGroups(view, scheme)
	if len(groups) == 0 {
		return nil, wire.Errorf(wire.Unavailable, "no placement group of %s has all of its disks", scheme).WithHint("tarn disk list")
	}
	luck := func(g catalog.Group) uint64 { return xxh3.HashString(fmt.Sprint(id, g.ID)) }
	g := slices.MaxFunc(groups, func(a, b catalog.Group) int { return cmp.Compare(luck(a), luck(b)) })
	return &Sealing{store: s, index: view.Index(), group: g, made: catalog.NewStripe{
		Stripe: catalog.Stripe{Group: g.ID}, Placed: make([]string, g.Scheme.Width()),
	}}, nil
}

// openGroups returns the groups of a scheme whose disks all take merged segments.
func (s *Store) openGroups(view *catalog.State, scheme tiering.Scheme) []catalog.Group {
	return slices.DeleteFunc(view.Groups(), func(g catalog.Group) bool { return !s.openAs(view, g, scheme) })
}

func (s *Store) openAs(view *catalog.State, g catalog.Group, scheme tiering.Scheme) bool {
	return g.Tier == ingestTier && g.Scheme == scheme && !slices.ContainsFunc(g.Slots, func(slot catalog.Slot) bool {
		return s.shuns(slot.Disk) || !s.open(view, slot.Disk, merged)
	})
}

// CanStripe reports whether a stripe of the scheme, which is one with parity,
// could be begun.
func (s *Store) CanStripe(view *catalog.State, scheme tiering.Scheme) bool {
	return !scheme.Copies() && slices.ContainsFunc(view.Groups(), func(g catalog.Group) bool { return s.openAs(view, g, scheme) })
}

// Create begins the next data member. The last one has ended.
func (s *Sealing) Create(id catalog.SegmentID) (err error) {
	if s.file != nil || len(s.made.Data) == s.group.Scheme.Data {
		panic("BUG: members: a data member that the stripe has no room for")
	}
	s.id, s.sent, s.size = id, xxh3.New(), 0
	s.file, err = s.create(len(s.made.Data), catalog.SegmentFile(id))
	return err
}

// create begins the file of a slot.
func (s *Sealing) create(slot int, file catalog.MemberFile) (NewMember, error) {
	disk, err := s.store.Disk(s.group.Slots[slot].Disk)
	if err != nil {
		return nil, err
	}
	return disk.Create(context.Background(), file)
}

// Write appends to the data member.
func (s *Sealing) Write(p []byte) (int, error) {
	s.sent.Write(p)
	s.size += int64(len(p))
	return s.file.Write(p)
}

// Commit makes the data member durable, if its disk has received what was
// sent: the stripe can vouch only for what is on the disks.
func (s *Sealing) Commit() (catalog.Member, error) {
	r, err := s.file.Commit()
	s.file = nil
	if err != nil {
		return catalog.Member{}, err
	}
	m := catalog.Member{Segment: s.id, Bytes: r.Size, Hash: r.Hash}
	s.placed(len(s.made.Data))
	if want := hashText(s.sent); (r.Size != s.size || r.Hash != want) && !plant.On(plant.TrustReceipt) {
		err = wire.Errorf(wire.Corrupt, "segment %s: its disk received %d bytes of hash %s; sent were %d of %s", s.id, r.Size, r.Hash, s.size, want)
	}
	if s.made.Data = append(s.made.Data, m); len(s.made.Data) == 1 {
		s.made.ID = s.id
	}
	return m, err
}

func (s *Sealing) placed(slot int) { s.made.Placed[slot] = s.group.Slots[slot].Disk }

// Seal writes the parity of two data members or more, reads every member back
// from its disk and returns the stripe of a commit. When it fails nothing is
// left of the stripe.
func (s *Sealing) Seal(ctx context.Context) (catalog.NewStripe, error) {
	if len(s.made.Data) < 2 {
		panic("BUG: members: a stripe of fewer than two segments")
	}
	err := s.encode(ctx)
	if err == nil && !plant.On(plant.SealBlind) {
		err = s.readBack(ctx)
	}
	if err != nil {
		return catalog.NewStripe{}, errors.Join(err, s.Abort())
	}
	return s.made, nil
}

// scheme is that of the stripe, which may have fewer data members than its
// group has room for.
func (s *Sealing) scheme() tiering.Scheme {
	return tiering.Scheme{Data: len(s.made.Data), Parity: s.group.Scheme.Parity}
}

// described is the stripe as the erasure code knows it.
func (s *Sealing) described() (*tiering.Stripe, error) {
	return describeData(s.made.ID, s.scheme(), s.made.Data)
}

func describeData(id catalog.SegmentID, scheme tiering.Scheme, members []catalog.Member) (*tiering.Stripe, error) {
	var data []tiering.Member
	for _, m := range members {
		data = append(data, tiering.Member{Name: catalog.SegmentFile(m.Segment).String(), Size: m.Bytes, Hash: m.Hash})
	}
	return tiering.NewStripe(id.String(), scheme, data)
}

// encode makes parity of the data members as they are on the disks.
func (s *Sealing) encode(ctx context.Context) error {
	described, err := s.described()
	if err != nil {
		return err
	}
	data := s.open(ctx)
	defer data.Close()
	files, writers, err := s.createParity()
	if err == nil {
		var sent []tiering.Receipt
		if _, sent, err = described.Encode(ctx, data.sources()[:len(s.made.Data)], writers); err == nil {
			return s.commitParity(files, sent)
		}
	}
	return errors.Join(err, abortAll(files))
}

func (s *Sealing) createParity() (files []NewMember, writers []io.Writer, err error) {
	for n := range s.group.Scheme.Parity {
		f, err := s.create(s.group.Scheme.Data+n, catalog.MemberFile{ID: s.made.ID, Parity: n})
		if err != nil {
			return files, nil, err
		}
		files, writers = append(files, f), append(writers, f)
	}
	return files, writers, nil
}

// commitParity makes parity durable, if the disks have received what was sent.
func (s *Sealing) commitParity(files []NewMember, sent []tiering.Receipt) error {
	for n, f := range files {
		r, err := f.Commit()
		if err == nil {
			s.placed(s.group.Scheme.Data + n)
			if r != sent[n] {
				err = wire.Errorf(wire.Corrupt, "parity %d of stripe %s: the disk received %v; sent was %v", n, s.made.ID, r, sent[n])
			}
		}
		if err != nil {
			return errors.Join(err, abortAll(files[n+1:]))
		}
		s.made.Parity = append(s.made.Parity, catalog.Member{Bytes: r.Size, Hash: r.Hash})
	}
	return nil
}

func abortAll(files []NewMember) error {
	var errs []error
	for _, f := range files {
		errs = append(errs, f.Abort())
	}
	return errors.Join(errs...)
}

// EncodeParity writes parity member n of a stripe anew from its data members,
// all of which have to be there: for when all parity is lost, and with it what
// a Decoder has to know. What was written is good only without an error.
func (st *Stripe) EncodeParity(ctx context.Context, n int, to io.Writer) error {
	described, err := describeData(st.at.ID, st.scheme, st.at.Data)
	if err != nil {
		return err
	}
	writers := make([]io.Writer, st.scheme.Parity)
	for i := range writers {
		writers[i] = io.Discard
	}
	writers[n] = to
	_, made, err := described.Encode(ctx, st.sources()[:st.scheme.Data], writers)
	if want := st.at.Parity[n]; err == nil && made[n].Hash != want.Hash {
		err = wire.Errorf(wire.Corrupt, "parity %d of stripe %s came out with hash %s; the catalog says %s", n, st.at.ID, made[n].Hash, want.Hash)
	}
	return err
}

// readBack reads all members from their disks. What they should be is taken
// from the parity as it is there, and from the hashes that the commit will
// name: nothing that the encoder has said counts.
func (s *Sealing) readBack(ctx context.Context) error {
	if err := s.askDisks(ctx); err != nil {
		return err
	}
	all := s.open(ctx)
	defer all.Close()
	found, err := all.describe(all.sources())
	if err != nil {
		return err
	}
	want, err := s.described()
	if err != nil {
		return err
	}
	if !slices.Equal(found.Data, want.Data) {
		return wire.Errorf(wire.Corrupt, "stripe %s: its parity tells of members %v; want %v", s.made.ID, found.Data, want.Data)
	}
	return found.Verify(ctx, all.sources())
}

// askDisks has every node read back what is on its own disks, past its caches.
func (s *Sealing) askDisks(ctx context.Context) error {
	at, errs := s.location(), make([]error, len(s.group.Slots))
	var asked sync.WaitGroup
	for slot := range s.group.Slots {
		if want, used := at.Member(s.group.Scheme, slot); used {
			asked.Go(func() { errs[slot] = s.askDisk(ctx, slot, want) })
		}
	}
	asked.Wait()
	return errors.Join(errs...)
}

func (s *Sealing) askDisk(ctx context.Context, slot int, want catalog.Member) error {
	at := s.location()
	disk, err := s.store.Disk(s.group.Slots[slot].Disk)
	if err != nil {
		return err
	}
	file := at.FileOf(s.group.Scheme, slot)
	got, err := disk.Hash(ctx, file)
	if err == nil && (got.Size != want.Bytes || got.Hash != want.Hash) {
		err = wire.Errorf(wire.Corrupt, "%s was read back as %d bytes of hash %s; written were %d of %s", file, got.Size, got.Hash, want.Bytes, want.Hash)
	}
	return err
}

// open opens what is on the disks by now.
func (s *Sealing) open(ctx context.Context) *Stripe {
	return s.store.OpenStripe(ctx, s.location())
}

func (s *Sealing) location() catalog.Location {
	made := s.whole()
	return catalog.Location{Stripe: &made.Stripe, Group: s.group}
}

// whole returns the stripe with all of its parity, whether made or not.
func (s *Sealing) whole() catalog.NewStripe {
	st := s.made
	st.Parity = make([]catalog.Member, s.group.Scheme.Parity)
	copy(st.Parity, s.made.Parity)
	return st
}

// Abort gives the stripe up: what is on the disks goes to the trash. It may be
// called again; after Seal it trashes what Seal has returned.
func (s *Sealing) Abort() error {
	var errs []error
	if s.file != nil {
		errs = append(errs, s.file.Abort())
		s.file = nil
	}
	if len(s.made.Data) > 0 {
		errs = append(errs, s.store.Discard(s.whole(), s.index))
		clear(s.made.Placed)
	}
	return errors.Join(errs...)
}
