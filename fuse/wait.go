package fuse

import (
	"context"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sync/singleflight"
)

// share runs do once for all who ask for key at the same time, and gives
// everybody its answer. A caller who is killed leaves with EINTR; the work
// goes on for the others.
func share[T any](ctx context.Context, group *singleflight.Group, key string, do func() (T, error)) (T, error) {
	answer := group.DoChan(key, func() (any, error) { return do() })
	var none T
	interrupted := ctx.Done()
	var tick <-chan time.Time
	for {
		select {
		case a := <-answer:
			if a.Err != nil {
				return none, a.Err
			}
			return a.Val.(T), nil
		case <-interrupted:
		case <-tick:
		}
		if err := leaves(ctx); err != nil {
			return none, err
		}
		interrupted = nil // the kernel does not tell of a second signal: look again
		tick = time.After(100 * time.Millisecond)
	}
}

// deadly are the signals for which a caller is let go.
var deadly = []syscall.Signal{syscall.SIGKILL, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT}

// leaves returns why an interrupted caller should wait no longer, or nil. The
// kernel interrupts for any signal, and Go programs send themselves SIGURG
// many times a second: a stat that fails because of that would surprise every
// program, so only a pending deadly signal counts.
func leaves(ctx context.Context) error {
	caller, ok := fuse.FromContext(ctx)
	if !ok {
		return ctx.Err() // not a system call
	}
	if caller.Pid == 0 { // in another pid namespace
		return syscall.EINTR
	}
	status, err := os.ReadFile("/proc/" + strconv.Itoa(int(caller.Pid)) + "/status")
	if err != nil || pending(string(status), deadly) {
		return syscall.EINTR
	}
	return nil
}

// pending reports whether the text of a /proc/PID/status has one of the
// signals waiting.
func pending(status string, signals []syscall.Signal) bool {
	for line := range strings.Lines(status) {
		name, mask, _ := strings.Cut(line, ":")
		if name != "SigPnd" && name != "ShdPnd" {
			continue
		}
		bits, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
		if err != nil {
			return true
		}
		for _, s := range signals {
			if bits&(1<<(s-1)) != 0 {
				return true
			}
		}
	}
	return false
}
