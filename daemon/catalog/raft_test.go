package catalog

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/tarnlake/tarn/client/wire"
)

func testConfig(dir string) Config {
	return Config{
		Dir: filepath.Join(dir, "raft"), Node: "n1", Cluster: "c1", Bootstrap: true,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

func openCatalog(t *testing.T, cfg Config) *Catalog {
	t.Helper()
	c, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	addDisk(t, c)
	return c
}

// addDisk gives a new catalog the disk of oneDisk.
func addDisk(t testing.TB, c *Catalog) {
	t.Helper()
	for _, cmd := range oneDisk() {
		if len(c.View().Groups()) > 0 {
			return
		}
		if r, err := c.Propose(t.Context(), cmd); err != nil || r.Err != nil {
			t.Fatal(err, r.Err)
		}
	}
}

func closeCatalog(t *testing.T, c *Catalog) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

// propose puts a command through and wants it taken.
func propose(t *testing.T, c *Catalog, cmd Command) Result {
	t.Helper()
	r, err := c.Propose(t.Context(), cmd)
	if err != nil {
		t.Fatal(err)
	}
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	return r
}

// fill makes a table with n commits, many at a time.
func fillTable(t *testing.T, c *Catalog, n int) (Epoch, *Snapshot) {
	t.Helper()
	e := propose(t, c, openEpoch("n1")).Epoch
	table := propose(t, c, createTable("t")).Table
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			r, err := c.Propose(t.Context(), commitOf(e, table, uint32(i+1)))
			if err != nil || r.Err != nil {
				t.Error(err, r.Err)
			}
		})
	}
	wg.Wait()
	return e, table
}

func TestAcknowledgedIsVisible(t *testing.T) {
	c := openCatalog(t, testConfig(t.TempDir()))
	defer closeCatalog(t, c)
	e := propose(t, c, openEpoch("n1")).Epoch
	table := propose(t, c, createTable("t")).Table
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			r, err := c.Propose(t.Context(), commitOf(e, table, uint32(i+1)))
			if err != nil || r.Err != nil {
				t.Error(err, r.Err)
				return
			}
			s, err := c.Read(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			if snap, err := s.Table("t"); err != nil || snap.Version < r.Version || c.View().Index() < r.Index {
				t.Errorf("after version %d at index %d: read %v, %v; view at %d", r.Version, r.Index, snap, err, c.View().Index())
			}
		})
	}
	wg.Wait()
	if snap, err := c.View().Table("t"); err != nil || len(snap.Segments) != 100 || snap.Version != 101 {
		t.Errorf("got %v, %v; want 100 segments", snap, err)
	}
}

func TestChangedTellsOfEachChange(t *testing.T) {
	c := openCatalog(t, testConfig(t.TempDir()))
	defer closeCatalog(t, c)
	for range 5 {
		changed, before := c.Changed(), c.View()
		select {
		case <-changed:
			t.Fatal("there was no change yet")
		default:
		}
		propose(t, c, openEpoch("n1"))
		<-changed
		if c.View() == before {
			t.Error("changed, and the view is the same")
		}
	}
}

func TestProposeFillsInTheTime(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.Now = func() time.Time { return testStart }
	c := openCatalog(t, cfg)
	defer closeCatalog(t, c)
	if r := propose(t, c, createTable("t")); !r.Table.Commit.Time.Equal(testStart) {
		t.Errorf("got %v; want %v", r.Table.Commit.Time, testStart)
	}
}

func TestRejectionIsAnAnswer(t *testing.T) {
	c := openCatalog(t, testConfig(t.TempDir()))
	defer closeCatalog(t, c)
	r, err := c.Propose(t.Context(), dropTable("nix"))
	if err != nil || r.Err == nil || r.Err.Code != wire.TableNotFound || r.Index == 0 {
		t.Errorf("got %+v, %v; want TABLE_NOT_FOUND in the result", r, err)
	}
	if _, err := c.Propose(t.Context(), tooLarge()); !wire.IsCode(err, wire.LimitExceeded) {
		t.Errorf("a command that is too large: got %v; want LIMIT_EXCEEDED", err)
	}
}

