package sink

import (
	"bytes"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
)

// csvSink writes CSV with a header, commas and LF. Null is nothing at all and
// the empty text is "", so that they differ.
type csvSink struct {
	w    io.Writer
	null string
	buf  []byte
}

// flushBytes is how much text is gathered before it is written.
const flushBytes = 256 << 10

func newCSV(w io.Writer, s *arrow.Schema, opts Options) (*csvSink, error) {
	c := &csvSink{w: w, null: opts.Null}
	for i, f := range s.Fields() {
		if i > 0 {
			c.buf = append(c.buf, ',')
		}
		c.quote(append(c.buf, f.Name...), len(c.buf))
	}
	c.buf = append(c.buf, '\n')
	return c, c.flush(0)
}

// flush writes the text gathered where it is longer than limit.
func (c *csvSink) flush(limit int) error {
	if len(c.buf) <= limit {
		return nil
	}
	_, err := c.w.Write(c.buf)
	c.buf = c.buf[:0]
	return err
}

// quote sets the buffer to buf, whose last field begins at start, and puts
// that field in quotes where it needs them.
func (c *csvSink) quote(buf []byte, start int) {
	field := buf[start:]
	c.buf = buf
	if len(field) > 0 && string(field) != c.null && !bytes.ContainsAny(field, "\",\r\n") {
		return
	}
	inner := bytes.ReplaceAll(field, []byte{'"'}, []byte(`""`)) // always a copy
	c.buf = append(append(append(buf[:start], '"'), inner...), '"')
}

func (c *csvSink) Write(b arrow.RecordBatch) error {
	cells := make([]cell, b.NumCols())
	for i, col := range b.Columns() {
		cells[i] = textOf(col)
	}
	for row := range int(b.NumRows()) {
		for i, text := range cells {
			if i > 0 {
				c.buf = append(c.buf, ',')
			}
			if b.Column(i).IsNull(row) {
				c.buf = append(c.buf, c.null...)
				continue
			}
			start := len(c.buf)
			c.quote(text(c.buf, row), start)
		}
		c.buf = append(c.buf, '\n')
		if err := c.flush(flushBytes); err != nil {
			return err
		}
	}
	return c.flush(0)
}

func (c *csvSink) Close() error { return nil }
