package tiering

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Deletes work on a full and on a suspect medium: they need no new blocks,
// and what they lose is garbage.

// trashAt returns the trash directory of an index. Its name is the index as
// 16 hexadecimal digits, so that names sort as indexes do.
func (m *Medium) trashAt(index uint64) string {
	return filepath.Join(m.dir, trashDir, fmt.Sprintf("%016x", index))
}

// Trash moves a member to the trash; index is the catalog index whose state
// allows it. Doing it again is harmless; a member that is neither there nor
// in that index's trash is an error for which IsNotExist holds.
func (m *Medium) Trash(name string, index uint64) error {
	if err := checkName(name); err != nil {
		return err
	}
	m.trash.Lock()
	defer m.trash.Unlock()
	bin := m.trashAt(index)
	if err := mkdir(m.fs, bin); err != nil {
		return err
	}
	err := m.fs.Rename(m.Path(name), filepath.Join(bin, name))
	if IsNotExist(err) && m.isTrashed(name, bin) {
		err = nil // an earlier try, which may have ended before its syncs
	}
	if err != nil {
		return fmt.Errorf("trash member: %w", err)
	}
	// From the trash inward, so that no crash leaves the member nowhere.
	for _, dir := range []string{filepath.Join(m.dir, trashDir), bin, m.fan(name)} {
		if err := m.syncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

func (m *Medium) isTrashed(name, bin string) bool {
	f, err := m.fs.Open(filepath.Join(bin, name))
	if err != nil {
		return false
	}
	f.Close()
	return true
}

// Undelete moves a member back from the trash of an index. A member of that
// name that is there is never replaced.
func (m *Medium) Undelete(name string, index uint64) error {
	if err := checkName(name); err != nil {
		return err
	}
	m.trash.Lock()
	defer m.trash.Unlock()
	if there, err := m.has(name); err != nil || there {
		if there {
			err = &fs.PathError{Op: "undelete member", Path: m.Path(name), Err: fs.ErrExist}
		}
		return err
	}
	if err := m.fs.Rename(filepath.Join(m.trashAt(index), name), m.Path(name)); err != nil {
		return fmt.Errorf("undelete member: %w", err)
	}
	return errors.Join(m.syncDir(m.fan(name)), m.syncDir(m.trashAt(index)))
}

// EmptyTrash removes for good the trash of every index for which ripe says
// so, which is asked in the order of indexes. Nothing is synced: what a crash brings back is removed the next time.
func (m *Medium) EmptyTrash(ripe func(index uint64) bool) error {
	m.trash.Lock()
	defer m.trash.Unlock()
	bins, err := m.fs.ReadDir(filepath.Join(m.dir, trashDir))
	if err != nil {
		return err
	}
	slices.SortFunc(bins, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	for _, bin := range bins {
		index, err := strconv.ParseUint(bin.Name(), 16, 64)
		at := m.trashAt(index)
		if err != nil || !bin.IsDir() || filepath.Base(at) != bin.Name() || !ripe(index) {
			continue // not ours, or not yet
		}
		if err := m.emptyBin(at); err != nil {
			return err
		}
	}
	return nil
}

// EmptyTrashAt removes trash for good as long as the medium is at a level of
// fill or above, or under its reserve, the oldest first: what was deleted last
// is what somebody may want back. It returns of how many indexes. Like
// EmptyTrash it syncs nothing.
func (m *Medium) EmptyTrashAt(level Fill) (emptied int, err error) {
	var pressed error
	err = m.EmptyTrash(func(uint64) bool { // in the order of indexes
		s, err := m.Space()
		if pressed = errors.Join(pressed, err); pressed != nil || m.Fill() < level && s.Free >= s.Reserve {
			return false
		}
		emptied++
		return true
	})
	return emptied, errors.Join(pressed, err)
}

func (m *Medium) emptyBin(bin string) error {
	entries, err := m.fs.ReadDir(bin)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := m.fs.Remove(filepath.Join(bin, e.Name())); err != nil {
			return fmt.Errorf("empty trash: %w", err)
		}
	}
	if err := m.fs.Remove(bin); err != nil {
		return fmt.Errorf("empty trash: %w", err)
	}
	return nil
}

// Trashed lists the trash of an index; none is no error.
func (m *Medium) Trashed(index uint64) ([]Entry, error) {
	entries, err := m.list(m.trashAt(index))
	if IsNotExist(err) {
		return nil, nil
	}
	return entries, err
}

// TrashCount returns how many members are in the trash, of all indexes.
func (m *Medium) TrashCount() (int, error) {
	bins, err := m.fs.ReadDir(filepath.Join(m.dir, trashDir))
	if err != nil {
		return 0, err
	}
	n := 0
	for _, bin := range bins {
		if !bin.IsDir() {
			continue
		}
		files, err := m.list(filepath.Join(m.dir, trashDir, bin.Name()))
		if err != nil {
			return n, err
		}
		n += len(files)
	}
	return n, nil
}
