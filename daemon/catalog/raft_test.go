package catalog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/expr"
)

func testConfig(dir string) Config {
	return Config{
		Dir: dir, Node: "n1", Cluster: "c1", Bootstrap: true,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

func openCatalog(t *testing.T, cfg Config) *Catalog {
	t.Helper()
	c, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
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

func TestSlice(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "raft")
	start := time.Now()
	c := openCatalog(t, testConfig(dir))
	t.Logf("first start: %v", time.Since(start))
	e := propose(t, c, openEpoch("n1"))
	r := propose(t, c, createTable("orders"))
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() { propose(t, c, commitOf(e.Epoch, r.Table, uint32(i+1))) })
	}
	wg.Wait()
	closeCatalog(t, c)
	start = time.Now()
	c = openCatalog(t, testConfig(dir))
	t.Logf("restart: %v", time.Since(start))
	s, err := c.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	snap, err := s.Snapshot("orders", expr.At{})
	if err != nil || snap.Version != 51 || len(snap.Segments) != 50 {
		t.Fatalf("got %+v, %v", snap, err)
	}
	closeCatalog(t, c)
	_ = context.Background
	_ = errors.New
	_ = fmt.Sprint
	_ = os.Args
	_ = strings.Cut
	_ = raft.Leader
	_ = wire.Conflict
}
