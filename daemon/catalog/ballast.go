package catalog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tarnlake/tarn/client/wire"
	"golang.org/x/sys/unix"
)

// A log that cannot be appended to ends the node: nobody knows then what is
// on disk. A full disk is no reason for that, so it is noticed before. The
// ballast is a file that only takes room; when others have filled the disk it
// is given up, and deletes, which make room, go on.
const (
	ballastBytes = 16 << 20
	lowSpace     = 8 << 20 // free bytes below which only deletes are proposed
	noSpace      = 1 << 20 // and nothing at all
)

func ballastPath(dir string) string { return filepath.Join(dir, "ballast") }

// makesRoom reports whether a command leads to free space, is needed by a
// node that is to free some, or cannot wait for that.
func (c Command) makesRoom() bool {
	return c.revokes() || c.DropTable != nil || c.ExpireVersions != nil || c.ForgetMembers != nil || c.OpenEpoch != nil || c.RegisterNode != nil
}

// checkSpace refuses a command for whose log entry there may be no room.
func (c *Catalog) checkSpace(cmd Command) error {
	free, err := c.cfg.free(c.cfg.Dir)
	if err != nil || free >= lowSpace {
		return nil // where it is not known, the log finds out
	}
	if cmd.makesRoom() {
		if err := os.Remove(ballastPath(c.cfg.Dir)); err == nil {
			c.cfg.Logger.Warn("the disk of the catalog is full: its ballast is given up so that deletes go on", "dir", c.cfg.Dir, "free", free)
			return nil
		}
		if free >= noSpace {
			return nil
		}
	}
	return wire.Errorf(wire.DiskFull, "disk full: that of the catalog has %d bytes free, and nothing is changed", free).
		WithHint("free space on the disk that holds %s; reads still work", c.cfg.Dir)
}

// KeepBallast makes the ballast again where there is room for it.
func (c *Catalog) KeepBallast() error {
	path := ballastPath(c.cfg.Dir)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if free, err := c.cfg.free(c.cfg.Dir); err != nil || free < 4*ballastBytes {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	err = unix.Fallocate(int(f.Fd()), 0, 0, ballastBytes)
	if errors.Is(err, unix.EOPNOTSUPP) {
		_, err = f.Write(make([]byte, ballastBytes))
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("ballast: %w", err), os.Remove(path))
	}
	return nil
}

// freeBytes returns what the filesystem of dir has left for us.
func freeBytes(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * s.Bsize, nil
}
