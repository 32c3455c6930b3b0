package codec

import (
	"encoding/binary"
	"unsafe"

	"github.com/tarnlake/tarn/format/kern"
)

// Encoder builds one page after another. Put the values of a column in order
// (Bits, Ints, Wide, Strings), then take the page with Page. The choice of
// encodings depends on the values alone: the same values make the same page.
// An Encoder is not safe for concurrent use.
type Encoder struct {
	profile Profile
	nodes   []byte
	bufs    []span
	arena   []byte
	used    Set
	words   wordTable
	strings stringTable
	trainer *trainer // made when the first text comes

	memory *Memory        // of the column, or nil
	puts   int            // into this page
	shared *SharedBuilder // of the strings put next, or nil
	more   bool           // blocks come after this one
}

// span is a buffer in the arena.
type span struct{ off, n int }

// NewEncoder returns an empty encoder that chooses as the profile says.
func NewEncoder(profile Profile) *Encoder { return &Encoder{profile: profile} }

// Page appends the page of everything put since the last call to dst and
// returns it with the set of encodings used. The page has to start at a
// multiple of 64 in its file.
func (e *Encoder) Page(dst []byte) ([]byte, Set) {
	start := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(e.nodes)/nodeSize))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(e.bufs)))
	dst = binary.LittleEndian.AppendUint64(dst, 0)
	dst = append(dst, e.nodes...)
	for _, b := range e.bufs {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(b.n))
	}
	for _, b := range e.bufs {
		if b.n == 0 {
			continue
		}
		at := len(dst) - start
		dst = append(dst, zeros[:alignUp(at, b.n)-at]...)
		dst = append(dst, e.arena[b.off:b.off+b.n]...)
	}
	used := e.used
	e.nodes, e.bufs, e.arena, e.used = e.nodes[:0], e.bufs[:0], e.arena[:0], 0
	e.memory, e.shared = nil, nil
	return dst, used
}

var zeros [64]byte

func (e *Encoder) node(enc Encoding, shape Shape, count int, param uint64) {
	e.used |= 1 << enc
	e.nodes = append(e.nodes, byte(enc), byte(shape), 0, 0)
	e.nodes = binary.LittleEndian.AppendUint32(e.nodes, uint32(count))
	e.nodes = binary.LittleEndian.AppendUint64(e.nodes, param)
}

// buffer adds a buffer with the bytes of b.
func (e *Encoder) buffer(b []byte) { copy(e.grow(len(b)), b) }

// grow adds a zeroed buffer of n bytes and returns it, good until the next
// buffer is added.
func (e *Encoder) grow(n int) []byte {
	off := (len(e.arena) + 7) &^ 7
	if need := off + n; need > cap(e.arena) {
		arena := make([]byte, len(e.arena), max(need, 2*cap(e.arena), 1<<12))
		copy(arena, e.arena)
		e.arena = arena
	}
	e.arena = e.arena[:off+n]
	clear(e.arena[off:])
	e.bufs = append(e.bufs, span{off, n})
	return e.arena[off:]
}

// bytesOf returns the memory of v.
func bytesOf[T kern.Uint](v []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), len(v)*kern.Bits[T]()/8)
}

// wordsOf returns b as words; trailing bytes that fill no word are left out.
// Words need no alignment on the machines Tarn runs on.
func wordsOf[T kern.Uint](b []byte) []T {
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)*8/kern.Bits[T]())
}

func shapeOf[T kern.Uint]() Shape {
	switch kern.Bits[T]() {
	case 8:
		return Word8
	case 16:
		return Word16
	case 32:
		return Word32
	}
	return Word64
}

func wordBytes[T kern.Uint]() int { return kern.Bits[T]() / 8 }

// bytesOfOffsets returns the memory of v.
func bytesOfOffsets(v []int32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), len(v)*4)
}
