package daemon

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/tiering"
)

// TestRecoverFromCheckpoint: the catalog of a node is gone; what a checkpoint
// knows is back, and the files of what came after it are kept and told of.
func TestRecoverFromCheckpoint(t *testing.T) {
	c := newLoadedCluster(t, 1)
	if err := c.nodes[0].checkpoint(c.nodes[0].catalog.View()); err != nil {
		t.Fatal(err)
	}
	if err := c.append(0, 100, 50); err != nil {
		t.Fatal(err)
	}
	dir, file := c.dirs[0], filepath.Join(t.TempDir(), "lake.checkpoint")
	if _, err := ExportCheckpoint(dir, file); err != nil {
		t.Fatal(err)
	}
	if _, err := ExportCheckpoint(dir, file); !wire.IsCode(err, wire.InvalidArgument) {
		t.Errorf("over a file that is there: %v; want a refusal", err)
	}
	if _, err := RecoverFromCheckpoint(dir, file, yes); !wire.IsCode(err, wire.Conflict) {
		t.Errorf("of a node that runs: %v; want a conflict", err)
	}
	c.stop(0)
	if err := os.RemoveAll(raftDir(dir)); err != nil {
		t.Fatal(err)
	}
	if _, err := RecoverFromCheckpoint(stoppedNode(t), file, yes); !wire.IsCode(err, wire.Conflict) {
		t.Errorf("with the checkpoint of another cluster: %v; want a conflict", err)
	}
	if _, err := RecoverFromCheckpoint(dir, file, func(Survivor) (string, error) { return "x", nil }); !wire.IsCode(err, wire.InvalidArgument) {
		t.Errorf("with the wrong id: %v; want a refusal", err)
	}
	if done, err := RecoverFromCheckpoint(dir, file, yes); err != nil || done.Number != 1 || done.Before != "" {
		t.Fatalf("%+v, %v", done, err)
	}
	found := fsck(t, dir)
	if len(found.Problems) != 1 || found.Disks[0].Unknown != 1 || found.Disks[0].Members != 1 {
		t.Errorf("after it: %+v; want the file of the second append unknown, and nothing else wrong", found)
	}
	c.start(0)
	if rows, sum := c.sums(0); rows != 100 || sum != 99*100/2 {
		t.Errorf("%d rows of sum %d; want those of the checkpoint", rows, sum)
	}
	if err := c.append(0, 100, 50); err != nil {
		t.Fatal(err)
	}
	if rows, _ := c.sums(0); rows != 150 {
		t.Errorf("%d rows; want 150", rows)
	}
	if got := len(segmentsIn(t, dir)); got != 3 {
		t.Errorf("%d segment files; want 3: the one in doubt is kept", got)
	}
}

func TestDamagedCheckpointIsPassedOver(t *testing.T) {
	dir := stoppedNode(t)
	id, err := loadIdentity(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	m, err := tiering.Mount(tiering.OSFS{}, filepath.Join(dir, "media", "0"), id.Cluster)
	if err != nil {
		t.Fatal(err)
	}
	all, err := m.Checkpoints()
	if err != nil || len(all) == 0 {
		t.Fatalf("%v, %v; want the checkpoint of the start", all, err)
	}
	whole, err := newestCheckpoint(dir, id)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(all[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(all[0]), "ffffffffffffffff.ckpt"), b[:len(b)/2], 0o644); err != nil {
		t.Fatal(err)
	}
	if s, err := newestCheckpoint(dir, id); err != nil || s.Index() != whole.Index() {
		t.Errorf("with a newer one that is cut off: %v; want the one before it", err)
	}
}

// TestCheckpointsAreOnSeveralDisks, and one of a recovery is newer than one of a
// higher index from before it.
func TestCheckpointsAreOnSeveralDisks(t *testing.T) {
	c := &testCluster{t: t, disks: checkpointDisks + 1}
	c.form(1)
	n := c.nodes[0]
	view := n.catalog.View()
	if err := n.checkpoint(view); err != nil {
		t.Fatal(err)
	}
	recovered := catalog.NewState().Recovered(n.id.Node, "x", view.Time(), 0)
	if recovered.Index() >= view.Index() {
		t.Fatalf("index %d; want one below %d", recovered.Index(), view.Index())
	}
	if err := n.checkpoint(recovered); err != nil {
		t.Fatal(err)
	}
	with := 0
	for _, m := range n.members.Media() {
		all, err := m.Checkpoints()
		if err != nil {
			t.Fatal(err)
		}
		if len(all) == 0 {
			continue
		}
		with++
		if s, err := readCheckpoint(all[0]); err != nil || s.Lineage() != recovered.Lineage() {
			t.Errorf("the newest on %s is %v, %v; want that of the recovery", m.Dir(), s, err)
		}
	}
	if with != checkpointDisks {
		t.Errorf("%d disks have checkpoints; want %d", with, checkpointDisks)
	}
}
