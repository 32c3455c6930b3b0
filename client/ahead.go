package client

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/client/wire"
	"github.com/tarnlake/tarn/format"
	"github.com/tarnlake/tarn/schema"
	"golang.org/x/sync/semaphore"
	"google.golang.org/grpc/status"
)

// What blocks may take once they are decoded.
const (
	maxBlockBytes = 256 << 20 // one of them; rows that take more come in batches
	maxAheadBytes = 64 << 20  // all that wait, or one if that is larger; and the dictionaries of a segment
	guessedBytes  = 16 << 20  // one of them, while none is known
)

// What the node would make of a block for other clients.
const (
	batchRows  = 16 << 10
	batchBytes = 3 << 20
)

// ahead reads a result and decodes its blocks while the consumer is busy with
// those before. It goes as far ahead as there are CPUs, and no further than
// maxAheadBytes; then it reads nothing, and the node waits.
type ahead struct {
	mem   memory.Allocator
	limit int64 // bytes of a block
	rows  *wire.RowReader

	shared *format.Dictionaries // that blocks refer to from now on

	line    chan *waiting // in the order of the rows
	room    *semaphore.Weighted
	largest atomic.Int64 // block so far, or guessedBytes, which the next one is given room for
	group   sync.WaitGroup
}

// waiting is rows on their way to the consumer; done holds one result.
type waiting struct {
	done chan decoded
	room int64
}

type decoded struct {
	batch arrow.RecordBatch
	err   error
}

// drop lets go of rows that nobody wants.
func (d decoded) drop() {
	if d.batch != nil {
		d.batch.Release()
	}
}

// decodeAhead delivers next, which was read from rows, and all that follows.
// No goroutine of it outlives the call, which ends that of rows.
func (c *Client) decodeAhead(rows *rows, next wire.Rows, out *delivery) error {
	ctx := rows.ctx
	a := &ahead{mem: c.blockMem, limit: c.maxBlock, rows: rows.RowReader, line: make(chan *waiting, runtime.GOMAXPROCS(0)), room: semaphore.NewWeighted(maxAheadBytes)}
	a.largest.Store(guessedBytes)
	a.group.Go(func() { a.feed(ctx, next) })
	defer a.end(rows.cancel)
	for w := range a.line {
		d := <-w.done
		if d.err != nil {
			return d.err
		}
		err := deliverAll(d.batch, out)
		d.batch.Release()
		a.room.Release(w.room)
		if err != nil {
			return err
		}
	}
	return status.FromContextError(ctx.Err()).Err()
}

func deliverAll(batch arrow.RecordBatch, out *delivery) error {
	for from := int64(0); from < batch.NumRows(); from += batchRows {
		part := batch.NewSlice(from, min(from+batchRows, batch.NumRows()))
		for small := range wire.Slices(part, batchBytes) {
			if err := out.deliver(small); err != nil {
				part.Release()
				return err
			}
		}
		part.Release()
	}
	return nil
}

// end stops everything and lets go of what nobody took.
func (a *ahead) end(cancel context.CancelFunc) {
	cancel()
	for w := range a.line {
		(<-w.done).drop()
	}
	a.group.Wait()
}

// feed puts rows in line until there are no more, or until an error is in line.
func (a *ahead) feed(ctx context.Context, next wire.Rows) {
	defer close(a.line)
	var err error
	for err != io.EOF {
		w := &waiting{done: make(chan decoded, 1)}
		if err == nil {
			err = a.start(ctx, w, next)
		}
		if err != nil {
			w.done <- decoded{err: err}
		}
		select {
		case a.line <- w:
		case <-ctx.Done():
			(<-w.done).drop()
			return
		}
		if err != nil {
			return
		}
		next, err = a.rows.Next()
	}
}

// start has a block decoded once there is room, for the dictionaries that it
// holds on to as well. A batch is ready as it is.
func (a *ahead) start(ctx context.Context, w *waiting, next wire.Rows) error {
	if next.Block == nil {
		next.Batch.Retain()
		w.done <- decoded{batch: next.Batch}
		return nil
	}
	if err := a.share(next.Block.Dictionaries); err != nil {
		return err
	}
	room := min(a.largest.Load()+a.shared.Bytes(), maxAheadBytes)
	if err := a.room.Acquire(ctx, room); err != nil {
		return status.FromContextError(err).Err()
	}
	w.room = room
	shared := a.shared
	a.group.Go(func() { w.done <- a.decode(next.Block, shared) })
	return nil
}

// share opens the dictionaries that come with a block, if any do, in place of
// those before.
func (a *ahead) share(stored [][]byte) error {
	if len(stored) == 0 {
		return nil
	}
	a.shared = nil // only blocks that refer to them hold on to the old ones
	shared, err := format.OpenDictionaries(a.rows.Schema(), stored, min(a.limit, maxAheadBytes))
	a.shared = shared
	return blockError(err)
}

// blockError gives a damaged block its place in the table of errors.
func blockError(err error) error {
	if errors.Is(err, format.ErrCorrupt) {
		return wire.Errorf(wire.Corrupt, "a block that the node sent: %w", err).WithHint("tarn segment verify")
	}
	return err
}

func (a *ahead) decode(b *wire.Block, shared *format.Dictionaries) decoded {
	batch, err := format.DecodePages(a.mem, a.rows.Schema(), b.Rows, b.Pages, shared, a.limit)
	if err != nil {
		return decoded{err: blockError(err)}
	}
	if n := schema.BatchBytes(batch); n > a.largest.Load() {
		a.largest.Store(n) // of two at once either will do: it is a guess
	}
	return decoded{batch: batch}
}
