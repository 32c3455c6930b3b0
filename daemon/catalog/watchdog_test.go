package catalog

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"github.com/tarnlake/tarn/client/wire"
)

// TestALeaderWhoseDiskHangsIsGivenUp: raft itself would wait for its disk for
// ever, and send heartbeats meanwhile.
func TestALeaderWhoseDiskHangsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, l := newCluster(t, 3), newLedger()
		old := c.leader()
		hang := make(chan struct{})
		old.mem.stall(hang)
		stop := c.keepProposing(l)
		c.leader(c.others(old)...)
		done, _ := l.totals()
		time.Sleep(time.Second)
		old.mem.stall(nil)
		close(hang) // before it is taken for dead
		time.Sleep(time.Second)
		stop()
		c.same()
		l.check(t, c.nodes[0].View())
		if all, _ := l.totals(); all < done+20 {
			t.Errorf("%d were done before there was a new leader, %d in all", done, all)
		}
	})
}

// TestADeadDiskIsTheEnd: the process is told to end while the disk hangs.
func TestADeadDiskIsTheEnd(t *testing.T) {
	cfg, fatal, hang := testConfig(t.TempDir()), make(chan error, 2), make(chan struct{})
	m := &member{cfg: cfg}
	_, cfg.Transport = raft.NewInmemTransport(raft.ServerAddress(cfg.Node))
	cfg.wrap, cfg.deadDisk = m.keep, time.Second
	cfg.Fatal = func(err error) { fatal <- err }
	c, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.mem.stall(hang)
	if _, err := c.Propose(t.Context(), openEpoch("n")); !wire.IsCode(err, wire.Unavailable) {
		t.Errorf("propose: got %v; want UNAVAILABLE", err)
	}
	if err := <-fatal; !strings.Contains(err.Error(), "hangs") {
		t.Errorf("got %v; want that the disk hangs", err)
	}
	close(hang) // too late: nobody hears of it
	if err := c.Close(); err == nil || c.View().lastEpoch != 0 {
		t.Errorf("after the end: %v, epoch %d; want the failure and nothing applied", err, c.View().lastEpoch)
	}
}

// TestDamagedEntriesAreRefused changes each part of each entry of a log on disk.
func TestDamagedEntriesAreRefused(t *testing.T) {
	cfg := testConfig(t.TempDir())
	c := openCatalog(t, cfg)
	propose(t, c, createTable("t"))
	last := c.raft.LastIndex()
	closeCatalog(t, c)
	path := filepath.Join(storeDir(cfg.Dir), "log.db")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func(*raft.Log){
		"term":     func(l *raft.Log) { l.Term++ },
		"type":     func(l *raft.Log) { l.Type = raft.LogBarrier },
		"data":     func(l *raft.Log) { l.Data = append(l.Data, 0) },
		"checksum": func(l *raft.Log) { l.Extensions = nil },
	} {
		for i := uint64(1); i <= last; i++ {
			if err := os.WriteFile(path, whole, 0o600); err != nil {
				t.Fatal(err)
			}
			damageEntry(t, path, i, damage)
			if _, err := Open(cfg); !wire.IsCode(err, wire.Corrupt) {
				t.Errorf("%s of entry %d of %d: got %v; want CORRUPT", name, i, last, err)
			}
		}
	}
}

// damageEntry changes an entry of a log below all checksums.
func damageEntry(t *testing.T, path string, index uint64, damage func(*raft.Log)) {
	t.Helper()
	b, err := raftboltdb.NewBoltStore(path)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var l raft.Log
	if err := b.GetLog(index, &l); err != nil {
		t.Fatal(err)
	}
	damage(&l)
	if err := b.StoreLog(&l); err != nil {
		t.Fatal(err)
	}
}

// TestUnsoundEntriesAreNotAppended: a leader's entry that was damaged on its way.
func TestUnsoundEntriesAreNotAppended(t *testing.T) {
	s := sealed{raft.NewInmemStore()}
	good := &raft.Log{Index: 1, Term: 1, Data: []byte("good")}
	if err := s.StoreLog(good); err != nil {
		t.Fatal(err)
	}
	bad := *good
	bad.Index = 2
	if err := s.StoreLog(&bad); err == nil {
		t.Error("an entry with the checksum of another was appended")
	}
	if last, _ := s.LastIndex(); last != 1 || s.verify() != nil {
		t.Errorf("the log ends at %d, %v; want the first entry alone", last, s.verify())
	}
}
