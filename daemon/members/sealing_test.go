package members_test

import (
	"testing"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/members"
	"github.com/tarnlake/tarn/daemon/members/memberstest"
	"github.com/tarnlake/tarn/tiering"
)

// sealTwo writes a stripe of two segments over four nodes.
func sealTwo(r *memberstest.Rack) (*members.Sealing, error) {
	s, err := r.Store("n1").BeginStripe(r.State(), tiering.Scheme{Data: 2, Parity: 2}, r.NewID("n1"))
	if err != nil {
		return nil, err
	}
	for n := range uint64(2) {
		if err := s.Create(r.NewID("n1")); err != nil {
			return s, err
		}
		if _, err := s.Write(content(n, 100_000)); err != nil {
			return s, err
		}
		if _, err := s.Commit(); err != nil {
			return s, err
		}
	}
	return s, nil
}

// TestStripeGarbledOnTheWay: a data member that another disk has received
// otherwise than it was sent does not get into a stripe, which would vouch for
// the wrong bytes.
func TestStripeGarbledOnTheWay(t *testing.T) {
	r := memberstest.New(t, 4, 1)
	r.Group(tiering.Scheme{Data: 2, Parity: 2}, "n1d1", "n2d1", "n3d1", "n4d1")
	r.Garble(func(disk string, step memberstest.Step, p []byte) {
		if disk == "n2d1" && step == memberstest.Write && len(p) > 0 {
			p[len(p)/2] ^= 4
		}
	})
	s, err := sealTwo(r)
	if !wire.IsCode(err, wire.Corrupt) {
		t.Errorf("got %v; want %s", err, wire.Corrupt)
	}
	if err := s.Abort(); err != nil {
		t.Error(err)
	}
}

// TestStripeIsReadBack: what the disks have is read before a stripe takes the
// place of anything.
func TestStripeIsReadBack(t *testing.T) {
	r := memberstest.New(t, 4, 1)
	r.Group(tiering.Scheme{Data: 2, Parity: 2}, "n1d1", "n2d1", "n3d1", "n4d1")
	r.Garble(func(disk string, step memberstest.Step, p []byte) {
		if disk == "n3d1" && step == memberstest.Read && len(p) > 0 {
			p[len(p)/2] ^= 4
		}
	})
	s, err := sealTwo(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Seal(t.Context()); err == nil {
		t.Error("parity that is read back wrong was taken")
	}
}
