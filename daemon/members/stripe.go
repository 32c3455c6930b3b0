package members

import (
	"errors"
	"io"

	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/tiering"
)

// Stripe is the members of one stripe as far as they can be reached, open for
// reading. Close it when done. Slots are those of the placement group.
type Stripe struct {
	at      catalog.Location
	scheme  tiering.Scheme   // of the stripe: of fewer data members than the group may have
	sources []tiering.Source // by slot of scheme; nil: out of reach
	files   []io.Closer
}

// OpenStripe opens the members of a stripe, leaving out those that cannot be
// opened or are not as long as the catalog says.
func (s *Store) OpenStripe(at catalog.Location) *Stripe {
	st := &Stripe{at: at, scheme: tiering.Scheme{Data: len(at.Data), Parity: at.Group.Scheme.Parity}}
	st.sources = make([]tiering.Source, st.scheme.Width())
	for slot := range at.Group.Slots {
		m, used := at.Member(at.Group.Scheme, slot)
		if !used {
			continue
		}
		for _, disk := range at.DisksOf(slot) {
			if f, err := s.OpenOn(disk, at.FileOf(at.Group.Scheme, slot), m.Bytes); err == nil {
				st.sources[st.Inner(slot)] = f
				st.files = append(st.files, f)
				break
			}
		}
	}
	return st
}

// Inner returns which slot of the stripe's own scheme a slot of the group is.
func (st *Stripe) Inner(slot int) int {
	if st.at.Group.Scheme.Copies() || slot < len(st.at.Data) {
		return slot
	}
	return slot - st.at.Group.Scheme.Data + len(st.at.Data)
}

// describe returns what is known of the stripe: of copies from the catalog, of
// others from the trailer of a parity member.
func (st *Stripe) describe() (*tiering.Stripe, error) {
	if st.scheme.Copies() {
		m := st.at.Data[0]
		return tiering.NewStripe(st.at.ID.String(), st.scheme, []tiering.Member{{Name: catalog.SegmentFile(m.Segment).String(), Size: m.Bytes, Hash: m.Hash}})
	}
	return tiering.FindStripe(st.at.ID.String(), st.scheme, st.sources)
}

// Decoder returns a decoder of the stripe; see tiering.NewDecoder for report,
// which is told slots of the stripe's own scheme.
func (st *Stripe) Decoder(report func(tiering.Damage)) (*tiering.Decoder, *tiering.Stripe, error) {
	described, err := st.describe()
	if err != nil {
		return nil, nil, err
	}
	return tiering.NewDecoder(described, st.sources, report), described, nil
}

// Close closes what OpenStripe has opened.
func (st *Stripe) Close() error {
	var errs []error
	for _, f := range st.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
