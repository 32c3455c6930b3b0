package sim

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/daemon/plant"
	"github.com/tarnlake/tarn/tiering"
	"github.com/zeebo/xxh3"
)

// drive is a disk, which outlives its node.
type drive struct {
	id     string // changed under the mutex of the node
	node   *node
	fs     atomic.Pointer[tiering.CrashFS] // another one after each crash
	medium atomic.Pointer[tiering.Medium]  // of the life that there is, or was

	broken atomic.Bool // every read fails
	sick   atomic.Bool // every fsync fails
}

const (
	mountAt  = "/m"
	fullSize = 1 << 40
)

// mount returns the filesystem of the drive as one life sees it.
func (d *drive) mount(l *life) tiering.FS {
	d.fs.Load().FailSync(func(name string) error {
		if d.sick.Load() {
			return &fs.PathError{Op: "fsync", Path: name, Err: syscall.EIO}
		}
		return nil
	})
	return &mounted{d, d.fs.Load(), l}
}

// mounted is a drive in one life of its node.
type mounted struct {
	drive *drive
	fs    *tiering.CrashFS
	life  *life
}

func (m *mounted) change() error {
	if !m.life.power.change() {
		return tiering.ErrCrashed
	}
	return nil
}

func (m *mounted) read(name string) error {
	if !m.life.power.on() {
		return tiering.ErrCrashed
	}
	if m.drive.broken.Load() && strings.HasSuffix(name, ".seg") {
		return &fs.PathError{Op: "read", Path: name, Err: syscall.EIO}
	}
	return nil
}

func (m *mounted) Create(name string, mode fs.FileMode) (tiering.Handle, error) {
	if err := m.change(); err != nil {
		return nil, err
	}
	h, err := m.fs.Create(name, mode)
	return &handle{h, m, name}, err
}

func (m *mounted) Open(name string) (tiering.Handle, error) {
	if err := m.read(name); err != nil {
		return nil, err
	}
	h, err := m.fs.Open(name)
	return &handle{h, m, name}, err
}

func (m *mounted) Rename(from, to string) error {
	if err := m.change(); err != nil {
		return err
	}
	if strings.Contains(to, "/trash/") {
		m.life.c.check.trashed(m.drive.id, path.Base(from))
	}
	return m.fs.Rename(from, to)
}

func (m *mounted) Remove(name string) error {
	if err := m.change(); err != nil {
		return err
	}
	return m.fs.Remove(name)
}

func (m *mounted) Mkdir(name string, mode fs.FileMode) error {
	if err := m.change(); err != nil {
		return err
	}
	return m.fs.Mkdir(name, mode)
}

func (m *mounted) ReadDir(name string) ([]fs.DirEntry, error) {
	if err := m.read(""); err != nil {
		return nil, err
	}
	return m.fs.ReadDir(name)
}

func (m *mounted) SyncDir(name string) error {
	if err := m.change(); err != nil || plant.On(plant.SkipDirSync) {
		return err
	}
	return m.fs.SyncDir(name)
}

func (m *mounted) Space(name string) (tiering.Space, error) {
	if err := m.read(""); err != nil {
		return tiering.Space{}, err
	}
	return m.fs.Space(name)
}

// handle is an open file of a mounted drive.
type handle struct {
	tiering.Handle
	m    *mounted
	name string
}

func (h *handle) Write(p []byte) (int, error) {
	if err := h.m.change(); err != nil {
		return 0, err
	}
	return h.Handle.Write(p)
}

// Sync takes its time: others go on meanwhile.
func (h *handle) Sync() error {
	time.Sleep(time.Duration(h.m.life.c.dice.below(4000)) * time.Microsecond)
	if err := h.m.change(); err != nil || plant.On(plant.SkipFileSync) {
		return err
	}
	err := h.Handle.Sync()
	if err != nil && plant.On(plant.RetrySync) {
		h.m.fs.FailSync(nil)
		err = h.Handle.Sync()
	}
	return err
}

func (h *handle) ReadAt(p []byte, off int64) (int, error) {
	if err := h.m.read(h.name); err != nil {
		return 0, err
	}
	return h.Handle.ReadAt(p, off)
}

// path returns where a file lies on a drive, once that has been mounted.
func (d *drive) path(f catalog.MemberFile) (string, bool) {
	m := d.medium.Load()
	if m == nil {
		return "", false
	}
	return m.Path(f.String()), true
}

// drive returns a disk by its id; nil: it was replaced.
func (c *cluster) drive(id string) *drive {
	for _, n := range c.nodes {
		n.mu.Lock()
		i := slices.IndexFunc(n.drives, func(d *drive) bool { return d.id == id })
		n.mu.Unlock()
		if i >= 0 {
			return n.drives[i]
		}
	}
	return nil
}

// holds reports whether the disk has a member, whole, whatever happens to the
// power.
func (d *drive) holds(file catalog.MemberFile, want catalog.Member) error {
	path, ok := d.path(file)
	if !ok {
		return errors.New("the disk was never mounted")
	}
	b, ok := d.fs.Load().Durable(path)
	if !ok {
		return errors.New("its name is not durable")
	}
	if sum := xxh3.Hash128(b).Bytes(); int64(len(b)) != want.Bytes || hex.EncodeToString(sum[:]) != want.Hash {
		return fmt.Errorf("durable are %d bytes of hash %x; the catalog says %d of hash %s", len(b), sum, want.Bytes, want.Hash)
	}
	return nil
}

func newDrive(n *node, number int) *drive {
	d := &drive{id: n.id + "d" + strconv.Itoa(number), node: n}
	d.format()
	return d
}

// format makes the drive an empty one.
func (d *drive) format() {
	d.fs.Store(tiering.NewCrashFS())
	d.medium.Store(nil)
	if err := tiering.Format(d.fs.Load(), mountAt, d.node.c.id, d.id); err != nil {
		panic(err)
	}
}

// heal ends the faults of a drive.
func (d *drive) heal() {
	d.sick.Store(false)
	d.fs.Load().SetCapacity(fullSize)
}
