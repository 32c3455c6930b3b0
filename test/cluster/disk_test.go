package cluster

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/expr"
)

// wipe removes all that is on a disk, whether its node runs or not.
func (n *node) wipe(disk int) {
	n.t.Helper()
	entries, err := os.ReadDir(n.disks[disk])
	if err != nil {
		n.t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(n.disks[disk], e.Name())); err != nil {
			n.t.Fatal(err)
		}
	}
}

// flip changes one bit in the middle of a file.
func flip(t testing.TB, file string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o600); err != nil { // members are read-only
		t.Fatal(err)
	}
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	at := len(b) / 2
	if _, err := f.WriteAt([]byte{b[at] ^ 0x10}, int64(at)); err != nil {
		t.Fatal(err)
	}
}

// mountDisks puts a small filesystem of its own under each disk of a node that
// was not started yet.
func (n *node) mountDisks(size string) {
	n.t.Helper()
	for _, dir := range n.disks {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			n.t.Fatal(err)
		}
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
			n.t.Skipf("cannot mount a small disk: %v", err)
		}
	}
}

// remount makes a disk of mountDisks read-only, or writable again. The kernel
// takes that from nobody, error or not, while a file is open for writing.
func (n *node) remount(disk int, readOnly bool) {
	n.t.Helper()
	flags := uintptr(syscall.MS_REMOUNT)
	if readOnly {
		flags |= syscall.MS_RDONLY
	}
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		err := syscall.Mount("tmpfs", n.disks[disk], "tmpfs", flags, "")
		if err == nil {
			return
		}
		if err != syscall.EBUSY || time.Now().After(end) {
			n.t.Fatal(err)
		}
	}
}

// fill takes all room of a disk with a file of somebody else.
func (n *node) fill(disk int) (file string) {
	n.t.Helper()
	file = filepath.Join(n.disks[disk], "of-somebody-else")
	f, err := os.Create(file)
	if err != nil {
		n.t.Fatal(err)
	}
	defer f.Close()
	for chunk := make([]byte, 1<<20); len(chunk) > 0; {
		if _, err := f.Write(chunk); err != nil {
			chunk = chunk[:len(chunk)/2]
		}
	}
	return file
}

// TestWipedDisk wipes a disk under a node that runs: nobody notices. Then the
// operator gives it up and puts in another one.
func TestWipedDisk(t *testing.T) {
	long(t)
	c := newClusterOf(t, 3, 2)
	w := newWorkload(c, "log")
	w.run(3, 2)
	w.more(30)

	n := c.nodes[1]
	lost := c.diskAt(n, n.disks[1])
	n.wipe(1)
	w.more(20)
	n.kill()
	n.disks[1] += "-new"
	c.restart(n)
	w.more(20)
	if err := c.dial().SetDisk(t.Context(), lost.ID, wire.DiskLose); err != nil {
		t.Fatal(err)
	}
	c.untilWhole()
	w.more(5)

	w.halt()
	c.untilWhole()
	w.check()
	c.verify(n, "log")
}

