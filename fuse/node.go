package fuse

import (
	"context"
	"log/slog"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/zeebo/xxh3"
)

// lakeFS is the filesystem: what all of its nodes share.
type lakeFS struct {
	catalog     *catalog
	cache       *cache
	log         *slog.Logger
	started     time.Time
	owner       fuse.Owner
	dirTimeout  time.Duration
	passthrough bool // settled before the first open
}

// partTimeout is how long the kernel may remember a part without asking. Its
// bytes never change; its name goes a while after it is no longer listed.
const partTimeout = time.Minute

// stable returns the inode of something by name: the same for ever, and the
// same in every mount.
func stable(mode uint32, kind format, name string) fs.StableAttr {
	h := xxh3.HashString128(string(kind) + "\x00" + name)
	return fs.StableAttr{Mode: mode, Ino: h.Lo>>1 | 2, Gen: h.Hi} // never 0, 1 or the reserved top
}

// fail turns an error into an errno, and logs what a user would ask about.
func (m *lakeFS) fail(op, path string, err error) syscall.Errno {
	no := errnoOf(err)
	if no != 0 && no != syscall.ENOENT && no != syscall.EINTR {
		m.log.Error("mount: "+op+" failed", "path", path, "errno", no.Error(), "cause", err)
	}
	return no
}

// attr fills in what every node has.
func (m *lakeFS) attr(out *fuse.Attr, mode uint32, size int64, mtime time.Time) {
	out.Mode, out.Size, out.Nlink, out.Owner = mode, uint64(size), 1, m.owner
	out.SetTimes(&mtime, &mtime, &mtime)
}

// dirNode is a directory: the root of a tree, a table or a partition.
type dirNode struct {
	fs.Inode
	readOnly
	m      *lakeFS
	format format
	path   string // below the root of the tree, "" or from "/"

	// last is where the latest lookup of a part was in the listing: lookups
	// that go up one by one have the next parts rendered ahead.
	last atomic.Int64
}

var (
	_ fs.NodeLookuper       = (*dirNode)(nil)
	_ fs.NodeGetattrer      = (*dirNode)(nil)
	_ fs.NodeOpendirHandler = (*dirNode)(nil)
	_ fs.NodeStatfser       = (*dirNode)(nil)
)

// Lookup finds one name.
func (d *dirNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if f, ok := hiddenTrees[name]; ok && d.IsRoot() {
		return d.child(ctx, f, "", d.m.treeTime(), out), 0
	}
	e, err := d.find(ctx, name)
	switch {
	case err != nil:
		return nil, d.m.fail("lookup", d.path+"/"+name, err)
	case e.folder != nil:
		return d.child(ctx, d.format, d.path+"/"+name, e.folder.mtime, out), 0
	}
	node := &partNode{m: d.m, part: e.part, format: d.format}
	if err := node.fill(ctx, &out.Attr); err != nil {
		return nil, d.m.fail("lookup", d.path+"/"+name, err)
	}
	d.renderAhead(ctx, e.part)
	out.SetEntryTimeout(partTimeout)
	out.SetAttrTimeout(partTimeout)
	return d.NewInode(ctx, node, stable(syscall.S_IFREG, d.format, e.part.key)), 0
}

// find resolves a name of this tree's format.
func (d *dirNode) find(ctx context.Context, name string) (entry, error) {
	if base, ok := strings.CutSuffix(name, d.format.ext()); ok {
		e, err := d.m.catalog.find(ctx, d.path+"/"+base)
		if e.part != nil || err != nil && err != syscall.ENOENT {
			return e, err
		}
	}
	e, err := d.m.catalog.find(ctx, d.path+"/"+name)
	if err == nil && e.folder == nil {
		return entry{}, syscall.ENOENT // a part without its extension
	}
	return e, err
}

func (d *dirNode) child(ctx context.Context, f format, path string, mtime time.Time, out *fuse.EntryOut) *fs.Inode {
	d.m.attr(&out.Attr, 0o555, 0, mtime)
	out.SetEntryTimeout(d.m.dirTimeout)
	out.SetAttrTimeout(d.m.dirTimeout)
	return d.NewInode(ctx, &dirNode{m: d.m, format: f, path: path}, stableDir(f, path))
}

