package tiering

import (
	"errors"
	"testing"
)

func TestWatermarks(t *testing.T) {
	level := FillOpen
	for _, step := range []struct {
		percent float64
		want    Fill
	}{
		{84.9, FillOpen}, {85, FillNoGroups}, {83, FillNoGroups}, {82.9, FillOpen}, {84.9, FillOpen},
		{95, FillNoWrites}, {93.5, FillNoWrites}, {92.9, FillNoRepair}, {91, FillNoRepair}, {90.9, FillNoMerges}, {80, FillOpen},
	} {
		if level = DefaultWatermarks.Next(level, step.percent); level != step.want {
			t.Errorf("at %v %%: %v; want %v", step.percent, level, step.want)
		}
	}
	if got := (Watermarks{}).Next(FillOpen, 100); got != FillOpen {
		t.Errorf("without marks: %v; want %v", got, FillOpen)
	}
}

// TestFullMedium: above the last mark nothing new is taken, and what is there
// is read and deleted; when room is made writes go on.
func TestFullMedium(t *testing.T) {
	disk, m := newFullable(t, 100_000)
	put := func(name string, n int) error {
		w, err := m.Create(name)
		if err != nil {
			return err
		}
		if _, err := w.Write(make([]byte, n)); err != nil {
			t.Fatal(err)
		}
		_, err = w.Commit()
		return err
	}
	if err := put("a", 96_000); err != nil {
		t.Fatal(err)
	}
	if err := put("b", 1); !errors.Is(err, ErrDiskFull) || m.Fill() != FillNoWrites {
		t.Errorf("on a full disk: %v at level %v; want ErrDiskFull", err, m.Fill())
	}
	if f, err := m.Open("a"); err != nil {
		t.Errorf("reading: %v", err)
	} else {
		f.Close()
	}
	disk.SetCapacity(102_500) // 93.7 %: not far enough below
	if err := put("b", 1); !errors.Is(err, ErrDiskFull) {
		t.Errorf("just below the mark: %v; want ErrDiskFull", err)
	}
	if err := m.Trash("a", 7); err != nil {
		t.Errorf("deleting: %v", err)
	}
	if err := m.EmptyTrash(func(uint64) bool { return true }); err != nil {
		t.Fatal(err)
	}
	if err := put("b", 1); err != nil || m.Fill() != FillOpen {
		t.Errorf("with room again: %v at level %v", err, m.Fill())
	}
}

// TestRoomWhileWriting: members that began below the last mark do not fill the
// disk, however large they turn out to be; one whose size is known does not begin.
func TestRoomWhileWriting(t *testing.T) {
	const mib = 1 << 20
	disk, m := newFullable(t, 100*mib)
	var writers []*Writer
	for _, name := range []string{"a", "b", "c"} {
		w, err := m.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		writers = append(writers, w)
	}
	failed := 0
	for range 50 {
		for i, w := range writers {
			if w == nil {
				continue
			}
			if _, err := w.Write(make([]byte, mib)); err != nil {
				if !errors.Is(err, ErrDiskFull) || m.Suspect() != nil {
					t.Fatalf("%v, suspect %v; want ErrDiskFull and a sound disk", err, m.Suspect())
				}
				writers[i] = nil // its file stays: the disk is as full as it gets
				failed++
			}
		}
	}
	s, err := disk.Space("/m")
	if err != nil || s.Percent() > 98 || failed != 3 {
		t.Errorf("%.1f %% are taken, %v, %d of 3 writers failed; want no more than three writers' MiB above 95 %%, and all", s.Percent(), err, failed)
	}
}

func TestCheckRoom(t *testing.T) {
	_, m := newFullable(t, 100_000)
	w, err := m.Create("a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 92_000)); err != nil {
		t.Fatal(err)
	}
	for bytes, fits := range map[int64]bool{0: true, 2_500: true, 3_000: false, 50_000: false, 1 << 62: false} {
		if err := m.CheckRoom(FillNoRepair, bytes); (err == nil) != fits || err != nil && !errors.Is(err, ErrDiskFull) {
			t.Errorf("%d bytes at 92 %%: %v; want that they fit: %v", bytes, err, fits)
		}
	}
	if err := m.CheckRoom(FillNoMerges, 0); !errors.Is(err, ErrDiskFull) {
		t.Errorf("at the level: %v; want ErrDiskFull", err)
	}
}

// TestTrashUnderPressure: the trash goes before its time while the disk is
// nearly full, the oldest first, and no more of it than it takes.
func TestTrashUnderPressure(t *testing.T) {
	_, m := newFullable(t, 100_000)
	for i, bytes := range []int{10_000, 10_000, 10_000, 63_000} {
		name := string(rune('a' + i))
		w, err := m.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(make([]byte, bytes)); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Commit(); err != nil {
			t.Fatal(err)
		}
		if index := uint64(0xff + i); bytes == 10_000 { // two, and then three digits
			if err := m.Trash(name, index); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n, err := m.EmptyTrashAt(FillNoMerges); n != 1 || err != nil || m.Fill() >= FillNoMerges {
		t.Errorf("emptied %d, %v, at level %v; want the one oldest", n, err, m.Fill())
	}
	for index, want := range map[uint64]int{0xff: 0, 0x100: 1, 0x101: 1} {
		if left, err := m.Trashed(index); len(left) != want || err != nil {
			t.Errorf("index %#x has %d members left, %v; want %d", index, len(left), err, want)
		}
	}
	if n, err := m.EmptyTrashAt(FillNoMerges); n != 0 || err != nil {
		t.Errorf("with room again: emptied %d, %v; want none", n, err)
	}
	m.SetReserve(50_000)
	if n, err := m.EmptyTrashAt(FillNoMerges); n != 2 || err != nil {
		t.Errorf("under the reserve: emptied %d, %v; want both", n, err)
	}
}

// newFullable mounts a medium of that many bytes, with the default marks and no reserve.
func newFullable(t *testing.T, bytes int64) (*CrashFS, *Medium) {
	t.Helper()
	disk := NewCrashFS()
	m := format(t, disk)
	m.SetReserve(0)
	m.SetWatermarks(DefaultWatermarks)
	disk.SetCapacity(bytes)
	return disk, m
}
