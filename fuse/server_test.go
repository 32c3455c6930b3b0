package fuse

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tarnlake/tarn/client/wire"
	"golang.org/x/sys/unix"
)

func mountsAt(t *testing.T, dir string) int {
	t.Helper()
	mounts, err := ourMounts()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, m := range mounts {
		if m.point == dir {
			n++
		}
	}
	return n
}

func TestMountDirectory(t *testing.T) {
	needMount(t)
	l := shopLake()
	dir := t.TempDir()
	full := filepath.Join(dir, "full")
	if err := os.MkdirAll(full+"/x", 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	opts := Options{CacheDir: filepath.Join(dir, "cache"), Logger: quiet}
	for _, bad := range []string{full, file, file + "/below"} {
		if s, err := Mount(context.Background(), bad, l, opts); !wire.IsCode(err, wire.InvalidArgument) {
			t.Errorf("mount at %s: %v; want INVALID_ARGUMENT", bad, err)
			if s != nil {
				s.Unmount()
			}
		}
	}
	odd := filepath.Join(dir, "odd näme,\t\\040", "below")
	s, err := Mount(context.Background(), odd, l, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Unmount()
	if _, err := Mount(context.Background(), odd, l, opts); !wire.IsCode(err, wire.InvalidArgument) || !strings.Contains(err.Error(), "tarn umount") {
		t.Errorf("second mount at one place: %v; want INVALID_ARGUMENT with a hint", err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(odd, link); err != nil {
		t.Fatal(err)
	}
	if got := names(t, link); len(got) != 5 {
		t.Errorf("through a symlink: %q", got)
	}
	if err := Unmount(link); err != nil {
		t.Errorf("unmount through a symlink: %v", err)
	}
	if err := s.Wait(); err != nil {
		t.Errorf("Wait after an unmount from outside: %v", err)
	}
	if err := s.Unmount(); err != nil {
		t.Errorf("Unmount after that: %v", err)
	}
	if err := Unmount(odd); !wire.IsCode(err, wire.InvalidArgument) {
		t.Errorf("unmount of what is not mounted: %v; want INVALID_ARGUMENT", err)
	}
}

func TestMountNeedsTheLake(t *testing.T) {
	needMount(t)
	l := shopLake()
	l.setDown(wire.Errorf(wire.Unavailable, "nobody home"))
	dir := filepath.Join(t.TempDir(), "m")
	if _, err := Mount(context.Background(), dir, l, Options{CacheDir: t.TempDir()}); !wire.IsCode(err, wire.Unavailable) {
		t.Errorf("mount without a node: %v; want UNAVAILABLE", err)
	}
	if mountsAt(t, dir) != 0 {
		t.Error("the failed mount is there")
	}
}

func TestContextEndsTheMount(t *testing.T) {
	needMount(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s, err := Mount(ctx, filepath.Join(t.TempDir(), "m"), shopLake(), Options{CacheDir: t.TempDir(), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := s.Wait(); err != nil {
		t.Error(err)
	}
	if mountsAt(t, s.Dir()) != 0 {
		t.Error("still mounted")
	}
}

// TestUnmountWhileOpen: the mount goes at once; the open file stays readable.
func TestUnmountWhileOpen(t *testing.T) {
	for _, plain := range []bool{false, true} {
		needMount(t)
		s, err := Mount(context.Background(), filepath.Join(t.TempDir(), "m"), shopLake(), Options{CacheDir: t.TempDir(), Logger: quiet, plain: plain})
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(filepath.Join(s.Dir(), dePart+".parquet"))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Unmount(); err != nil {
			t.Error(err)
		}
		if mountsAt(t, s.Dir()) != 0 {
			t.Error("still mounted")
		}
		if err := s.Wait(); err != nil {
			t.Error(err)
		}
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, f); n != info.Size() || err != nil {
			t.Errorf("read %d bytes, %v; want %d", n, err, info.Size())
		}
		f.Close()
	}
}

func TestUnmountWhileRendering(t *testing.T) {
	needMount(t)
	l := shopLake()
	l.started, l.hold = make(chan string, 10), make(chan struct{})
	s, err := Mount(context.Background(), filepath.Join(t.TempDir(), "m"), l, Options{CacheDir: t.TempDir(), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error)
	go func() {
		_, err := os.Stat(filepath.Join(s.Dir(), logPart+".parquet"))
		failed <- err
	}()
	<-l.started
	if err := s.Unmount(); err != nil {
		t.Error(err)
	}
	if err := <-failed; err == nil {
		t.Error("stat succeeded without an answer from the lake")
	}
}

// TestKilledServer: a mount whose process was killed is cleared away by the
// next one, and never lies under it.
func TestKilledServer(t *testing.T) {
	needMount(t)
	dir, cache := filepath.Join(t.TempDir(), "m"), t.TempDir()
	t.Cleanup(func() {
		for mountsAt(t, dir) > 0 {
			if err := unmountOnce(dir, true); err != nil {
				t.Fatal(err)
			}
		}
	})
	for range 3 {
		server := startServer(t, dir, cache)
		name := filepath.Join(dir, logPartOfHelper)
		open, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := server.Process.Signal(unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		server.Wait()
		if _, err := os.ReadDir(dir); !errors.Is(err, syscall.ENOTCONN) {
			t.Errorf("listing after kill -9: %v; want ENOTCONN", err)
		}
		defer open.Close()
	}
	s, err := Mount(context.Background(), dir, shopLake(), Options{CacheDir: cache, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	if n := mountsAt(t, s.Dir()); n != 1 {
		t.Errorf("%d mounts at one place; want 1", n)
	}
	if got := names(t, dir); len(got) != 5 {
		t.Errorf("the new mount lists %q", got)
	}
	if err := s.Unmount(); err != nil {
		t.Error(err)
	}
	// And `tarn umount` of a dead one.
	server := startServer(t, dir, cache)
	server.Process.Signal(unix.SIGKILL)
	server.Wait()
	if err := Unmount(dir); err != nil {
		t.Errorf("unmount of a dead mount: %v", err)
	}
	if mountsAt(t, dir) != 0 {
		t.Error("the dead mount is still there")
	}
}

const logPartOfHelper = "t/part-00000001-00000001.parquet"

func TestParseMountInfo(t *testing.T) {
	text := `22 1 254:0 / / rw,relatime - ext4 /dev/root rw
98 22 0:45 / /mnt/a\040b\134 ro,nosuid shared:7 master:1 - fuse.tarn tarn:12:345 ro,user_id=0
99 22 0:46 / /mnt/x rw - fuse.other tarn:1:2 rw
100 22 0:46 / /mnt/short -
`
	got := parseMountInfo(text)
	if len(got) != 1 || got[0] != (mountEntry{point: `/mnt/a b\`, source: "tarn:12:345"}) {
		t.Errorf("got %+v", got)
	}
}

func TestServerOfMount(t *testing.T) {
	for source, want := range map[string]bool{
		sourceName(): true, "tarn:1:0": false, "tarn:999999999:1": false, "tarn": true, "tarn:x:1": true,
	} {
		if _, alive := (mountEntry{source: source}).server(); alive != want {
			t.Errorf("server of %q alive = %t; want %t", source, alive, want)
		}
	}
}