func stableDir(f format, path string) fs.StableAttr {
	return stable(syscall.S_IFDIR, f, "/"+path)
}

// aheadParts is how many parts of a directory are rendered ahead.
const aheadParts = 4

func (d *dirNode) renderAhead(ctx context.Context, p *part) {
	e, err := d.m.catalog.find(ctx, d.path)
	if err != nil || e.folder == nil {
		return
	}
	at, ok := e.folder.index(p)
	if before := d.last.Swap(at); !ok || at == 0 || before != at-1 {
		return
	}
	for _, name := range e.folder.order[at+1 : min(int(at)+1+aheadParts, len(e.folder.order))] {
		if next := e.folder.parts[name]; next != nil {
			node := &partNode{m: d.m, part: next, format: d.format}
			d.m.cache.ahead(node.id(), node.render)
		}
	}
}

// Getattr tells when the directory last changed.
func (d *dirNode) Getattr(ctx context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	mtime := d.m.treeTime()
	if d.path != "" {
		e, err := d.m.catalog.find(ctx, d.path)
		if err != nil {
			return d.m.fail("stat", d.path, err)
		}
		if e.folder == nil {
			return syscall.ENOENT
		}
		mtime = e.folder.mtime
	}
	d.m.attr(&out.Attr, 0o555, 0, mtime)
	out.SetTimeout(d.m.dirTimeout)
	return 0
}

// OpendirHandle takes the listing that the handle will tell, however long
// that takes and whatever is committed meanwhile.
func (d *dirNode) OpendirHandle(ctx context.Context, _ uint32) (fs.FileHandle, uint32, syscall.Errno) {
	entries, err := d.entries(ctx)
	if err != nil {
		return nil, 0, d.m.fail("list", d.path, err)
	}
	return fs.NewListDirStream(entries), 0, 0
}

func (d *dirNode) entries(ctx context.Context) ([]fuse.DirEntry, error) {
	if d.path == "" {
		return d.tables(ctx)
	}
	names := strings.Split(d.path[1:], "/")
	t, err := d.m.catalog.table(ctx, names[0])
	if err != nil {
		return nil, err
	}
	folder := t.root.find(names[1:]).folder
	if folder == nil {
		return nil, syscall.ENOENT
	}
	entries := make([]fuse.DirEntry, 0, len(folder.order))
	for _, name := range folder.order {
		if p := folder.parts[name]; p != nil {
			entries = append(entries, fuse.DirEntry{Name: name + d.format.ext(), Mode: syscall.S_IFREG, Ino: stable(syscall.S_IFREG, d.format, p.key).Ino})
		} else {
			entries = append(entries, fuse.DirEntry{Name: name, Mode: syscall.S_IFDIR, Ino: stableDir(d.format, d.path+"/"+name).Ino})
		}
	}
	return entries, nil
}

func (d *dirNode) tables(ctx context.Context) ([]fuse.DirEntry, error) {
	l, err := d.m.catalog.list(ctx)
	if err != nil {
		return nil, err
	}
	var entries []fuse.DirEntry
	if d.IsRoot() {
		for _, name := range slices.Sorted(maps.Keys(hiddenTrees)) {
			entries = append(entries, fuse.DirEntry{Name: name, Mode: syscall.S_IFDIR, Ino: stableDir(hiddenTrees[name], "").Ino})
		}
	}
	for _, name := range l.order {
		entries = append(entries, fuse.DirEntry{Name: name, Mode: syscall.S_IFDIR, Ino: stableDir(d.format, "/"+name).Ino})
	}
	return entries, nil
}

// treeTime is when the newest commit of any table was, as last heard: the
// root of a mount can always be looked at.
func (m *lakeFS) treeTime() time.Time {
	newest := m.started
	if l := m.catalog.latest(); l != nil && len(l.infos) > 0 {
		newest = time.Time{}
		for _, info := range l.infos {
			if info.Committed.After(newest) {
				newest = info.Committed
			}
		}
	}
	return newest
}

