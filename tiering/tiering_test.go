package tiering

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/zeebo/xxh3"
)

func format(t *testing.T, fsys FS) *Medium {
	t.Helper()
	if err := Format(fsys, "/m", cluster, "m1"); err != nil {
		t.Fatal(err)
	}
	m, err := Mount(fsys, "/m", cluster)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func readAll(t *testing.T, f *File) string {
	t.Helper()
	b, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func commit(t *testing.T, m *Medium, name, text string) Receipt {
	t.Helper()
	w, err := m.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	r, err := w.Commit()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// eachFS runs a test on both filesystems.
func eachFS(t *testing.T, test func(t *testing.T, m *Medium)) {
	t.Run("crashfs", func(t *testing.T) { test(t, format(t, NewCrashFS())) })
	t.Run("osfs", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "m")
		if err := Format(OSFS{}, dir, cluster, "m1"); err != nil {
			t.Fatal(err)
		}
		m, err := Mount(OSFS{}, dir, cluster)
		if err != nil {
			t.Fatal(err)
		}
		m.SetReserve(0) // the test's disk may be as full as it likes
		test(t, m)
	})
}

func TestMemberLife(t *testing.T) {
	eachFS(t, func(t *testing.T, m *Medium) {
		r := commit(t, m, "a.seg", "hello")
		sum := xxh3.HashString128("hello").Bytes()
		if want := (Receipt{5, fmt.Sprintf("%x", sum)}); r != want {
			t.Errorf("receipt: got %v; want %v", r, want)
		}
		f, err := m.Open("a.seg")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Create("a.seg"); !errors.Is(err, fs.ErrExist) {
			t.Errorf("create over a member: got %v; want fs.ErrExist", err)
		}
		if err := m.Trash("a.seg", 3); err != nil {
			t.Fatal(err)
		}
		if err := m.Trash("a.seg", 3); err != nil {
			t.Errorf("trash again: got %v; want nil", err)
		}
		if err := m.Trash("a.seg", 4); !IsNotExist(err) {
			t.Errorf("trash what is not there: got %v; want fs.ErrNotExist", err)
		}
		if _, err := m.Open("a.seg"); !IsNotExist(err) {
			t.Errorf("open a trashed member: got %v; want fs.ErrNotExist", err)
		}
		if got := readAll(t, f); got != "hello" {
			t.Errorf("a file opened before the trash: got %q; want %q", got, "hello")
		}
		if err := m.Undelete("a.seg", 3); err != nil {
			t.Fatal(err)
		}
		if f, err = m.Open("a.seg"); err != nil {
			t.Fatal(err)
		}
		if got := readAll(t, f); got != "hello" {
			t.Errorf("undeleted: got %q; want %q", got, "hello")
		}
	})
}

func TestTrashWaitsUntilRipe(t *testing.T) {
	eachFS(t, func(t *testing.T, m *Medium) {
		for i, name := range []string{"a", "b", "c"} {
			commit(t, m, name, name)
			if err := m.Trash(name, uint64(i+1)); err != nil {
				t.Fatal(err)
			}
		}
		if err := m.EmptyTrash(func(index uint64) bool { return index <= 2 }); err != nil {
			t.Fatal(err)
		}
		for index, want := range []int{0, 0, 0, 1} {
			got, err := m.Trashed(uint64(index))
			if err != nil || len(got) != want {
				t.Errorf("trash of index %d: got %v, %v; want %d entries", index, got, err, want)
			}
		}
		commit(t, m, "c", "another") // an id that comes back is no business of ours
		if err := m.Undelete("c", 3); !errors.Is(err, fs.ErrExist) {
			t.Errorf("undelete over a member: got %v; want fs.ErrExist", err)
		}
	})
}

func TestWriterEndsOnce(t *testing.T) {
	eachFS(t, func(t *testing.T, m *Medium) {
		w, err := m.Create("a")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Create("a"); !errors.Is(err, fs.ErrExist) {
			t.Errorf("a second writer of the name: got %v; want fs.ErrExist", err)
		}
		if err := m.RemoveLeftovers(); err == nil {
			t.Error("leftovers were removed under a writer")
		}
		if _, err := w.Commit(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := w.Abort(); err != nil {
				t.Errorf("abort after commit: got %v; want nil", err)
			}
		}
		if _, err := w.Commit(); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("commit twice: got %v; want fs.ErrClosed", err)
		}
		if _, err := w.Write([]byte("x")); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("write after commit: got %v; want fs.ErrClosed", err)
		}
		if all, err := m.Inventory(); err != nil || len(all) != 1 || all[0] != (Entry{"a", 0}) {
			t.Errorf("inventory: got %v, %v; want one empty member", all, err)
		}
	})
}

