package daemon

import (
	"slices"
	"strings"
	"testing"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
)

// TestStripeShow: every node tells where the members of a table are, and how
// they are while a node is away.
func TestStripeShow(t *testing.T) {
	c := newTestCluster(t, 3)
	c.createTable(0)
	c.until("groups of three copies", func() bool {
		return !slices.ContainsFunc(c.nodes[0].catalog.View().Groups(), func(g catalog.Group) bool { return g.Scheme.Copies() && g.Scheme.Parity != 2 })
	})
	if err := c.append(0, 0, 100); err != nil {
		t.Fatal(err)
	}
	c.until("all copies", func() bool { return complete(c.nodes[0].catalog.View()) })
	list, err := c.dial(1).TableStripes(t.Context(), "t")
	if err != nil || len(list) != 1 {
		t.Fatalf("got %+v, %v; want one stripe", list, err)
	}
	st := list[0]
	if st.Scheme != "1+2" || st.Spare != 2 || st.Tier != "hot" || st.Group == 0 {
		t.Errorf("got %+v; want 1+2 on hot with 2 to spare", st)
	}
	if got, want := nodesAndStates(st), []string{"node0 present", "node1 present", "node2 present"}; !slices.Equal(got, want) {
		t.Errorf("got %v; want %v", got, want)
	}
	for _, m := range st.Members {
		if m.Kind != "copy" || m.Table != "t" || m.Rows != 100 || m.File != st.ID+".seg" || m.Bytes == 0 || m.Segment != st.ID {
			t.Errorf("got member %+v; want a copy of the 100 rows of t", m)
		}
	}
	gone := (c.leader() + 1) % 3
	c.stop(gone)
	at := (gone + 1) % 3
	c.until("the node to be down", func() bool {
		st, err = c.dial(at).Stripe(t.Context(), st.ID+".seg")
		return err == nil && st.Spare == 1
	})
	want := []string{"node0 present", "node1 present", "node2 present"}
	want[gone] = strings.Replace(want[gone], "present", "away", 1)
	if got := nodesAndStates(st); !slices.Equal(got, want) {
		t.Errorf("got %v; want %v", got, want)
	}
	s, err := c.dial(at).Status(t.Context())
	if err != nil || s.Health.Survives.Disks != 1 || !slices.ContainsFunc(s.Health.Problems, func(p wire.Problem) bool { return p.Code == "node_down" }) {
		t.Errorf("got %+v, %v; want a node down and one disk to spare", s.Health, err)
	}
	for _, id := range []string{"bogus", "0000ffff-00000001"} {
		if _, err := c.dial(at).Stripe(t.Context(), id); !wire.IsCode(err, wire.InvalidArgument) {
			t.Errorf("stripe %s: got %v; want INVALID_ARGUMENT", id, err)
		}
	}
}

func nodesAndStates(st wire.Stripe) (all []string) {
	for _, m := range st.Members {
		all = append(all, m.Node+" "+m.State)
	}
	slices.Sort(all)
	return all
}

// TestStripeStates: what the catalog knows of a member is said of it.
func TestStripeStates(t *testing.T) {
	m := func(change func(*catalog.Location)) string {
		view := stateWith(t, "d1", catalog.Segment{ID: catalog.NewSegmentID(1, 1), SchemaID: 1, Rows: 1, Bytes: 1, Hash: strings.Repeat("0", 32)})
		at := catalog.Location{Stripe: &catalog.Stripe{ID: 1, Data: []catalog.Member{{Segment: 1}}}, Group: catalog.Group{Slots: []catalog.Slot{{Disk: "d1"}}}}
		change(&at)
		state, reason := stateOfMember(view, at, 0)
		return strings.TrimSpace(state + " " + reason)
	}
	for want, change := range map[string]func(*catalog.Location){
		"present": func(*catalog.Location) {},
		"missing": func(at *catalog.Location) { at.Missing = 1 },
		"moving":  func(at *catalog.Location) { at.Missing, at.Group.Slots[0] = 1, catalog.Slot{Disk: "d2", From: "d1"} },
		"away":    func(at *catalog.Location) { at.Group.Slots[0].Disk = "d2" },
		"parked why": func(at *catalog.Location) {
			at.Missing, at.Parked = 1, []catalog.Parked{{Slot: 0, Reason: "why"}}
		},
	} {
		if got := m(change); got != want {
			t.Errorf("got %q; want %q", got, want)
		}
	}
}
