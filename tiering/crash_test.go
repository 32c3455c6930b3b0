package tiering

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

const cluster = "c1"

// fate is what a script knows of a member when the power goes.
type fate int

const (
	absent     fate = iota // never committed, or given up
	committing             // Commit has begun
	committed              // Commit has returned without an error
	trashing               // Trash has begun
	trashed                // Trash has returned without an error
	emptying               // EmptyTrash has begun
)

// script is a session on a medium that remembers each member's fate.
type script struct {
	m     *Medium
	fates map[string]fate
}

func content(name string) string { return strings.Repeat("content of "+name+". ", 50) }

func (s *script) write(name string) (*Writer, error) {
	w, err := s.m.Create(name)
	if err != nil {
		return nil, err
	}
	s.fates[name] = absent
	text := content(name)
	for _, part := range []string{text[:100], text[100:]} {
		if _, err := w.Write([]byte(part)); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (s *script) commit(name string) error {
	w, err := s.write(name)
	if err != nil {
		return err
	}
	s.fates[name] = committing
	if _, err := w.Commit(); err != nil {
		return err
	}
	s.fates[name] = committed
	return nil
}

func (s *script) trash(name string, index uint64) error {
	s.fates[name] = trashing
	if err := s.m.Trash(name, index); err != nil {
		return err
	}
	s.fates[name] = trashed
	return nil
}

func (s *script) abort(name string) error {
	w, err := s.write(name)
	if err != nil {
		return err
	}
	return w.Abort()
}

func (s *script) undelete(name string, index uint64) error {
	s.fates[name] = trashing // either place will do
	if err := s.m.Undelete(name, index); err != nil {
		return err
	}
	s.fates[name] = committed
	return nil
}

func (s *script) empty(name string, index uint64) error {
	s.fates[name] = emptying
	return s.m.EmptyTrash(func(i uint64) bool { return i == index })
}

func (s *script) run() error {
	for _, step := range []func() error{
		func() error { return s.commit("a") },
		func() error { return s.abort("b") },
		func() error { return s.commit("c") },
		func() error { return s.trash("a", 7) },
		func() error { return s.commit("d") },
		func() error { return s.trash("c", 8) },
		func() error { return s.undelete("c", 8) },
		func() error { return s.empty("a", 7) },
		func() error { _, err := s.write("e"); return err },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// TestCrashAnywhere cuts the power before every operation of a script, with
// several ideas of what of the unsynced state survives.
func TestCrashAnywhere(t *testing.T) {
	fresh := NewCrashFS()
	format(t, fresh)
	for cut := 0; ; cut++ {
		finished := false
		for seed := range uint64(12) {
			finished = crashAt(t, fresh.Reboot(nil), cut, seed)
		}
		if finished {
			if cut < 30 {
				t.Errorf("the script had only %d crash points; want at least 30", cut)
			}
			return
		}
	}
}

func crashAt(t *testing.T, disk *CrashFS, cut int, seed uint64) (finished bool) {
	t.Helper()
	m, err := Mount(disk, "/m", cluster)
	if err != nil {
		t.Fatal(err)
	}
	s := &script{m: m, fates: map[string]fate{}}
	disk.CutAt(cut)
	err = s.run()
	if err != nil && !errors.Is(err, ErrCrashed) {
		t.Fatalf("cut %d: got %v; want the power cut", cut, err)
	}
	var rng *rand.Rand
	if seed > 0 {
		rng = rand.New(rand.NewPCG(seed, uint64(cut)))
	}
	rebooted := disk.Reboot(rng)
	where := fmt.Sprintf("cut %d seed %d", cut, seed)
	m, mountErr := Mount(rebooted, "/m", cluster)
	if mountErr != nil {
		t.Fatalf("%s: mount: %v", where, mountErr)
	}
	checkFates(t, where, m, s.fates)
	if err := m.RemoveLeftovers(); err != nil {
		t.Fatalf("%s: remove leftovers: %v", where, err)
	}
	if left, err := m.Leftovers(); err != nil || len(left) > 0 {
		t.Errorf("%s: leftovers after removal: %v, %v", where, left, err)
	}
	checkFates(t, where+", without leftovers", m, s.fates)
	return err == nil
}

func checkFates(t *testing.T, where string, m *Medium, fates map[string]fate) {
	t.Helper()
	members := contents(t, where, m)
	for name, f := range fates {
		got, there := members[name]
		if there && got != content(name) {
			t.Errorf("%s: member %s is there but not whole: %d bytes of %d", where, name, len(got), len(content(name)))
		}
		inTrash := trashedContent(t, m, name) == content(name)
		switch {
		case f == committed && !there:
			t.Errorf("%s: committed member %s is gone", where, name)
		case (f == absent || f == trashed || f == emptying) && there:
			t.Errorf("%s: member %s (fate %d) is there; want absent", where, name, f)
		case f == trashing && !there && !inTrash, f == trashed && !inTrash:
			t.Errorf("%s: member %s (fate %d) is nowhere; want it in the trash", where, name, f)
		}
		delete(members, name)
	}
	if len(members) > 0 {
		t.Errorf("%s: members from nowhere: %v", where, members)
	}
}

func contents(t *testing.T, where string, m *Medium) map[string]string {
	t.Helper()
	entries, err := m.Inventory()
	if err != nil {
		t.Fatalf("%s: inventory: %v", where, err)
	}
	members := map[string]string{}
	for _, e := range entries {
		f, err := m.Open(e.Name)
		if err != nil {
			t.Fatalf("%s: open %s: %v", where, e.Name, err)
		}
		if f.Size() != e.Size {
			t.Errorf("%s: member %s: size %d; inventory says %d", where, e.Name, f.Size(), e.Size)
		}
		members[e.Name] = readAll(t, f)
	}
	return members
}

func trashedContent(t *testing.T, m *Medium, name string) string {
	t.Helper()
	for _, index := range []uint64{7, 8} {
		f, err := m.fs.Open(m.trashAt(index) + "/" + name)
		if IsNotExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		return readAll(t, &File{f, f, info.Size()})
	}
	return ""
}

// TestCrashInFormat: a format that was cut off leaves a medium or a directory
// that can be formatted.
func TestCrashInFormat(t *testing.T) {
	for cut := 0; ; cut++ {
		disk := NewCrashFS()
		disk.CutAt(cut)
		err := Format(disk, "/m", cluster, "m1")
		for seed := range uint64(4) {
			var rng *rand.Rand
			if seed > 0 {
				rng = rand.New(rand.NewPCG(seed, uint64(cut)))
			}
			rebooted := disk.Reboot(rng)
			if _, mountErr := Mount(rebooted, "/m", cluster); mountErr == nil {
				continue
			} else if err == nil {
				t.Fatalf("format finished, mount after reboot: %v", mountErr)
			}
			if err := Format(rebooted, "/m", cluster, "m1"); err != nil {
				t.Fatalf("cut %d seed %d: format again: %v", cut, seed, err)
			}
			if _, err := Mount(rebooted, "/m", cluster); err != nil {
				t.Fatalf("cut %d seed %d: mount: %v", cut, seed, err)
			}
		}
		if err == nil {
			return
		}
	}
}
