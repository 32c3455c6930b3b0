package index

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// readFrom reads sections that are in memory.
func readFrom(b []byte) ReadFunc {
	return func(off, n uint64, check func([]byte) error) ([]byte, error) {
		if off > uint64(len(b)) || n > uint64(len(b))-off {
			return nil, fmt.Errorf("%d bytes at %d of %d", n, off, len(b))
		}
		if check == nil {
			check = func([]byte) error { return nil }
		}
		return b[off : off+n], check(b[off : off+n])
	}
}

// buildLookup indexes a column.
func buildLookup(t testing.TB, s *segment, field int32) (bloom, locator []byte) {
	t.Helper()
	l := NewLookupBuilder()
	scratch := new(Scratch)
	for b := range s.blocks() {
		if !l.Add(scratch, s.block(field, b)) {
			t.Fatal("given up")
		}
	}
	return l.Finish()
}

func openLookup(t testing.TB, s *segment, field int32) (*Bloom, *Locator) {
	t.Helper()
	bloom, locator := buildLookup(t, s, field)
	f, err := OpenBloom(readFrom(bloom), uint64(len(bloom)))
	if err != nil {
		t.Fatal(err)
	}
	l, err := OpenLocator(readFrom(locator), uint64(len(locator)), int64(s.rows))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Check(); err != nil {
		t.Fatal(err)
	}
	if err := l.Check(); err != nil {
		t.Fatal(err)
	}
	return f, l
}

// texts returns n strings "k<number below distinct>", every tenth null.
func texts(r *rand.Rand, n, distinct int) arrow.Array {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	for range n {
		if r.IntN(10) == 0 {
			b.AppendNull()
		} else {
			b.Append(fmt.Sprint("k", r.IntN(distinct)))
		}
	}
	return b.NewArray()
}

func TestLookup(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct{ rows, distinct int }{{1, 1}, {100, 3}, {5000, 1 << 30}, {BlockRows + 5, 50_000}, {3 * BlockRows, 1 << 30}} {
		s := &segment{rows: c.rows, cols: map[int32]arrow.Array{1: texts(r, c.rows, c.distinct)}}
		filter, locator := openLookup(t, s, 1)
		want := map[string][]uint32{}
		col := s.cols[1].(*array.String)
		for i := range col.Len() {
			if col.IsValid(i) {
				want[col.Value(i)] = append(want[col.Value(i)], uint32(i))
			}
		}
		for k, rows := range want {
			if may, err := filter.MayHold(HashKey([]byte(k))); !may || err != nil {
				t.Fatalf("%d rows: filter says no to %q, %v", c.rows, k, err)
			}
			got, err := locator.Append(nil, HashKey([]byte(k)))
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range rows {
				if !slices.Contains(got, row) {
					t.Fatalf("%d rows: %q is in row %d; located in %v", c.rows, k, row, got)
				}
			}
		}
		passed, located := 0, 0
		for i := range 10_000 {
			h := HashKey(fmt.Appendf(nil, "absent %d", i))
			may, err := filter.MayHold(h)
			if err != nil {
				t.Fatal(err)
			}
			rows, err := locator.Append(nil, h)
			if err != nil {
				t.Fatal(err)
			}
			if may {
				passed++
			}
			located += len(rows)
		}
		if passed > 300 || located > 100 {
			t.Errorf("%d rows: of 10000 absent keys %d pass the filter, %d are located; want about 100, 10", c.rows, passed, located)
		}
	}
}

// TestBloomIsParquets holds bits against a filter written by another hand: the
// definition of parquet-format's BloomFilter.md, word for word.
func TestBloomIsParquets(t *testing.T) {
	const z = 3
	var want [z][8]uint32
	var hashes []uint64
	for i := range uint64(40) {
		x := HashKey([]byte{byte(i)})
		hashes = append(hashes, x)
		block := ((x >> 32) * z) >> 32
		for w, salt := range []uint32{0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31} {
			want[block][w] |= uint32(1) << ((uint32(x) * salt) >> 27)
		}
	}
	distinct := 1
	for bloomBlocks(distinct) < z {
		distinct++
	}
	f := newBloomFilter(distinct)
	f.add(hashes)
	b := f.section()
	bits := b[le.Uint32(b):]
	for block := range want {
		for w := range want[block] {
			if got := le.Uint32(bits[32*block+4*w:]); got != want[block][w] {
				t.Errorf("block %d word %d: got %08x; want %08x", block, w, got, want[block][w])
			}
		}
	}
}

// TestFindRowsByLookup compares lookups with every row.
func TestFindRowsByLookup(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 2))
	s := &segment{rows: 2*BlockRows + 99, more: map[int32][]func(*Pred) (Probe, error){}}
	s.cols = map[int32]arrow.Array{1: texts(r, s.rows, 40_000), 2: texts(r, s.rows, 3000)}
	for f := range s.cols {
		filter, locator := openLookup(t, s, f)
		s.more[f] = append(s.more[f], func(p *Pred) (Probe, error) { return ProbeLookup(p, filter, locator) })
	}
	var tally [5]int
	for range 25 {
		checkFound(t, randomPred(r, 2, []int32{1, 2}, func(int32) []byte { return fmt.Append(nil, "k", r.IntN(42_000)) }), s, &tally)
	}
	if tally[NoRow] == 0 || tally[Candidates] == 0 {
		t.Errorf("found %v; want no row and candidates among them", tally)
	}
}

// FuzzLookup reads changed filters and locators.
func FuzzLookup(f *testing.F) {
	r := rand.New(rand.NewPCG(7, 2))
	const rows = 3000
	s := &segment{rows: rows, cols: map[int32]arrow.Array{1: texts(r, rows, 900)}}
	bloom, locator := buildLookup(f, s, 1)
	f.Add(bloom, locator, uint64(1))
	f.Fuzz(func(t *testing.T, bloom, locator []byte, hash uint64) {
		bloom, locator = reseal(bloom), reseal(locator)
		if b, err := OpenBloom(readFrom(bloom), uint64(len(bloom))); err == nil && b != nil {
			if _, err := b.MayHold(hash); err != nil && b.Check() == nil {
				t.Fatal(err)
			}
		}
		if l, err := OpenLocator(readFrom(locator), uint64(len(locator)), rows); err == nil && l != nil {
			if _, err := l.Append(nil, hash); err != nil && l.Check() == nil {
				t.Fatal(err)
			}
		}
	})
}
