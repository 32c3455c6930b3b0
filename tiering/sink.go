package tiering

import (
	"errors"
	"io"

	"github.com/zeebo/xxh3"
)

// sink writes a file and knows its size and hash.
type sink struct {
	to   io.Writer
	hash *xxh3.Hasher
	size int64
}

func newSink(to io.Writer) *sink { return &sink{to: to, hash: xxh3.New()} }

func newSinks(to []io.Writer) []*sink {
	out := make([]*sink, len(to))
	for i, w := range to {
		out[i] = newSink(w)
	}
	return out
}

func (s *sink) write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	n, err := s.to.Write(b)
	s.hash.Write(b)
	s.size += int64(len(b))
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return err
}

func (s *sink) receipt() Receipt { return Receipt{s.size, hashText(s.hash.Sum128())} }

func receiptsOf(out []*sink) []Receipt {
	all := make([]Receipt, len(out))
	for i, s := range out {
		all[i] = s.receipt()
	}
	return all
}

// writeAll writes to all sinks at once what bytes gives for each.
func writeAll(out []*sink, bytes func(i int) []byte) error {
	bad := make([]error, len(out))
	together(slotsFrom(0, len(out)), func(i int) { bad[i] = out[i].write(bytes(i)) })
	return errors.Join(bad...)
}
