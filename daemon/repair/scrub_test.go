package repair

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/members/memberstest"
	"github.com/tarnlake/tarn/tiering"
)

// scrubOf is a scrub of a disk of a rack, which reports to the state of it and
// notes what it has found.
func scrubOf(r *memberstest.Rack, disk string, from ScrubState, found *[]catalog.MemberAt) *Scrub {
	return NewScrub(ScrubConfig{
		Disk: disk, Members: r.Store(disk[:2]), View: r.State, Logger: slog.New(slog.DiscardHandler),
		Compare: func(context.Context, string) (int, error) { return 0, nil },
		Found: func(_ context.Context, at catalog.MemberAt, _ error) bool {
			*found = append(*found, at)
			return r.Try(catalog.Command{MissMembers: &catalog.MissMembers{Members: []catalog.MemberAt{at}}}) == nil
		},
	}, from)
}

// scrubbed runs a scrub until a pass has ended.
func scrubbed(t *testing.T, s *Scrub) ScrubPass {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { s.Run(ctx); close(done) }()
	for before := s.State().Last.Ended; s.State().Last.Ended.Equal(before); {
		time.Sleep(time.Minute)
	}
	cancel()
	<-done
	return s.State().Last
}

// TestScrubFindsAll is invariant I14: flipped bits in data, in parity and in
// copies, and files that are gone, are all found in one pass of each disk, and
// rebuilt.
func TestScrubFindsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := memberstest.New(t, 6, 1)
		parity, copies := r.Stripe(r.Group(four2, six...), contents()...), r.Stripe(r.Group(copies3, three...), content(5, 1<<20))
		want := []catalog.MemberAt{{Stripe: parity.ID, Slot: 1, Disk: "n2d1"}, {Stripe: copies.ID, Slot: 1, Disk: "n2d1"}, {Stripe: copies.ID, Slot: 2, Disk: "n3d1"}, {Stripe: parity.ID, Slot: 5, Disk: "n6d1"}}
		for i, at := range want {
			l, _ := r.State().Locate(at.Stripe)
			file := l.FileOf(l.Group.Scheme, at.Slot)
			if i == 2 {
				r.Remove(at.Disk, file)
				continue
			}
			m, _ := l.Member(l.Group.Scheme, at.Slot)
			r.Flip(at.Disk, file, m.Bytes*8-1)
		}
		var found []catalog.MemberAt
		for _, disk := range six {
			before := len(found)
			pass := scrubbed(t, scrubOf(r, disk, ScrubState{}, &found))
			if int(pass.Bad) != len(found)-before || pass.Stuck != 0 {
				t.Errorf("disk %s: %d bad and %d stuck; want %d and 0", disk, pass.Bad, pass.Stuck, len(found)-before)
			}
		}
		if !slices.Equal(found, want) {
			t.Errorf("found %v; want %v", found, want)
		}
		for _, at := range found {
			if placed, err := bench(r, at.Disk[:2]).Pass(t.Context(), r.State()); err != nil {
				t.Errorf("placed %d: %v", placed, err)
			}
			whole(t, r, at.Stripe, at.Disk)
		}
	})
}

// TestScrubGoesOn: a pass that was cut off goes on with the member that was
// next, and a new one begins when it is time.
func TestScrubGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := memberstest.New(t, 3, 1)
		g := r.Group(copies3, three...)
		var stripes []catalog.Location
		for i := range 10 {
			stripes = append(stripes, r.Stripe(g, content(uint64(i), 1000)))
		}
		var found []catalog.MemberAt
		started := time.Now()
		from := ScrubState{Pass: ScrubPass{Started: started, Group: g, Stripe: stripes[6].ID, Members: 6, Bytes: 6000}}
		for _, i := range []int{0, 5, 6, 9} {
			r.Flip("n1d1", catalog.SegmentFile(stripes[i].ID), 77)
		}
		s := scrubOf(r, "n1d1", from, &found)
		pass := scrubbed(t, s)
		if pass.Members != 8 || pass.Bad != 2 || !pass.Started.Equal(started) || len(found) != 2 || found[0].Stripe != stripes[6].ID {
			t.Errorf("the pass is %+v and found %v; want stripes 6 and 9", pass, found)
		}
		again := scrubbed(t, s)
		if again.Bad != 2 || again.Started.Sub(started) < DefaultScrub {
			t.Errorf("the next pass began %v later and is %+v; want stripes 0 and 5 after %v", again.Started.Sub(started), again, DefaultScrub)
		}
	})
}

