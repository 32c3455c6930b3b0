package ingest

import (
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// TestValidTexts holds the check of all texts together against Arrow's, one by
// one: bytes that are UTF-8 only when texts are joined, offsets that fall or
// point outside, slices, nulls, buffers that are missing.
func TestValidTexts(t *testing.T) {
	good := 0
	for _, data := range []string{"", "abcdef", "aäöß", "ä€𝄞x", "a\xffb", "\xc3", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaä", "\x80bc"} {
		for _, offsets := range [][]int32{
			nil, {0}, {0, 0}, {0, 1}, {0, 2, 4}, {0, 1, 2, 3}, {0, 3, 1, 4}, {1, 3, 3, 6}, {0, 0, 5}, {-1, 2}, {0, 7}, {0, 100}, {5, 2},
			{0, 1, 3, 5}, {0, int32(len(data))}, {int32(len(data)), int32(len(data))},
		} {
			for _, validity := range [][]byte{nil, {0b101}, {0}} {
				for from := range len(offsets) {
					for n := range len(offsets) - from {
						if checkValidTexts(t, data, offsets, validity, from, n) {
							good++
						}
					}
				}
			}
		}
	}
	if good < 100 {
		t.Errorf("%d arrays were sound; want more for the test to mean anything", good)
	}
}

func checkValidTexts(t *testing.T, data string, offsets []int32, validity []byte, from, n int) bool {
	t.Helper()
	buffers := []*memory.Buffer{nil, nil, memory.NewBufferBytes([]byte(data))}
	nulls := 0
	if offsets != nil {
		buffers[1] = memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offsets))
	}
	if validity != nil {
		buffers[0], nulls = memory.NewBufferBytes(validity), array.UnknownNullCount
	}
	var got, want bool
	guarded(func() {
		a := array.NewStringData(array.NewData(arrow.BinaryTypes.String, n, buffers, nil, nulls, from))
		got = validTexts(a)
	})
	guarded(func() {
		a := array.NewStringData(array.NewData(arrow.BinaryTypes.String, n, buffers, nil, nulls, from))
		want = array.ValidateFull(a) == nil
	})
	if got != want {
		t.Errorf("%q at %v, valid %b, %d from %d: got %v; want %v", data, offsets, validity, n, from, got, want)
	}
	return got
}

// guarded calls f, which may panic where validate does.
func guarded(f func()) {
	defer func() { _ = recover() }()
	f()
}
