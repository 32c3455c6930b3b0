package tiering

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// A checkpoint is a file of the catalog's that a medium keeps beside its
// members, in catalog/: what to go by when the catalog itself is lost.
const (
	checkpointDir  = "catalog"
	checkpointEnd  = ".ckpt"
	checkpointKeep = 2 // the newest
)

func checkpointName(index uint64) string { return fmt.Sprintf("%016x%s", index, checkpointEnd) }

// PutCheckpoint makes the checkpoint of an index durable, as write writes it,
// and lets go of all but the two newest. One that is there already stays. It is
// for one goroutine at a time.
func (m *Medium) PutCheckpoint(index uint64, write func(io.Writer) error) error {
	if err := m.checkSpace(); err != nil {
		return err
	}
	dir := filepath.Join(m.dir, checkpointDir)
	if err := mkdir(m.fs, dir); err != nil {
		return err
	}
	tmp := m.tmp(checkpointName(index))
	if err := m.fs.Remove(tmp); err != nil && !IsNotExist(err) {
		return err
	}
	if err := m.writeNew(tmp, write); err != nil {
		return errors.Join(err, m.fs.Remove(tmp))
	}
	if err := m.fs.Rename(tmp, filepath.Join(dir, checkpointName(index))); err != nil {
		return err
	}
	if err := errors.Join(m.fs.SyncDir(m.dir), m.fs.SyncDir(dir)); err != nil {
		return err
	}
	return m.dropCheckpoints()
}

// writeNew writes a file and syncs it.
func (m *Medium) writeNew(path string, write func(io.Writer) error) error {
	f, err := m.fs.Create(path)
	if err != nil {
		return err
	}
	if err = write(f); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
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

// Checkpoints returns the paths of the checkpoints, the newest first.
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
