package source

import (
	"fmt"
	"io"
)

// A window slides over a stream: buf[pos:end] is what has been read and not
// yet used. It grows up to max when one row does not fit.
type window struct {
	r        io.Reader
	buf      []byte
	pos, end int
	eof      bool // nothing comes after buf[:end]
	max      int
}

const windowBytes = 1 << 20

func newWindow(r io.Reader, max int) *window {
	return &window{r: r, buf: make([]byte, windowBytes), max: max}
}

// rest is the bytes at hand. They are valid until more.
func (w *window) rest() []byte { return w.buf[w.pos:w.end] }

// more reads further bytes behind the rest. At the end of the stream it sets
// eof.
func (w *window) more() error {
	if w.r == nil { // a sample: nothing comes behind it, and nobody moves it
		return io.ErrUnexpectedEOF
	}
	if w.pos > 0 {
		copy(w.buf, w.buf[w.pos:w.end])
		w.pos, w.end = 0, w.end-w.pos
	}
	if w.end == len(w.buf) {
		if len(w.buf) >= w.max {
			return fmt.Errorf("longer than %d MiB", w.max>>20)
		}
		grown := make([]byte, min(2*len(w.buf), w.max))
		copy(grown, w.buf)
		w.buf = grown
	}
	return w.fill()
}

// fill reads until the buffer is full: rows that grow are looked at anew each
// time, so that many small reads would cost much.
func (w *window) fill() error {
	for w.end < len(w.buf) && !w.eof {
		n, err := w.r.Read(w.buf[w.end:])
		w.end += n
		if err == io.EOF {
			w.eof = true
		} else if err != nil {
			return err
		}
	}
	return nil
}
