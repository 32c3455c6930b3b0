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
	disk := NewCrashFS()
	if err := Format(disk, "/m", "c", "d"); err != nil {
		t.Fatal(err)
	}
	m, err := Mount(disk, "/m", "c")
	if err != nil {
		t.Fatal(err)
	}
	m.SetReserve(0)
	m.SetWatermarks(DefaultWatermarks)
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
	disk.SetCapacity(100_000)
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
