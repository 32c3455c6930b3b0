package index

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sort"
)

// Terms are byte strings in ascending order, front-coded: each says how many
// bytes it shares with the one before it. Every termRun-th is whole, and a
// table tells where it is.
//
//	terms u32 | bytes of data u32 | u32 for each run: where it starts | data
//	data: shared uvarint, length of the rest uvarint, the rest
const (
	termRun  = 16
	maxTerm  = 1 << 16 // bytes
	maxTerms = 1 << 31
)

func appendTerms(b []byte, all [][]byte) []byte {
	var data []byte
	var starts []byte
	for i, t := range all {
		shared := 0
		if i%termRun == 0 {
			starts = le.AppendUint32(starts, uint32(len(data)))
		} else {
			shared = commonPrefix(all[i-1], t)
		}
		data = binary.AppendUvarint(data, uint64(shared))
		data = binary.AppendUvarint(data, uint64(len(t)-shared))
		data = append(data, t[shared:]...)
	}
	b = le.AppendUint32(b, uint32(len(all)))
	b = le.AppendUint32(b, uint32(len(data)))
	return append(append(b, starts...), data...)
}

func commonPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// terms reads what appendTerms wrote.
type terms struct {
	n      int
	starts []byte
	data   []byte
}

func (c *cursor) terms() terms {
	n, size := c.u32(), c.u32()
	if n >= maxTerms {
		c.fail("%d terms", n)
	}
	runs := (uint64(n) + termRun - 1) / termRun
	return terms{int(n), c.bytes(4 * runs), c.bytes(uint64(size))}
}

// check walks all terms: every one can be read, and they ascend. Nothing is
// between them.
func (t terms) check() error {
	w := termWalk{rest: t.data}
	var last []byte
	for i := range t.n {
		if i%termRun == 0 && t.start(i/termRun) != len(t.data)-len(w.rest) {
			return fmt.Errorf("term %d is not where its run starts", i)
		}
		last = append(last[:0], w.term...)
		if err := w.next(i%termRun == 0); err != nil {
			return fmt.Errorf("term %d: %w", i, err)
		}
		if i > 0 && bytes.Compare(last, w.term) >= 0 {
			return fmt.Errorf("term %d is out of order", i)
		}
	}
	if len(w.rest) != 0 {
		return fmt.Errorf("%d bytes after the last term", len(w.rest))
	}
	return nil
}

func (t terms) start(run int) int { return int(le.Uint32(t.starts[4*run:])) }

// walk starts at the first term of a run.
func (t terms) walk(run int) (termWalk, error) {
	at := t.start(run)
	if at > len(t.data) {
		return termWalk{}, fmt.Errorf("terms start at byte %d of %d", at, len(t.data))
	}
	return termWalk{rest: t.data[at:]}, nil
}

// search returns the place of the first term that is not below key, and
// whether it is key.
func (t terms) search(key []byte) (place int, found bool, err error) {
	runs := len(t.starts) / 4
	run := sort.Search(runs, func(r int) bool { // the first run that starts above key
		w, werr := t.walk(r)
		if werr == nil {
			werr = w.next(true)
		}
		if werr != nil {
			err = werr
		}
		return bytes.Compare(w.term, key) > 0
	}) - 1
	if err != nil || run < 0 {
		return 0, false, err
	}
	w, err := t.walk(run)
	if err != nil {
		return 0, false, err
	}
	for i := run * termRun; i < min(t.n, (run+1)*termRun); i++ {
		if err := w.next(i%termRun == 0); err != nil {
			return 0, false, err
		}
		if c := bytes.Compare(w.term, key); c >= 0 {
			return i, c == 0, nil
		}
	}
	return min(t.n, (run+1)*termRun), false, nil
}

// each calls f for all terms in order; the bytes are good until it returns.
func (t terms) each(f func(i int, term []byte)) error {
	w := termWalk{rest: t.data}
	for i := range t.n {
		if err := w.next(i%termRun == 0); err != nil {
			return err
		}
		f(i, w.term)
	}
	return nil
}

// termWalk reads terms one after another.
type termWalk struct {
	rest []byte
	term []byte
}

// next reads a term; a whole one shares nothing.
func (w *termWalk) next(whole bool) error {
	shared, n := binary.Uvarint(w.rest)
	size, m := binary.Uvarint(w.rest[max(n, 0):])
	switch {
	case n <= 0 || m <= 0:
		return fmt.Errorf("lengths cannot be read")
	case shared > uint64(len(w.term)) || whole && shared > 0:
		return fmt.Errorf("shares %d bytes with one of %d", shared, len(w.term))
	case size > uint64(len(w.rest)-n-m) || shared+size > maxTerm:
		return fmt.Errorf("%d bytes, %d are left", size, len(w.rest)-n-m)
	}
	rest := w.rest[n+m:]
	w.term = append(w.term[:shared], rest[:size]...)
	w.rest = rest[size:]
	return nil
}
