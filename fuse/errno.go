package fuse

import (
	"context"
	"errors"
	"syscall"

	"github.com/tarnlake/tarn/client/wire"
)

// errnos is the one table from the lake's errors to those of system calls.
// What is not in it is EIO: something is wrong, and the log tells what. EAGAIN
// is never used, for programs take it for "not blocking".
var errnos = map[wire.Code]syscall.Errno{
	wire.InvalidArgument:  syscall.EINVAL,
	wire.Unsupported:      syscall.EOPNOTSUPP,
	wire.TableNotFound:    syscall.ENOENT,
	wire.VersionNotFound:  syscall.ESTALE, // retention dropped the snapshot under an open directory
	wire.DiskFull:         syscall.ENOSPC,
	wire.Unauthenticated:  syscall.EACCES,
	wire.PermissionDenied: syscall.EACCES,
	wire.Canceled:         syscall.EINTR,
	wire.DeadlineExceeded: syscall.ETIMEDOUT,
}

// errnoOf returns the errno of an error; 0 for nil.
func errnoOf(err error) syscall.Errno {
	switch {
	case err == nil:
		return 0
	case err == syscall.ENOENT, err == syscall.EINTR: // our own; those of the cache's files mean something else
		return err.(syscall.Errno)
	case errors.Is(err, context.DeadlineExceeded):
		return syscall.ETIMEDOUT
	}
	for _, no := range localTrouble {
		if errors.Is(err, no) {
			return no
		}
	}
	if no, ok := errnos[wire.FromError(err).Code]; ok {
		return no
	}
	return syscall.EIO
}

// localTrouble are errors of the cache's own files that tell the user what to
// do about them.
var localTrouble = []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM}
