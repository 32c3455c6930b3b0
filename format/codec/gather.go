package codec

import (
	"math"
	"slices"
	"unsafe"

	"github.com/tarnlake/tarn/format/kern"
)

// chunk is how many bytes may be read behind the values that gather writes.
const chunk = 32

// sizeOfCodes returns how many bytes the values of codes are together.
func sizeOfCodes[C kern.Uint](codes []C, values Strings) (total int64) {
	if codes, ok := any(codes).([]uint8); ok && values.longest() <= math.MaxUint8 {
		return sizeOfBytes(codes, values)
	}
	offsets := values.Offsets
	for _, c := range codes {
		total += int64(offsets[int(c)+1] - offsets[c])
	}
	return total
}

// sizeOfBytes is sizeOfCodes for codes and lengths of a byte each: codes are
// like those of symbols. There may be more values: codes of a dictionary that
// has grown since.
func sizeOfBytes(codes []uint8, values Strings) int64 {
	var t kern.Symbols
	for i := range min(values.rows(), len(t.Lens)) {
		t.Lens[i] = uint8(values.Offsets[i+1] - values.Offsets[i])
	}
	return int64(t.Size(codes))
}

// padded returns the bytes of all values with a chunk behind them.
func (s Strings) padded() []byte {
	if n := len(s.Data) + chunk; n <= cap(s.Data) {
		return s.Data[:n]
	}
	return append(slices.Clone(s.Data), make([]byte, chunk)...)
}

// longest returns the length of the longest value.
func (s Strings) longest() (n int32) {
	for i, from := range s.Offsets[:s.rows()] {
		n = max(n, s.Offsets[i+1]-from)
	}
	return n
}

// gather writes the values of codes to dst, which they fill, and to offsets
// where each begins and the last ends. Values are copied by so many bytes as
// most have at most, with a tail that the next value overwrites; behind the
// values there is room for a chunk, and all codes are below their number.
func gather[C kern.Uint](dst []byte, offsets []int32, codes []C, values Strings) {
	if len(dst) == 0 { // the values may have no memory at all
		clear(offsets)
		return
	}
	longest := values.longest()
	values.Data = values.padded()
	switch {
	case longest <= 8:
		gatherBy[[8]byte](dst, offsets, codes, values)
	case longest <= 16:
		gatherBy[[16]byte](dst, offsets, codes, values)
	default:
		gatherBy[[chunk]byte](dst, offsets, codes, values)
	}
}

// gatherBy is gather with pieces of one length. Longer values have the rest
// copied; short of the end of dst all of it is, byte by byte.
func gatherBy[W [8]byte | [16]byte | [chunk]byte, C kern.Uint](dst []byte, offsets []int32, codes []C, values Strings) {
	room := int(unsafe.Sizeof(*new(W)))
	from, to := unsafe.Pointer(unsafe.SliceData(values.Data)), unsafe.Pointer(unsafe.SliceData(dst))
	out, spans, ends := 0, values.Offsets, offsets[1:][:len(codes)]
	offsets[0] = 0
	for i, c := range codes {
		at := int(spans[c])
		n := int(spans[int(c)+1]) - at
		if out+room <= len(dst) {
			*(*W)(unsafe.Add(to, out)) = *(*W)(unsafe.Add(from, at))
			if n > room {
				copy(dst[out+room:out+n], values.Data[at+room:])
			}
		} else {
			copy(dst[out:out+n], values.Data[at:])
		}
		out += n
		ends[i] = int32(out)
	}
}
