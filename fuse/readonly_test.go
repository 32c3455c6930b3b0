package fuse

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// mutations are all system calls that would change a tree, on a file and a
// directory that are there and a name that is not.
var mutations = map[string]func(file, dir, missing string) error{
	"create": func(_, _, missing string) error {
		return open(missing, unix.O_CREAT|unix.O_WRONLY)
	},
	"create to read":  func(_, _, missing string) error { return open(missing, unix.O_CREAT|unix.O_RDONLY) },
	"create excl":     func(_, _, missing string) error { return open(missing, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR) },
	"tmpfile":         func(_, dir, _ string) error { return open(dir, unix.O_TMPFILE|unix.O_RDWR) },
	"open write":      func(file, _, _ string) error { return open(file, unix.O_WRONLY) },
	"open read+write": func(file, _, _ string) error { return open(file, unix.O_RDWR) },
	"open append":     func(file, _, _ string) error { return open(file, unix.O_WRONLY|unix.O_APPEND) },
	"open truncate":   func(file, _, _ string) error { return open(file, unix.O_WRONLY|unix.O_TRUNC) },
	"read+truncate":   func(file, _, _ string) error { return open(file, unix.O_RDONLY|unix.O_TRUNC) },
	"truncate":        func(file, _, _ string) error { return unix.Truncate(file, 3) },
	"mkdir":           func(_, _, missing string) error { return unix.Mkdir(missing, 0o755) },
	"mkfifo":          func(_, _, missing string) error { return unix.Mkfifo(missing, 0o644) },
	"mknod":           func(_, _, missing string) error { return unix.Mknod(missing, unix.S_IFREG|0o644, 0) },
	"symlink":         func(file, _, missing string) error { return unix.Symlink(file, missing) },
	"link":            func(file, _, missing string) error { return unix.Link(file, missing) },
	"unlink":          func(file, _, _ string) error { return unix.Unlink(file) },
	"rmdir":           func(_, dir, _ string) error { return unix.Rmdir(dir) },
	"rename":          func(file, _, missing string) error { return unix.Rename(file, missing) },
	"rename dir":      func(_, dir, _ string) error { return unix.Rename(dir, dir+"2") },
	"rename over":     func(file, dir, _ string) error { return unix.Rename(dir, filepath.Dir(dir)+"/other") },
	"exchange": func(file, dir, _ string) error {
		return unix.Renameat2(unix.AT_FDCWD, file, unix.AT_FDCWD, filepath.Dir(dir)+"/log", unix.RENAME_EXCHANGE)
	},
	"chmod":        func(file, _, _ string) error { return unix.Chmod(file, 0o777) },
	"chmod dir":    func(_, dir, _ string) error { return unix.Chmod(dir, 0o777) },
	"chown":        func(file, _, _ string) error { return unix.Chown(file, 1, 1) },
	"utimes":       func(file, _, _ string) error { return unix.UtimesNano(file, make([]unix.Timespec, 2)) },
	"utimes dir":   func(_, dir, _ string) error { return unix.UtimesNano(dir, make([]unix.Timespec, 2)) },
	"setxattr":     func(file, _, _ string) error { return unix.Setxattr(file, "user.x", []byte("1"), 0) },
	"setxattr dir": func(_, dir, _ string) error { return unix.Setxattr(dir, "user.x", []byte("1"), 0) },
	"setxattr own": func(file, _, _ string) error { return unix.Setxattr(file, "user.tarn.rows", []byte("1"), 0) },
	"removexattr":  func(file, _, _ string) error { return unix.Removexattr(file, "user.tarn.rows") },
}

