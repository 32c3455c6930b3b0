package fuse

import (
	"cmp"
	"container/list"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/zeebo/xxh3"
	"golang.org/x/sync/singleflight"
	"golang.org/x/sys/unix"
)

// renderingVersion is part of every cached file's name. Raise it whenever the
// same part would be rendered to other bytes.
const renderingVersion = 1

// cache keeps renderings as files of one directory, at most limit bytes of
// them. A file's name tells its size and hash, so that there is no index to
// go wrong:
//
//	v1-KEY.SIZE.HASH.EXT
//
// Sizes once told stay told: a rendering that has been evicted must come back
// with the same size and hash. It is safe for concurrent use; several
// processes may share the directory, each bounding what it knows of.
type cache struct {
	dir   string
	limit int64
	log   *slog.Logger
	life  context.Context
	lock  *os.File

	making singleflight.Group
	slots  chan struct{} // renderings somebody waits for
	spare  chan struct{} // renderings ahead of time
	work   sync.WaitGroup

	mu     sync.Mutex
	closed bool
	all    map[string]*rendering // by id
	used   *list.List            // of *rendering on disk, newest use first
	bytes  int64                 // of those
}

// rendering is one file of the cache, there or evicted. Its fields are
// guarded by the cache's mu.
type rendering struct {
	id      string // KEY.EXT
	size    int64
	hash    string // xxh3-128 of the bytes, hexadecimal; empty while not known
	checked bool   // the bytes on disk have been seen to have that hash
	told    bool   // somebody has been told the size
	opens   int
	place   *list.Element // in used, nil while not on disk
}

// renderFunc writes a rendering to an empty file, the same bytes each time.
type renderFunc func(ctx context.Context, file *os.File) error

func defaultCacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", wire.Errorf(wire.InvalidArgument, "no directory for the mount's cache: %w", err).WithHint("set XDG_CACHE_HOME or HOME, or name a cache directory")
	}
	return filepath.Join(dir, "tarn", "mount"), nil
}

// openCache takes over what is in dir. life ends every rendering under way.
func openCache(life context.Context, dir string, limit int64, log *slog.Logger) (*cache, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("mount cache: %w", err)
	}
	parallel := max(2, runtime.GOMAXPROCS(0))
	c := &cache{
		dir: dir, limit: limit, log: log, life: life,
		slots: make(chan struct{}, parallel), spare: make(chan struct{}, parallel),
		all: map[string]*rendering{}, used: list.New(),
	}
	if err := c.acquire(); err != nil {
		return nil, err
	}
	if err := c.scan(); err != nil {
		c.lock.Close()
		return nil, err
	}
	c.evict()
	return c, nil
}

// acquire tells other processes that the directory is in use. The first one
// to come clears away what was half-written when the last one died.
func (c *cache) acquire() error {
	lock, err := os.OpenFile(filepath.Join(c.dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("mount cache: %w", err)
	}
	c.lock = lock
	fd := int(lock.Fd())
	if unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) == nil {
		stale, _ := filepath.Glob(filepath.Join(c.dir, tempPattern))
		for _, name := range stale {
			os.Remove(name)
		}
	}
	if err := unix.Flock(fd, unix.LOCK_SH); err != nil {
		lock.Close()
		return fmt.Errorf("mount cache: lock %s: %w", lock.Name(), err)
	}
	return nil
}

const (
	lockFile    = "lock"
	tempPattern = "tmp-*"
)

// scan learns the renderings that an earlier mount has left, oldest first.
func (c *cache) scan() error {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return fmt.Errorf("mount cache: %w", err)
	}
	type found struct {
		r  *rendering
		at int64
	}
	var all []found
	for _, e := range entries {
		r, ok := parseFileName(e.Name())
		info, err := e.Info()
		if !ok || err != nil || info.Size() != r.size {
			continue
		}
		all = append(all, found{r, info.ModTime().UnixNano()})
	}
	slices.SortStableFunc(all, func(a, b found) int { return cmp.Compare(a.at, b.at) })
	for _, f := range all {
		c.all[f.r.id] = f.r
		c.onDisk(f.r)
	}
	return nil
}

func (r *rendering) fileName() string {
	key, ext, _ := strings.Cut(r.id, ".")
	return fmt.Sprintf("v%d-%s.%d.%s.%s", renderingVersion, key, r.size, r.hash, ext)
}

func parseFileName(name string) (*rendering, bool) {
	rest, ok := strings.CutPrefix(name, fmt.Sprintf("v%d-", renderingVersion))
	words := strings.Split(rest, ".")
	if !ok || len(words) != 4 || len(words[2]) != 2*hashBytes {
		return nil, false
	}
	size, err := strconv.ParseInt(words[1], 10, 64)
	r := &rendering{id: words[0] + "." + words[3], size: size, hash: words[2]}
	return r, err == nil && size >= 0 && r.fileName() == name
}

func (c *cache) path(r *rendering) string { return filepath.Join(c.dir, r.fileName()) }

// size returns the exact size of a rendering, making it if it has never been
// made.
func (c *cache) size(ctx context.Context, id string, render renderFunc) (int64, error) {
	if size, ok := c.tell(id); ok {
		return size, nil
	}
	if err := c.make(ctx, id, render); err != nil {
		return 0, err
	}
	size, _ := c.tell(id)
	return size, nil
}

// tell returns the size of a rendering that has one, and holds it to that.
func (c *cache) tell(id string) (int64, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.all[id]
	if r == nil || r.hash == "" {
		return 0, false
	}
	r.told = true
	return r.size, true
}

// get returns a copy of what is known of a rendering.
func (c *cache) get(id string) rendering {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.all[id]; r != nil {
		return *r
	}
	return rendering{id: id}
}

