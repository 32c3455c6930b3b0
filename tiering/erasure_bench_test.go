package tiering

import (
	"fmt"
	"io"
	"testing"
)

// Bytes per second are those of data members. "code" is the code alone, of
// shards that stay in the cache; "encode" and "rebuild" are all that is done,
// with checksums, hashes and decoding back, for sources and writers in memory.

var benched = []Scheme{{3, 2}, {4, 2}, {6, 3}, {10, 4}}

func benchRow(b *testing.B, scheme Scheme, size int) (*row, *coder) {
	r := newRow(scheme.Width())
	r.size = size
	for slot := range scheme.Data {
		r.shards[slot] = r.room(slot)
	}
	b.SetBytes(int64(scheme.Data * size))
	return r, coderFor(scheme)
}

func BenchmarkCode(b *testing.B) {
	for _, scheme := range benched {
		for _, size := range []int{32 << 10, 64 << 10, blockSize} {
			b.Run(fmt.Sprintf("parity/%v/%dk", scheme, size>>10), func(b *testing.B) {
				r, c := benchRow(b, scheme, size)
				for b.Loop() {
					c.solve(r, slotsFrom(scheme.Data, scheme.Width()))
				}
			})
			b.Run(fmt.Sprintf("lost/%v/%dk", scheme, size>>10), func(b *testing.B) {
				r, c := benchRow(b, scheme, size)
				c.solve(r, slotsFrom(scheme.Data, scheme.Width()))
				r.shards[scheme.Width()-1] = nil
				for b.Loop() {
					c.solve(r, []int{0})
				}
			})
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	for _, scheme := range benched {
		b.Run(scheme.String(), func(b *testing.B) {
			e := encode(b, scheme, 8*blockSize)
			to := make([]io.Writer, scheme.Parity)
			for i := range to {
				to[i] = io.Discard
			}
			b.SetBytes(int64(scheme.Data) * 8 * blockSize)
			for b.Loop() {
				if _, _, err := e.Encode(b.Context(), e.sources()[:scheme.Data], to); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRebuild(b *testing.B) {
	for _, scheme := range benched {
		for lost := range scheme.Parity {
			b.Run(fmt.Sprintf("%v/%d", scheme, lost+1), func(b *testing.B) {
				e := encode(b, scheme, 8*blockSize)
				var out []Output
				for slot := range lost + 1 {
					out = append(out, Output{Slot: slot, To: io.Discard})
				}
				d := NewDecoder(e.Stripe, e.sources(), nil)
				b.SetBytes(int64(scheme.Data) * 8 * blockSize)
				for b.Loop() {
					if _, err := d.Rebuild(b.Context(), out); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
