package index

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// plainLocator is the locator of a column, made the plain way: all entries
// sorted by hash and row.
func plainLocator(arr arrow.Array) []byte {
	type entry struct {
		hash uint64
		row  uint32
	}
	var all []entry
	for i := range arr.Len() {
		if arr.IsValid(i) {
			all = append(all, entry{HashKey(keyAt(nil, arr, i)), uint32(i)})
		}
	}
	slices.SortFunc(all, func(a, b entry) int { return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.row, b.row)) })
	bits, width := pageBitsFor(len(all)), widthOf(uint64(arr.Len()-1))
	pages := make([][]byte, 1<<bits)
	for i := range pages {
		n := 0
		for n < len(all) && topBits(all[n].hash, bits) == uint64(i) {
			n++
		}
		if n == 0 {
			continue
		}
		var ends [locatorParts]uint32
		var kept []byte
		var rows []uint64
		for k, e := range all[:n] {
			part, rest := partOf(e.hash, bits)
			for ; part < locatorParts; part++ {
				ends[part] = uint32(k + 1)
			}
			kept, rows = le.AppendUint16(kept, rest), append(rows, uint64(e.row))
		}
		for _, e := range ends {
			pages[i] = le.AppendUint32(pages[i], e)
		}
		pages[i], all = appendPacked(append(pages[i], kept...), rows, width), all[n:]
	}
	fields := le.AppendUint64(nil, uint64(arr.Len()-arr.NullN()))
	fields = append(le.AppendUint64(fields, uint64(arr.Len())), byte(bits), byte(width), 0, 0, 0, 0, 0, 0)
	return pagesOf(fields, pages)
}

// numbers returns n numbers below distinct; some runs, and nulls from nullsFrom on.
func numbers(r *rand.Rand, n, distinct, nullsFrom int) arrow.Array {
	b := array.NewInt64Builder(memory.DefaultAllocator)
	x := int64(0)
	for i := range n {
		if i == 0 || r.IntN(3) > 0 {
			x = r.Int64N(int64(distinct)) - 5
		}
		if i >= nullsFrom && r.IntN(4) == 0 {
			b.AppendNull()
		} else {
			b.Append(x)
		}
	}
	return b.NewArray()
}

func TestLocatorIsSorted(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 7))
	flags := array.NewBooleanBuilder(memory.DefaultAllocator)
	for range 3000 {
		flags.Append(r.IntN(2) == 0)
	}
	const never = 1 << 30
	for i, col := range []arrow.Array{
		numbers(r, 1, 1, never), numbers(r, 1, 1, 0), numbers(r, 50, 1<<40, 20), numbers(r, 2*BlockRows+77, 1<<40, never),
		numbers(r, 2*BlockRows+77, 1<<40, 0), numbers(r, 3*BlockRows, 1<<40, BlockRows+9), numbers(r, 3*BlockRows, 3, 2*BlockRows),
		numbers(r, 2*BlockRows, 1, never), texts(r, BlockRows+500, 1<<30), texts(r, 9000, 4), flags.NewArray(),
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			_, got := buildLookup(t, &segment{rows: col.Len(), cols: map[int32]arrow.Array{1: col}}, 1)
			if want := plainLocator(col); !bytes.Equal(got, want) {
				t.Errorf("%d rows of %s: locator of %d bytes differs from the sorted one of %d", col.Len(), col.DataType(), len(got), len(want))
			}
		})
	}
}

func TestHashWord(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	for i := range 1000 {
		word := r.Uint64() >> (i % 65)
		if got, want := hashWord(word), HashKey(appendWordKey(nil, word, arrow.PrimitiveTypes.Int64)); got != want {
			t.Fatalf("word %#x: got %#x; want %#x", word, got, want)
		}
	}
}

func TestAppendPacked(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 1))
	for width := range uint(maxWidth + 1) {
		for _, n := range []int{0, 1, 7, 64, 333} {
			values := make([]uint64, n)
			for i := range values {
				values[i] = r.Uint64() & (1<<width - 1)
			}
			b := appendPacked([]byte{1, 2, 3}, values, width)
			if len(b) != 3+packedBytes(n, width) || !bytes.HasPrefix(b, []byte{1, 2, 3}) {
				t.Fatalf("%d values of %d bits: got %d bytes, %v; want %d behind 1, 2, 3", n, width, len(b), b[:3], 3+packedBytes(n, width))
			}
			for i, v := range values {
				if got := (packedUints{b[3:], width}).at(i); got != v {
					t.Fatalf("%d values of %d bits: value %d is %d; want %d", n, width, i, got, v)
				}
			}
		}
	}
}
