package members

import (
	"context"
	"errors"
	"time"

	"github.com/tarnlake/tarn/daemon/catalog"
	"github.com/tarnlake/tarn/tiering"
)

// lane writes one copy to a disk of another node, in a goroutine of its own:
// chunks wait in a short queue, so that the copies need not go in step.
type lane struct {
	chunks chan []byte // closed: commit
	cancel context.CancelCauseFunc

	receipt tiering.Receipt // once it has ended
	err     error
}

const (
	chunkBytes = 256 << 10
	laneChunks = 4 // that wait, at most

	// beatEvery is how often a lane without anything to write says that it
	// lives: a load may fill a segment for as long as it likes.
	beatEvery = 20 * time.Second
)

// startLane begins to write. When the lane has ended it tells so once, which
// must not wait.
func startLane(disk Disk, file catalog.MemberFile, ended func()) *lane {
	ctx, cancel := context.WithCancelCause(context.Background())
	l := &lane{chunks: make(chan []byte, laneChunks), cancel: cancel}
	go func() {
		l.receipt, l.err = l.run(ctx, disk, file)
		cancel(nil)
		ended()
	}()
	return l
}

func (l *lane) run(ctx context.Context, disk Disk, file catalog.MemberFile) (tiering.Receipt, error) {
	to, err := disk.Create(ctx, file)
	if err != nil {
		return tiering.Receipt{}, err
	}
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	for {
		var err error
		select {
		case chunk, more := <-l.chunks:
			if !more {
				return to.Commit()
			}
			_, err = to.Write(chunk)
		case <-beat.C:
			_, err = to.Write(nil)
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		if err != nil {
			return tiering.Receipt{}, errors.Join(err, to.Abort())
		}
	}
}