func open(name string, flags int) error {
	fd, err := unix.Open(name, flags, 0o644)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

// TestEveryWriteIsRefused: once as users have it, where the kernel knows that
// the mount is read-only, and once with the filesystem's own answers.
func TestEveryWriteIsRefused(t *testing.T) {
	for _, writable := range []bool{false, true} {
		t.Run(fmt.Sprintf("writable=%t", writable), func(t *testing.T) {
			if writable && os.Geteuid() != 0 {
				t.Skip("only root gets past the permissions to the filesystem's own answers")
			}
			dir := mountLake(t, shopLake(), Options{writable: writable})
			before := treeOf(t, dir)
			for _, tree := range []format{formatParquet, formatCSV, formatArrow} {
				root := dir
				if tree != formatParquet {
					root = filepath.Join(dir, "."+string(tree))
				}
				file, table := filepath.Join(root, sePart+tree.ext()), filepath.Join(root, "orders")
				for name, mutate := range mutations {
					for _, missing := range []string{filepath.Join(root, "new"), filepath.Join(table, "new"), file + "2"} {
						if err := mutate(file, table, missing); err != unix.EROFS {
							t.Errorf("%s in tree %s: %v; want EROFS", name, tree, err)
						}
					}
				}
			}
			if after := treeOf(t, dir); !slices.Equal(before, after) {
				t.Errorf("the tree was\n%q; is\n%q", before, after)
			}
		})
	}
}

// TestHandlesAreReadOnly: what needs an open file.
func TestHandlesAreReadOnly(t *testing.T) {
	dir := mountLake(t, shopLake(), Options{writable: true})
	for _, name := range files(dir) {
		fd, err := unix.Open(name, unix.O_RDONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Fchmod(fd, 0o777); err != unix.EROFS {
			t.Errorf("fchmod: %v; want EROFS", err)
		}
		if _, err := unix.Write(fd, []byte("x")); err != unix.EBADF {
			t.Errorf("write: %v; want EBADF", err)
		}
		if err := unix.Fallocate(fd, 0, 0, 10); err != unix.EBADF {
			t.Errorf("fallocate: %v; want EBADF", err)
		}
		if err := unix.Fsync(fd); err != nil {
			t.Errorf("fsync: %v; want nil", err)
		}
		if err := unix.Close(fd); err != nil {
			t.Errorf("close: %v; want nil", err)
		}
	}
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		t.Errorf("fsync of a directory: %v; want nil", err)
	}
}

// TestToolsChangeNothing lets the usual suspects loose.
func TestToolsChangeNothing(t *testing.T) {
	for _, writable := range []bool{false, true} {
		dir := mountLake(t, shopLake(), Options{writable: writable})
		before := treeOf(t, dir)
		for _, line := range []string{
			"rm -rf $M/orders $M/.csv $M/log/*", "rm -rf $M/*", "mv $M/orders $M/orders2", "mv $M/orders /tmp/tarn-never",
			"touch $M/log/*.parquet", "touch $M/new", "cp /etc/hostname $M/log/", "cp /etc/hostname $M/log/part-00000001-00000001.parquet",
			"echo hi >> $M/.csv/log/part-00000001-00000001.csv", "mkdir -p $M/a/b", "ln -s x $M/y", "chmod -R 777 $M/log", "truncate -s 0 $M/log/*.parquet",
		} {
			cmd := exec.Command("sh", "-c", line)
			cmd.Env = append(os.Environ(), "M="+dir)
			out, err := cmd.CombinedOutput()
			if exit := new(exec.ExitError); !errors.As(err, &exit) {
				t.Errorf("%s: %v; want that it fails\n%s", line, err, out)
			}
		}
		os.RemoveAll("/tmp/tarn-never") // mv copies before it fails to remove
		if after := treeOf(t, dir); !slices.Equal(before, after) {
			t.Errorf("the tree was\n%q; is\n%q", before, after)
		}
		if _, err := os.ReadFile(filepath.Join(dir, logPart+".parquet")); err != nil {
			t.Error(err)
		}
	}
}

// TestReadOnlyKernelMount: users see "ro", and so do programs that ask.
func TestReadOnlyKernelMount(t *testing.T) {
	dir := mountLake(t, shopLake(), Options{})
	var vfs unix.Statfs_t
	if err := unix.Statfs(dir, &vfs); err != nil {
		t.Fatal(err)
	}
	if vfs.Flags&unix.ST_RDONLY == 0 {
		t.Error("statfs does not say read-only")
	}
	if err := unix.Access(filepath.Join(dir, "log"), unix.W_OK); err != syscall.EROFS {
		t.Errorf("access for writing: %v; want EROFS", err)
	}
}
