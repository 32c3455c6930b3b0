package format

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/tarnlake/tarn/format/kern"
)

// checkBooks compares what a cache says that it holds with what is there.
func checkBooks(t *testing.T, c *Cache) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	held, small, parts := int64(0), int64(0), 0
	for i := range c.shards {
		for key, k := range c.shards[i].parts {
			parts++
			held += k.bytes
			if !k.old {
				small += k.bytes
			}
			if key != k.key || c.shard(key) != &c.shards[i] {
				t.Errorf("part %v is found at %v", k.key, key)
			}
		}
	}
	if queued := c.small.len() + c.main.len(); held != c.held || small != c.smallBytes || parts != queued {
		t.Errorf("%d parts of %d bytes, %d in the small queue; the books say %d, %d, %d", parts, held, small, queued, c.held, c.smallBytes)
	}
	if c.held > c.limit() || len(c.ghosts) > c.ghostOrder.len() {
		t.Errorf("%d bytes of %d, %d ghosts of %d", c.held, c.limit(), len(c.ghosts), c.ghostOrder.len())
	}
}

// TestCacheKeepsWhatIsUsed: parts that are asked for all the time outlive a
// scan of many times the cache.
func TestCacheKeepsWhatIsUsed(t *testing.T) {
	const size = 1000
	c := NewCache(100 * (size + keptOverhead))
	ask := func(segment, off uint64) (hit bool) {
		s := cachedSegment{c, segment}
		if hit = s.bytes(off) != nil; !hit {
			s.put(off, make([]byte, size), size)
		}
		return hit
	}
	for range 3 {
		for off := range uint64(50) {
			ask(1, off)
		}
	}
	for off := range uint64(10_000) {
		ask(2, off)
		if off%20 == 0 && !ask(1, off/20%50) {
			t.Fatalf("page %d of what is in use was thrown out by a scan", off/20%50)
		}
	}
	checkBooks(t, c)
	if got := c.Stats(); got.Hits < 600 || got.Misses < 10_000 {
		t.Errorf("%+v; want 10,050 misses, and 600 hits", got)
	}
}

func TestCacheRefusesWhatIsTooLarge(t *testing.T) {
	c := NewCache(1000)
	cachedSegment{c, 1}.put(0, make([]byte, 500), 500)
	if c.Stats().Bytes != 0 {
		t.Errorf("half of the cache went to one part")
	}
	checkBooks(t, c)
}

// TestCacheLends: what others hold it does not, down to a quarter of its room,
// and what is given back it fills again.
func TestCacheLends(t *testing.T) {
	const parts, size = 100, 1000
	c := NewCache(parts * (size + keptOverhead))
	fill := func(segment uint64) {
		for off := range uint64(parts) {
			cachedSegment{c, segment}.put(off, make([]byte, size), size)
		}
	}
	for i, test := range []struct{ lent, most int64 }{{0, 100}, {40, 60}, {30, 30}, {1000, 25}, {-1000, 30}, {-70, 100}} {
		c.Lend(test.lent * (size + keptOverhead))
		checkBooks(t, c)
		fill(uint64(i))
		checkBooks(t, c)
		if got := c.Stats().Bytes / (size + keptOverhead); got != test.most {
			t.Errorf("step %d, lent %d more: %d parts are held; want %d", i, test.lent, got, test.most)
		}
	}
}

// TestCacheIsRight: whatever happens at once, a part is what was put for its
// key, and the books are right in the end.
func TestCacheIsRight(t *testing.T) {
	c := NewCache(40_000)
	var all sync.WaitGroup
	for worker := range uint64(4) {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(worker, 0))
			for range 20_000 {
				segment, off := rng.Uint64N(5), uint64(rng.ExpFloat64()*20)
				want := partOfKey(segment, off)
				s := cachedSegment{c, segment}
				if rng.IntN(2000) == 0 {
					c.Drop(segment)
				}
				if got := s.bytes(off); got != nil && !bytes.Equal(got, want) {
					t.Errorf("part %d of segment %d is %v; want %v", off, segment, got, want)
				} else if got == nil {
					s.put(off, want, len(want))
				}
			}
		})
	}
	all.Wait()
	checkBooks(t, c)
	for segment := range uint64(5) {
		c.Drop(segment)
	}
	if got := c.Stats(); got.Bytes != 0 || got.Hits == 0 {
		t.Errorf("after all segments went: %+v", got)
	}
	checkBooks(t, c)
}

