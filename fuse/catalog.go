package fuse

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/expr"
	"golang.org/x/sync/singleflight"
)

// catalog is what the mount knows of the lake's tables: asked again when it
// is older than maxAge, and with a lease on what has gone. It is safe for
// concurrent use.
type catalog struct {
	lake   Lake
	life   context.Context // of the mount: a question outlives whoever asked first
	maxAge time.Duration
	now    func() time.Time
	asking singleflight.Group

	mu      sync.Mutex
	listing *listing
	tables  map[string]*table    // newest loaded snapshots, by directory
	leases  map[string]leaseHold // by path within a tree, from its "/"
}

// listing is the answer to "which tables are there". It is immutable.
type listing struct {
	at    time.Time
	infos map[string]wire.TableInfo // by directory
	order []string
}

// leaseHold is something that is no longer listed.
type leaseHold struct {
	entry entry
	until time.Time
}

func newCatalog(life context.Context, lake Lake, maxAge time.Duration, now func() time.Time) *catalog {
	return &catalog{
		lake: lake, life: life, maxAge: maxAge, now: now,
		tables: map[string]*table{}, leases: map[string]leaseHold{},
	}
}

// list returns the tables of the lake, at most maxAge old.
func (c *catalog) list(ctx context.Context) (*listing, error) {
	if l := c.fresh(); l != nil {
		return l, nil
	}
	return share(ctx, &c.asking, "", func() (*listing, error) {
		if l := c.fresh(); l != nil { // somebody has asked between our look and our turn
			return l, nil
		}
		return c.relist()
	})
}

// fresh returns the newest listing if it is young enough, or nil.
func (c *catalog) fresh() *listing {
	if l := c.latest(); l != nil && c.now().Sub(l.at) < c.maxAge {
		return l
	}
	return nil
}

// latest returns the newest listing without asking; nil before the first.
func (c *catalog) latest() *listing {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.listing
}

func (c *catalog) relist() (*listing, error) {
	ctx, cancel := context.WithTimeout(c.life, metadataTimeout)
	defer cancel()
	l := &listing{at: c.now(), infos: map[string]wire.TableInfo{}}
	infos, err := c.lake.Tables(ctx)
	if err != nil {
		return nil, err
	}
	for _, info := range infos {
		l.infos[tableDir(info.Name)] = info
	}
	l.order = slices.Sorted(maps.Keys(l.infos))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listing = l
	for dir, t := range c.tables {
		if _, ok := l.infos[dir]; !ok {
			c.retire(dir, t, nil)
			delete(c.tables, dir)
		}
	}
	return l, nil
}

// table returns the snapshot of the table in dir, at most maxAge old; ENOENT
// where there is none.
func (c *catalog) table(ctx context.Context, dir string) (*table, error) {
	l, err := c.list(ctx)
	if err != nil {
		return nil, err
	}
	info, ok := l.infos[dir]
	if !ok {
		return nil, syscall.ENOENT
	}
	if t := c.loaded(dir, info); t != nil {
		return t, nil
	}
	return share(ctx, &c.asking, "/"+dir, func() (*table, error) {
		if t := c.loaded(dir, info); t != nil {
			return t, nil
		}
		return c.load(dir, info)
	})
}

// loaded returns the snapshot in dir if it is that of info or a later one of
// the same table, or nil.
func (c *catalog) loaded(dir string, info wire.TableInfo) *table {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.tables[dir]; t != nil && t.info.ID == info.ID && t.info.Version >= info.Version {
		return t
	}
	return nil
}

// load asks for the snapshot that the listing named.
func (c *catalog) load(dir string, info wire.TableInfo) (*table, error) {
	ctx, cancel := context.WithTimeout(c.life, metadataTimeout)
	defer cancel()
	at := expr.At{Version: info.Version}
	list, err := c.lake.Segments(ctx, info.Name, at)
	if err != nil {
		return nil, err
	}
	same, err := c.lake.Table(ctx, info.Name, at) // a table of this name may have come anew in between
	if err != nil {
		return nil, err
	}
	if same.ID != info.ID {
		return nil, syscall.ENOENT
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.tables[dir]
	t, err := newTable(same, list, old)
	if err != nil {
		return nil, err
	}
	c.retire(dir, old, t)
	c.tables[dir] = t
	return t, nil
}

// retire gives a lease to what old shows in dir and t does not, takes leases
// back from what t shows, and drops those that have run out. It needs c.mu.
func (c *catalog) retire(dir string, old, t *table) {
	shown := map[string]bool{}
	if t != nil {
		t.each(dir, func(path string, e entry) {
			shown[path] = true
			delete(c.leases, path)
		})
	}
	now := c.now()
	maps.DeleteFunc(c.leases, func(_ string, l leaseHold) bool { return !now.Before(l.until) })
	if old == nil {
		return
	}
	old.each(dir, func(path string, e entry) {
		if !shown[path] {
			c.leases[path] = leaseHold{entry: e, until: now.Add(lease)}
		}
	})
}

// each visits the table's directory and everything in it.
func (t *table) each(dir string, visit func(path string, e entry)) {
	visit("/"+dir, entry{folder: t.root})
	t.root.walk("/"+dir, visit)
}

// find returns what is at a path below the root of a tree: what the newest
// snapshot shows, or what a lease keeps. When the lake does not answer, what
// was there last is still there.
func (c *catalog) find(ctx context.Context, path string) (entry, error) {
	names := strings.Split(strings.TrimPrefix(path, "/"), "/")
	t, err := c.table(ctx, names[0])
	if err == nil {
		if e := t.root.find(names[1:]); e.ok() {
			return e, nil
		}
		err = syscall.ENOENT
	}
	if errors.Is(err, syscall.EINTR) {
		return entry{}, err
	}
	if e := c.remembered(path, names); e.ok() {
		return e, nil
	}
	return entry{}, err
}

func (c *catalog) remembered(path string, names []string) entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.tables[names[0]]; t != nil {
		if e := t.root.find(names[1:]); e.ok() {
			return e
		}
	}
	if l, ok := c.leases[path]; ok && c.now().Before(l.until) {
		return l.entry
	}
	return entry{}
}