// diskAt returns what a node calls its disk at a path.
func (c *cluster) diskAt(n *node, path string) wire.Disk {
	c.t.Helper()
	disks, err := c.dialAt(n.addr).Disks(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	for _, d := range disks {
		if d.Path == path {
			return d
		}
	}
	c.t.Fatalf("no disk of %s is at %s: %+v", n.name, path, disks)
	return wire.Disk{}
}

// TestDamagedFiles flips a bit in one copy of every segment, on other nodes in
// turn: reads are right all the same, and repair mends the files.
func TestDamagedFiles(t *testing.T) {
	c := newCluster(t, 3)
	w := newWorkload(c, "log")
	cl := c.dial()
	c.until("segments with three copies", func(context.Context) bool {
		if err := w.append(cl, patience); err != nil {
			t.Fatal(err)
		}
		return len(c.tripled()) >= 9
	})
	c.untilWhole()
	sound := map[string][]byte{} // files that are damaged now, as they were
	for i, copies := range c.tripled() {
		file := copies[i%3]
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sound[file] = b
		flip(t, file)
	}
	if len(sound) < 3 {
		t.Fatalf("%d files were damaged: the test shows nothing", len(sound))
	}
	w.check()
	c.verify(c.nodes[1], "log")
	still := ""
	t.Cleanup(func() { t.Logf("mended last: %s", still) })
	c.until("mended files", func(context.Context) bool {
		file := c.damaged("log", sound)
		still = cmp.Or(file, still)
		return file == ""
	})
	c.untilWhole()
	w.check()
}

// tripled returns the files of segments that all of three nodes have.
func (c *cluster) tripled() (files [][3]string) {
	for _, file := range c.nodes[0].files(0) {
		var copies [3]string
		there := 0
		for i, n := range c.nodes {
			copies[i] = filepath.Join(n.disks[0], "data", filepath.Base(filepath.Dir(file)), filepath.Base(file))
			if _, err := os.Stat(copies[i]); err == nil {
				there++
			}
		}
		if there == 3 {
			files = append(files, copies)
		}
	}
	return files
}

// damaged returns a file that is not as it was, of a segment that the table
// still has: those that were merged meanwhile are nobody's haste.
func (c *cluster) damaged(table string, sound map[string][]byte) string {
	c.t.Helper()
	list, err := c.dial().Segments(c.t.Context(), table, expr.At{})
	if err != nil {
		c.t.Fatal(err)
	}
	for _, s := range list.Segments {
		for file, want := range sound {
			if filepath.Base(file) != s.ID+".seg" {
				continue
			}
			if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
				return file
			}
		}
	}
	return ""
}

// TestFullDisks fills the disk of one node, and then all: then writing stops
// with a clear error, reading and dropping do not, and room lets it go on.
func TestFullDisks(t *testing.T) {
	c := newSmallCluster(t, 3)
	w, other := newWorkload(c, "log"), newWorkload(c, "other")
	cl := c.dial()
	for range 5 {
		if err := w.append(cl, patience); err != nil {
			t.Fatal(err)
		}
	}
	files := []string{c.nodes[2].fill(0)}
	for range 5 {
		if err := w.append(cl, patience); err != nil {
			t.Fatalf("with one full disk: %v", err)
		}
	}
	files = append(files, c.nodes[0].fill(0), c.nodes[1].fill(0))
	err := w.append(cl, 30*time.Second)
	var e *wire.Error
	if !errors.As(err, &e) || e.Code != wire.DiskFull {
		t.Errorf("with all disks full: got %v; want %v", err, wire.DiskFull)
	}
	for _, n := range c.nodes {
		w.checkAt(n)
	}
	if err := cl.DropTable(t.Context(), other.table); err != nil {
		t.Errorf("dropping a table: %v", err)
	}
	for _, file := range files {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	c.until("writes after there is room", func(context.Context) bool { return w.append(cl, appendWithin) == nil })
	c.untilWhole()
	w.check()
	c.verify(c.nodes[0], "log")
}

// newSmallCluster forms a cluster whose disks are small filesystems.
func newSmallCluster(t *testing.T, n int) *cluster {
	t.Helper()
	c := &cluster{t: t, disks: 1, small: "64m"}
	c.form(n)
	return c
}

// TestReadOnlyDisk makes the disk of one node read-only, as kernels do after
// an error: the others go on, and it catches up when it is sound again.
func TestReadOnlyDisk(t *testing.T) {
	c := newSmallCluster(t, 3)
	w := newWorkload(c, "log")
	w.run(3, 2)
	w.more(20)
	n := c.nodes[1]
	n.remount(0, true)
	w.more(20)
	n.kill()
	n.remount(0, false)
	c.restart(n)
	w.more(5)

	w.halt()
	c.untilWhole()
	w.check()
	c.verify(n, "log")
}
