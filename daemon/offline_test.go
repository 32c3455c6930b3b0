package daemon

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/recovery"
)

// stoppedNode returns the directory of a node that has rows and does not run.
func stoppedNode(t *testing.T) string {
	t.Helper()
	c := newTestCluster(t, 1)
	c.createTable(0)
	for i := range int64(3) {
		if err := c.append(0, 10*i, 10); err != nil {
			t.Fatal(err)
		}
	}
	c.stop(0)
	return c.dirs[0]
}

func fsck(t *testing.T, dir string) Checkup {
	t.Helper()
	c, err := Fsck(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// segmentsIn returns the segment files of a node.
func segmentsIn(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(dir, "media", "0", "data"), func(path string, d fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".seg") {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// content returns all files of a directory and what is in them.
func content(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		all[path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func flip(t *testing.T, path string, at int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[at] ^= 1
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func kinds(c Checkup) (all []recovery.Kind) {
	for _, p := range c.Problems {
		all = append(all, p.Kind)
	}
	slices.Sort(all)
	return all
}

func TestFsckFindsNothing(t *testing.T) {
	dir := stoppedNode(t)
	before := content(t, dir)
	c := fsck(t, dir)
	if len(c.Problems) > 0 {
		t.Errorf("problems of a whole node: %+v", c.Problems)
	}
	if c.Catalog.Rows != 30 || c.Catalog.Tables != 1 || !c.Catalog.Whole || c.Catalog.Time.IsZero() {
		t.Errorf("the catalog is %+v; want 30 rows in a table", c.Catalog)
	}
	if len(c.Disks) != 1 || c.Disks[0].Members != 3 {
		t.Errorf("the disks are %+v; want one with 3 members", c.Disks)
	}
	after := content(t, dir)
	if len(before) != len(after) {
		t.Errorf("fsck made or removed files: %d before, %d after", len(before), len(after))
	}
	for path, b := range before {
		if after[path] != b {
			t.Errorf("fsck has changed %s", path)
		}
	}
}

func TestFsckFindsDamage(t *testing.T) {
	dir := stoppedNode(t)
	files := segmentsIn(t, dir)
	flip(t, files[0], 200)
	if err := os.Remove(files[1]); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(filepath.Dir(files[2]), "notes.txt")
	if err := os.WriteFile(foreign, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	c := fsck(t, dir)
	if got, want := kinds(c), []recovery.Kind{recovery.Damaged, recovery.Missing, recovery.Unknown}; !slices.Equal(got, want) {
		t.Errorf("kinds are %v; want %v: %+v", got, want, c.Problems)
	}
	for _, p := range c.Problems {
		if p.What == "" || p.Next == "" || !slices.Contains([]string{files[0], files[1], filepath.Join(dir, "media", "0")}, p.Where) {
			t.Errorf("a problem is not told well: %+v", p)
		}
	}
}

// TestFsckFindsAnyFlip flips bits of the catalog's log: each that makes a
// difference is found, and none is a panic.
func TestFsckFindsAnyFlip(t *testing.T) {
	dir := stoppedNode(t)
	at := filepath.Join(raftDir(dir), "store", "log.db")
	whole, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	rows := fsck(t, dir).Catalog.Rows
	for i := 7; i < len(whole); i += len(whole)/150 + 1 {
		flip(t, at, i)
		c := fsck(t, dir)
		if len(c.Problems) == 0 && c.Catalog.Rows != rows {
			t.Errorf("byte %d of the log is wrong, %d rows of %d are seen, and nothing is said", i, c.Catalog.Rows, rows)
		}
		if err := os.WriteFile(at, whole, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFsckOfTheWrongPlace(t *testing.T) {
	dir := stoppedNode(t)
	empty := t.TempDir()
	if _, err := Fsck(t.Context(), empty, nil); !wire.IsCode(err, wire.InvalidArgument) {
		t.Errorf("of an empty directory: %v; want that it is no node's", err)
	}
	if got := content(t, empty); len(got) > 0 {
		t.Errorf("fsck has made %v", got)
	}
	n, err := Start(t.Context(), Config{Dir: dir, Listen: "127.0.0.1:0", Gossip: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if _, err := Fsck(t.Context(), dir, nil); !wire.IsCode(err, wire.Conflict) {
		t.Errorf("of a node that runs: %v; want a conflict", err)
	}
}

func TestFsckOfALostDisk(t *testing.T) {
	dir := stoppedNode(t)
	if err := os.Rename(filepath.Join(dir, "media", "0"), filepath.Join(dir, "media", "away")); err != nil {
		t.Fatal(err)
	}
	if got := kinds(fsck(t, dir)); !slices.Equal(got, []recovery.Kind{recovery.Unreadable}) {
		t.Errorf("kinds are %v; want that a disk is unreadable", got)
	}
	c, err := Fsck(t.Context(), dir, []DiskConfig{{Path: filepath.Join(dir, "media", "away")}})
	if err != nil || len(c.Disks) != 1 || c.Disks[0].Members != 3 {
		t.Errorf("with the disk given it finds %+v, %v; want its 3 members", c.Disks, err)
	}
}
