package catalog

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/tarnlake/tarn/client/wire"
)

// TestDamagedMetaIsRefused: bbolt itself would go back to the meta page
// before, and with it to the commit before the last.
func TestDamagedMetaIsRefused(t *testing.T) {
	cfg := testConfig(t.TempDir())
	c := openCatalog(t, cfg)
	propose(t, c, createTable("t"))
	closeCatalog(t, c)
	path := filepath.Join(storeDir(cfg.Dir), "log.db")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range []int{0, os.Getpagesize()} {
		for _, at := range []int{boltPageHead, boltPageHead + 30, boltPageHead + 48, boltPageHead + boltMetaSize - 1} {
			b := append([]byte(nil), whole...)
			b[page+at] ^= 4
			if err := os.WriteFile(path, b, 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(cfg); !wire.IsCode(err, wire.Corrupt) {
				t.Fatalf("byte %d flipped: %v; want CORRUPT", page+at, err)
			}
		}
	}
	if err := os.WriteFile(path, whole, 0o644); err != nil {
		t.Fatal(err)
	}
	c = openCatalog(t, cfg)
	defer closeCatalog(t, c)
	if len(c.View().Tables()) != 1 {
		t.Error("the table is gone")
	}
}

// TestNotAVoterIsRefused: such a node would wait for ever.
func TestNotAVoterIsRefused(t *testing.T) {
	cfg := testConfig(t.TempDir())
	dir := storeDir(cfg.Dir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	with := cfg.withDefaults()
	d, err := openDisk(with, dir)
	if err != nil {
		t.Fatal(err)
	}
	other := raft.Configuration{Servers: []raft.Server{{ID: "somebody", Address: with.Transport.LocalAddr(), Suffrage: raft.Voter}}}
	err = errors.Join(
		d.bolt.Set(keyNode, []byte(cfg.Node)), d.bolt.Set(keyCluster, []byte(cfg.Cluster)),
		raft.BootstrapCluster(raftConfig(with), sealed{d.bolt}, d.bolt, d.snapshots, with.Transport, other), d.Close())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(cfg); !wire.IsCode(err, wire.Corrupt) {
		t.Errorf("got %v; want CORRUPT", err)
	}
}

// TestFullDisk: changes are refused, deletes go on, and nothing ends.
func TestFullDisk(t *testing.T) {
	cfg, free := testConfig(t.TempDir()), int64(1<<40)
	cfg.free = func(string) (int64, error) { return free, nil }
	c := openCatalog(t, cfg)
	defer closeCatalog(t, c)
	propose(t, c, createTable("t"))
	if err := c.KeepBallast(); err != nil {
		t.Fatal(err)
	}
	free = lowSpace / 2
	if _, err := c.Propose(t.Context(), createTable("u")); !wire.IsCode(err, wire.DiskFull) {
		t.Errorf("create on a full disk: %v; want DISK_FULL", err)
	}
	propose(t, c, dropTable("t"))
	if _, err := os.Stat(ballastPath(cfg.Dir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the ballast after a drop: %v; want it given up", err)
	}
	free = 0 // and the ballast is gone
	if _, err := c.Propose(t.Context(), Command{ExpireVersions: &ExpireVersions{}, Time: time.Now()}); !wire.IsCode(err, wire.DiskFull) {
		t.Errorf("a delete without any room: %v; want DISK_FULL", err)
	}
	free = 1 << 40
	propose(t, c, createTable("u"))
	if err := c.KeepBallast(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(ballastPath(cfg.Dir)); err != nil || info.Size() != ballastBytes {
		t.Errorf("the ballast: %v; want it back", err)
	}
}
