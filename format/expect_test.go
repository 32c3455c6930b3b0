package format

import (
	"bytes"
	"testing"
)

// expecting is a file that remembers what it was told to expect.
type expecting struct {
	*bytes.Reader
	ranges []span
}

func (e *expecting) WillNeed(off, n int64) {
	e.ranges = append(e.ranges, span{off: uint64(off), len: uint64(n)})
}

// TestExpect: the pages of a block are expected in few ranges, those that are
// in the cache are not, and no range is of anything else.
func TestExpect(t *testing.T) {
	s := smallSchema(t)
	file, _ := write(t, s, Options{}, batchOf(s, 2, BlockRows+100, true))
	e := &expecting{Reader: bytes.NewReader(file)}
	r, err := NewCache(1<<24).Open(1, e, int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	ids := fieldIDs(s)
	if r.Expect(1, ids); len(e.ranges) != 0 {
		t.Errorf("%v are expected before any meta was read", e.ranges)
	}
	if _, err := r.ReadColumns(t.Context(), 0, ids); err != nil {
		t.Fatal(err)
	}
	if len(e.ranges) == 0 || len(e.ranges) >= len(ids) {
		t.Errorf("%d ranges are announced to read %d pages one by one; want few", len(e.ranges), len(ids))
	}
	e.ranges = nil
	if r.Expect(0, ids); len(e.ranges) != 0 {
		t.Errorf("%v are expected, and in the cache", e.ranges)
	}
	r.Expect(1, append(ids, 4711))
	if len(e.ranges) == 0 || len(e.ranges) >= len(ids) {
		t.Fatalf("%d ranges are expected for %d columns; want few", len(e.ranges), len(ids))
	}
	for i := range ids {
		p := r.metas[i].Load().pages[1]
		in := 0
		for _, g := range e.ranges {
			if g.off <= p.off && p.end() <= g.end() {
				in++
			}
		}
		if in != 1 {
			t.Errorf("the page of column %d is in %d of the expected ranges; want one", i, in)
		}
	}
	e.ranges = nil
	for _, block := range []int{-1, 2} {
		if r.Expect(block, ids); len(e.ranges) != 0 {
			t.Errorf("%v are expected of block %d, which is not there", e.ranges, block)
		}
	}
}
