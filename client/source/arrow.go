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
	read    func() (arrow.RecordBatch, error)
	stop    func() error
	conform *conformer
	done    int64
	batch   arrow.RecordBatch // what next has not handed out yet
	maxRows int64
}

// One IPC message is in memory whole: that is how the format works.
const (
	maxIPCMetadata = 64 << 20
	maxIPCBody     = 1 << 30
)

func (s *Source) startArrow(opts Options) error {
	head, err := s.in.peek()
	if err != nil {
		return err
	}
	if bytes.HasPrefix(head, []byte("FEA1")) {
		return wire.Errorf(wire.Unsupported, "%s: is Feather version 1; Tarn reads Arrow IPC files and streams (Feather version 2)", s.name)
	}
	r := &arrowReader{maxRows: int64(opts.BatchRows)}
	limits := []ipc.Option{ipc.WithAllocator(mem), ipc.WithMetadataSizeLimit(maxIPCMetadata), ipc.WithBodySizeLimit(maxIPCBody)}
	var from *arrow.Schema
	if bytes.HasPrefix(head, []byte("ARROW1")) {
		from, err = r.openFile(s.in, limits)
	} else {
		from, err = r.openStream(s.in.head, limits)
	}
	if err != nil {
		return err
	}
	s.rows = r
	r.conform, err = s.conformTo(from, opts)
	return err
}

func (r *arrowReader) openFile(in *input, limits []ipc.Option) (*arrow.Schema, error) {
	at, size, err := in.randomAccess()
	if err != nil {
		return nil, err
	}
	f, err := ipc.NewFileReader(io.NewSectionReader(at, 0, size), limits...)
	if err != nil {
		return nil, err
	}
	next := 0
	r.stop = f.Close
	r.read = func() (arrow.RecordBatch, error) {
		if next == f.NumRecords() {
			return nil, io.EOF
		}
		next++
		return f.RecordBatchAt(next - 1)
	}
	return f.Schema(), nil
}

func (r *arrowReader) openStream(stream io.Reader, limits []ipc.Option) (*arrow.Schema, error) {
	f, err := ipc.NewReader(stream, limits...)
	if err != nil {
		return nil, err
	}
	r.stop = func() error { f.Release(); return nil }
	r.read = func() (arrow.RecordBatch, error) {
		if !f.Next() {
			if err := f.Err(); err != nil {
				return nil, err
			}
			return nil, io.EOF
		}
		return f.RecordBatch(), nil
	}
	return f.Schema(), nil
}

func (r *arrowReader) close() error { return r.stop() }

func (r *arrowReader) next() (arrow.RecordBatch, error) {
	for r.batch == nil || r.batch.NumRows() == 0 {
		batch, err := r.read()
		if err != nil {
			return nil, err
		}
		if r.batch, err = r.sound(batch); err != nil {
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