func TestOutcomeUnknown(t *testing.T) {
	c := openCatalog(t, testConfig(t.TempDir()))
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	for range 20 { // now the answer wins, now the context; never another error
		if _, err := c.Propose(canceled, openEpoch("n1")); err != nil && !wire.IsCode(err, wire.Unavailable) {
			t.Errorf("canceled: got %v; want UNAVAILABLE", err)
		}
		if _, err := c.Read(canceled); err != nil && !wire.IsCode(err, wire.Canceled) {
			t.Errorf("canceled read: got %v; want CANCELED", err)
		}
	}
	var wg sync.WaitGroup
	for range 50 { // whatever raft is doing when it stops, each gets an answer
		wg.Go(func() {
			for {
				_, proposeErr := c.Propose(context.Background(), openEpoch("n1"))
				_, readErr := c.Read(context.Background())
				if proposeErr == nil && readErr == nil {
					continue
				}
				if proposeErr != nil && !wire.IsCode(proposeErr, wire.Unavailable) || readErr != nil && !wire.IsCode(readErr, wire.Unavailable) {
					t.Errorf("while closing: got %v and %v; want UNAVAILABLE", proposeErr, readErr)
				}
				return
			}
		})
	}
	<-c.Changed()
	closeCatalog(t, c)
	wg.Wait()
	closeCatalog(t, c)
	if _, err := c.Propose(t.Context(), openEpoch("n1")); !wire.IsCode(err, wire.Unavailable) {
		t.Errorf("closed: got %v; want UNAVAILABLE", err)
	}
	if _, err := c.Read(t.Context()); !wire.IsCode(err, wire.Unavailable) {
		t.Errorf("closed read: got %v; want UNAVAILABLE", err)
	}
}

// TestRestart replays the log alone, a snapshot alone, and both.
func TestRestart(t *testing.T) {
	for name, snapshotAt := range map[string][]int{"log": nil, "snapshot": {12}, "snapshot and log": {6}, "two snapshots and log": {3, 9}} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig(t.TempDir())
			c := openCatalog(t, cfg)
			e, table := fillTable(t, c, 0)
			for i := range 12 {
				propose(t, c, commitOf(e, table, uint32(i+1)))
				for _, at := range snapshotAt {
					if at == i+1 {
						takeSnapshot(t, c)
					}
				}
			}
			want := encoded(t, c.View())
			closeCatalog(t, c)
			cfg.Bootstrap = false
			c = openCatalog(t, cfg)
			defer closeCatalog(t, c)
			if got := encoded(t, c.View()); !bytes.Equal(got, want) {
				t.Errorf("after the restart:\n%s\nwant\n%s", plainRecords(t, got), plainRecords(t, want))
			}
			if next := propose(t, c, openEpoch("n1")).Epoch; next != e+1 {
				t.Errorf("next epoch: got %d; want %d", next, e+1)
			}
		})
	}
}

// takeSnapshot makes raft write a snapshot and cut the log behind it.
func takeSnapshot(t *testing.T, c *Catalog) {
	t.Helper()
	reload := c.raft.ReloadableConfig()
	reload.TrailingLogs = 0
	if err := c.raft.ReloadConfig(reload); err != nil {
		t.Fatal(err)
	}
	if err := c.raft.Snapshot().Error(); err != nil {
		t.Fatal(err)
	}
}

// TestDiskImage opens a copy of the directory of a catalog that still runs:
// what kill -9 leaves, had it come between two commits.
func TestDiskImage(t *testing.T) {
	cfg := testConfig(t.TempDir())
	c := openCatalog(t, cfg)
	e, table := fillTable(t, c, 10)
	for round := range 3 {
		if round == 1 {
			takeSnapshot(t, c)
		}
		propose(t, c, commitOf(e, table, uint32(100+round)))
		image := testConfig(t.TempDir())
		if err := os.CopyFS(image.Dir, os.DirFS(cfg.Dir)); err != nil {
			t.Fatal(err)
		}
		twin := openCatalog(t, image)
		if got, want := encoded(t, twin.View()), encoded(t, c.View()); !bytes.Equal(got, want) {
			t.Errorf("round %d: the image holds:\n%s\nwant\n%s", round, plainRecords(t, got), plainRecords(t, want))
		}
		closeCatalog(t, twin)
	}
	closeCatalog(t, c)
}