func partOfKey(segment, off uint64) []byte {
	return bytes.Repeat([]byte{byte(segment), byte(off)}, int(20+off))
}

// TestCachedReads compares the columns that readers of one cache give with
// those of a reader without, while all of them read at once and the cache is
// too small.
func TestCachedReads(t *testing.T) {
	s := allTypes(t)
	c := NewCache(100_000)
	for segment := range uint64(2) {
		file, _ := write(t, s, allIndexes(s), batchOf(s, 3+segment, 700, true))
		plain, err := Open(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				cached, err := c.Open(segment, bytes.NewReader(file), int64(len(file)))
				if err != nil {
					t.Error(err)
					return
				}
				for range 3 {
					sameColumns(t, plain, cached)
				}
			})
		}
		all.Wait()
	}
	checkBooks(t, c)
	if c.Stats().Hits == 0 {
		t.Error("nothing was ever found in the cache")
	}
}

func sameColumns(t *testing.T, a, b *Reader) {
	for _, f := range a.Schema().Fields {
		for block := range a.Blocks() {
			x, err := a.ReadColumns(t.Context(), block, []int32{f.ID})
			if err != nil {
				t.Error(err)
				return
			}
			y, err := b.ReadColumns(t.Context(), block, []int32{f.ID})
			if err != nil {
				t.Error(err)
				return
			}
			sameView(t, f.Name, x[0], y[0])
			want, err1 := x[0].Array(memory.DefaultAllocator)
			got, err2 := y[0].Array(memory.DefaultAllocator)
			if err1 != nil || err2 != nil || !identical(got, want) {
				t.Errorf("column %s, block %d: %v, %v, or not the same", f.Name, block, err1, err2)
			}
		}
	}
}

// sameView compares what two columns tell once they are opened.
func sameView(t *testing.T, name string, x, y *Column) {
	if err := errors.Join(x.Open(), y.Open()); err != nil {
		t.Errorf("column %s: %v", name, err)
		return
	}
	xValid, xNulls := x.Validity()
	yValid, yNulls := y.Validity()
	if xNulls != yNulls || !bytes.Equal(xValid, yValid) || (x.Ints() == nil) != (y.Ints() == nil) || (x.Text() == nil) != (y.Text() == nil) {
		t.Errorf("column %s: other nulls, or another kind of view", name)
	}
	if x.Ints() != nil && !slices.Equal(allInts(x), allInts(y)) {
		t.Errorf("column %s: other integers", name)
	}
}

func allInts(c *Column) []int64 {
	all := make([]kern.Mask, kern.MasksFor(c.Rows()))
	for k := range all {
		all[k].Fill(true)
	}
	out := make([]int64, len(all)*kern.Vector)
	c.Ints().Read(out, all)
	return out
}

// TestDamageIsNotKept: a page that is damaged when it is read is an error each
// time, and once the file is right again so is what is read.
func TestDamageIsNotKept(t *testing.T) {
	s := smallSchema(t)
	file, _ := write(t, s, allIndexes(s), batchOf(s, 2, 100, true))
	c := NewCache(1 << 20)
	r, err := c.Open(1, bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range s.Fields {
		if _, err := r.Zone(f.ID, 0); err != nil {
			t.Fatal(err)
		}
		at, _ := r.columns.find(f.ID)
		p := r.metas[at].Load().pages[0]
		for range 2 {
			file[p.off] ^= 1
			if _, err := r.ReadColumns(t.Context(), 0, []int32{f.ID}); !errors.Is(err, ErrCorrupt) {
				t.Errorf("column %s: got %v; want ErrCorrupt", f.Name, err)
			}
			file[p.off] ^= 1
		}
		if _, err := r.ReadColumns(t.Context(), 0, []int32{f.ID}); err != nil {
			t.Errorf("column %s, whole again: %v", f.Name, err)
		}
	}
}