// TestScrubPace: a pass that nobody waits for takes its time, one that was
// asked for does not, and neither reads while there is something more urgent.
func TestScrubPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := memberstest.New(t, 3, 1)
		g := r.Group(copies3, three...)
		for i := range 8 {
			r.Stripe(g, content(uint64(i), 4<<20))
		}
		var found []catalog.MemberAt
		s := scrubOf(r, "n1d1", ScrubState{}, &found)
		urgent := 0
		s.cfg.Yield = func(ctx context.Context) error {
			urgent++
			return pause(ctx, time.Millisecond)
		}
		pass := scrubbed(t, s)
		if took := pass.Ended.Sub(pass.Started); took < 30*time.Second || took > 40*time.Second || urgent != 32 {
			t.Errorf("32 MiB took %v with %d times of giving way; want about 32 s at the lowest rate, and 32", took, urgent)
		}
		s.Start()
		pass = scrubbed(t, s)
		if took := pass.Ended.Sub(pass.Started); took != 32*time.Millisecond || !pass.Full {
			t.Errorf("at full pace it took %v; want what the others took, 32 ms", took)
		}
	})
}

// TestScrubOfADiskThatIsGone reports nothing: what is not mounted has no
// members to miss.
func TestScrubOfADiskThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := memberstest.New(t, 3, 1)
		g := r.Group(copies3, three...)
		for i := range 3 {
			r.Stripe(g, content(uint64(i), 1000))
		}
		var found []catalog.MemberAt
		s := scrubOf(r, "n1d1", ScrubState{}, &found)
		if err := r.FS("n1d1").Remove(memberstest.Dir + "/medium.json"); err != nil {
			t.Fatal(err)
		}
		at, _, ok := s.next()
		if !ok {
			t.Fatal("nothing to read")
		}
		r.Remove("n1d1", catalog.SegmentFile(at.ID))
		if err := s.check(t.Context(), at, 0); !tiering.IsNotExist(err) || len(found) > 0 {
			t.Errorf("found %v, %v; want none, and that the disk is not there", found, err)
		}
	})
}

// TestScrubCompareFails: the pass is put off, and does not spin.
func TestScrubCompareFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := memberstest.New(t, 3, 1)
		r.Stripe(r.Group(copies3, three...), content(1, 1000))
		var found []catalog.MemberAt
		s := scrubOf(r, "n1d1", ScrubState{}, &found)
		tries := 0
		s.cfg.Compare = func(context.Context, string) (int, error) {
			if tries++; tries < 4 {
				return 0, errors.Join(fs.ErrPermission)
			}
			return 7, nil
		}
		s.Start()
		began := time.Now()
		if pass := scrubbed(t, s); tries != 4 || pass.Bad != 7 || pass.Members != 1 || time.Since(began) < 3*ScrubWait {
			t.Errorf("%d tries in %v: %+v", tries, time.Since(began), pass)
		}
	})
}

// TestMeter: the rate is that of the last minute.
func TestMeter(t *testing.T) {
	now := time.Unix(1000, 0)
	m := NewMeter(func() time.Time { return now })
	for range 30 {
		m.Add(600)
		now = now.Add(time.Second)
	}
	if got := m.Rate(); got != 600 {
		t.Errorf("after 30 s: %d; want 600", got)
	}
	now = now.Add(45 * time.Second)
	if got := m.Rate(); got != 14*600/60 { // of 1016 to 1029
		t.Errorf("after 75 s: %d; want %d", got, 14*600/60)
	}
	now = now.Add(time.Hour)
	if got := m.Rate(); got != 0 || m.Total() != 30*600 {
		t.Errorf("after an hour: %d and %d in all; want 0 and %d", got, m.Total(), 30*600)
	}
}
