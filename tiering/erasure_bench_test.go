package tiering

import (
	"fmt"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/zeebo/xxh3"
)

// Bytes are those of data members. "Code" is the code alone, of shards that
// stay in the cache; "Encode" and "Rebuild" are all that is done, with reading,
// checksums, hashes and decoding back, for sources and writers in memory;
// "Hash" are the two kinds of checksums alone.

var benched = []Scheme{{3, 2}, {4, 2}, {6, 3}, {10, 4}}

// loop runs f, and reports bytes by the time that the processor spent on it
// beside the time that passed: other work on the machine counts in one only.
func loop(b *testing.B, bytes int, f func()) {
	b.SetBytes(int64(bytes))
	start := cpuTime(b)
	for b.Loop() {
		f()
	}
	spent := cpuTime(b) - start
	b.ReportMetric(float64(bytes)*float64(b.N)/float64(max(spent, 1)), "GB/cpu-s")
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// benchRow makes a row with data and parity.
func benchRow(scheme Scheme, size int) (*row, *coder) {
	r, c := newRow(scheme.Width()), coderFor(scheme)
	r.size = size
	for slot := range scheme.Data {
		r.shards[slot] = r.room(slot)
	}
	c.solve(r, slotsFrom(scheme.Data, scheme.Width()))
	return r, c
}

func BenchmarkCode(b *testing.B) {
	for _, scheme := range benched {
		for _, size := range []int{64 << 10, blockSize} {
			r, c := benchRow(scheme, size)
			parity := slotsFrom(scheme.Data, scheme.Width())
			b.Run(fmt.Sprintf("parity/%v/%dk", scheme, size>>10), func(b *testing.B) {
				loop(b, scheme.Data*size, func() { c.solve(r, parity) })
			})
			b.Run(fmt.Sprintf("lost/%v/%dk", scheme, size>>10), func(b *testing.B) {
				loop(b, scheme.Data*size, func() { c.solve(r, []int{0}) })
			})
		}
	}
}

func BenchmarkHash(b *testing.B) {
	p, h := make([]byte, blockSize), xxh3.New()
	b.Run("block", func(b *testing.B) { loop(b, len(p), func() { xxh3.Hash(p) }) })
	b.Run("file", func(b *testing.B) { loop(b, len(p), func() { h.Write(p) }) })
}

func BenchmarkEncode(b *testing.B) {
	for _, scheme := range benched {
		b.Run(scheme.String(), func(b *testing.B) {
			e := encode(b, scheme, 8*blockSize)
			to := make([]io.Writer, scheme.Parity)
			for i := range to {
				to[i] = io.Discard
			}
			loop(b, scheme.Data*8*blockSize, func() {
				if _, _, err := e.Encode(b.Context(), e.sources()[:scheme.Data], to); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}

func BenchmarkRebuild(b *testing.B) {
	for _, scheme := range benched {
		for _, lost := range []int{1, scheme.Parity} {
			b.Run(fmt.Sprintf("%v/%d", scheme, lost), func(b *testing.B) {
				e := encode(b, scheme, 8*blockSize)
				var out []Output
				for slot := range lost {
					out = append(out, Output{Slot: slot, To: io.Discard})
				}
				d := NewDecoder(e.Stripe, e.sources(), nil)
				loop(b, scheme.Data*8*blockSize, func() {
					if _, err := d.Rebuild(b.Context(), out); err != nil {
						b.Fatal(err)
					}
				})
			})
		}
	}
}
