package tiering

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// A checkpoint is a file of the catalog's that a medium keeps beside its
// members, in catalog/: what to go by when the catalog itself is lost. It may
// hold secrets, so nobody but its owner may read it.
const (
	checkpointDir  = "catalog"
	checkpointEnd  = ".ckpt"
	checkpointTmp  = "new.tmp" // one for all: what a crash leaves is gone with the next
	checkpointKeep = 2         // the newest
)

// PutCheckpoint makes a checkpoint durable, as write writes it, in place of one
// of that name, and lets go of all but the two whose names sort last. A name is
// like that of a member.
func (m *Medium) PutCheckpoint(name string, write func(io.Writer) error) error {
	if err := errors.Join(checkName(name), m.Suspect(), m.checkSpace()); err != nil {
		return err
	}
	m.points.Lock()
	defer m.points.Unlock()
	dir := filepath.Join(m.dir, checkpointDir)
	if err := m.fs.Mkdir(dir, modeSecrets); err != nil && !errors.Is(err, fs.ErrExist) {
		return m.blame(err)
	}
	tmp, at := filepath.Join(dir, checkpointTmp), filepath.Join(dir, name+checkpointEnd)
	if err := m.fs.Remove(tmp); err != nil && !IsNotExist(err) {
		return m.blame(err)
	}
	if err := m.writeNew(tmp, write); err != nil {
		return errors.Join(err, m.fs.Remove(tmp))
	}
	if err := m.fs.Rename(tmp, at); err != nil {
		return m.blame(err)
	}
	if err := errors.Join(m.syncDir(m.dir), m.syncDir(dir)); err != nil {
		return err
	}
	return m.dropCheckpoints()
}

// writeNew writes a file that only its owner may read, and syncs it.
func (m *Medium) writeNew(path string, write func(io.Writer) error) error {
	f, err := m.fs.Create(path, modeSecret)
	if err != nil {
		return m.blame(err)
	}
	if err := write(f); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Sync(); err != nil {
		return errors.Join(m.doubt(err), f.Close())
	}
	return f.Close()
}

func (m *Medium) dropCheckpoints() error {
	all, err := m.Checkpoints()
	if err != nil {
		return err
	}
	for _, path := range all[min(checkpointKeep, len(all)):] {
		if err := m.fs.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

// Checkpoints returns the paths of the checkpoints, the one whose name sorts
// last first.
func (m *Medium) Checkpoints() ([]string, error) {
	entries, err := m.fs.ReadDir(filepath.Join(m.dir, checkpointDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), checkpointEnd) {
			all = append(all, filepath.Join(m.dir, checkpointDir, e.Name()))
		}
	}
	slices.Sort(all)
	slices.Reverse(all)
	return all, nil
}
