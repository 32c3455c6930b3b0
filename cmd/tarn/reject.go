package main

import (
	"encoding/csv"
	"errors"
	"iter"
	"os"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tarnlake/tarn/client/source"
	"github.com/tarnlake/tarn/client/wire"
)

// rejectFile collects the rows that were put aside, as CSV. It is made at the
// first reject; a file that is there already is added to, never overwritten.
type rejectFile struct {
	path  string
	count int64
	file  *os.File
	err   error
}

func (r *rejectFile) add(path string, x source.Reject) {
	if r.err != nil {
		return
	}
	if r.file == nil {
		if r.err = r.open(); r.err != nil {
			return
		}
	}
	r.err = r.write(path, strconv.FormatInt(x.Line, 10), x.Column, x.Reason, x.Text)
}

func (r *rejectFile) open() (err error) {
	if r.file, err = os.OpenFile(r.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644); err != nil {
		return err
	}
	info, err := r.file.Stat()
	if err != nil || info.Size() > 0 {
		return err
	}
	return r.write("file", "line", "column", "reason", "text")
}

// write puts a row into the file at once: rejects are few, and the file is
// what is left of a row when the rest is committed.
func (r *rejectFile) write(fields ...string) error {
	w := csv.NewWriter(r.file)
	err := w.Write(fields)
	w.Flush()
	return errors.Join(err, w.Error())
}

// before yields the rows of a file, and then an error if those put aside are
// not on disk: rows that are in no table and in no file are lost.
func (r *rejectFile) before(batches iter.Seq2[arrow.RecordBatch, error]) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for b, err := range batches {
			if !yield(b, err) {
				return
			}
		}
		if r.err == nil && r.file != nil {
			r.err = r.file.Sync()
		}
		if r.err != nil {
			yield(nil, wire.Errorf(wire.InvalidArgument, "the reject file %s cannot be written: %w", r.path, r.err).WithHint("--reject-file FILE"))
		}
	}
}

// close returns the first error of all writes.
func (r *rejectFile) close() error {
	if r.file != nil {
		r.err = errors.Join(r.err, r.file.Close())
		r.file = nil
	}
	return r.err
}