func TestNamesStayInside(t *testing.T) {
	m := format(t, NewCrashFS())
	for _, name := range []string{"", ".", "..", "../x", "a/b", ".hidden", "a\x00", "ä", strings.Repeat("a", 256)} {
		_, createErr := m.Create(name)
		_, openErr := m.Open(name)
		if createErr == nil || openErr == nil || m.Trash(name, 1) == nil || m.Undelete(name, 1) == nil {
			t.Errorf("name %q was taken", name)
		}
	}
}

func TestFailedFsyncMakesSuspect(t *testing.T) {
	for _, part := range []string{"/m/tmp/", "/m/data/"} {
		disk := NewCrashFS()
		m := format(t, disk)
		commit(t, m, "old", "old")
		disk.FailSync(func(path string) error {
			if strings.HasPrefix(path, part) {
				return syscall.EIO
			}
			return nil
		})
		w, err := m.Create("a")
		if err != nil {
			t.Fatal(err)
		}
		w.Write([]byte("x"))
		if _, err := w.Commit(); !errors.Is(err, ErrSuspect) || !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: commit: got %v; want ErrSuspect and EIO", part, err)
		}
		disk.FailSync(nil)
		if _, err := w.Commit(); err == nil {
			t.Errorf("%s: a failed commit was retried with success", part)
		}
		if _, err := m.Create("b"); !errors.Is(err, ErrSuspect) {
			t.Errorf("%s: create: got %v; want ErrSuspect", part, err)
		}
		if f, err := m.Open("old"); err != nil || readAll(t, f) != "old" {
			t.Errorf("%s: reads must go on: %v", part, err)
		}
		if err := m.Trash("old", 1); err != nil {
			t.Errorf("%s: deletes must go on: %v", part, err)
		}
		if m, err = Mount(disk, "/m", cluster); err != nil || m.Suspect() != nil {
			t.Errorf("%s: remount: got %v; want a clean medium", part, err)
		}
	}
}

func TestDiskFull(t *testing.T) {
	disk := NewCrashFS()
	m := format(t, disk)
	commit(t, m, "old", "old")
	disk.SetCapacity(10_000) // the default reserve is 500
	w, err := m.Create("a")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := w.Write(bytes.Repeat([]byte("x"), 20_000)); !errors.Is(err, ErrDiskFull) || n == 20_000 {
		t.Errorf("write: got %d, %v; want a short write and ErrDiskFull", n, err)
	}
	if _, err := w.Write([]byte("x")); !errors.Is(err, ErrDiskFull) {
		t.Errorf("write after a failure: got %v; want ErrDiskFull", err)
	}
	if _, err := m.Create("b"); !errors.Is(err, ErrDiskFull) {
		t.Errorf("create: got %v; want ErrDiskFull", err)
	}
	if err := m.Trash("old", 1); err != nil {
		t.Errorf("trash on a full disk: %v", err)
	}
	if err := m.EmptyTrash(func(uint64) bool { return true }); err != nil {
		t.Errorf("empty the trash on a full disk: %v", err)
	}
	if _, err := w.Commit(); !errors.Is(err, ErrDiskFull) {
		t.Errorf("commit: got %v; want ErrDiskFull", err)
	}
	if m.Suspect() != nil {
		t.Errorf("a full disk made the medium suspect: %v", m.Suspect())
	}
	commit(t, m, "c", "there is room again")
}

func TestReserve(t *testing.T) {
	disk := NewCrashFS()
	m := format(t, disk)
	if s, err := m.Space(); err != nil || s.Reserve != 1<<30 {
		t.Errorf("default reserve of 1 TiB: got %v, %v; want 1 GiB", s, err)
	}
	m.SetReserve(2 << 40)
	if _, err := m.Create("a"); !errors.Is(err, ErrDiskFull) {
		t.Errorf("under the reserve: got %v; want ErrDiskFull", err)
	}
	m.SetReserve(-1)
	commit(t, m, "a", "")
}

