package tiering

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

func putCheckpoint(m *Medium, n int) error {
	return m.PutCheckpoint(fmt.Sprintf("%04d", n), func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "state %d", n)
		return err
	})
}

// TestCheckpointsOutliveCrashes cuts the power before every operation of the
// second and third checkpoint: the newest that was acknowledged, or a newer
// one, is whole, and never fewer than one is there.
func TestCheckpointsOutliveCrashes(t *testing.T) {
	for cut := 0; ; cut++ {
		disk := NewCrashFS()
		m := format(t, disk)
		if err := putCheckpoint(m, 1); err != nil {
			t.Fatal(err)
		}
		disk.CutAt(cut)
		done := 1
		for n := 2; n <= 4 && putCheckpoint(m, n) == nil; n++ {
			done = n
		}
		after := disk.Reboot(rand.New(rand.NewPCG(uint64(cut), 1)))
		m, err := Mount(after, "/m", cluster)
		if err != nil {
			t.Fatal(err)
		}
		all, err := m.Checkpoints()
		if err != nil || len(all) == 0 {
			t.Fatalf("cut %d: %v, %v; want checkpoints", cut, all, err)
		}
		if newest := filepath.Base(all[0]); newest < fmt.Sprintf("%04d.ckpt", done) {
			t.Errorf("cut %d: the newest is %s; want %04d or newer", cut, newest, done)
		}
		for _, path := range all {
			f, err := after.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(io.NewSectionReader(f, 0, 100))
			if want := "state " + filepath.Base(path)[3:4]; err != nil || string(b) != want {
				t.Errorf("cut %d: %s holds %q, %v; want %q", cut, path, b, err, want)
			}
		}
		if done == 4 {
			if len(all) != checkpointKeep {
				t.Errorf("%d are kept; want %d", len(all), checkpointKeep)
			}
			return
		}
	}
}

// TestCheckpointsAreSecret: they hold the key of the cluster's authority.
func TestCheckpointsAreSecret(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "m")
	if err := Format(OSFS{}, dir, cluster, "m1"); err != nil {
		t.Fatal(err)
	}
	m, err := Mount(OSFS{}, dir, cluster)
	if err != nil {
		t.Fatal(err)
	}
	if err := putCheckpoint(m, 1); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{"catalog": 0o700, "catalog/0001.ckpt": 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, %v; want %v", name, info.Mode().Perm(), err, want)
		}
	}
}

func TestCheckpointThatFailsLeavesNothing(t *testing.T) {
	disk := NewCrashFS()
	m := format(t, disk)
	broken := errors.New("broken")
	if err := m.PutCheckpoint("a", func(io.Writer) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v; want %v", err, broken)
	}
	entries, err := disk.ReadDir("/m/catalog")
	if err != nil || len(entries) != 0 {
		t.Errorf("%v, %v is left; want nothing", entries, err)
	}
	if m.Suspect() != nil {
		t.Errorf("the medium is suspect for what its caller did: %v", m.Suspect())
	}
	disk.FailSync(func(string) error { return errors.New("no sync") })
	if err := putCheckpoint(m, 1); !errors.Is(err, ErrSuspect) || m.Suspect() == nil {
		t.Errorf("after a failed sync: %v; want that the medium is suspect", err)
	}
}
