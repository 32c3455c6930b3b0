package source

import (
	"bytes"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/tarnlake/tarn/client/wire"
)

// arrowReader reads Arrow IPC, the file or the stream format.
type arrowReader struct {
	rows    *ipc.Reader
	mem     *wire.Budget
	conform *conformer
	done    int64
	batch   arrow.RecordBatch // what next has not handed out yet
	maxRows int64
}

func (s *Source) startArrow(opts Options) error {
	head, err := s.in.peek()
	if err != nil {
		return err
	}
	if bytes.HasPrefix(head, []byte("FEA1")) {
		return wire.Errorf(wire.Unsupported, "%s: is Feather version 1; Tarn reads Arrow IPC files and streams (Feather version 2)", s.name)
	}
	r := &arrowReader{maxRows: int64(opts.BatchRows), mem: wire.NewBudget(wire.MaxBatchMemory)}
	messages, err := newIPCMessages(s.in.head, r.mem)
	if err != nil {
		return err
	}
	if r.rows, err = ipc.NewReaderFromMessageReader(messages, ipc.WithAllocator(r.mem)); err != nil {
		return err
	}
	if r.conform, err = s.conformTo(r.rows.Schema(), opts); err != nil {
		return err
	}
	r.conform.mem, s.rows = r.mem, r
	return nil
}

func (r *arrowReader) close() error {
	r.rows.Release()
	return nil
}

func (r *arrowReader) next() (arrow.RecordBatch, error) {
	for r.batch == nil || r.batch.NumRows() == 0 {
		r.mem.Renew()
		if !r.rows.Next() {
			if err := r.rows.Err(); err != nil {
				return nil, err
			}
			return nil, io.EOF
		}
		var err error
		if r.batch, err = r.sound(r.rows.RecordBatch()); err != nil {
			return nil, err
		}
	}
	n := min(r.maxRows, r.batch.NumRows())
	out := r.batch.NewSlice(0, n)
	r.batch = r.batch.NewSlice(n, r.batch.NumRows())
	return out, nil
}

// sound conforms a batch after checking what the format leaves to its reader:
// offsets, indices and lengths that point outside.
func (r *arrowReader) sound(batch arrow.RecordBatch) (arrow.RecordBatch, error) {
	first := r.done + 1
	r.done += batch.NumRows()
	for i, col := range batch.Columns() {
		if err := array.ValidateFull(col); err != nil {
			return nil, fmt.Errorf("column %q, rows %d to %d: %w", batch.ColumnName(i), first, r.done, err)
		}
	}
	return r.conform.conform(batch, first)
}
