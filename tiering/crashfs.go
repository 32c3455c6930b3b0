package tiering

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ErrCrashed is what a CrashFS answers once its power is cut.
var ErrCrashed = errors.New("power cut")

// CrashFS is a filesystem in memory for tests. It keeps for each file and
// each directory what is durable apart from what is only cached, and is as
// hostile as POSIX allows: what was not synced is kept or lost piece by piece,
// and a rename between directories may leave the file in both (never in none,
// unless only the old directory is synced). It can cut the power before any operation,
// fail an fsync (and, like Linux, claim success the next time although the
// data is gone), be full, and flip bits. It is safe for concurrent use.
type CrashFS struct {
	mu       sync.Mutex
	root     *crashNode
	ops      int // operations that change something, so far
	cut      int // the power goes before operation number cut; negative: never
	dead     bool
	capacity int64
	used     int64 // bytes of what has a name
	failSync func(path string) error
	before   func(op Op, path string) error
}

// Op is an operation of a filesystem.
type Op string

// The operations that CrashFS.Before is told of.
const (
	OpCreate  Op = "create"
	OpOpen    Op = "open"
	OpRead    Op = "read"
	OpWrite   Op = "write"
	OpSync    Op = "fsync"
	OpSyncDir Op = "fsync of a directory"
	OpRename  Op = "rename"
)

// crashNode is a file or, where names is not nil, a directory.
type crashNode struct {
	data, durable []byte
	lost          bool // a failed sync dropped pages: only durable counts
	names, onDisk map[string]*crashNode
	mode          fs.FileMode
}

func newCrashDir(mode fs.FileMode) *crashNode {
	return &crashNode{names: map[string]*crashNode{}, onDisk: map[string]*crashNode{}, mode: mode}
}

// NewCrashFS returns an empty filesystem of 1 TiB.
func NewCrashFS() *CrashFS { return &CrashFS{root: newCrashDir(modeDir), cut: -1, capacity: 1 << 40} }

// CutAt makes the power go right before the n-th changing operation from now
// (0 is the next one).
func (c *CrashFS) CutAt(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = c.ops + n
}

// Ops returns how many changing operations there have been.
func (c *CrashFS) Ops() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ops
}

// SetCapacity sets the size of the disk in bytes of file content.
func (c *CrashFS) SetCapacity(bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.capacity = bytes
}

// FailSync makes every sync of a file or directory ask f first; nil ends that.
func (c *CrashFS) FailSync(f func(path string) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failSync = f
}

// Before has f called before operations; an error of it is what comes of them.
// It may take its time: other operations go on. nil ends that.
func (c *CrashFS) Before(f func(op Op, path string) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.before = f
}

func (c *CrashFS) ask(op Op, path string) error {
	c.mu.Lock()
	f := c.before
	c.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(op, path)
}

// Flip flips one bit of a file, on the disk and in the cache.
func (c *CrashFS) Flip(name string, bit int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, err := c.find("flip", name)
	if err != nil {
		return err
	}
	n.data = slices.Clone(n.data)
	n.data[bit/8] ^= 1 << (bit % 8)
	if int64(len(n.durable)) > bit/8 {
		n.durable = slices.Clone(n.durable)
		n.durable[bit/8] ^= 1 << (bit % 8)
	}
	return nil
}

// Durable returns what there would be of a file if the power went and took all
// with it that was not synced; false if there were not even its name.
func (c *CrashFS) Durable(name string) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.root
	for part := range strings.SplitSeq(strings.Trim(path.Clean("/"+name), "/"), "/") {
		if n = n.onDisk[part]; n == nil {
			return nil, false
		}
	}
	return n.durable, true
}

// Reboot cuts the power and returns the filesystem as the next boot finds it.
// Of all that was not synced each thing is kept or lost as rng says; with a
// nil rng everything is lost.
func (c *CrashFS) Reboot(rng *rand.Rand) *CrashFS {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dead = true
	named := map[*crashNode]bool{}
	c.root.markNamed(named)
	root := c.root.reboot(rng, named)
	return &CrashFS{root: root, cut: -1, capacity: c.capacity, used: root.bytes()}
}

// markNamed collects what has a name in the cache.
func (n *crashNode) markNamed(named map[*crashNode]bool) {
	named[n] = true
	for _, child := range n.names {
		child.markNamed(named)
	}
}

