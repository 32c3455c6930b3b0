package main

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/tarnlake/tarn/daemon"
)

// during runs a node in a directory of the test while f runs.
func (c *cli) during(name string, f func()) {
	c.t.Helper()
	n, err := daemon.Start(c.t.Context(), daemon.Config{
		Dir: filepath.Join(c.dir, name), Listen: "127.0.0.1:0",
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Fatal:  func(err error) { c.t.Errorf("fatal: %v", err) },
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.env["TARN_ADDR"] = n.Addr()
	f()
	if err := n.Close(); err != nil {
		c.t.Fatal(err)
	}
}

// TestRecover walks the way of an operator whose catalog is gone.
func TestRecover(t *testing.T) {
	c := offline(t)
	c.write("rows.csv", "a\n1\n2\n")
	c.during("lake", func() {
		c.run("table", "create", "t", "--schema", "a int64")
		c.run("ingest", "t", "@rows.csv").matches("2")
		c.run("recover", "--from-disks", "--dir", "@lake").fails(8, "runs", "stop it first")
	})
	c.run("fsck", "--dir", "@lake").matches("1 table with 1 segment and 2 rows", "nothing is wrong")
	c.run("checkpoint", "export", "--dir", "@lake", "@copy").matches("the catalog as of entry [0-9]+ is in @copy")
	c.run("recover", "--dir", "@lake", "--disk", "@lake/media/0").fails(2, "--from-disks")
	c.run("recover", "--dir", "@lake", "--rejoin", "--from-disks").fails(2, "exclude each other")
	c.run("recover", "--from-disks", "--dir", "@lake").fails(8, "needs no other voter")

	for _, name := range []string{"lake/raft", "lake/media/0/catalog"} {
		if err := os.RemoveAll(filepath.Join(c.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	c.run("fsck", "--dir", "@lake").fails(1, "problem")
	c.in = "\n"
	c.run("recover", "--from-disks", "--dir", "@lake").fails(130, "nothing was changed")
	c.in = "lake\n"
	c.run("recover", "--from-disks", "--dir", "@lake").fails(2, "is not the id of this cluster")
	c.run("recover", "--from-disks", "--yes", "--dir", "@lake").matches(
		"of segments on 1 disk alone", "table t: 1 segment with 2 rows, which is new", "recovery 1 is made", "next: tarn server --dir @lake")
	c.during("lake", func() {
		c.run("query", "SELECT count(*) AS n, sum(a) AS total FROM t").ok("n,total\n2,3")
		c.run("status").matches("speaks protocol")
	})
}