// TestKill9 kills a process that commits as fast as it can, again and again:
// every commit that it has reported is there.
func TestKill9(t *testing.T) {
	if dir := os.Getenv("TARN_TEST_KILL9_DIR"); dir != "" {
		commitForEver(dir)
	}
	dir := t.TempDir()
	for round := range 4 {
		acked := commitUntilKilled(t, dir, 20+40*round)
		c := openCatalog(t, testConfig(dir))
		snap, err := c.View().Table("t")
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		there := map[SegmentID]bool{}
		for _, id := range idsOf(snap) {
			if there[id] {
				t.Errorf("round %d: segment %s is there twice", round, id)
			}
			there[id] = true
		}
		for _, text := range acked {
			if id, err := ParseSegmentID(text); err != nil || !there[id] {
				t.Errorf("round %d: segment %q was acknowledged and is gone (%v)", round, text, err)
			}
		}
		closeCatalog(t, c)
	}
}

// commitUntilKilled starts this test binary as a victim and kills it after n
// lines, each of them a segment that was acknowledged.
func commitUntilKilled(t *testing.T, dir string, n int) []string {
	t.Helper()
	victim := exec.Command(os.Args[0], "-test.run=^TestKill9$")
	victim.Env = append(os.Environ(), "TARN_TEST_KILL9_DIR="+dir)
	victim.Stderr = os.Stderr
	out, err := victim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	var acked []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		acked = append(acked, lines.Text())
		if len(acked) == n {
			if err := victim.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = victim.Wait() // killed: always an error
	if len(acked) < n {
		t.Fatalf("the victim ended by itself after %d lines: %q", len(acked), acked)
	}
	if last := acked[len(acked)-1]; len(last) != len("00000001-00000001") {
		acked = acked[:len(acked)-1] // cut off in the pipe
	}
	return acked
}

func commitForEver(dir string) {
	c, err := Open(testConfig(dir))
	check := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, "victim:", err)
			os.Exit(1)
		}
	}
	check(err)
	for _, cmd := range oneDisk() { // refused from the second start on
		_, err := c.Propose(context.Background(), cmd)
		check(err)
	}
	opened, err := c.Propose(context.Background(), openEpoch("n1"))
	check(err)
	create := createTable("t")
	create.CreateTable.IfNotExists = true
	made, err := c.Propose(context.Background(), create)
	check(err)
	var n atomic.Uint32
	for range 4 {
		go func() {
			for {
				cmd := commitOf(opened.Epoch, made.Table, n.Add(1))
				_, err := c.Propose(context.Background(), cmd)
				check(err)
				fmt.Println(cmd.CommitSegments.Segments[0].ID)
			}
		}()
	}
	select {}
}

