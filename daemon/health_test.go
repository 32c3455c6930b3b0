package daemon

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/members/memberstest"
	"github.com/tarnlake/tarn/tiering"
)

// TestSilentNodesAreNotCountedOn: two of three nodes stop at once. No leader is
// left to judge them, so the catalog has both up for good; what is said of the
// rows and votes counts on neither.
func TestSilentNodesAreNotCountedOn(t *testing.T) {
	c := newLoadedCluster(t, 3)
	c.until("copies on all nodes", func() bool {
		h := c.nodes[0].health(t.Context())
		return h.Survives.Disks == 2 && h.Votes.Up == 3
	})
	c.stop(1)
	if h := c.nodes[0].health(t.Context()); h.Survives.Disks > 1 || h.Survives.Nodes > 1 || h.Votes.Up != 2 {
		t.Errorf("a node has stopped: %q with votes %+v; want one more disk and node to spare, and two votes", h.Summary, h.Votes)
	}
	c.stop(2)
	h := c.nodes[0].health(t.Context())
	if h.Survives.Disks != 0 || h.Risk[0].Spare != 0 || h.Votes.Up != 1 || h.Level != "danger" {
		t.Errorf("two nodes have stopped: %s, %q, %+v with votes %+v; want danger, no disk to spare, and one vote", h.Level, h.Summary, h.Risk, h.Votes)
	}
	c.until("the metrics to say so", func() bool { return survives(t, c.nodes[0], "disk") == 0 })
}

// survives scrapes tarn_survives of a kind.
func survives(t *testing.T, n *Node, kind string) float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(newHealthMetrics(n))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "tarn_survives" && m.GetLabel()[0].GetValue() == kind {
				return m.GetGauge().GetValue()
			}
		}
	}
	t.Fatalf("there is no tarn_survives of %s", kind)
	return 0
}

// TestJudgementForgetsNoLoss: what was judged a moment ago is said again only
// while the same disks are there.
func TestJudgementForgetsNoLoss(t *testing.T) {
	r := memberstest.New(t, 6, 1)
	r.Stripe(r.Group(tiering.Scheme{Data: 1, Parity: 2}, "n1d1", "n2d1", "n3d1"), []byte("abc"))
	var j judged
	if h := j.of(r.State(), nil); h.Spare.Disks != 2 {
		t.Fatalf("%d disks to spare; want 2", h.Spare.Disks)
	}
	j.again = time.Now().Add(time.Hour) // as if it had taken minutes
	if h := j.of(r.State(), []string{"n2"}); h.Spare.Disks != 1 {
		t.Errorf("a node is silent: %d disks to spare; want 1", h.Spare.Disks)
	}
	j.again = time.Now().Add(time.Hour)
	r.Apply(catalog.Command{SetDiskState: &catalog.SetDiskState{Disk: "n3d1", State: catalog.DiskLost, Reason: "test"}})
	if h := j.of(r.State(), []string{"n2"}); h.Spare.Disks != 0 {
		t.Errorf("and a disk is lost: %d disks to spare; want 0", h.Spare.Disks)
	}
}

// TestRelieve: a disk that is nearly full has its trash emptied before its time.
func TestRelieve(t *testing.T) {
	r := newRackNode(t, 1)
	m := r.node.members.Media()[0]
	m.SetReserve(0)
	w, err := m.Create("00000001-00000001.seg")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := m.Trash("00000001-00000001.seg", 1); err != nil {
		t.Fatal(err)
	}
	for _, reserve := range []int64{0, 1 << 62} {
		m.SetReserve(reserve)
		r.node.relieve()
		left, err := m.TrashCount()
		if want := 1 - int(reserve>>62); left != want || err != nil {
			t.Errorf("with a reserve of %d: %d members in the trash, %v; want %d", reserve, left, err, want)
		}
	}
}
