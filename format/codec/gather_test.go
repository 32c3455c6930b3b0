package codec

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tarnlake/tarn/format/kern"
)

// TestGather compares gather with what codes mean, for values shorter and
// longer than what is copied at once.
func TestGather(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 2))
	for _, longest := range []int{0, 1, 7, 8, 9, 16, 17, 32, 33, 255, 256} {
		for _, rows := range []int{0, 1, 2, 100, 3000} {
			values := Strings{Offsets: []int32{0}}
			for range 200 {
				text := bytes.Repeat([]byte{byte('a' + rng.IntN(26))}, rng.IntN(longest+1))
				values.Data = append(values.Data, text...)
				values.Offsets = append(values.Offsets, int32(len(values.Data)))
			}
			if values.Data != nil {
				values.Data = append(make([]byte, 0, len(values.Data)+chunk), values.Data...)
			}
			checkGather[uint8](t, rng, values, rows)
			checkGather[uint16](t, rng, values, rows)
			checkGather[uint32](t, rng, values, rows)
		}
	}
}

func checkGather[C kern.Uint](t *testing.T, rng *rand.Rand, values Strings, rows int) {
	t.Helper()
	codes, want := make([]C, rows), Strings{Offsets: []int32{0}}
	for i := range codes {
		codes[i] = C(rng.IntN(values.rows()))
		want.Data = append(want.Data, values.value(int(codes[i]))...)
		want.Offsets = append(want.Offsets, int32(len(want.Data)))
	}
	size := int(sizeOfCodes(codes, values))
	if size != len(want.Data) {
		t.Fatalf("%d rows have %d bytes; want %d", rows, size, len(want.Data))
	}
	const guard = 64 // behind what belongs to the values
	room, offsets := bytes.Repeat([]byte{0xa5}, size+guard), make([]int32, rows+1)
	for i := range offsets {
		offsets[i] = -1
	}
	gather(room[:size:size], offsets, codes, values)
	if !bytes.Equal(room[:size], want.Data) || !slices.Equal(offsets, want.Offsets) {
		t.Errorf("%d rows of up to %d bytes: got %q at %v; want %q at %v", rows, len(values.Data), room[:size], offsets, want.Data, want.Offsets)
	}
	if !bytes.Equal(room[size:], bytes.Repeat([]byte{0xa5}, guard)) {
		t.Errorf("%d rows: bytes behind the last value have changed", rows)
	}
}
