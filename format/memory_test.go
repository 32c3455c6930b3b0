package format

import (
	"testing"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow/memory"
)

// TestUnzeroed: pieces of all sizes are as long as was asked for, begin where
// Arrow wants them to, and keep what was in them when they grow.
func TestUnzeroed(t *testing.T) {
	for _, size := range []int{0, 1, 63, 4096, zeroedBelow - 1, zeroedBelow, zeroedBelow + 1, 1<<20 + 3} {
		b := Unzeroed.Allocate(size)
		if len(b) != size || size > 0 && uintptr(unsafe.Pointer(&b[0]))%64 != 0 {
			t.Errorf("%d bytes: got %d at %p", size, len(b), b)
		}
		for i := range b {
			b[i] = byte(i)
		}
		b = Unzeroed.Reallocate(2*size+zeroedBelow, b)
		if len(b) != 2*size+zeroedBelow || uintptr(unsafe.Pointer(&b[0]))%64 != 0 {
			t.Errorf("%d bytes, grown: got %d at %p", size, len(b), b)
		}
		for i := range size {
			if b[i] != byte(i) {
				t.Fatalf("%d bytes, grown: byte %d is %d", size, i, b[i])
			}
		}
		Unzeroed.Free(b)
	}
	if buf := memory.NewResizableBuffer(Unzeroed); buf != nil {
		buf.Resize(zeroedBelow)
		if buf.Resize(10); buf.Len() != 10 {
			t.Errorf("shrunk: %d bytes; want 10", buf.Len())
		}
	}
}