// Statfs tells the size of the lake: full, like every read-only filesystem.
func (d *dirNode) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	d.m.statfs(out)
	return 0
}

func (m *lakeFS) statfs(out *fuse.StatfsOut) {
	const block = 4096
	out.Bsize, out.Frsize, out.NameLen = block, block, maxName
	if l := m.catalog.latest(); l != nil {
		for _, info := range l.infos {
			out.Blocks += uint64(info.Bytes+block-1) / block
			out.Files += uint64(info.Segments)
		}
	}
}

// partNode is one rendering of one part.
type partNode struct {
	fs.Inode
	readOnly
	m      *lakeFS
	part   *part
	format format
}

var (
	_ fs.NodeGetattrer   = (*partNode)(nil)
	_ fs.NodeOpener      = (*partNode)(nil)
	_ fs.NodeGetxattrer  = (*partNode)(nil)
	_ fs.NodeListxattrer = (*partNode)(nil)
	_ fs.NodeStatfser    = (*partNode)(nil)
)

func (n *partNode) id() string { return n.part.key + n.format.ext() }

func (n *partNode) path() string {
	return path.Join("/", n.part.dir, "…", n.part.name+n.format.ext())
}

// render is what the cache calls for bytes that it does not have.
func (n *partNode) render(ctx context.Context, file *os.File) error {
	_, _ = n.m.catalog.table(ctx, n.part.dir) // a part that is still listed learns a version that is still kept
	return render(ctx, n.m.catalog.lake, n.part, n.format, file)
}

// fill tells the attributes, the exact size among them.
func (n *partNode) fill(ctx context.Context, out *fuse.Attr) error {
	size, err := n.m.cache.size(ctx, n.id(), n.render)
	if err != nil {
		return err
	}
	n.m.attr(out, 0o444, size, n.part.segment.Committed)
	return nil
}

// Getattr tells size and time.
func (n *partNode) Getattr(ctx context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	if err := n.fill(ctx, &out.Attr); err != nil {
		return n.m.fail("stat", n.path(), err)
	}
	out.SetTimeout(partTimeout)
	return 0
}

// Open opens the rendering for reading.
func (n *partNode) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	if flags&syscall.O_ACCMODE != syscall.O_RDONLY || flags&syscall.O_TRUNC != 0 {
		return nil, 0, syscall.EROFS
	}
	f, size, release, err := n.m.cache.open(ctx, n.id(), n.render)
	if err != nil {
		return nil, 0, n.m.fail("open", n.path(), err)
	}
	return &handle{n: n, file: f, size: size, release: release}, fuse.FOPEN_KEEP_CACHE, 0
}

// Statfs is that of the whole mount.
func (n *partNode) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	n.m.statfs(out)
	return 0
}

// handle is one open of a rendering.
type handle struct {
	n       *partNode
	file    *os.File
	size    int64
	release func()
}

var (
	_ fs.FileReader          = (*handle)(nil)
	_ fs.FileFlusher         = (*handle)(nil)
	_ fs.FileReleaser        = (*handle)(nil)
	_ fs.FilePassthroughFder = (*handle)(nil)
)

// PassthroughFd lets the kernel read the cached file by itself. All handles
// of a mount give the same answer: the kernel does not take both kinds on one
// inode.
func (h *handle) PassthroughFd() (int, bool) {
	return int(h.file.Fd()), h.n.m.passthrough
}

// Read fills dest, short only at the end of the file.
func (h *handle) Read(_ context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	want := min(int64(len(dest)), max(0, h.size-off))
	got, err := h.file.ReadAt(dest[:want], off)
	if int64(got) < want {
		return nil, h.n.m.fail("read", h.n.path(), err)
	}
	return fuse.ReadResultData(dest[:want]), 0
}

// Flush is not needed; the kernel hears it once and stops asking.
func (h *handle) Flush(context.Context) syscall.Errno { return syscall.ENOSYS }

// Release ends the open.
func (h *handle) Release(context.Context) syscall.Errno {
	err := h.file.Close()
	h.release()
	return h.n.m.fail("close", h.n.path(), err)
}
