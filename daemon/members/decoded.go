package members

import (
	"context"
	"errors"
	"io"

	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/tiering"
)

// decodedCopy is the copy of a data member that is made of the other members
// of its stripe, only the ranges that are asked for.
func (s *Store) decodedCopy(at catalog.Location, report Report) *segmentCopy {
	return &segmentCopy{name: "the rest of its stripe", made: true, rank: rankDecoded, open: func() (File, error) {
		st := s.OpenStripe(context.Background(), at)
		d, err := st.Decoder(report)
		if err != nil {
			return nil, errors.Join(err, st.Close())
		}
		return decoded{d.Member(context.Background(), at.DataIndex()), st}, nil
	}}
}

// decoded is a member that is decoded as it is read.
type decoded struct {
	tiering.Source
	st *Stripe
}

// ReadAt reads a range. When members that were out of reach could have helped,
// the error says so: nothing is lost yet.
func (d decoded) ReadAt(p []byte, off int64) (int, error) {
	n, err := d.Source.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		err = errors.Join(err, d.st.Away())
	}
	return n, err
}

func (d decoded) Close() error { return d.st.Close() }