func TestBootstrapOnlyOnNothing(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.Bootstrap = false
	if _, err := Open(cfg); !wire.IsCode(err, wire.Corrupt) {
		t.Errorf("nothing there and no bootstrap: got %v; want CORRUPT", err)
	}
	if _, err := os.Stat(cfg.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a refused open made %s", cfg.Dir)
	}
	cfg.Bootstrap = true
	if err := os.MkdirAll(filepath.Join(cfg.Dir, "photos"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(cfg); err == nil || !strings.Contains(err.Error(), "photos") {
		t.Errorf("somebody else's directory: got %v; want a refusal that names what is there", err)
	}
}

func TestBootstrapThatWasCutOff(t *testing.T) {
	cfg := testConfig(t.TempDir())
	half := filepath.Join(cfg.Dir, "store.tmp", "snapshots")
	if err := os.MkdirAll(half, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(cfg.Dir, "store.tmp", "log.db"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := openCatalog(t, cfg)
	propose(t, c, createTable("t"))
	closeCatalog(t, c)
	c = openCatalog(t, cfg) // with Bootstrap still set: what is there stays
	defer closeCatalog(t, c)
	if _, err := c.View().Table("t"); err != nil {
		t.Error(err)
	}
}

func TestForeignCatalogsAreRefused(t *testing.T) {
	cfg := testConfig(t.TempDir())
	closeCatalog(t, openCatalog(t, cfg))
	for what, change := range map[string]func(*Config){
		"cluster c1": func(c *Config) { c.Cluster = "c2" },
		"node n1":    func(c *Config) { c.Node = "n2" },
	} {
		other := cfg
		change(&other)
		if _, err := Open(other); !wire.IsCode(err, wire.Conflict) || !strings.Contains(err.Error(), what) {
			t.Errorf("got %v; want a refusal that says it belongs to %s", err, what)
		}
	}
	if _, err := Open(Config{Dir: cfg.Dir}); !wire.IsCode(err, wire.InvalidArgument) {
		t.Errorf("no ids: got %v; want INVALID_ARGUMENT", err)
	}
	closeCatalog(t, openCatalog(t, cfg))
}

func TestSecondProcessIsRefused(t *testing.T) {
	cfg := testConfig(t.TempDir())
	c := openCatalog(t, cfg)
	defer closeCatalog(t, c)
	if _, err := Open(cfg); !wire.IsCode(err, wire.Conflict) {
		t.Errorf("got %v; want CONFLICT", err)
	}
}

// failingStore fails appends once it is told to, and then claims success, as
// an fsync after a failed one does.
type failingStore struct {
	backend
	fail   atomic.Bool
	writes atomic.Int64 // after the failure
}

func (s *failingStore) StoreLogs(logs []*raft.Log) error {
	if s.writes.Load() > 0 || s.fail.Load() {
		if s.writes.Add(1) == 1 {
			return errors.New("input/output error")
		}
	}
	return s.backend.StoreLogs(logs)
}

func TestFailedFsyncIsTheEnd(t *testing.T) {
	cfg := testConfig(t.TempDir())
	broken := &failingStore{}
	cfg.wrap = func(b backend) backend { broken.backend = b; return broken }
	fatal := make(chan error, 2)
	cfg.Fatal = func(err error) { fatal <- err }
	c := openCatalog(t, cfg)
	propose(t, c, openEpoch("n1"))
	before := c.View()
	broken.fail.Store(true)
	_, err := c.Propose(t.Context(), createTable("t"))
	if !wire.IsCode(err, wire.Unavailable) {
		t.Errorf("the command: got %v; want UNAVAILABLE", err)
	}
	if err := <-fatal; !strings.Contains(err.Error(), "input/output error") {
		t.Errorf("fatal: got %v; want the cause", err)
	}
	if _, err := c.Propose(t.Context(), createTable("u")); !wire.IsCode(err, wire.Unavailable) {
		t.Errorf("the next command: got %v; want UNAVAILABLE", err)
	}
	if _, err := c.Read(t.Context()); !wire.IsCode(err, wire.Unavailable) {
		t.Errorf("a read: got %v; want UNAVAILABLE", err)
	}
	if err := c.Close(); err == nil {
		t.Error("close: want the failure")
	}
	if n := broken.writes.Load(); n != 1 || len(fatal) != 0 || c.View() != before {
		t.Errorf("after the failure: %d writes, %d more calls of Fatal, view changed %v; want 1, 0, false", n, len(fatal), c.View() != before)
	}
}

func TestRaftErrorsAreLogged(t *testing.T) {
	var out bytes.Buffer
	l := newRaftLogger(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
	l.Info("nothing new")
	l.Warn("heartbeat timeout reached", "node", 1)
	l.Error("failed to vote", "error", errors.New("no pen"))
	got := out.String()
	if strings.Contains(got, "nothing new") || !strings.Contains(got, `level=DEBUG msg="raft: heartbeat timeout reached" node=1`) ||
		!strings.Contains(got, `level=ERROR msg="raft: failed to vote" error="no pen"`) {
		t.Errorf("got %s", got)
	}
}

func BenchmarkCommit(b *testing.B) {
	s := withDisk()
	s, _ = s.Apply(openEpoch("n1"), 3)
	s, r := s.Apply(createTable("t"), 4)
	for i := range b.N {
		cmd := commitOf(1, r.Table, uint32(i+1))
		cmd.CommitSegments.Producers = []wire.BatchID{{Producer: fmt.Sprint(i % 100), Seq: int64(i)}}
		s, _ = s.Apply(cmd, uint64(i+5))
	}
}

func BenchmarkPropose(b *testing.B) {
	cfg := testConfig(b.TempDir())
	c, err := Open(cfg)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	addDisk(b, c)
	if _, err := c.Propose(b.Context(), openEpoch("n1")); err != nil {
		b.Fatal(err)
	}
	r, err := c.Propose(b.Context(), createTable("t"))
	if err != nil {
		b.Fatal(err)
	}
	var n atomic.Uint32
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if r, err := c.Propose(b.Context(), commitOf(1, r.Table, n.Add(1))); err != nil || r.Err != nil {
				b.Error(err, r.Err)
			}
		}
	})
}
