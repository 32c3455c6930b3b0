package engine

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/tarnlake/tarn/client/sql"
	"github.com/tarnlake/tarn/daemon"
	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/scan"
	"github.com/tarnlake/tarn/expr"
	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/tiering"
)

// tarn runs the daemon's scan on a lake whose node may or may not be running:
// it needs the catalog's state, which SaveState has put aside, and the files.
type tarn struct {
	state  *catalog.State
	medium *tiering.Medium
	pool   *scan.Pool
	cache  *format.Cache
	limit  int64 // bytes that the process should stay under

	bytesRead atomic.Int64

	mu   sync.Mutex
	open map[catalog.SegmentID]*format.Reader
}

func openTarn(p Place) (*tarn, error) {
	b, err := os.ReadFile(stateFile(p.Lake))
	if err != nil {
		return nil, err
	}
	t := &tarn{open: map[catalog.SegmentID]*format.Reader{}}
	if t.state, err = catalog.DecodeState(bytes.NewReader(b)); err != nil {
		return nil, err
	}
	id, err := readIdentity(p.Lake)
	if err != nil {
		return nil, err
	}
	// The limits of a node: what is measured is what a user gets.
	t.limit = cmp.Or(p.Memory, daemon.DefaultMemoryLimit)
	daemon.LimitMemory(t.limit)
	t.pool, t.cache = daemon.ReadMemory(t.limit, p.Threads)
	if p.Uncached {
		t.pool, t.cache = scan.NewPool(t.limit/3, p.Threads), nil
	}
	t.medium, err = tiering.Mount(tiering.OSFS{}, filepath.Join(p.Lake, "media", "0"), id.Cluster)
	return t, err
}

func (t *tarn) version() string {
	experiment := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "GOEXPERIMENT" {
				experiment = " GOEXPERIMENT=" + s.Value
			}
		}
	}
	return runtime.Version() + experiment
}

func (t *tarn) read() int64 { return t.bytesRead.Load() }

func (t *tarn) close() error { return nil }

func (t *tarn) ask(ctx context.Context, text string) (result, error) {
	q, err := sql.Parse(text)
	if err != nil {
		return nil, err
	}
	snap, err := t.state.Snapshot(q.Table, expr.At{})
	if err != nil {
		return nil, err
	}
	plan, err := scan.New(snap, q, scan.Options{MemoryBytes: t.limit / 3, Pool: t.pool})
	if err != nil {
		return nil, err
	}
	out := &batches{}
	for batch, err := range plan.Run(ctx, t) {
		if err != nil {
			return nil, err
		}
		out.add(batch)
	}
	return out, nil
}

// OpenSegment keeps readers, as a node does (see scan.Opener).
func (t *tarn) OpenSegment(_ context.Context, s *catalog.Segment) (*format.Reader, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r := t.open[s.ID]; r != nil {
		return r, nil
	}
	f, err := t.medium.Open(catalog.SegmentFile(s.ID).String())
	if err != nil {
		return nil, err
	}
	r, err := t.cache.Open(uint64(s.ID), &counted{f, &t.bytesRead}, f.Size())
	if err == nil {
		t.open[s.ID] = r
	}
	return r, err
}

// counted adds up what is read.
type counted struct {
	*tiering.File
	sum *atomic.Int64
}

func (c *counted) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.File.ReadAt(p, off)
	c.sum.Add(int64(n))
	return n, err
}

type identity struct{ Node, Cluster string }

func readIdentity(lake string) (id identity, err error) {
	b, err := os.ReadFile(filepath.Join(lake, "node.json"))
	if err != nil {
		return id, err
	}
	return id, json.Unmarshal(b, &id)
}

func stateFile(lake string) string { return lake + ".state" }

// SaveState puts the catalog of a lake aside, beside its directory, so that
// engines can read the lake while a node runs on it. The node must not run
// yet: this opens its catalog.
func SaveState(ctx context.Context, lake string) error {
	id, err := readIdentity(lake)
	if err != nil {
		return err
	}
	c, err := catalog.Open(catalog.Config{Dir: filepath.Join(lake, "raft"), Node: id.Node, Cluster: id.Cluster, Logger: quiet})
	if err != nil {
		return err
	}
	defer c.Close()
	s, err := c.Read(ctx)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := s.Encode(&b); err != nil {
		return err
	}
	return os.WriteFile(stateFile(lake), b.Bytes(), 0o644)
}
