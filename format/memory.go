package format

import (
	"strings"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Unzeroed is an allocator for what decoders fill. Its memory is left to the
// garbage collector, as that of Go's own is, but large pieces are not filled
// with zeros first, which takes as long as to decode into them. So it is not
// for builders. It is safe for concurrent use.
var Unzeroed memory.Allocator = unzeroed{memory.NewGoAllocator()}

// zeroedBelow is the size of the pieces from which on Go begins them on a page
// of their own, and so where Arrow wants them to begin.
const zeroedBelow = 64 << 10

type unzeroed struct{ *memory.GoAllocator }

// Allocate implements memory.Allocator. A strings.Builder is the one thing in
// the standard library that grows without zeros; its text begins where its
// room does.
func (u unzeroed) Allocate(size int) []byte {
	if size < zeroedBelow {
		return u.GoAllocator.Allocate(size)
	}
	var b strings.Builder
	b.Grow(size)
	b.WriteByte(0)
	return unsafe.Slice(unsafe.StringData(b.String()), size)
}

// Reallocate implements memory.Allocator.
func (u unzeroed) Reallocate(size int, old []byte) []byte {
	if size <= cap(old) {
		return old[:size]
	}
	b := u.Allocate(size)
	copy(b, old)
	return b
}