// open returns the file of a rendering and its size. The rendering stays in
// the cache until release, which does not close the file, is called.
func (c *cache) open(ctx context.Context, id string, render renderFunc) (f *os.File, size int64, release func(), err error) {
	c.pin(id)
	const tries = 3 // another mount, or somebody's hand, may remove the file meanwhile
	for range tries {
		if err = c.make(ctx, id, render); err != nil {
			break
		}
		r := c.get(id)
		if f, err = os.Open(c.path(&r)); err == nil {
			size, _ = c.tell(id)
			return f, size, func() { c.unpin(id) }, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
		c.forget(id)
	}
	c.unpin(id)
	return nil, 0, nil, err
}

// pin keeps a rendering, which need not be there yet, from being evicted.
func (c *cache) pin(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.all[id]
	if r == nil {
		r = &rendering{id: id}
		c.all[id] = r
	}
	r.opens++
	if r.place != nil {
		c.used.MoveToFront(r.place)
	}
}

func (c *cache) unpin(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all[id].opens--
	c.evictLocked()
}

// ahead starts a rendering that somebody will probably ask for next, if there
// is nothing better to do.
func (c *cache) ahead(id string, render renderFunc) {
	if c.get(id).hash != "" {
		return
	}
	select {
	case c.spare <- struct{}{}:
	default:
		return
	}
	go func() {
		defer func() { <-c.spare }()
		if err := c.make(c.life, id, render); err != nil && c.life.Err() == nil {
			c.log.Debug("rendering ahead", "rendering", id, "error", err)
		}
	}()
}

// make sees to it that the rendering is on disk and checked.
func (c *cache) make(ctx context.Context, id string, render renderFunc) error {
	if r := c.get(id); r.place != nil && r.checked {
		return nil
	}
	_, err := share(ctx, &c.making, id, func() (struct{}, error) { return struct{}{}, c.makeOnce(id, render) })
	return err
}

func (c *cache) makeOnce(id string, render renderFunc) error {
	if !c.begin() {
		return context.Canceled
	}
	defer c.work.Done()
	select {
	case c.slots <- struct{}{}:
	case <-c.life.Done():
		return c.life.Err()
	}
	defer func() { <-c.slots }()
	if r := c.get(id); r.place != nil {
		if r.checked {
			return nil
		}
		err := c.check(&r)
		if err == nil {
			return nil
		}
		c.log.Warn("cached rendering is damaged; making it again", "file", c.path(&r), "error", err)
		c.forget(id)
	}
	return c.write(id, render)
}

// check reads a file of an earlier mount back.
func (c *cache) check(r *rendering) error {
	f, err := os.Open(c.path(r))
	if err != nil {
		return err
	}
	defer f.Close()
	size, hash, err := sum(f)
	if err != nil {
		return err
	}
	if size != r.size || hash != r.hash {
		return fmt.Errorf("it has %d bytes with hash %s; want %d with %s", size, hash, r.size, r.hash)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all[r.id].checked = true
	return nil
}

const hashBytes = 16

// sum reads a whole file.
func sum(f *os.File) (size int64, hash string, err error) {
	h := xxh3.New128()
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return 0, "", err
	}
	size, err = io.Copy(h, f)
	b := h.Sum128().Bytes()
	return size, hex.EncodeToString(b[:]), err
}

// write renders into a temporary file and renames it.
func (c *cache) write(id string, render renderFunc) error {
	if err := os.MkdirAll(c.dir, 0o700); err != nil { // somebody may have cleared the cache by hand
		return err
	}
	tmp, err := os.CreateTemp(c.dir, tempPattern)
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // a no-op after the rename
	defer tmp.Close()
	if err := render(c.life, tmp); err != nil {
		return err
	}
	size, hash, err := sum(tmp)
	if err != nil {
		return err
	}
	return c.publish(id, size, hash, tmp.Name())
}

func (c *cache) publish(id string, size int64, hash, tmp string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.all[id]
	if r == nil {
		r = &rendering{id: id}
		c.all[id] = r
	}
	if r.told && r.hash != "" && (r.size != size || r.hash != hash) {
		return fmt.Errorf("rendering %s came out as %d bytes with hash %s; it was %d with %s before", id, size, hash, r.size, r.hash)
	}
	r.size, r.hash, r.checked = size, hash, true
	if err := os.Rename(tmp, c.path(r)); err != nil {
		return err
	}
	c.onDisk(r)
	c.evictLocked()
	return nil
}

// onDisk and offDisk count a file in and out. They need mu.
func (c *cache) onDisk(r *rendering) {
	if r.place == nil {
		r.place = c.used.PushFront(r)
		c.bytes += r.size
	}
}

func (c *cache) offDisk(r *rendering) {
	if r.place != nil {
		c.used.Remove(r.place)
		r.place = nil
		c.bytes -= r.size
	}
}

// forget gives up a file that is damaged or gone.
func (c *cache) forget(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.all[id]
	os.Remove(c.path(r))
	c.offDisk(r)
}

func (c *cache) evict() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.evictLocked()
}

// evictLocked removes the files longest not used until the rest fit, but not
// the newest: who has asked for its size will ask for its bytes.
func (c *cache) evictLocked() {
	for e := c.used.Back(); e != nil && e != c.used.Front() && c.bytes > c.limit; {
		r := e.Value.(*rendering)
		e = e.Prev()
		if r.opens > 0 {
			continue
		}
		if err := os.Remove(c.path(r)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			c.log.Warn("mount cache: cannot evict", "error", err)
			continue
		}
		c.offDisk(r)
	}
}

// begin counts one piece of work in, unless the cache is closed.
func (c *cache) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.work.Add(1)
	}
	return !c.closed
}

// close waits for renderings under way, which the end of life has stopped.
func (c *cache) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.work.Wait()
	c.lock.Close()
}