func (n *crashNode) reboot(rng *rand.Rand, named map[*crashNode]bool) *crashNode {
	if n.names == nil {
		b := n.survivor(rng)
		return &crashNode{data: b, durable: b, mode: n.mode}
	}
	kept := newCrashDir(n.mode)
	all := maps.Clone(n.onDisk)
	maps.Copy(all, n.names)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		child := n.onDisk[name]
		renamed := child != nil && named[child] // away from here, if it is not here any more
		if rng != nil && child != n.names[name] && !renamed && rng.IntN(2) == 0 {
			child = n.names[name]
		}
		if child != nil {
			kept.names[name] = child.reboot(rng, named)
		}
	}
	kept.onDisk = maps.Clone(kept.names)
	return kept
}

// survivor returns the content after a crash: what was synced, all that was
// written, or the right length with only a part of the rest in place.
func (n *crashNode) survivor(rng *rand.Rand) []byte {
	rest := len(n.data) - len(n.durable)
	if rng == nil || n.lost || rest == 0 {
		return n.durable
	}
	switch rng.IntN(3) {
	case 0:
		return n.durable
	case 1:
		return n.data
	}
	torn := make([]byte, len(n.data))
	copy(torn, n.data[:len(n.durable)+rng.IntN(rest)])
	return torn
}

// change counts an operation that changes something.
func (c *CrashFS) change() error {
	if c.dead || c.ops == c.cut {
		c.dead = true
		return ErrCrashed
	}
	c.ops++
	return nil
}

// find resolves a path to its node.
func (c *CrashFS) find(op, name string) (*crashNode, error) {
	if c.dead {
		return nil, ErrCrashed
	}
	n := c.root
	for part := range strings.SplitSeq(strings.Trim(path.Clean("/"+name), "/"), "/") {
		if part == "" {
			break // the root itself
		}
		if n = n.names[part]; n == nil {
			return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
		}
	}
	return n, nil
}

// parent returns the directory that holds or would hold name, and the last
// part of the name.
func (c *CrashFS) parent(op, name string) (*crashNode, string, error) {
	dir, base := path.Split(path.Clean("/" + name))
	n, err := c.find(op, dir)
	if err == nil && n.names == nil {
		err = &fs.PathError{Op: op, Path: name, Err: syscall.ENOTDIR}
	}
	return n, base, err
}

func (c *CrashFS) add(op, name string, child *crashNode) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	dir, base, err := c.parent(op, name)
	if err == nil && dir.names[base] != nil {
		err = &fs.PathError{Op: op, Path: name, Err: fs.ErrExist}
	}
	if err == nil {
		err = c.change()
	}
	if err != nil {
		return err
	}
	dir.names[base] = child
	return nil
}

// Create makes a file.
func (c *CrashFS) Create(name string, mode fs.FileMode) (Handle, error) {
	if err := c.ask(OpCreate, name); err != nil {
		return nil, err
	}
	n := &crashNode{mode: mode}
	if err := c.add("create", name, n); err != nil {
		return nil, err
	}
	return &crashHandle{c, n, name}, nil
}

// Mkdir makes a directory.
func (c *CrashFS) Mkdir(name string, mode fs.FileMode) error {
	return c.add("mkdir", name, newCrashDir(mode))
}

// Open opens a file for reading.
func (c *CrashFS) Open(name string) (Handle, error) {
	if err := c.ask(OpOpen, name); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n, err := c.find("open", name)
	if err != nil {
		return nil, err
	}
	return &crashHandle{c, n, name}, nil
}

// Rename renames a file or directory.
func (c *CrashFS) Rename(from, to string) error {
	if err := c.ask(OpRename, from); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n, err := c.find("rename", from)
	if err != nil {
		return err
	}
	source, old, _ := c.parent("rename", from)
	target, name, err := c.parent("rename", to)
	if err != nil {
		return err
	}
	if err := c.change(); err != nil {
		return err
	}
	if over := target.names[name]; over != nil && over != n {
		c.used -= over.bytes()
	}
	delete(source.names, old)
	target.names[name] = n
	return nil
}