func TestFormatRefuses(t *testing.T) {
	disk := NewCrashFS()
	m := format(t, disk)
	commit(t, m, "a", "precious")
	if err := Format(disk, "/m", cluster, "m2"); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("format a medium: got %v; want a refusal", err)
	}
	if err := disk.Remove("/m/medium.json"); err != nil {
		t.Fatal(err)
	}
	if err := Format(disk, "/m", cluster, "m2"); err == nil || !strings.Contains(err.Error(), "lost its medium.json") {
		t.Errorf("format over members: got %v; want a refusal", err)
	}
	if err := disk.Mkdir("/home", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := disk.Mkdir("/home/alice", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Format(disk, "/home", cluster, "m2"); err == nil || !strings.Contains(err.Error(), "alice") {
		t.Errorf("format a directory in use: got %v; want a refusal that names what is there", err)
	}
}

func TestMountRefuses(t *testing.T) {
	disk := NewCrashFS()
	format(t, disk)
	if _, err := Mount(disk, "/m", "c2"); err == nil || !strings.Contains(err.Error(), "belongs to cluster c1") {
		t.Errorf("another cluster: got %v", err)
	}
	if _, err := Mount(disk, "/", cluster); !IsNotExist(err) {
		t.Errorf("no header: got %v; want fs.ErrNotExist", err)
	}
	if err := disk.Remove("/m/data/7f"); err != nil {
		t.Fatal(err)
	}
	if _, err := Mount(disk, "/m", cluster); err == nil || !strings.Contains(err.Error(), "7f") {
		t.Errorf("a directory is missing: got %v", err)
	}
}

// TestHeaderFlips: whatever bit of the header flips, the medium is refused or
// is still the same.
func TestHeaderFlips(t *testing.T) {
	b := headerBytes(t)
	for bit := range len(b) * 8 {
		flipped := bytes.Clone(b)
		flipped[bit/8] ^= 1 << (bit % 8)
		h, err := parseHeader(flipped)
		if err == nil && (h.Medium != "m1" || h.Cluster != cluster || h.Version != headerVersion) {
			t.Errorf("bit %d: got %+v; want an error or the header as it was", bit, h)
		}
	}
}

func headerBytes(t testing.TB) []byte {
	t.Helper()
	disk := NewCrashFS()
	if err := Format(disk, "/m", cluster, "m1"); err != nil {
		t.Fatal(err)
	}
	n, err := disk.find("read", "/m/medium.json")
	if err != nil {
		t.Fatal(err)
	}
	return n.data
}

func TestNewerHeader(t *testing.T) {
	_, err := parseHeader([]byte(`{"format":"tarn medium","version":2,"medium":"m","cluster":"c","checksum":"?"}`))
	if err == nil || !strings.Contains(err.Error(), "newer build") {
		t.Errorf("got %v; want advice to use a newer build", err)
	}
}

func FuzzHeader(f *testing.F) {
	f.Add(headerBytes(f))
	f.Add([]byte(`{"format":"tarn medium","version":-1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := parseHeader(b); err == nil && h.Checksum != h.sum() {
			t.Errorf("a header with a wrong checksum was taken: %+v", h)
		}
	})
}

func TestConcurrentMembers(t *testing.T) {
	eachFS(t, func(t *testing.T, m *Medium) {
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for j := range 10 {
					name := fmt.Sprintf("%d-%d", i, j)
					w, err := m.Create(name)
					if err != nil {
						t.Error(err)
						return
					}
					io.WriteString(w, name)
					if _, err := w.Commit(); err != nil {
						t.Error(err)
						return
					}
					if j%2 == 0 {
						if err := m.Trash(name, uint64(j)); err != nil {
							t.Error(err)
						}
					}
				}
				if err := m.EmptyTrash(func(index uint64) bool { return index%4 == 0 }); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if all, err := m.Inventory(); err != nil || len(all) != 40 {
			t.Errorf("inventory: got %d members, %v; want 40", len(all), err)
		}
	})
}

func TestMembersAreReadOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "m")
	if err := Format(OSFS{}, dir, cluster, "m1"); err != nil {
		t.Fatal(err)
	}
	m, err := Mount(OSFS{}, dir, cluster)
	if err != nil {
		t.Fatal(err)
	}
	m.SetReserve(0)
	commit(t, m, "a", "x")
	info, err := os.Stat(m.Path("a"))
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got&0o222 != 0 {
		t.Errorf("mode of a member: got %v; want no write permission", got)
	}
	if s, err := m.Space(); err != nil || s.Total <= 0 || s.Free > s.Total {
		t.Errorf("space: got %+v, %v", s, err)
	}
}

// TestLargeMember writes more than what the disk is told to begin with.
func TestLargeMember(t *testing.T) {
	eachFS(t, func(t *testing.T, m *Medium) {
		w, err := m.Create("large.seg")
		if err != nil {
			t.Fatal(err)
		}
		part := bytes.Repeat([]byte("0123456789abcde\n"), 1<<15)
		var all []byte
		for len(all) <= 2*writeBehind {
			if _, err := w.Write(part); err != nil {
				t.Fatal(err)
			}
			all = append(all, part...)
		}
		r, err := w.Commit()
		sum := xxh3.Hash128(all).Bytes()
		if want := (Receipt{int64(len(all)), fmt.Sprintf("%x", sum)}); err != nil || r != want {
			t.Errorf("receipt: got %v, %v; want %v", r, err, want)
		}
		f, err := m.Open("large.seg")
		if err != nil {
			t.Fatal(err)
		}
		if got := readAll(t, f); got != string(all) {
			t.Errorf("%d bytes were read, or others; want %d", len(got), len(all))
		}
	})
}
