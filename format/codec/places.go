package codec

import (
	"iter"
	"math/bits"

	"github.com/tarnlake/tarn/format/kern"
)

// byteSet is a set of bytes.
type byteSet [4]uint64

func (s *byteSet) add(b byte)      { s[b>>6] |= 1 << (b & 63) }
func (s *byteSet) has(b byte) bool { return s[b>>6]>>(b&63)&1 == 1 }

// places returns where in b there are bytes of set, in ascending order.
func places(b []byte, set *byteSet) iter.Seq[int] {
	return func(yield func(int) bool) {
		var found kern.Mask
		for at := 0; at < len(b); at += kern.Vector {
			if len(b)-at >= kern.Vector {
				kern.InBytes(&found, (*[kern.Vector]uint8)(b[at:]), (*[4]uint64)(set))
			} else {
				var tail [kern.Vector]uint8
				n := copy(tail[:], b[at:])
				kern.InBytes(&found, &tail, (*[4]uint64)(set))
				var real kern.Mask
				real.First(n)
				found.And(&real)
			}
			for j, w := range found {
				for ; w != 0; w &= w - 1 {
					if !yield(at + j*64 + bits.TrailingZeros64(w)) {
						return
					}
				}
			}
		}
	}
}
