package index

import (
	"fmt"
	"math/bits"
)

// Row ids are stored as roaring bitmaps in the portable format. They are
// written by the roaring library; here they are walked as they lie in the
// file, container by container, without a copy. A container is the rows of one
// block, so its key is the block. Nothing is trusted: whatever is used of a
// container has been checked.
//
// https://github.com/RoaringBitmap/RoaringFormatSpec
const (
	cookiePlain = 12346 // then the number of containers, u32
	cookieRuns  = 12347 // the high half is the number of containers less 1

	arrayMost     = 4096 // values; a container of more is a bitmap
	bitmapBytes   = BlockRows / 8
	withoutStarts = 4 // containers: fewer, with runs among them, have no table of starts
)

// container is the rows of one block.
type container struct {
	block int
	card  int
	runs  bool
	data  []byte // without the number of runs
}

// containerWalk reads the containers of a bitmap in order.
type containerWalk struct {
	keys, starts, rest []byte
	runBits            []byte
	size, n, i         int
	last               int
}

func walkContainers(b []byte) (*containerWalk, error) {
	c := cursor{b: b}
	w := &containerWalk{size: len(b), last: -1}
	switch cookie := c.u32(); {
	case cookie == cookiePlain:
		n := c.u32()
		if n > BlockRows {
			c.fail("%d containers", n)
		}
		w.n = int(n)
	case cookie&0xffff == cookieRuns:
		w.n = int(cookie>>16) + 1
		w.runBits = c.bytes(uint64(w.n+7) / 8)
	default:
		c.fail("cookie %#x is not that of a roaring bitmap", cookie)
	}
	w.keys = c.bytes(4 * uint64(w.n))
	if w.runBits == nil || w.n >= withoutStarts {
		w.starts = c.bytes(4 * uint64(w.n))
	}
	w.rest = c.b
	return w, c.err
}

// next returns the next container with its size checked, but not its values;
// ok is false at the end, where no bytes may be left.
func (w *containerWalk) next() (k container, ok bool, err error) {
	if w.i == w.n {
		if len(w.rest) != 0 {
			return k, false, fmt.Errorf("%d bytes after the last container", len(w.rest))
		}
		return k, false, nil
	}
	k = container{
		block: int(le.Uint16(w.keys[4*w.i:])), card: int(le.Uint16(w.keys[4*w.i+2:])) + 1,
		runs: w.runBits != nil && w.runBits[w.i/8]>>(w.i%8)&1 == 1,
	}
	if k.block <= w.last {
		return k, false, fmt.Errorf("container of block %d after that of block %d", k.block, w.last)
	}
	if w.starts != nil && int(le.Uint32(w.starts[4*w.i:])) != w.size-len(w.rest) {
		return k, false, fmt.Errorf("container of block %d is not where it should start", k.block)
	}
	c := cursor{b: w.rest}
	k.data = c.bytes(k.bytes(&c))
	w.i, w.last, w.rest = w.i+1, k.block, c.b
	return k, c.err == nil, c.err
}

// bytes returns the size of the container's data; for one of runs it reads
// their number.
func (k container) bytes(c *cursor) uint64 {
	switch {
	case k.runs:
		return 4 * uint64(c.u16())
	case k.card > arrayMost:
		return bitmapBytes
	}
	return 2 * uint64(k.card)
}

// addTo adds the rows to m and checks them: they ascend, and there are as many
// as the container says.
func (k container) addTo(m *Mask) error {
	n := 0
	switch {
	case k.runs:
		n = k.addRuns(m)
	case k.card > arrayMost:
		for i := range m {
			w := le.Uint64(k.data[8*i:])
			n += bits.OnesCount64(w)
			m[i] |= w
		}
	default:
		n = k.addArray(m)
	}
	if n != k.card {
		return fmt.Errorf("container of block %d: %d rows in order; want %d", k.block, n, k.card)
	}
	return nil
}

func (k container) addArray(m *Mask) (n int) {
	last := -1
	for i := 0; i < len(k.data); i += 2 {
		row := int(le.Uint16(k.data[i:]))
		if row > last {
			n++
		}
		m.set(row)
		last = row
	}
	return n
}

// addRuns returns -1 for runs that overlap, touch or leave the block.
func (k container) addRuns(m *Mask) (n int) {
	end := -1 // of the last run
	for i := 0; i < len(k.data); i += 4 {
		lo := int(le.Uint16(k.data[i:]))
		hi := lo + int(le.Uint16(k.data[i+2:])) + 1
		if lo <= end || hi > BlockRows {
			return -1
		}
		m.setRange(lo, hi)
		n, end = n+hi-lo, hi
	}
	return n
}

// addRows adds the rows that a bitmap has in a block to m and returns their
// number.
func addRows(b []byte, block int, m *Mask) (int, error) {
	w, err := walkContainers(b)
	if err != nil {
		return 0, err
	}
	for {
		k, ok, err := w.next()
		switch {
		case err != nil || !ok || k.block > block:
			return 0, err
		case k.block == block:
			return k.card, k.addTo(m)
		}
	}
}

// checkRows checks a whole bitmap, all of whose rows are below rows, and
// returns how many it has.
func checkRows(b []byte, rows int64) (card int64, err error) {
	w, err := walkContainers(b)
	if err != nil {
		return 0, err
	}
	for {
		k, ok, err := w.next()
		if err != nil || !ok {
			return card, err
		}
		var m Mask
		if err := k.addTo(&m); err != nil {
			return 0, err
		}
		left := rows - int64(k.block)*BlockRows
		if left < BlockRows {
			before := m.Count()
			if m.trim(int(max(left, 0))); m.Count() != before {
				return 0, fmt.Errorf("rows past the last, %d", rows-1)
			}
		}
		card += int64(k.card)
	}
}
