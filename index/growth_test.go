package index

import (
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// TestValuesGrowth: values that come to an end do not grow, keys that do not
// go on as they began.
func TestValuesGrowth(t *testing.T) {
	for _, c := range []struct {
		name string
		f    func(i int) int64
		want int64
	}{
		{"few", func(i int) int64 { return int64(i % 100) }, 0},
		{"many, all seen early", func(i int) int64 { return int64(i % 7000) }, 0},
		{"every fourth is new", func(i int) int64 { return int64(i / 4) }, BlockRows / 4 * 4},
	} {
		b := array.NewInt64Builder(memory.DefaultAllocator)
		for i := range BlockRows {
			b.Append(c.f(i))
		}
		v := NewValuesBuilder(arrow.PrimitiveTypes.Int64)
		if !v.Add(new(Scratch), b.NewArray(), 1<<30) || v.Growth(BlockRows) != c.want {
			t.Errorf("%s: growth %d; want %d", c.name, v.Growth(BlockRows), c.want)
		}
	}
}

// TestZoneOfPrefixes: texts that begin alike, or end in zeros, have the
// extremes that their keys have.
func TestZoneOfPrefixes(t *testing.T) {
	texts := []string{"", "\x00", "a", "a\x00", "a\x00\x00\x00\x00\x00\x00\x00", "abcdefgh", "abcdefgh\x00", "abcdefghi", "abcdefgz", "\xff\xff\xff\xff\xff\xff\xff\xff", "\xff"}
	for i, first := range texts {
		for j, second := range texts {
			for _, third := range texts {
				b := array.NewStringBuilder(memory.DefaultAllocator)
				b.AppendNull()
				b.AppendValues([]string{first, second, third, texts[(i+j)%len(texts)]}, nil)
				arr := array.NewSlice(b.NewArray(), 1, 5)
				lo, hi := extremes(arr)
				wantLo, wantHi := ofKeys(arr)
				s := arr.(*array.String)
				if s.Value(lo) != s.Value(wantLo) || s.Value(hi) != s.Value(wantHi) {
					t.Errorf("%q: extremes %q and %q; want %q and %q", s, s.Value(lo), s.Value(hi), s.Value(wantLo), s.Value(wantHi))
				}
			}
		}
	}
}
