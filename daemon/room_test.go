package daemon

import (
	"errors"
	"strings"
	"testing"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/tiering"
)

func TestParseWatermarks(t *testing.T) {
	if w, reserve, err := ParseWatermarks("85, 90,93,95"); err != nil || w != tiering.DefaultWatermarks || reserve != DefaultLogReserve {
		t.Errorf("got %v, %d, %v; want the defaults", w, reserve, err)
	}
	if w, reserve, err := ParseWatermarks("none"); err != nil || w != (tiering.Watermarks{}) || reserve != 0 {
		t.Errorf("got %v, %d, %v; want none", w, reserve, err)
	}
	for _, bad := range []string{"", "85", "85,90,93", "85,90,93,95,96", "90,85,93,95", "85,90,93,101", "0,1,2,3", "NaN,90,93,95", "x,90,93,95"} {
		if w, _, err := ParseWatermarks(bad); !wire.IsCode(err, wire.InvalidArgument) {
			t.Errorf("%q: got %v, %v; want INVALID_ARGUMENT", bad, w, err)
		}
	}
}

// TestFullDisks: above the last mark rows are refused with what to do, and
// reads and drops go on; with room again rows are taken.
func TestFullDisks(t *testing.T) {
	r := newRackNode(t, 2)
	makeTable(t, r.c)
	r.append(0, 20)
	for _, m := range r.node.members.Media() {
		m.SetWatermarks(tiering.Watermarks{1e-9, 1e-9, 1e-9, 1e-9}) // every disk is fuller than that
	}
	_, err := r.c.Append(t.Context(), "t", tenFrom(20))
	if e := new(wire.Error); !wire.IsCode(err, wire.DiskFull) || !errors.As(err, &e) || e.Hint == "" {
		t.Errorf("got %v; want DISK_FULL and what to do", err)
	}
	r.checkRows(20)
	for _, m := range r.node.members.Media() {
		m.SetWatermarks(tiering.Watermarks{})
	}
	r.append(20, 30)
	r.checkRows(30)
}

// TestFailedDiskIsTold: a disk that fails an fsync is suspect in the catalog,
// and after another one it is down; rows go to the others.
func TestFailedDiskIsTold(t *testing.T) {
	r := newRackNode(t, 3)
	makeTable(t, r.c)
	m := r.node.members.Media()[0]
	for _, want := range []catalog.DiskState{catalog.DiskSuspect, catalog.DiskDown} {
		m.Doubt(errors.New("fsync: input/output error"))
		r.node.lookAtDisks(t.Context())
		d, _ := r.node.catalog.View().Disk(m.ID())
		if d.State != want || !strings.Contains(d.Reason, "input/output error") {
			t.Errorf("the disk is %s (%s); want %s", d.State, d.Reason, want)
		}
	}
	r.append(0, 20)
	if got, want := r.count("SELECT count(*) FROM t"), "[20]"; got != want {
		t.Errorf("got %s; want %s", got, want)
	}
	r.node.lookAtDisks(t.Context())
	if d, _ := r.node.catalog.View().Disk(m.ID()); d.State != catalog.DiskDown {
		t.Errorf("the disk is %s; want down", d.State)
	}
}
