package fuse

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tarnlake/tarn/client/wire"
	"golang.org/x/sys/unix"
)

// fsType is the type of our mounts in /proc/self/mountinfo: fuse.tarn.
const fsType = "tarn"

// mountEntry is one of our mounts, as the kernel tells of it.
type mountEntry struct {
	point  string // absolute, without symbolic links
	source string // see sourceName
}

// sourceName is the "device" of this process' mounts: tarn:PID:START. Whether
// a mount is dead can so be told without touching it; a touch may hang.
func sourceName() string {
	pid := os.Getpid()
	return fmt.Sprintf("%s:%d:%s", fsType, pid, startOf(pid))
}

// startOf returns when a process started, in the kernel's ticks, or "" if
// there is none.
func startOf(pid int) string {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	// Fields follow the name in parentheses, which may hold anything.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	const start = 22 - 3 // of proc_pid_stat(5), which counts from 1; two are cut off
	if len(fields) <= start || fields[0] == "Z" {
		return ""
	}
	return fields[start]
}

// server returns the process that serves the mount, and whether it lives.
func (m mountEntry) server() (pid int, alive bool) {
	words := strings.Split(m.source, ":")
	if len(words) != 3 {
		return 0, true // not as we write it: leave it alone
	}
	pid, err := strconv.Atoi(words[1])
	return pid, err != nil || startOf(pid) == words[2]
}

// ourMounts returns our mounts that this process can see, in mount order.
func ourMounts() ([]mountEntry, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	return parseMountInfo(string(text)), nil
}

// parseMountInfo reads proc_pid_mountinfo(5): "36 35 98:0 /root /point opts
// [optional…] - type source superopts".
func parseMountInfo(text string) []mountEntry {
	var mounts []mountEntry
	for line := range strings.Lines(text) {
		left, right, ok := strings.Cut(line, " - ")
		before, after := strings.Fields(left), strings.Fields(right)
		if ok && len(before) >= 5 && len(after) >= 2 && after[0] == "fuse."+fsType {
			mounts = append(mounts, mountEntry{point: unescapeOctal(before[4]), source: unescapeOctal(after[1])})
		}
	}
	return mounts
}

// unescapeOctal undoes the \040 of mountinfo.
func unescapeOctal(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// mountAt returns our topmost mount at dir. dir itself is not touched if it
// is one of our mount points.
func mountAt(dir string) (point string, m mountEntry, found bool, err error) {
	mounts, err := ourMounts()
	if err != nil {
		return "", m, false, err
	}
	for _, follow := range []bool{false, true} {
		if point, err = resolve(dir, follow); err != nil {
			return point, m, false, err
		}
		for _, at := range mounts {
			if at.point == point {
				m, found = at, true // a later one lies on top
			}
		}
		if found {
			break
		}
	}
	return point, m, found, nil
}

// resolve returns dir without symbolic links, its last element only if follow.
func resolve(dir string, follow bool) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if follow {
		return filepath.EvalSymlinks(abs)
	}
	parent, err := filepath.EvalSymlinks(filepath.Dir(abs))
	return filepath.Join(parent, filepath.Base(abs)), err
}

// prepare makes dir ready to be mounted on: there, empty, and without a mount
// whose process has died. It returns the directory without symbolic links.
func prepare(dir string) (string, error) {
	const stacked = 16 // dead mounts may lie on top of each other
	for range stacked {
		point, m, found, err := mountAt(dir)
		if errors.Is(err, os.ErrNotExist) {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return "", wire.Errorf(wire.InvalidArgument, "mount directory: %w", err)
			}
			continue
		}
		if err != nil {
			return "", wire.Errorf(wire.InvalidArgument, "mount directory %s: %w", dir, err)
		}
		if !found {
			return point, checkEmpty(point)
		}
		if pid, alive := m.server(); alive {
			return "", wire.Errorf(wire.InvalidArgument, "%s is mounted already, by process %d", point, pid).WithHint("tarn umount %s", point)
		}
		if err := unmountOnce(point, true); err != nil {
			return "", wire.Errorf(wire.InvalidArgument, "%s holds the mount of a process that has died, and it cannot be unmounted: %w", point, err).WithHint("umount -l %s", point)
		}
	}
	return "", wire.Errorf(wire.InvalidArgument, "%s: more than %d dead mounts lie on each other", dir, stacked).WithHint("umount -l %s", dir)
}

func checkEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return wire.Errorf(wire.InvalidArgument, "mount directory: %w", err)
	}
	if len(entries) > 0 {
		return wire.Errorf(wire.InvalidArgument, "mount directory %s is not empty: it holds %q; a mount would hide that", dir, entries[0].Name()).WithHint("mount on an empty or a new directory")
	}
	return nil
}

// Unmount ends our mount at dir, whichever process serves it, dead or alive.
// Files that are open stay readable until they are closed if that process
// stays. It fails with wire.InvalidArgument if there is no such mount.
func Unmount(dir string) error {
	point, _, found, err := mountAt(dir)
	if err != nil {
		return wire.Errorf(wire.InvalidArgument, "%s: %w", dir, err)
	}
	if !found {
		return wire.Errorf(wire.InvalidArgument, "%s is not a Tarn mount", dir).WithHint("findmnt -t fuse.%s", fsType)
	}
	_, err = unmountPoint(point)
	return err
}

// unmountPoint unmounts, and after a while of being busy takes the mount out
// of the tree at least.
func unmountPoint(point string) (busy bool, err error) {
	for wait := 5 * time.Millisecond; wait < 500*time.Millisecond; wait *= 2 {
		err := unmountOnce(point, false)
		if err == nil || errors.Is(err, unix.EINVAL) { // somebody else was faster
			return false, nil
		}
		time.Sleep(wait) // the kernel does not tell when the last file is closed
	}
	if err := unmountOnce(point, true); err != nil && !errors.Is(err, unix.EINVAL) {
		return true, wire.Errorf(wire.Internal, "unmount %s: %w", point, err).WithHint("umount -l %s", point)
	}
	return true, nil
}

func unmountOnce(point string, detach bool) error {
	if os.Geteuid() == 0 {
		flags := unix.UMOUNT_NOFOLLOW
		if detach {
			flags |= unix.MNT_DETACH
		}
		return unix.Unmount(point, flags)
	}
	args := []string{"-u", "--", point}
	if detach {
		args = []string{"-u", "-z", "--", point}
	}
	out, err := exec.Command(fusermount, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

const fusermount = "fusermount3"
