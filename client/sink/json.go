package sink

import (
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// jsonSink writes an object for each row: one a line (NDJSON), or all of them
// as one array.
type jsonSink struct {
	w                    io.Writer
	schema               *arrow.Schema
	opening, sep, ending string
	buf                  []byte
	rows                 int64
}

func newJSON(w io.Writer, s *arrow.Schema, opening, sep, ending string) *jsonSink {
	return &jsonSink{w: w, schema: s, opening: opening, sep: sep, ending: ending, buf: []byte(opening)}
}

func (j *jsonSink) Write(b arrow.RecordBatch) error {
	row := jsonOf(array.RecordToStructArray(b))
	for i := range int(b.NumRows()) {
		if j.rows++; j.rows > 1 {
			j.buf = append(j.buf, j.sep...)
		}
		j.buf = row(j.buf, i)
		if len(j.buf) > flushBytes {
			if err := j.flush(); err != nil {
				return err
			}
		}
	}
	return j.flush()
}

func (j *jsonSink) flush() error {
	_, err := j.w.Write(j.buf)
	j.buf = j.buf[:0]
	return err
}

func (j *jsonSink) Close() error {
	j.buf = append(j.buf, j.ending...)
	if j.ending == "" && j.rows > 0 {
		j.buf = append(j.buf, '\n')
	}
	return j.flush()
}
