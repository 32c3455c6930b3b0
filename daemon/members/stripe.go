package members

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/tiering"
)

// Stripe is the members of one stripe as far as they can be reached, open for
// reading. Close it when done. Slots are those of the placement group.
type Stripe struct {
	at     catalog.Location
	scheme tiering.Scheme // of the stripe: of fewer data members than the group may have
	slots  []source       // of scheme
}

// source is where a member is read from.
type source struct {
	file File // nil: out of reach
	at   catalog.MemberAt
	err  error // why it is
}

// OpenStripe opens the members of a stripe, on all disks at a time, leaving
// out those that cannot be opened or are not as long as the catalog says.
func (s *Store) OpenStripe(ctx context.Context, at catalog.Location) *Stripe {
	st := &Stripe{at: at, scheme: tiering.Scheme{Data: len(at.Data), Parity: at.Group.Scheme.Parity}}
	st.slots = make([]source, st.scheme.Width())
	var opens sync.WaitGroup
	for slot := range at.Group.Slots {
		if _, used := at.Member(at.Group.Scheme, slot); used {
			opens.Go(func() { st.slots[st.Inner(slot)] = s.openMember(ctx, at, slot) })
		}
	}
	opens.Wait()
	return st
}

// openMember opens the member of a slot on the first disk that gives it.
func (s *Store) openMember(ctx context.Context, at catalog.Location, slot int) source {
	m, _ := at.Member(at.Group.Scheme, slot)
	var errs []error
	for _, disk := range at.DisksOf(slot) {
		f, err := s.OpenOn(ctx, disk, at.FileOf(at.Group.Scheme, slot), m.Bytes)
		if err == nil {
			return source{file: f, at: catalog.MemberAt{Stripe: at.ID, Slot: slot, Disk: disk}}
		}
		errs = append(errs, fmt.Errorf("disk %s: %w", disk, err))
	}
	return source{err: errors.Join(errs...)}
}

// Inner returns which slot of the stripe's own scheme a slot of the group is.
func (st *Stripe) Inner(slot int) int {
	if st.at.Group.Scheme.Copies() || slot < len(st.at.Data) {
		return slot
	}
	return slot - st.at.Group.Scheme.Data + len(st.at.Data)
}

// Away says which members may be there and could not be asked for; nil if
// there is none.
func (st *Stripe) Away() error {
	var errs []error
	for _, src := range st.slots {
		if errors.Is(src.err, ErrAway) {
			errs = append(errs, src.err)
		}
	}
	return errors.Join(errs...)
}

// describe returns what is known of the stripe: of copies from the catalog, of
// others from the trailer of a parity member.
func (st *Stripe) describe(sources []tiering.Source) (*tiering.Stripe, error) {
	if st.scheme.Copies() {
		m := st.at.Data[0]
		return tiering.NewStripe(st.at.ID.String(), st.scheme, []tiering.Member{{Name: catalog.SegmentFile(m.Segment).String(), Size: m.Bytes, Hash: m.Hash}})
	}
	return tiering.FindStripe(st.at.ID.String(), st.scheme, sources)
}

// Decoder returns a decoder of the stripe; its slots are those of the stripe's
// own scheme. report may be nil. Errors of the decoder wrap ErrAway if a source
// went out of reach; those of this function if one was from the start.
func (st *Stripe) Decoder(report Report) (*tiering.Decoder, error) {
	sources := st.sources()
	tell := func(d tiering.Damage) {
		if report != nil && sources[d.Slot] != nil && !errors.Is(d.Err, ErrAway) {
			report(st.slots[d.Slot].at, d.Err)
		}
	}
	described, err := st.describe(sources)
	if err == nil {
		return tiering.NewDecoder(described, sources, tell), nil
	}
	if bad := new(tiering.StripeError); errors.As(err, &bad) {
		for _, d := range bad.Damage {
			tell(d)
		}
	}
	return nil, errors.Join(err, st.Away())
}

// sources returns the members by slot; nil where they are out of reach.
func (st *Stripe) sources() []tiering.Source {
	all := make([]tiering.Source, len(st.slots))
	for slot, src := range st.slots {
		if src.file != nil {
			all[slot] = src.file
		}
	}
	return all
}

// Close closes what OpenStripe has opened.
func (st *Stripe) Close() error {
	var errs []error
	for _, src := range st.slots {
		if src.file != nil {
			errs = append(errs, src.file.Close())
		}
	}
	return errors.Join(errs...)
}
