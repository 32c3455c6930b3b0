package cluster

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Everything that a run makes (namespaces, links, mounts, directories) has a
// name that begins with runPrefix, which has the process's id in it. So what
// is to be removed is found by name, whoever made it and however it ended:
// after a test, at Ctrl-C, and by the next run after a kill -9.
var runPrefix = prefixOf(os.Getpid())

const prefix = "tn"

func prefixOf(pid int) string { return prefix + strconv.FormatInt(int64(pid), 36) }

// ipCommand is where ip(8) is: not on every user's PATH.
func ipCommand() string {
	if at, err := exec.LookPath("ip"); err == nil {
		return at
	}
	return "/usr/sbin/ip"
}

// sweepDead removes what earlier runs that were killed have left behind.
func sweepDead() {
	for _, name := range append(namespaces(prefix), append(links(prefix), dirs(prefix)...)...) {
		run, _, _ := strings.Cut(filepath.Base(name), "-")
		pid, err := strconv.ParseInt(strings.TrimPrefix(run, prefix), 36, 32)
		if err == nil && syscall.Kill(int(pid), 0) == syscall.ESRCH {
			sweep(run)
		}
	}
}

// sweep removes all whose name is with this beginning, and then a dash or
// nothing: processes, namespaces, links, mounts, directories, in this order.
func sweep(name string) {
	for _, ns := range namespaces(name) {
		for _, pid := range pids(ns) {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		}
	}
	for _, ns := range namespaces(name) {
		_ = exec.Command(ipCommand(), "netns", "delete", ns).Run()
	}
	for _, link := range links(name) {
		_ = exec.Command(ipCommand(), "link", "delete", link).Run()
	}
	for _, mount := range mounts(name) {
		_ = syscall.Unmount(mount, syscall.MNT_DETACH)
	}
	for _, dir := range dirs(name) {
		_ = os.RemoveAll(dir)
	}
}

// leftovers names what sweep would remove. The run's own binary does not count.
func leftovers(name string) (left []string) {
	for _, ns := range namespaces(name) {
		for _, pid := range pids(ns) {
			left = append(left, "process "+strconv.Itoa(pid))
		}
		left = append(left, "namespace "+ns)
	}
	for _, link := range links(name) {
		left = append(left, "link "+link)
	}
	for _, mount := range mounts(name) {
		left = append(left, "mount "+mount)
	}
	for _, dir := range dirs(name) {
		if dir != filepath.Dir(bin) {
			left = append(left, "directory "+dir)
		}
	}
	return left
}

func begins(name, with string) bool {
	rest, ok := strings.CutPrefix(name, with)
	return ok && (with == prefix || rest == "" || rest[0] == '-')
}

func namespaces(with string) (names []string) {
	out, _ := exec.Command(ipCommand(), "netns", "list").Output()
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) > 0 && begins(f[0], with) {
			names = append(names, f[0])
		}
	}
	return names
}

func pids(ns string) (all []int) {
	out, _ := exec.Command(ipCommand(), "netns", "pids", ns).Output()
	for _, f := range strings.Fields(string(out)) {
		if pid, err := strconv.Atoi(f); err == nil {
			all = append(all, pid)
		}
	}
	return all
}

func links(with string) (names []string) {
	out, _ := exec.Command(ipCommand(), "-o", "link").Output()
	for line := range strings.Lines(string(out)) { // 7: NAME@PEER: <…
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		name, _, _ := strings.Cut(strings.TrimSuffix(f[1], ":"), "@")
		if begins(name, with) {
			names = append(names, name)
		}
	}
	return names
}

// mounts returns mount points below our directories, the innermost first.
func mounts(with string) (at []string) {
	table, _ := os.ReadFile("/proc/self/mounts")
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		for _, dir := range dirs(with) {
			if len(f) > 1 && strings.HasPrefix(f[1], dir+"/") {
				at = append(at, f[1])
			}
		}
	}
	slices.SortFunc(at, func(a, b string) int { return len(b) - len(a) })
	return at
}

func dirs(with string) (at []string) {
	all, _ := filepath.Glob(filepath.Join(os.TempDir(), with+"*"))
	for _, dir := range all {
		if begins(filepath.Base(dir), with) {
			at = append(at, dir)
		}
	}
	return at
}