// Remove removes a file or an empty directory.
func (c *CrashFS) Remove(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, err := c.find("remove", name)
	if err != nil {
		return err
	}
	if len(n.names) > 0 {
		return &fs.PathError{Op: "remove", Path: name, Err: syscall.ENOTEMPTY}
	}
	if err := c.change(); err != nil {
		return err
	}
	dir, base, _ := c.parent("remove", name)
	delete(dir.names, base)
	c.used -= n.bytes()
	return nil
}

// ReadDir lists a directory, by name.
func (c *CrashFS) ReadDir(name string) ([]fs.DirEntry, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, err := c.find("readdir", name)
	if err != nil {
		return nil, err
	}
	if n.names == nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: syscall.ENOTDIR}
	}
	var entries []fs.DirEntry
	for _, base := range slices.Sorted(maps.Keys(n.names)) {
		entries = append(entries, fs.FileInfoToDirEntry(n.names[base].info(base)))
	}
	return entries, nil
}

// SyncDir makes the names in a directory durable.
func (c *CrashFS) SyncDir(name string) error {
	if err := c.ask(OpSyncDir, name); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n, err := c.find("fsync", name)
	if err != nil {
		return err
	}
	if err := c.sync(name); err != nil {
		return err
	}
	n.onDisk = maps.Clone(n.names)
	return nil
}

// sync counts a sync and asks whether it is to fail.
func (c *CrashFS) sync(name string) error {
	if err := c.change(); err != nil {
		return err
	}
	if c.failSync == nil {
		return nil
	}
	return c.failSync(name)
}

// Space tells how full the disk is.
func (c *CrashFS) Space(string) (Space, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead {
		return Space{}, ErrCrashed
	}
	return Space{Total: c.capacity, Free: c.capacity - c.used}, nil
}

func (n *crashNode) bytes() int64 {
	total := int64(len(n.data))
	for _, child := range n.names {
		total += child.bytes()
	}
	return total
}

// crashHandle is an open file of a CrashFS.
type crashHandle struct {
	fs   *CrashFS
	node *crashNode
	name string
}

func (h *crashHandle) Write(p []byte) (int, error) {
	if err := h.fs.ask(OpWrite, h.name); err != nil {
		return 0, err
	}
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if err := h.fs.change(); err != nil {
		return 0, err
	}
	n := min(int64(len(p)), max(h.fs.capacity-h.fs.used, 0))
	h.node.data = append(h.node.data, p[:n]...)
	h.fs.used += n
	if n == int64(len(p)) {
		return len(p), nil
	}
	return int(n), &fs.PathError{Op: "write", Path: h.name, Err: syscall.ENOSPC}
}

func (h *crashHandle) ReadAt(p []byte, off int64) (int, error) {
	if err := h.fs.ask(OpRead, h.name); err != nil {
		return 0, err
	}
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.fs.dead {
		return 0, ErrCrashed
	}
	if off >= int64(len(h.node.data)) {
		return 0, io.EOF
	}
	n := copy(p, h.node.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (h *crashHandle) Sync() error {
	if err := h.fs.ask(OpSync, h.name); err != nil {
		return err
	}
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	n, dirty := h.node, h.node.data[len(h.node.durable):]
	if err := h.fs.sync(h.name); err != nil {
		if !h.fs.dead { // the pages are dropped and marked clean
			n.durable = append(slices.Clone(n.durable), make([]byte, len(dirty))...)
			n.lost = true
		}
		return err
	}
	n.durable = append(slices.Clone(n.durable), dirty...)
	return nil
}

func (h *crashHandle) Close() error { return nil }

func (h *crashHandle) Stat() (fs.FileInfo, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	return h.node.info(path.Base(h.name)), nil
}

// crashInfo is the fs.FileInfo of a node.
type crashInfo struct {
	name string
	size int64
	dir  bool
	mode fs.FileMode
}

func (n *crashNode) info(name string) crashInfo {
	return crashInfo{name, int64(len(n.data)), n.names != nil, n.mode}
}

func (i crashInfo) Name() string       { return i.name }
func (i crashInfo) Size() int64        { return i.size }
func (i crashInfo) IsDir() bool        { return i.dir }
func (i crashInfo) ModTime() time.Time { return time.Time{} }
func (i crashInfo) Sys() any           { return nil }
func (i crashInfo) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | i.mode
	}
	return i.mode
}
