package peer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/daemon/members"
	"github.com/tarnlake/tarn/tiering"
	"google.golang.org/grpc/status"
)

// answer gives an error of a disk the code that understand reads.
func answer(err error) error {
	if _, wired := err.(*wire.Error); wired || err == nil {
		return err
	}
	code := wire.Corrupt // what is left is a disk that does not give its bytes
	wired, isStatus := (*wire.Error)(nil), (interface{ GRPCStatus() *status.Status })(nil)
	switch {
	case errors.As(err, &wired), errors.As(err, &isStatus):
		code = wire.FromError(err).Code
	case tiering.IsNotExist(err):
		code = wire.MemberNotFound
	case errors.Is(err, fs.ErrExist):
		code = wire.Conflict
	case errors.Is(err, tiering.ErrDiskFull):
		code = wire.DiskFull
	case errors.Is(err, tiering.ErrSuspect), errors.Is(err, members.ErrAway), members.NoFilesLeft(err):
		code = wire.Unavailable
	case errors.Is(err, context.DeadlineExceeded):
		code = wire.DeadlineExceeded
	case errors.Is(err, context.Canceled):
		code = wire.Canceled
	}
	return wire.Errorf(code, "%w", err)
}

// understand is what a call's error means to package members: the file is not
// there, the disk is full, the bytes are bad. Whatever else it is says nothing
// of them.
func understand(err error) error {
	if err == nil {
		return nil
	}
	e := wire.FromError(err)
	switch e.Code {
	case wire.MemberNotFound:
		return fmt.Errorf("%w: %w", fs.ErrNotExist, e)
	case wire.DiskFull:
		return fmt.Errorf("%w: %w", tiering.ErrDiskFull, e)
	case wire.Corrupt:
		return fmt.Errorf("%w: %w", tiering.ErrCorrupt, e)
	}
	return fmt.Errorf("%w: %w", members.ErrAway, e)
}
