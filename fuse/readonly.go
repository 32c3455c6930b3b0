package fuse

import (
	"context"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// readOnly answers every operation that would change something with EROFS.
// The mount is read-only for the kernel as well; this is the second lock, for
// go-fuse's own answers are not the same for all (unlink and rmdir succeed).
type readOnly struct{}

var (
	_ fs.NodeCreater       = readOnly{}
	_ fs.NodeTmpfiler      = readOnly{}
	_ fs.NodeMkdirer       = readOnly{}
	_ fs.NodeMknoder       = readOnly{}
	_ fs.NodeSymlinker     = readOnly{}
	_ fs.NodeLinker        = readOnly{}
	_ fs.NodeUnlinker      = readOnly{}
	_ fs.NodeRmdirer       = readOnly{}
	_ fs.NodeRenamer       = readOnly{}
	_ fs.NodeSetattrer     = readOnly{}
	_ fs.NodeSetxattrer    = readOnly{}
	_ fs.NodeRemovexattrer = readOnly{}
	_ fs.NodeWriter        = readOnly{}
	_ fs.NodeAllocater     = readOnly{}
	_ fs.NodeFsyncer       = readOnly{}
)

// Create refuses.
func (readOnly) Create(context.Context, string, uint32, uint32, *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	return nil, nil, 0, syscall.EROFS
}

// Tmpfile refuses.
func (readOnly) Tmpfile(context.Context, uint32, uint32, *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	return nil, nil, 0, syscall.EROFS
}

// Mkdir refuses.
func (readOnly) Mkdir(context.Context, string, uint32, *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return nil, syscall.EROFS
}

// Mknod refuses.
func (readOnly) Mknod(context.Context, string, uint32, uint32, *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return nil, syscall.EROFS
}

// Symlink refuses.
func (readOnly) Symlink(context.Context, string, string, *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return nil, syscall.EROFS
}

// Link refuses.
func (readOnly) Link(context.Context, fs.InodeEmbedder, string, *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return nil, syscall.EROFS
}

// Unlink refuses.
func (readOnly) Unlink(context.Context, string) syscall.Errno { return syscall.EROFS }

// Rmdir refuses.
func (readOnly) Rmdir(context.Context, string) syscall.Errno { return syscall.EROFS }

// Rename refuses.
func (readOnly) Rename(context.Context, string, fs.InodeEmbedder, string, uint32) syscall.Errno {
	return syscall.EROFS
}

// Setattr refuses chmod, chown, utimes and truncate.
func (readOnly) Setattr(context.Context, fs.FileHandle, *fuse.SetAttrIn, *fuse.AttrOut) syscall.Errno {
	return syscall.EROFS
}

// Setxattr refuses.
func (readOnly) Setxattr(context.Context, string, []byte, uint32) syscall.Errno {
	return syscall.EROFS
}

// Removexattr refuses.
func (readOnly) Removexattr(context.Context, string) syscall.Errno { return syscall.EROFS }

// Write refuses.
func (readOnly) Write(context.Context, fs.FileHandle, []byte, int64) (uint32, syscall.Errno) {
	return 0, syscall.EROFS
}

// Allocate refuses fallocate.
func (readOnly) Allocate(context.Context, fs.FileHandle, uint64, uint64, uint32) syscall.Errno {
	return syscall.EROFS
}

// Fsync succeeds: what is there is durable already.
func (readOnly) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno { return 0 }
