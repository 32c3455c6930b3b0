package fuse

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/tarnlake/tarn/client/wire"
)

func TestErrnoOf(t *testing.T) {
	for _, c := range []struct {
		err  error
		want syscall.Errno
	}{
		{nil, 0},
		{syscall.ENOENT, syscall.ENOENT},
		{syscall.EINTR, syscall.EINTR},
		{wire.Errorf(wire.InvalidArgument, ""), syscall.EINVAL},
		{wire.Errorf(wire.Unsupported, ""), syscall.EOPNOTSUPP},
		{wire.Errorf(wire.TableNotFound, ""), syscall.ENOENT},
		{wire.Errorf(wire.TableExists, ""), syscall.EIO},
		{wire.Errorf(wire.ColumnNotFound, ""), syscall.EIO},
		{wire.Errorf(wire.SchemaMismatch, ""), syscall.EIO},
		{wire.Errorf(wire.BadInput, ""), syscall.EIO},
		{wire.Errorf(wire.VersionNotFound, ""), syscall.ESTALE},
		{wire.Errorf(wire.Conflict, ""), syscall.EIO},
		{wire.Errorf(wire.LimitExceeded, ""), syscall.EIO},
		{wire.Errorf(wire.DiskFull, ""), syscall.ENOSPC},
		{wire.Errorf(wire.Corrupt, ""), syscall.EIO},
		{wire.Errorf(wire.Unavailable, ""), syscall.EIO},
		{wire.Errorf(wire.Unauthenticated, ""), syscall.EACCES},
		{wire.Errorf(wire.PermissionDenied, ""), syscall.EACCES},
		{wire.Errorf(wire.Canceled, ""), syscall.EINTR},
		{wire.Errorf(wire.DeadlineExceeded, ""), syscall.ETIMEDOUT},
		{wire.Errorf(wire.Internal, ""), syscall.EIO},
		{fmt.Errorf("around: %w", wire.Errorf(wire.TableNotFound, "")), syscall.ENOENT},
		{context.DeadlineExceeded, syscall.ETIMEDOUT},
		{errors.New("anything"), syscall.EIO},
		{&fs.PathError{Op: "write", Err: syscall.ENOSPC}, syscall.ENOSPC},
		{&fs.PathError{Op: "open", Err: syscall.EMFILE}, syscall.EMFILE},
		{&fs.PathError{Op: "open", Err: syscall.ENOENT}, syscall.EIO}, // of the cache, not of the mount
		{os.ErrNotExist, syscall.EIO},
		{&fs.PathError{Op: "read", Err: syscall.EAGAIN}, syscall.EIO},
	} {
		if got := errnoOf(c.err); got != c.want {
			t.Errorf("errno of %v = %v; want %v", c.err, got, c.want)
		}
	}
}

func TestPending(t *testing.T) {
	for _, c := range []struct {
		status string
		want   bool
	}{
		{"Name:\tx\nSigQ:\t0/1\nSigPnd:\t0000000000000000\nShdPnd:\t0000000000000000\nSigBlk:\tffffffffffffffff\n", false},
		{"SigPnd:\t0000000000400000\nShdPnd:\t0000000000000000\n", false}, // SIGURG
		{"SigPnd:\t0000000000000100\nShdPnd:\t0000000000000000\n", true},  // SIGKILL
		{"SigPnd:\t0000000000000000\nShdPnd:\t0000000000000002\n", true},  // SIGINT
		{"SigPnd:\t0000000000000000\nShdPnd:\t0000000000004000\n", true},  // SIGTERM
		{"SigPnd:\t?\n", true},
	} {
		if got := pending(c.status, deadly); got != c.want {
			t.Errorf("pending in %q = %t; want %t", c.status, got, c.want)
		}
	}
}
